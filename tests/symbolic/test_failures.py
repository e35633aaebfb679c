"""Whose failure an error is: sympy's leaves a derivative undecided, and gradcli's is a defect."""

from __future__ import annotations

import pytest

from gradcli.derivation.protocol import Query
from gradcli.symbolic import worker
from gradcli.symbolic.failures import failure

BEGINNING = """
import sympy
from sympy import Function, Symbol
from gradcli.symbolic.derive import derive
x = Symbol("x")
class Calling(Function):
    def fdiff(self, _=1):
        return derive.no_such_name
def recurse():
    recurse()
"""
DEFECTS = [
    "no_such_name",
    "derive.no_such_name",
    "{}['no key']",
    "[][0]",
    "derive.derive(1, 2, 3)",
    "1 + '1'",
    "x + 'one'.no_method()",
    "__import__('no_such_module')",
    "from_sympy = __import__('sympy', fromlist=['x']).no_such_name",
    "Calling(x).diff(x)",  # sympy calls our code back
]
REFUSALS = ["recurse()", "(one,) = ()", "1/0", "10.0**1000", "raise NotImplementedError('no rule')"]
SYMPYS = [
    "sympy.sympify('sin(')",
    "sympy.diff(x, 3*x)",
    "sympy.Matrix([[1, 2]]) + sympy.Matrix([[1]])",
    "sympy.Lambda(x, x)(1, 2)",
    "sympy.Integer(1.5j)",
    "sympy.sin(x, x)",
    "sympy.Piecewise((x, 3))",
]


def raised(text: str) -> Exception:
    """Return what a line raises as if a module of ours had it."""
    try:
        exec(BEGINNING + text, {"__name__": "gradcli.symbolic.somewhere"})  # noqa: S102 (our own text)
    except Exception as error:  # noqa: BLE001 (it is what is asked for)
        return error
    pytest.fail("nothing was raised")


@pytest.mark.parametrize("text", DEFECTS)
def test_what_our_code_raises_by_mistake_is_a_defect(text: str) -> None:
    error = raised(text)
    assert failure(error) == {"defect": f"{type(error).__name__}: {error}"}


@pytest.mark.parametrize("text", [*REFUSALS, *SYMPYS])
def test_what_our_code_refuses_and_what_sympy_raises_is_not(text: str) -> None:
    error = raised(text)
    assert failure(error) == {"error": f"{type(error).__name__}: {error}"}


def test_an_extension_that_cannot_be_loaded_lacks_memory() -> None:
    assert "error" in failure(ImportError("failed to map segment", name="x", path="/lib/x.so"))
    assert "defect" in failure(ImportError("cannot import name 'y'", name="x", path="/lib/x.py"))


@pytest.mark.parametrize(("text", "field"), [("no_such_name", "defect"), ("sympy.sympify('sin(')", "error")])
def test_the_answer_tells_them_apart(text: str, field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> object:
        raise raised(text)

    monkeypatch.setattr(worker, "_data", fail)
    answer = worker.answer(Query(1, "derive", {}))
    assert (answer.defect is not None, answer.error is not None) == (field == "defect", field == "error")
    assert answer.data is None
