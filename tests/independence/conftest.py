"""The helpers beside the tests are imported by their plain names."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def _no_formulas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the formulas that a report shows: they have tests of their own, and may take a second each."""
    monkeypatch.setattr("gradcli.execution.formulas.formulas.gradients_request", lambda *_: None)
    monkeypatch.setattr("gradcli.execution.formulas.formulas.chain_rule", lambda *_: {})
