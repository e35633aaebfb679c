from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from gradcli.errors import InputError
from gradcli.execution.forward.leaves import first_primes, make_leaves
from gradcli.settings import Initialisation, Settings

WEIGHT = torch.tensor([[1.0, 2.0], [3.0, 4.5]], dtype=torch.float64)


def write(path: Path, values: dict[str, torch.Tensor]) -> Path:
    match path.suffix:
        case ".json":
            path.write_text(json.dumps({name: value.tolist() for name, value in values.items()}), encoding="utf-8")
        case ".npz":
            np.savez(path, **{name: value.numpy() for name, value in values.items()})
        case ".pt":
            torch.save(values, path)
        case ".safetensors":
            save_file(values, path)
    return path


def test_leaf_k_is_filled_with_the_kth_prime() -> None:
    leaves = make_leaves(["w1", "w2", "w3"], Settings(shapes={None: (2,), "w3": ()}), {})
    assert [leaf.tolist() for leaf in leaves.values()] == [[2.0, 2.0], [3.0, 3.0], 5.0]
    assert all(leaf.requires_grad and leaf.dtype == torch.float64 for leaf in leaves.values())
    assert first_primes(8) == (2, 3, 5, 7, 11, 13, 17, 19)
    assert first_primes(0) == ()


def test_a_valued_leaf_takes_its_prime_with_it() -> None:
    leaves = make_leaves(["a", "b", "c"], Settings(values={"b": 1.5}), {})
    assert [leaf.item() for leaf in leaves.values()] == [2.0, 1.5, 5.0]


@pytest.mark.parametrize(("init", "wanted"), [("ones", [[1.0, 1.0], [1.0, 1.0]]), ("arange", [[0.0, 1.0], [2.0, 3.0]])])
def test_other_ways_to_fill(init: Initialisation, wanted: list[list[float]]) -> None:
    assert make_leaves(["x"], Settings(shapes={"x": (2, 2)}, init=init), {})["x"].tolist() == wanted


@pytest.mark.parametrize("init", ["randn", "uniform"])
def test_random_values_follow_the_seed_and_are_exact_in_low_precision(init: Initialisation) -> None:
    def drawn(seed: int) -> torch.Tensor:
        return make_leaves(["x"], Settings(shapes={"x": (20,)}, init=init, seed=seed), {})["x"]

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))
    assert torch.equal(drawn(1) * 128, (drawn(1) * 128).round())


def test_a_number_fills_the_shape_and_a_list_sets_it() -> None:
    settings = Settings(shapes={"x": (2, 2)}, values={"x": 7.0, "y": [[1, 2]]})
    leaves = make_leaves(["x", "y"], settings, {})
    assert leaves["x"].tolist() == [[7.0, 7.0], [7.0, 7.0]]
    assert leaves["y"].tolist() == [[1.0, 2.0]]
    assert leaves["y"].requires_grad


@pytest.mark.parametrize(
    ("shapes", "values", "expected"),
    [
        ({None: (4, 3)}, {"T": 4}, ()),  # a temperature beside a matrix
        ({None: (4, 3), "T": (4, 3)}, {"T": 4}, (4, 3)),
        ({None: (4, 3), "x": (2,)}, {"T": 4}, (4, 3)),  # else the shape of all is nobody's
        ({None: (4, 3)}, {"T": 4, "x": 2}, (4, 3)),
        ({None: (4, 3)}, {"T": 4, "x": [1, 2]}, ()),
    ],
)
def test_a_number_beside_tensors_is_a_scalar(shapes: Any, values: Any, expected: tuple[int, ...]) -> None:
    assert make_leaves(["x", "T"], Settings(shapes=shapes, values=values), {})["T"].shape == expected


def test_a_number_beside_drawn_tensors_is_a_scalar() -> None:
    drawn = {"x": torch.ones(4, 3)}
    assert make_leaves(["x", "T"], Settings(shapes={None: (4, 3)}, values={"T": 4}), drawn)["T"].shape == ()


def test_a_value_that_contradicts_a_shape_is_an_error() -> None:
    with pytest.raises(InputError, match=r"'x' is given the shape 3 and a value of shape 2"):
        make_leaves(["x"], Settings(shapes={"x": (3,)}, values={"x": [1.0, 2.0]}), {})


def test_constants_require_no_grad_and_keep_integers() -> None:
    settings = Settings(values={"n": [1, 2], "t": [True, False], "x": 2.0}, constants=("n", "x"))
    leaves = make_leaves(["n", "t", "x", "w"], settings, {})
    assert leaves["n"].dtype == torch.int64
    assert leaves["t"].dtype == torch.bool
    assert [leaf.requires_grad for leaf in leaves.values()] == [False, False, False, True]


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "complex128"])
def test_leaves_have_the_dtype_asked_for(dtype: Any) -> None:
    settings = Settings(dtype=dtype, values={"x": 0.5})
    leaves = make_leaves(["x", "y"], settings, {})
    assert {leaf.dtype for leaf in leaves.values()} == {getattr(torch, dtype)}


