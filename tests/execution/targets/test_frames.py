"""What is said of what a user's code raises, and what of it is a quotation."""

import torch

from gradcli.execution.targets.frames import refusal


def _raised(code: str) -> BaseException:
    try:
        exec(compile(code, "/nowhere/user.py", "exec"), {"torch": torch})  # noqa: S102 (a user's own code)
    except Exception as error:  # noqa: BLE001 (whatever it raises)
        return error
    raise AssertionError


def test_the_users_own_error_is_quoted_with_its_line() -> None:
    found = refusal("backward", _raised("\nraise ValueError('a: b')"))
    assert found.message == "backward raises ValueError: a: b (user.py:2)"
    assert found.said == "a: b (user.py:2)"


def test_an_error_without_words_leaves_its_line() -> None:
    found = refusal("backward", _raised("raise ValueError"))
    assert (found.message, found.said) == ("backward raises ValueError (user.py:1)", "(user.py:1)")


def test_pytorchs_error_is_quoted() -> None:
    found = refusal("backward", RuntimeError("sizes differ: 2 and 3\nat somewhere"))
    assert (found.message, found.said) == ("PyTorch refuses backward: sizes differ: 2 and 3", "sizes differ: 2 and 3")
