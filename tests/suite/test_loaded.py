"""What worker processes are forked from."""

from __future__ import annotations

import gc
import importlib
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
