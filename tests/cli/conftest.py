"""The command line without the engine: a session that keeps what it was asked."""

import sys
from types import ModuleType

import pytest
import torch

from gradcli.report.report import Output, Report, TensorReport
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings


class FakeSession(ModuleType):
    """Stands for gradcli.engine."""

    def __init__(self) -> None:
        super().__init__("gradcli.engine")
        self.calls: list[tuple[str, Settings]] = []
        self.verdict = Verdict.MATCH
        self.error: BaseException | None = None

    def evaluate_program(self, source: str, settings: Settings) -> Report:
        self.calls.append((source, settings))
        if self.error is not None:
            raise self.error
        one = torch.tensor(1.0)
        tensor = TensorReport("w", "leaf", (), True, None, one, one, one, None, self.verdict)
        output = Output("w", (), one)
        return Report("0.1.0", "2.13.0", "eval", source, "float64", "cpu", 0, output, (tensor,), self.verdict)


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> FakeSession:
    fake = FakeSession()
    monkeypatch.setitem(sys.modules, "gradcli.engine", fake)
    return fake
