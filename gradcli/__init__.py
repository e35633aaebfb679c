"""gradcli: the command-line gradient explorer for PyTorch.

Importing it imports neither torch nor sympy: both take seconds, and `gradcli --help` needs neither. The functions of
the API load what they need when they are first used (PEP 562).
"""

from __future__ import annotations

from gradcli._version import __version__

TYPE_CHECKING = False  # typing's own, without the import
if TYPE_CHECKING:
    from gradcli.api import check, check_function, evaluate
    from gradcli.deriving import Derivation, derive
    from gradcli.errors import GradcliError
    from gradcli.render.shown import Report

__all__ = ["Derivation", "GradcliError", "Report", "__version__", "check", "check_function", "derive", "evaluate"]

_HOMES = {
    "check": "gradcli.api",
    "check_function": "gradcli.api",
    "derive": "gradcli.deriving",
    "evaluate": "gradcli.api",
    "Derivation": "gradcli.deriving",
    "GradcliError": "gradcli.errors",
    "Report": "gradcli.render.shown",
}


def __getattr__(name: str) -> object:
    """Return a name of the API, loading its module."""
    if name not in _HOMES:
        msg = f"module 'gradcli' has no attribute '{name}'"
        raise AttributeError(msg)
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """Return the names of the API, for completion."""
    return sorted(__all__)


def load_ipython_extension(shell: object) -> None:
    """Give a notebook the magic `%%gradcli`, when it says `%load_ext gradcli`."""
    import importlib

    importlib.import_module("gradcli.cli.cell").load(shell)
