"""What holds for all tests."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Hear SIGINT where a shell has started the tests in the background, which ignores it: some tests send it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
