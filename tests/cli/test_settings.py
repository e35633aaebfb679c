"""An error about a setting names the option that sets it."""

from dataclasses import fields

import pytest
import typer

from gradcli.cli.app import main
from gradcli.cli.group import application
from gradcli.cli.settings import errors_by_flag
from gradcli.errors import InputError
from gradcli.settings import Settings

OF_NO_OPTION = {"command", "limits", "elsewhere", "every", "formulas"}
COMMANDS = typer.main.get_command(application()).commands  # type: ignore[attr-defined]
OPTIONS = {name for command in COMMANDS.values() for parameter in command.params for name in parameter.opts}


@pytest.mark.parametrize("name", sorted({field.name for field in fields(Settings)} - OF_NO_OPTION))
def test_every_setting_has_an_option_of_the_name_that_errors_say(name: str) -> None:
    with pytest.raises(InputError) as caught, errors_by_flag("--"):
        raise InputError("it is wrong", option=name)
    assert caught.value.option in OPTIONS


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["accumulate", "x", "--times", "two"], "'--times': 'two' is not a valid integer"),
        (["eval", "x", "--rtol", "abc"], "'--rtol': 'abc' is not a valid number"),
    ],
)
def test_a_value_that_is_refused_is_quoted(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert said in capsys.readouterr().err
