"""An error about a setting names the option that sets it."""

from dataclasses import fields

import pytest
import typer

from gradcli.cli.group import app
from gradcli.cli.settings import errors_by_flag
from gradcli.errors import InputError
from gradcli.settings import Settings

OF_NO_OPTION = {"command", "limits", "elsewhere", "every", "formulas"}
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
OPTIONS = {name for command in COMMANDS.values() for parameter in command.params for name in parameter.opts}


@pytest.mark.parametrize("name", sorted({field.name for field in fields(Settings)} - OF_NO_OPTION))
def test_every_setting_has_an_option_of_the_name_that_errors_say(name: str) -> None:
    with pytest.raises(InputError) as caught, errors_by_flag("--"):
        raise InputError("it is wrong", option=name)
    assert caught.value.option in OPTIONS
