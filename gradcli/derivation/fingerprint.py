"""What an answer of the sympy process depends on beside the question: the code that derives it, ours and SymPy's."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

# What the sympy process loads of ours, in the folder of the package.
OURS = ("derivation", "language", "ops", "symbolic")
# Files of the libraries that say which version they are.
THEIRS = {"sympy": "release.py", "mpmath": "__init__.py"}


@cache
def fingerprint() -> str | None:
    """Return what tells one version of the code that derives from another; None where its text cannot be read.

    It is made of that text itself: a version number stays the same while a developer changes the code.
    """
    digest = sha256(sys.version.encode())
    try:
        for path in _files():
            text = path.read_bytes()
            digest.update(f"{path.name} {len(text)}\n".encode() + text)
    except (OSError, ValueError, ImportError):
        return None
    return digest.hexdigest()


def _files() -> Iterator[Path]:
    """Yield the files, in an order that is always the same."""
    package = Path(__file__).parent.parent
    yield from sorted(package.glob("*.py"))
    for folder in OURS:
        yield from sorted((package / folder).rglob("*.py"))
    for name, file in THEIRS.items():
        found = find_spec(name)
        if found is None or found.origin is None:
            raise ImportError(name)
        yield Path(found.origin).with_name(file)
