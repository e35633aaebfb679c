from typing import Any

import pytest

from gradcli.cli.app import main
from gradcli.cli.arguments import protect_program

OPTIONS = {"--json": 0, "--shape": 1, "-o": 1, "--output": 1}


@pytest.mark.parametrize(
    ("arguments", "protected"),
    [
        (["-w1*w2"], ["--", "-w1*w2"]),
        (["-w1*w2", "--json"], ["--json", "--", "-w1*w2"]),
        (["--json", "-w"], ["--json", "--", "-w"]),
        (["--shape", "2", "-w"], ["--shape", "2", "--", "-w"]),
        (["--shape", "-1x2", "-w"], ["--shape", "-1x2", "--", "-w"]),
        (["--shape=2", "-w"], ["--shape=2", "--", "-w"]),
        (["-o*w", "-o", "file"], ["-o", "file", "--", "-o*w"]),
        (["--(w)"], ["--", "--(w)"]),
        (["---w"], ["--", "---w"]),
    ],
)
def test_a_program_that_starts_with_a_minus_is_protected(arguments: list[str], protected: list[str]) -> None:
    assert protect_program(arguments, OPTIONS) == protected


@pytest.mark.parametrize(
    "arguments",
    [
        ["w*w"],
        ["w*w", "-x"],
        ["-x", "w*w"],
        ["-"],
        ["--shape", "2", "--", "-w"],
        ["--", "-w"],
        ["w", "-ofile"],
        ["--nope", "w"],
        ["--shpae", "2"],
        ["--json"],
        ["--w"],
        [],
    ],
)
def test_everything_else_is_left_to_click(arguments: list[str]) -> None:
    assert protect_program(arguments, OPTIONS) == arguments


def test_a_misspelt_option_does_not_hide_the_program() -> None:
    assert protect_program(["-w", "--shpae", "2"], OPTIONS) == ["--shpae", "2", "--", "-w"]


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["eval", "x", "--seed", "1_0"], "--seed"),
        (["eval", "x", "--timeout=1_0"], "--timeout"),
        (["check", "x", "--rtol", "1_0e-3"], "--rtol"),
        (["accumulate", "-x", "--times", "1_0"], "--times"),
        (["custom", "--max-rank", "1_0", "f.py"], "--max-rank"),
    ],
)
def test_a_number_has_no_underscore(
    arguments: list[str], option: str, capsys: pytest.CaptureFixture[str], session: Any
) -> None:
    assert main(arguments) == 2
    assert f"{option}: '" in capsys.readouterr().err
    assert not session.calls


def test_other_words_may_have_one(session: Any) -> None:
    assert main(["eval", "-x_1", "--value", "x_1=2", "--seed", "10", "--json"]) == 0
    assert session.calls[0][1].seed == 10
