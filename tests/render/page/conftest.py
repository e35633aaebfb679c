"""Reports of graphs to show on a page, as those of the pictures of graphs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def make_graph() -> Callable[..., Any]:
    file = Path(__file__).parents[1] / "graph" / "conftest.py"
    spec = spec_from_file_location("graphs_made_up", file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    made: Callable[..., Any] = module.made_up
    return made
