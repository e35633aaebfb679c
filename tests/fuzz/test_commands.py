"""Commands end with a verdict or the user's error, and their gradients of generated programs are PyTorch's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import commands
import kink_grammar
import kinks
import pytest
import references
import torch
from hypothesis import assume, given
from profiles import RANDOMS, examples
from properties import VERDICTS, ends

from gradcli.engine import evaluate_program
from gradcli.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

FINDINGS = (Path(__file__).parents[2] / "docs" / "findings.md").read_text(encoding="utf-8")
# The ops whose gradients in PyTorch are known not to be the derivatives.
KNOWN = {
    name for heading in re.findall(r"^## (.*)$", FINDINGS, re.MULTILINE) for name in re.findall(r"`([\w.]+)`", heading)
}


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run commands where no text is the name of a file."""
    monkeypatch.chdir(tmp_path)


@examples(30)
@given(RANDOMS)
def test_a_generated_program_has_the_gradients_of_autograd_and_of_differences(random: Random) -> None:
    made = commands.generated(random)
    assume(made is not None and references.smooth(made))
    references.agrees(made, references.report_of(made))


@examples(25)
@given(RANDOMS)
def test_a_program_has_the_same_gradients_in_a_notebook(random: Random) -> None:
    made = commands.generated(random)
    assume(made is not None)
    settings = Settings(grad_output="ones", formulas=False, verify=False)
    plain, pasted = (
        evaluate_program(text, settings, made.leaves) for text in (made.text, commands.dressed(random, made.text))
    )
    for name in made.leaves:
        assert torch.equal(plain[name].gradient, pasted[name].gradient), made.text


@examples(15)
@given(RANDOMS)
def test_a_generated_program_gets_a_verdict_and_a_mismatch_is_a_finding(random: Random) -> None:
    command = commands.working(random)
    assume(command is not None)
    written = ends(command.arguments, VERDICTS)
    report = json.loads(written) if written else {"tensors": []}  # there is none where time was up
    unknown = [note for note in mismatches(report) if not any(name in note for name in KNOWN)]
    assert not unknown, command.arguments


def mismatches(report: dict[str, Any]) -> Iterator[str]:
    """Yield what is said of each tensor whose gradient is another one than the derivative."""
    return (str(tensor["note"]) for tensor in report["tensors"] if tensor["verdict"] == "mismatch")


@examples(80)
@given(RANDOMS)
def test_any_command_ends(random: Random) -> None:
    ends(commands.any_command(random).arguments)


@examples(20)
@given(RANDOMS)
def test_a_verdict_at_a_kink_is_that_of_quotients(random: Random) -> None:
    drawn = kink_grammar.draw(random)
    found = list(kinks.examine(drawn, random.choice(commands.CHECKED)))
    assert not [one for one in found if one[1].outcome == "WRONG"], drawn.command("check")
