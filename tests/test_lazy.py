import subprocess
import sys
from typing import get_args

import pytest

from gradcli.commands import Command

HEAVY = ("torch", "sympy", "pydantic", "numpy", "networkx")


def modules_after(code: str) -> set[str]:
    program = f"{code}\nimport sys\nprint(chr(10).join(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines())


@pytest.mark.parametrize("code", ["import gradcli", "import gradcli.inputs, gradcli.report, gradcli.render"])
def test_importing_loads_no_heavy_library(code: str) -> None:
    assert modules_after(code).isdisjoint(HEAVY)


@pytest.mark.parametrize("arguments", [["--help"], ["eval", "--help"], ["--version"], ["evla"]])
def test_help_loads_neither_torch_nor_sympy(arguments: list[str]) -> None:
    code = f"from gradcli.cli.app import main\nmain({arguments!r})"
    assert modules_after(code).isdisjoint({"torch", "sympy", "numpy"})


def test_importing_gradcli_loads_hardly_anything() -> None:
    assert modules_after("import gradcli") - modules_after("") <= {"gradcli", "__future__", "typing"}


def test_evaluating_keeps_sympy_out_of_the_process_that_runs_torch() -> None:
    arguments = ["eval", "sum(softmax(X @ X.T, dim=-1))", "--shape", "2x2", "-o", "/dev/null"]
    program = f"from gradcli.cli.app import main\nmain({arguments!r})"
    assert "torch" in modules_after(program)
    assert "sympy" not in modules_after(program)


@pytest.mark.parametrize("command", ["eval", "check", "derive", "prove", "custom"])
def test_a_file_that_is_checked_in_a_process_of_its_own_loads_no_engine_in_this_one(command: str) -> None:
    code = (
        "import sys; from gradcli.cli import app, running\n"
        "running.run_isolated = lambda *_: print('isolated')\n"
        f"app.main([{command!r}, 'model.py:Loss'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print('gradcli.engine' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["isolated", "False"]


def test_evaluating_loads_no_other_command() -> None:
    code = "import sys; from gradcli.cli.app import main; main(['eval', 'x*']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    commands = {name for name in get_args(Command) if f"gradcli.cli.{name}" in done.stdout.split()}
    assert commands == {"eval"}


# Says what is loaded when the libraries begin to be, and ends there.
AHEAD = """
import os, sys
from gradcli import libraries
def begin():
    print(*sys.modules, flush=True)
    os._exit(0)
libraries.begin = begin
"""


def test_pytorch_s_libraries_begin_to_load_before_what_reads_what_to_do() -> None:
    program = f"{AHEAD}import gradcli.cli.child\ngradcli.cli.child.main()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "gradcli.cli.child" in loaded
    assert loaded.isdisjoint({"typer", "gradcli.settings", "gradcli.inputs", "gradcli.language"})


def test_the_command_loads_nothing_before_a_ctrl_c_ends_it_quietly() -> None:
    """Not `signal` either, which loads `enum`."""
    loaded = modules_after("import gradcli.__main__") - modules_after("")
    assert loaded <= {"gradcli", "__future__", "typing", "_signal"}


def test_the_names_of_the_api_are_listed() -> None:
    code = "import gradcli; assert set(gradcli.__all__) == set(dir(gradcli)), dir(gradcli)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_garbage_is_looked_for_while_a_command_loads() -> None:
    """Python's collector would go through all of PyTorch several times: a tenth of a second and more each."""
    program = (
        "import gc, os, sys\n"
        "from gradcli.cli import app, supervision\n"
        "supervision.supervise = lambda: None\n"
        "gc.collect(); found = []\n"
        "gc.callbacks.append(lambda phase, facts: found.append(facts['generation']))\n"
        "sys.argv = ['gradcli', 'eval', 'x*y']\n"
        "code = app._supervised()\n"
        "os.write(2, repr((code, found)).encode())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == "(0, [])"