def test_values_from_python_are_copied() -> None:
    given = WEIGHT.clone()
    leaf = make_leaves(["w"], Settings(), {"w": given})["w"]
    leaf.data[0, 0] = 9.0
    assert given[0, 0] == 1.0
    assert not given.requires_grad
    assert make_leaves(["w"], Settings(), {"w": WEIGHT.numpy()})["w"].tolist() == WEIGHT.tolist()


@pytest.mark.parametrize("suffix", [".json", ".npz", ".pt", ".safetensors"])
def test_values_are_read_from_a_file(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"values{suffix}", {"w": WEIGHT})
    leaves = make_leaves(["w", "x"], Settings(values_file=path), {})
    assert leaves["w"].tolist() == WEIGHT.tolist()
    assert leaves["w"].requires_grad
    assert leaves["x"].item() == 3.0


def test_an_option_goes_before_the_file_and_python_before_both(tmp_path: Path) -> None:
    path = write(tmp_path / "values.json", {"a": torch.tensor(1.0), "b": torch.tensor(1.0), "c": torch.tensor(1.0)})
    settings = Settings(values_file=path, values={"b": 2.0, "c": 2.0})
    leaves = make_leaves(["a", "b", "c"], settings, {"c": 3.0})
    assert [leaf.item() for leaf in leaves.values()] == [1.0, 2.0, 3.0]


class Trap:
    """An object that a pickle would run code for."""

    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("a pickle ran",)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("values.txt", b"1"),
        ("values.json", b"{"),
        ("values.json", b"[1, 2]"),
        ("values.json", b'{"w": NaN}'),
        ("values.json", b'{"w": [[1], [1, 2]]}'),
        ("values.json", b'{"w": "text"}'),
        ("values.json", b"\xff\xfe"),
        ("values.json", b""),
        ("values.pt", b""),
        ("values.npz", b""),
        ("values.safetensors", b""),
        ("values.json", b'{"w": 1, "w": 2}'),
        ("values.json", b'{"w": 1e999}'),
        ("values.json", b'{"w": [1, [-1e999]]}'),
        ("values.json", b'{"W": 1}'),
        ("values.json", b'{"w": 1, "": 2}'),
        ("values.json", b"[" * 100_000),
        ("values.npz", b"nothing"),
        ("values.pt", b"nothing"),
        ("values.safetensors", b"nothing"),
    ],
)
def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as refused:
        make_leaves(["w"], Settings(values_file=path), {})
    assert "\n" not in refused.value.message
    assert re.fullmatch(rf"({name}|the value of 'w' is not a tensor): \S.*", refused.value.message)


@pytest.mark.parametrize("suffix", [".json", ".npz", ".pt", ".safetensors"])
def test_a_file_that_is_not_there_is_an_error(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(InputError):
        make_leaves(["w"], Settings(values_file=tmp_path / f"none{suffix}"), {})


def test_no_pickle_is_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "values.pt"
    torch.save({"w": Trap()}, path)
    with pytest.raises(InputError):
        make_leaves(["w"], Settings(values_file=path), {})
    np.savez(tmp_path / "values.npz", w=np.array([Trap()], dtype=object))
    with pytest.raises(InputError):
        make_leaves(["w"], Settings(values_file=tmp_path / "values.npz"), {})
    assert capsys.readouterr().out == ""


def test_an_array_of_what_is_no_number_is_refused_in_numpys_words(tmp_path: Path) -> None:
    np.savez(tmp_path / "values.npz", w=np.array(["a"]))
    with pytest.raises(InputError, match=r"^values\.npz: can't convert np\.ndarray of type numpy\.str_"):
        make_leaves(["w"], Settings(values_file=tmp_path / "values.npz"), {})


@pytest.mark.parametrize("device", ["toaster", "meta", "cuda:99", ""])
def test_a_device_that_cannot_be_used_is_refused(device: str) -> None:
    with pytest.raises(InputError, match=f"^--device: '{device}' cannot be used; PyTorch says: "):
        make_leaves(["x"], Settings(device=device), {})


@pytest.mark.parametrize("init", ["randn", "uniform"])
@pytest.mark.parametrize("seed", range(20))
def test_random_entries_stay_off_kinks(init: str, seed: int) -> None:
    entries = make_leaves(["x"], Settings(init=init, seed=seed, shapes={"x": (4, 6)}), {})["x"]  # type: ignore[arg-type]
    assert not (entries == entries.round()).any()
    assert entries.unique().numel() == entries.numel()
    assert entries.to(torch.bfloat16).double().equal(entries)


@pytest.mark.parametrize("suffix", [".json", ".npz", ".pt", ".safetensors"])
def test_a_name_in_a_file_that_is_no_leaf_is_an_error(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"values{suffix}", {"weigth": torch.tensor(5.0)})
    with pytest.raises(InputError, match="'weigth' is not a leaf") as refused:
        make_leaves(["weight"], Settings(values_file=path), {})
    assert "did you mean 'weight'" in (refused.value.hint or "")
    elsewhere = Settings(values_file=path, elsewhere=("weigth",))
    assert make_leaves(["weight"], elsewhere, {})["weight"].item() == 2.0


def test_a_byte_order_mark_is_no_part_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "values.json"
    path.write_bytes(b'\xef\xbb\xbf{"w": 5}')
    assert make_leaves(["w"], Settings(values_file=path), {})["w"].item() == 5.0
