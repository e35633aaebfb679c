"""`--hooks` and `--detach` against the same hooks and `detach()` written in plain PyTorch."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
import torch

from gradcli.engine import evaluate_program
from gradcli.errors import InputError
from gradcli.report.eval import EvalDetails
from gradcli.report.report import Report
from gradcli.report.schema import report_schema
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings


def evaluate(program: str, **settings: Any) -> Report:
    return evaluate_program(program, Settings(**settings))


def fired() -> list[str]:
    """Return the order of the same hooks for `y = w1*w2; y*w1` in PyTorch only."""
    order: list[str] = []
    w1, w2 = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (2.0, 3.0))
    y = w1 * w2
    output = y * w1
    for name, tensor in (("w1", w1), ("w2", w2), ("y", y), ("y*w1", output)):
        tensor.register_hook(lambda _, name=name: order.append(f"tensor hook {name}"))
        if tensor.grad_fn is None:
            tensor.register_post_accumulate_grad_hook(lambda _, name=name: order.append(f"accumulated {name}"))
        else:
            tensor.grad_fn.register_prehook(lambda _, name=name: order.append(f"pre-hook {name}"))
            tensor.grad_fn.register_hook(lambda *_, name=name: order.append(f"hook {name}"))
    output.backward()
    return order


def test_hooks_are_shown_in_the_order_in_which_pytorch_fires_them() -> None:
    report = evaluate("y = w1*w2; y*w1", hooks=True)
    assert isinstance(report.details, EvalDetails)
    hooks = report.details.hooks or ()
    words = {"tensor hook": "tensor hook", "node pre-hook": "pre-hook", "node hook": "hook"}
    order = [f"{words.get(call.hook, 'accumulated')} {call.of.rpartition(' ')[2]}" for call in hooks]
    assert order == fired()
    given = {(call.hook, call.of): [float(gradient) for gradient in call.gradients] for call in hooks}
    assert given["node hook", "MulBackward0 of y"] == [6, 4]
    assert given["tensor hook", "w1"] == [12]
    jsonschema.validate(json.loads(json.dumps(report.to_dict(), allow_nan=False)), report_schema())


@pytest.mark.parametrize(("program", "name"), [("y = sin(w); y*w + y", "y"), ("sin(w)*w + sin(w)", "sin( w )")])
def test_a_detached_tensor_goes_on_as_a_constant(program: str, name: str) -> None:
    w = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    constant = torch.sin(w).detach()
    (constant * w + constant).backward()
    report = evaluate(program, detach=(name,))
    assert report["w"].gradient.item() == w.grad.item()  # type: ignore[union-attr]
    assert report.verdict is Verdict.MATCH
    cut = next(tensor for tensor in report.tensors if tensor.kind == "non-leaf")
    assert cut.gradient.item() == 0
    assert (cut.note or "").startswith("detached")


def test_the_formula_says_what_is_detached() -> None:
    report = evaluate("y = w*w; y*w", detach=("y",))
    assert report["w"].symbolic.formula == "detach(y)"


@pytest.mark.parametrize(("name", "hint"), [("w", "`--constant w`"), ("z", "the name of a non-leaf")])
def test_what_cannot_be_detached_is_an_error(name: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        evaluate("y = w*w; y*w", detach=(name,))
    assert hint in (caught.value.hint or "")
