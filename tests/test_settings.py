"""What is not a setting is refused, in the words of the door that it comes through."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradcli
from gradcli.cli.app import main
from gradcli.errors import InputError, LimitError
from gradcli.limits import Limits
from gradcli.settings import Settings
from gradcli.suite.given import Given
from gradcli.suite.read import read_suite

NEGATIVE = "it must be a finite number of at least 0, not "
POSITIVE = "it must be a whole number from 1 to 2**63 - 1, not "
SECONDS = "it must be a finite number from 0.001 to 1,000,000,000, not "
SEED = "it must be a whole number from 0 to 2**63 - 1, not "

# Option, value and what is said of it; PYTHON holds what only Python can give.
REFUSED: list[tuple[str, Any, str]] = [
    ("rtol", -1.0, NEGATIVE),
    ("atol", -0.5, NEGATIVE),
    ("timeout", -5.0, SECONDS),
    ("timeout", 1e300, SECONDS),
    ("points", 0, POSITIVE),
    ("points", -2, POSITIVE),
    ("seed", -1, SEED),
    ("seed", 2**63, SEED),
    ("seed", 2**64, SEED),
]


class Nameless:
    """What cannot even be shown, nor gone through."""

    def __repr__(self) -> str:
        raise ValueError

    def __iter__(self) -> Iterator[str]:
        raise ValueError


PYTHON: list[tuple[str, Any, str]] = [
    ("rtol", True, NEGATIVE),
    ("rtol", "1", NEGATIVE),
    ("rtol", math.nan, NEGATIVE),
    ("rtol", 10**400, NEGATIVE),
    ("rtol", 1j, NEGATIVE),
    ("atol", math.inf, NEGATIVE),
    ("timeout", math.nan, SECONDS),
    ("timeout", None, SECONDS),
    ("points", 2.5, POSITIVE),
    ("points", 2.0, POSITIVE),
    ("points", True, POSITIVE),
    ("seed", "0", SEED),
    ("seed", 0.0, SEED),
    ("dtype", "float8", "there is no 'float8'"),
    ("dtype", 64, "there is no 64"),
    ("dtype", ["float64"], "there is no ['float64']"),
    ("reduce", None, "there is no None"),
    ("reduce", "median", "there is no 'median'"),
    ("witnesses", ["tailor"], "there is no 'tailor'"),
    ("witnesses", "symbolc", "there is no 'symbolc'"),
    ("witnesses", 3, "it must be a sequence, not 3"),
    ("constants", [1], "it must be text, not 1"),
    ("constants", b"x", "it must be a sequence, not b'x'"),
    ("constants", {"x": 1}, "it must be a sequence"),
    ("grad_output", "twos", "there is no 'twos'"),
    ("grad_output", math.nan, "it must be finite, not nan"),
    ("wrt", 1.5, "it must be a sequence, not 1.5"),
    ("points", 10**400, POSITIVE),
    ("seed", -(10**400), SEED),
    ("dtype", Nameless(), "there is no <Nameless>"),
    ("constants", [Nameless()], "it must be text, not <Nameless>"),
    ("constants", Nameless(), "it must be a sequence, not <Nameless>"),
    ("witnesses", np.array("symbolic"), "it must be a sequence, not array("),
    ("train", "eval", "it must be True or False, not 'eval'"),
    ("train", np.ones(2), "it must be True or False, not array("),
    ("claims", "x=1", "it must be a mapping, not 'x=1'"),
    ("claims", {"x": 1}, "it must be text, not 1"),
]
SHARED = {"rtol", "atol", "timeout", "seed", "dtype", "constants"}


@pytest.mark.parametrize(("option", "value", "words"), [*REFUSED, *PYTHON])
def test_python_is_told_the_argument(option: str, value: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        gradcli.check("x", {"x": 1.0}, **{option: value})
    assert caught.value.message.startswith(f"{option}: {words}")
    assert caught.value.option == option


@pytest.mark.parametrize(("option", "value", "words"), [case for case in [*REFUSED, *PYTHON] if case[0] in SHARED])
def test_every_function_of_the_api_refuses_it(option: str, value: Any, words: str) -> None:
    calls = [lambda: gradcli.check_function("none.py:Square", **{option: value})]
    if option != "seed":
        calls += [lambda: gradcli.evaluate("x", **{option: value})]
    for call in calls:
        with pytest.raises(InputError) as caught:
            call()
        assert caught.value.message.startswith(f"{option}: {words}")


@pytest.mark.parametrize(("option", "value", "words"), REFUSED)
def test_the_command_line_is_told_the_option(
    capsys: pytest.CaptureFixture[str], option: str, value: Any, words: str
) -> None:
    assert main(["check", "x", f"--{option}", str(value)]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"error: --{option}: {words}{value}\n")
    assert not captured.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["eval", "x", "--rtol", "nan"], f"--rtol: {NEGATIVE}nan"),
        (["eval", "x", "--max-rank", "-1"], f"--max-rank: {SEED}-1"),
        (
            ["eval", "x", "--max-derivation-time", "1e18"],
            "--max-derivation-time: it must be a finite number from 0 to 1,000,000,000, not ",
        ),
        (["eval", "x", "--max-derivation-time", "nan"], "--max-derivation-time: it must be a finite number"),
        (["eval", "x", "--max-memory", "2XB"], "--max-memory: this is not a size"),
        (["accumulate", "x", "--times", "0"], f"--times: {POSITIVE}0"),
        (["accumulate", "x", "--lr", "inf"], "--lr: it must be a finite number, not inf"),
        (["double-backward", "x", "--times", "-1"], f"--times: {POSITIVE}-1"),
        (["check", "x", "--witness", "tailor"], "--witness: there is no 'tailor'"),
        (["check", "x", "--dtype", "float64,flaot32"], "--dtype: there is no 'flaot32'"),
    ],
)
def test_options_of_every_kind_are_named(capsys: pytest.CaptureFixture[str], arguments: list[str], words: str) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith(f"error: {words}")


@pytest.mark.parametrize("table", ["[[check]]\nprogram = 'x'\n{}", "[defaults]\n{}\n[[check]]\nprogram = 'x'"])
@pytest.mark.parametrize(("option", "value", "words"), REFUSED)
def test_a_suite_points_at_the_key(tmp_path: Path, table: str, option: str, value: Any, words: str) -> None:
    path = tmp_path / "suite.toml"
    path.write_text(table.format(f"{option} = {value}"), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_suite(str(path), Given(Settings(command="check")))
    error = caught.value
    line = 3 if table.startswith("[[check]]") else 2
    assert error.message.startswith(f"{path}:{line}: {option}: {words}")
    assert error.source is not None
    assert error.span is not None
    assert error.source[error.span.start : error.span.end] == option


def test_a_suite_points_at_a_key_with_a_hyphen(tmp_path: Path) -> None:
    path = tmp_path / "suite.toml"
    path.write_text("[defaults]\ngrad-output = 1\n[[check]]\nprogram = 'x'\ngrad-output = 'two'\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"suite\.toml:5: grad-output: 'two' is not a number"):
        read_suite(str(path), Given(Settings(command="check")))


@pytest.mark.parametrize("shape", [(-1,), (2.0,), ("2",), 3])
def test_a_shape_is_whole_numbers(shape: Any) -> None:
    with pytest.raises(InputError, match=r"^shapes: it must be"):
        gradcli.check_function("none.py:Square", shapes={"x": shape})


@pytest.mark.parametrize(
    ("shape", "words", "hint"),
    [
        ((10**6, 10**6), "the tensor has more than 10,000,000 elements", "--max-elements"),
        ((0, 10**12), "the tensor has more than 10,000,000 elements", "--max-elements"),
        ((1,) * 9, "9 dimensions are more than 8", "--max-rank"),
    ],
)
def test_a_shape_beyond_the_limits_is_refused(shape: tuple[int, ...], words: str, hint: str) -> None:
    with pytest.raises(LimitError, match=f"^shapes: {words}") as caught:
        gradcli.check_function("none.py:Square", shapes={"x": shape})
    assert hint in (caught.value.hint or "")
    assert Settings(shapes={"x": (10**6, 20)}, limits=Limits(elements=10**8)).shapes


def test_a_limit_is_refused_by_its_own_name() -> None:
    with pytest.raises(InputError, match=r"^nesting: it must be a whole number"):
        Limits(nesting=-1)
    with pytest.raises(InputError, match=r"^derivation_time: it must be a finite number"):
        Limits(derivation_time=math.nan)


def test_numbers_sequences_and_mappings_become_python_s_own() -> None:
    given: dict[str, Any] = {
        "rtol": Fraction(1, 4),
        "timeout": 5,
        "constants": ["x"],
        "wrt": "xy",
        "shapes": {"x": [2]},
    }
    settings = Settings(**given)
    assert (settings.rtol, settings.timeout, settings.constants, settings.wrt) == (0.25, 5.0, ("x",), ("xy",))
    assert type(settings.rtol) is type(settings.timeout) is float
    assert settings.shapes == {"x": (2,)}
    assert Settings(learning_rate=-1.0).learning_rate == -1.0


def test_a_near_word_is_suggested_and_otherwise_all_are_listed() -> None:
    with pytest.raises(InputError) as near:
        Settings(dtype="float46")  # type: ignore[arg-type]
    assert near.value.hint == "did you mean 'float64'?"
    with pytest.raises(InputError) as far:
        Settings(reduce="max")  # type: ignore[arg-type]
    assert far.value.hint == "it can be none, sum, mean, prod, norm"


def test_a_number_of_more_digits_than_python_writes_is_told() -> None:
    with pytest.raises(InputError, match=re.escape(f"points: {POSITIVE}<int>")):
        gradcli.check("x", {"x": 1.0}, points=10**5000)


def test_settings_that_have_the_values_already_are_the_very_same() -> None:
    settings = Settings(command="check", seed=3)
    assert settings.having(seed=3, verify=True) is settings
    assert settings.having(seed=4) == Settings(command="check", seed=4)
    with pytest.raises(InputError):
        settings.having(seed="four")


@pytest.mark.parametrize("names", ["x,y", "x, y", ["x", "y"], ("x", "y")])
def test_names_are_a_sequence_or_one_text_with_commas(names: Any) -> None:
    settings = Settings(command="grad", wrt=names, constants=names, symmetric=names)
    assert (settings.wrt, settings.constants, settings.symmetric) == (("x", "y"),) * 3
