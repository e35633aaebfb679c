"""Who decides on colour: the option, then the environment, then the terminal."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from gradcli.cli.app import main
from gradcli.render.style import style_for

ESCAPE = "\x1b["


class Stream(io.StringIO):
    encoding = "utf-8"

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.mark.parametrize(
    ("terminal", "environment", "option", "coloured"),
    [
        (True, {}, "auto", True),
        (False, {}, "auto", False),
        (True, {"TERM": "dumb"}, "auto", False),
        (True, {"NO_COLOR": "1"}, "auto", False),
        (True, {"NO_COLOR": ""}, "auto", True),
        (False, {"FORCE_COLOR": "1"}, "auto", True),
        (False, {"FORCE_COLOR": "1", "TERM": "dumb"}, "auto", True),
        (False, {"FORCE_COLOR": ""}, "auto", False),
        (False, {"CLICOLOR_FORCE": "1"}, "auto", True),
        (False, {"CLICOLOR_FORCE": "0"}, "auto", False),
        (True, {"CLICOLOR_FORCE": "0"}, "auto", True),
        (False, {"CLICOLOR_FORCE": ""}, "auto", False),
        (False, {"NO_COLOR": "1", "FORCE_COLOR": "1", "CLICOLOR_FORCE": "1"}, "auto", False),
        (False, {"NO_COLOR": "1"}, "always", True),
        (False, {"TERM": "dumb"}, "always", True),
        (True, {"FORCE_COLOR": "1"}, "never", False),
    ],
)
def test_the_option_wins_then_what_forbids_colour(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, environment: dict[str, str], option: Any, coloured: bool
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert style_for(Stream(terminal), option).colour is coloured


def test_a_file_has_colour_only_where_the_option_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert not style_for(None).colour
    assert style_for(None, "always").colour


@pytest.mark.parametrize("form", ["plain", "json", "markdown", "concise", "github", "azure", "junit", "rdjson"])
def test_only_tables_have_colour(session: Any, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert session.calls == []
    main(["check", "w*w", "--color", "always", "--format", form])
    assert ESCAPE not in capsys.readouterr().out


def test_every_command_takes_the_option(session: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert session.calls == []
    for command in (["eval", "w"], ["check", "w"], ["trace", "w"], ["ops"]):
        assert main([*command, "--color", "always"]) == 0
        assert ESCAPE in capsys.readouterr().out
        assert main([*command, "--color", "never"]) == 0
        assert ESCAPE not in capsys.readouterr().out
    for command in (["schema"], ["info"]):
        assert main([*command, "--color", "always"]) == 0
        assert ESCAPE not in capsys.readouterr().out
    assert main(["eval", "w", "--color", "sometimes"]) == 2
    assert "'sometimes' is not one of 'auto', 'always', 'never'" in capsys.readouterr().err


def test_a_report_as_data_does_not_depend_on_the_option(session: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert session.calls == []
    main(["eval", "w", "--json", "--color", "always"])
    assert json.loads(capsys.readouterr().out)["program"] == "w"
