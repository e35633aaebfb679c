"""PyTorch's shared libraries, loaded beside Python's modules."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
