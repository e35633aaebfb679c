"""What worker processes are forked from."""

from __future__ import annotations

import gc
import importlib
import subprocess
import sys
from typing import TYPE_CHECKING

from gradcli.suite import loaded

if TYPE_CHECKING:
    import pytest


def test_what_is_loaded_is_set_apart_before_garbage_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    for name in ("disable", "freeze", "enable"):
        monkeypatch.setattr(gc, name, lambda name=name: called.append(name))
    importlib.reload(loaded)
    assert (called[0], called[-2:]) == ("disable", ["freeze", "enable"])


def test_what_only_some_checks_need_is_not_loaded_for_all() -> None:
    code = "import sys, gradcli.suite.loaded; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {"torch", "gradcli.execution.commands.check"} <= loaded
    assert not {"sympy", "gradcli.execution.formulas.formulas", "gradcli.execution.code.program"} & loaded
