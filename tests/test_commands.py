"""A command is its name: a row, and modules that are called like it."""

import subprocess
import sys
from typing import get_args

import pytest
import typer

from gradcli.cli.group import application
from gradcli.commands import Command, Information, function_of


def test_the_command_line_has_the_commands_in_their_order() -> None:
    assert list(typer.main.get_command(application()).commands) == [*get_args(Command), *get_args(Information)]  # type: ignore[attr-defined]


def test_a_command_line_has_the_command_alone_that_it_names() -> None:
    assert list(typer.main.get_command(application(["trace", "x*y"])).commands) == ["trace"]  # type: ignore[attr-defined]
    for arguments in ([], ["--version"], ["trase", "x*y"]):
        assert len(typer.main.get_command(application(arguments)).commands) > 20  # type: ignore[attr-defined]


# A Function is not a program.
@pytest.mark.parametrize("name", [name for name in get_args(Command) if name != "custom"])
def test_a_command_that_makes_a_report_of_a_program_is_carried_out_by_the_function_of_its_name(name: str) -> None:
    assert function_of(name, "gradcli.execution.commands").__module__.endswith(name.replace("-", "_"))


def test_help_loads_no_renderer_and_no_command_of_the_execution() -> None:
    program = (
        "import sys\nfrom gradcli.cli.app import main\nmain(['--help'])\n"
        "print(*[name for name in sys.modules if name.startswith(('gradcli.render.', 'gradcli.execution'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].split() == ["gradcli.render.formats"]
