"""Runs of many programs, for their verdicts alone."""

import pytest


@pytest.fixture(autouse=True)
def _no_formulas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the formulas that a report shows: they have tests of their own, and may take a second each."""
    monkeypatch.setattr("gradcli.execution.formulas.formulas.gradients_request", lambda *_: None)
    monkeypatch.setattr("gradcli.execution.formulas.formulas.chain_rule", lambda *_: {})
