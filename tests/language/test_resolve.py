from __future__ import annotations

import pytest

from gradcli.errors import ProgramError
from gradcli.language.parser import parse
from gradcli.language.resolve import nearest, resolve

KNOWN = ("sin", "softmax", "linalg.norm", "special.erf", "sum", "sort")
FIELDS = ("values", "indices")


def check(source: str) -> None:
    resolve(parse(source), lambda name: name if name in KNOWN else None, lambda: KNOWN, lambda: FIELDS)


@pytest.mark.parametrize(
    "source",
    ["sin(x)*y", "torch.linalg.norm(x)", "x.sum() / x.size(0)", "x + y @ z", "X.numel()*sum(X)", "sort(x.T).values"],
)
def test_known_functions_pass(source: str) -> None:
    check(source)


@pytest.mark.parametrize(
    ("source", "marked", "message", "hint"),
    [
        ("sinn(x) * y", "sinn", "unknown function 'sinn'", "did you mean 'sin'? `gradcli ops` lists all"),
        ("torch.sofmax(x)", "sofmax", "unknown function 'sofmax'", "did you mean 'softmax'? `gradcli ops` lists all"),
        ("x.summ()", "summ", "unknown method 'summ'", "did you mean 'sum'? `gradcli ops` lists all"),
        ("nrom(x)", "nrom", "unknown function 'nrom'", "did you mean 'linalg.norm'? `gradcli ops` lists all"),
        (
            "x(y + 1)",
            "x",
            "unknown function 'x'",
            "write a product as `x*(...)`; a program holds its own functions: `def x(...):`",
        ),
        ("open(x)", "open", "unknown function 'open'", "`gradcli ops` lists all"),
        ("y*x(3) + x", "x", "unknown function 'x'", "'x' is a variable: write a product as `x*(...)`"),
        ("if sin(x) > 0:\n  y = cosh(x)\nsin(x)", "cosh", "unknown function 'cosh'", "`gradcli ops` lists all"),
        ("ln(x)", "ln", "unknown function 'ln'", "the natural logarithm is `log(x)`"),
        ("math.sort(x)", "sort", "unknown function 'math.sort'", "did you mean 'sort'? `gradcli ops` lists all"),
        ("pront(x)", "pront", "unknown function 'pront'", "`gradcli ops` lists all"),
        (
            "pred = model(x)",
            "model",
            "unknown function 'model'",
            "a program defines what it calls: put a line such as `model = nn.Linear(3, 2)` before it",
        ),
        (
            "x.fill_diagonal(0)",
            "fill_diagonal",
            "unknown method 'fill_diagonal'",
            "PyTorch has it in place only: `fill_diagonal_`",
        ),
        ("bbb(aaa(x))", "bbb", "unknown function 'bbb'", "`gradcli ops` lists all"),
    ],
)
def test_the_first_unknown_function_is_named(source: str, marked: str, message: str, hint: str) -> None:
    with pytest.raises(ProgramError) as caught:
        check(source)
    error = caught.value
    assert (error.message, error.hint) == (message, hint)
    assert error.span is not None
    assert source[error.span.start : error.span.end] == marked


@pytest.mark.parametrize(
    ("source", "marked", "message", "hint"),
    [
        ("w.date", "date", "the attribute '.date' is not accepted", "shape"),
        ("x.sum", "sum", "the attribute '.sum' is not accepted", "`.sum()`"),
        ("sort(x) .valves*sinn(x)", "valves", "the attribute '.valves' is not accepted", "values"),
        ("sinn(x.date)", "sinn", "unknown function 'sinn'", "sin"),
    ],
)
def test_the_first_unknown_name_is_refused(source: str, marked: str, message: str, hint: str) -> None:
    with pytest.raises(ProgramError) as caught:
        check(source)
    error = caught.value
    assert error.message == message
    assert hint in (error.hint or "")
    assert error.span is not None
    assert source[error.span.start : error.span.end] == marked


def test_suggestions_are_quick_for_long_names() -> None:
    assert nearest("s" * 16000, KNOWN) is None
    with pytest.raises(ProgramError) as caught:
        check("s" * 16000 + "(x)")
    assert len(caught.value.message) < 100


@pytest.mark.parametrize(
    ("typed", "known", "meant"),
    [
        ("print", "pinv", None),
        ("float", "flatten", None),
        ("int", "sin", None),
        ("item", "getitem", None),
        ("nrom", "norm", "norm"),
        ("sofmax", "softmax", "softmax"),
    ],
)
def test_only_what_is_close_is_suggested(typed: str, known: str, meant: str | None) -> None:
    assert nearest(typed, [known]) == meant
