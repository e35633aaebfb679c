"""PyTorch's shared libraries, loaded beside Python's modules."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from gradcli import libraries

LOADED = "any('libtorch_cpu.so' in line for line in open('/proc/self/maps'))"


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.skipif(sys.platform != "linux", reason="wheels for other systems have other files")
def test_they_are_there_at_the_end_of_the_block_without_torch() -> None:
    code = "import sys; from gradcli.libraries import loaded_beside\nwith loaded_beside(): pass\n"
    assert run(f"{code}print({LOADED}, 'torch' in sys.modules)") == "True False"


def test_torch_that_is_not_there_is_left_to_its_import() -> None:
    code = "import sys; sys.modules['torch'] = None; from gradcli.libraries import loaded_beside\n"
    assert run(f"{code}with loaded_beside(): print('entered')") == "entered"


def test_another_package_of_that_name_is_left_to_its_import(tmp_path: object) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); open({str(tmp_path)!r} + '/torch.py', 'w').close()\n"
        "from gradcli.libraries import loaded_beside\nwith loaded_beside(): pass\n"
        "import torch; print(torch.__file__)"
    )
    assert run(code) == f"{tmp_path}/torch.py"


def loaded_by(folder: Path, monkeypatch: pytest.MonkeyPatch, fails: str = "") -> list[tuple[str, int]]:
    """Return what the system's loader is asked for: it has loaded it, unless that is to fail."""
    loaded: list[tuple[str, int]] = []

    def dlopen(path: bytes, mode: int) -> int | None:
        loaded.append((Path(os.fsdecode(path)).name, mode))
        return None if loaded[-1][0] == fails else 1

    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace(dlopen=dlopen))
    libraries._load_from(folder)
    return loaded


FIRST = ("libtorch_global_deps.so", os.RTLD_NOW | os.RTLD_GLOBAL)


def test_they_are_loaded_as_pytorch_does_and_in_its_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `_load_global_deps` of torch/__init__.py loads is there for all; the rest is for those that name it."""
    assert loaded_by(tmp_path, monkeypatch) == [FIRST, ("libtorch_python.so", os.RTLD_NOW)]


def test_where_the_first_fails_the_rest_is_left_to_pytorch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert loaded_by(tmp_path, monkeypatch, fails=FIRST[0]) == [FIRST]


@pytest.mark.parametrize("accelerator", ["cuda", "hip", "xpu"])
def test_a_build_for_an_accelerator_is_left_to_pytorch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accelerator: str
) -> None:
    """It looks for the accelerator's own libraries in several places, and loads some before those that need them."""
    (tmp_path / f"libtorch_{accelerator}.so").touch()
    assert loaded_by(tmp_path, monkeypatch) == []


@pytest.mark.skipif(sys.platform != "linux", reason="nothing is loaded elsewhere")
@pytest.mark.parametrize(
    "before",
    [
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (8 << 30, resource.RLIM_INFINITY))",
        "import os; os.environ['TORCH_USE_RTLD_GLOBAL'] = '1'",
        "import sys; sys.platform = 'darwin'",
    ],
)
def test_nothing_is_begun_where_it_could_change_anything(before: str) -> None:
    assert run("from gradcli import libraries; print(libraries.begin() is not None)") == "True"
    assert run(f"{before}; from gradcli import libraries; print(libraries.begin() is not None)") == "False"
