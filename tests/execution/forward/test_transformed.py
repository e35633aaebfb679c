"""`vmap`, `torch.func.grad`, loaders and dictionaries in programs, beside PyTorch's own."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from gradcli.engine import evaluate_program
from gradcli.errors import GradcliError
from gradcli.settings import Settings

LEAVES = "w = torch.randn(3, requires_grad=True)\nX = torch.randn(4, 3)\ny = torch.arange(4.)\n"


@pytest.mark.parametrize(
    "text",
    [
        "torch.vmap(lambda row: (row*w).sum()**2)(X).sum().backward()",
        "torch.vmap(lambda row, t: w*row*t, in_dims=(1, None), out_dims=1)(X, y[0] + 2.)[0].sum().backward()".replace(
            "w*row", "w.sum()*row"
        ),
        "a, b = torch.vmap(lambda r: (r*w, (r + w).prod()))(X)\n(a.sum() + b.sum()).backward()",
        "torch.vmap(torch.dot, in_dims=(0, None))(X, w).pow(2).sum().backward()",
        "g = torch.vmap(torch.func.grad(lambda v, r: (v @ r)**3), (None, 0))(w, X)\n(g**2).sum().backward()",
        (
            "from torch.utils.data import DataLoader, TensorDataset\n"
            "for a, b in DataLoader(TensorDataset(X, y), batch_size=3, shuffle=True):\n"
            "    ((a @ w - b)**2).sum().backward()\n    break"
        ),
        (
            "from torch.utils.data import DataLoader, TensorDataset\n"
            "a, b = next(iter(DataLoader(TensorDataset(X, y), 2)))\n((a @ w - b)**2).sum().backward()"
        ),
        "y2 = (w*2).mul_(0.1).add_(w)\ny2[0] *= 5\ntorch.sigmoid_(y2).sum().backward()",
        "h = F.leaky_relu(w*2, 0.1, inplace=True)\nh.sum().backward()",
        "with torch.no_grad():\n    w.mul_(2)\n(w**3).sum().backward()",
    ],
)
def test_a_program_gives_what_pytorch_gives(text: str) -> None:
    text = LEAVES + text
    report = evaluate_program(text, Settings(formulas=False))
    assert report.verdict is not None
    assert report.verdict.passes
    space: dict[str, Any] = {"torch": torch, "F": torch.nn.functional}
    torch.manual_seed(0)
    exec(text, space)  # noqa: S102 (the texts are ours)
    assert torch.allclose(report["w"].gradient.float(), space["w"].grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("torch.vmap(3)(x)", "takes a function"),
        ("torch.vmap(lambda a: a, in_dims=(0, 0))(x)", "in_dims"),
        ("torch.vmap(lambda a, b: a*b)(x, x[:1])", "one length"),
        (
            "torch.vmap(lambda a: a*torch.func.grad(lambda b: b**2)(torch.tensor(2.)))(x).sum().backward()",
            "does not require grad",
        ),
        ("torch.utils.data.DataLoader(x)", "DataLoader"),
        ("y = x*2; v = y[0]; y.mul_(2); v", "same memory"),
        ("x.mul_(2).sum()", "leaf Variable"),
        ("y = x*2; y.sum_(); y", "different shape|no method|unknown"),
        ("next(iter([])) * x", "no next item"),
    ],
)
def test_what_is_not_read_is_refused(text: str, message: str) -> None:
    with pytest.raises(GradcliError, match=message):
        evaluate_program(text, Settings(formulas=False), {"x": [1.0, 2.0]})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("try:\n  (x*w).backward()\nexcept RuntimeError as e:\n  print(e)\n(x*w).sum()", 3.0),
        ("try:\n  y = x @ torch.ones(5)\nexcept Exception:\n  y = (x*x).sum()\ny", 2.0),
        ("def f(v):\n  if v.ndim > 1:\n    raise ValueError('no')\n  return v.sum()\nf(x)*2", 2.0),
        ("def f(v):\n  raise ValueError('no')\ntry:\n  y = f(x)\nexcept ValueError:\n  y = x.sum()*4\ny", 4.0),
        ("a = b = x*2; (a + b).sum()", 4.0),
        ("first, *rest = [x, x*2, x*3]; (first + rest[1]).sum()", 4.0),
        ("(p, q), r = (x, x*2), x*3; (q + r).sum()", 5.0),
        ("def f(v, *more, **options):\n  return (v*options['k'] + more[0]).sum()\nf(x, x, k=3)", 4.0),
        ("n = 1\ndef f(v):\n  global n\n  n = 5\n  return v\ny = f(x)\n(y*n).sum()", 5.0),
        ("def f(v):\n  k = 2\n  def g():\n    nonlocal k\n    k += 4\n  g()\n  return v*k\nf(x).sum()", 6.0),
        ("torch.set_grad_enabled(False); k = x.sum()*0 + 7; torch.set_grad_enabled(True); (x*k).sum()", 7.0),
        ("k = x.sum(); x.sum()*8 if k is not None and 0 < k < 9 else x.sum()", 8.0),
        ("class C:\n  k = 9\n  def f(self, v): return (v*self.k).sum()\nC().f(x)", 9.0),
        ("@dataclass\nclass C:\n  a: float\n  b: float = 4.\nc = C(6.)\n(x*c.a + x*c.b).sum()", 10.0),
        ("d = dict(a=5, b=6)\n(x*sum(d.values())).sum()", 11.0),
    ],
)  # fmt: skip
def test_python_means_what_python_says(text: str, expected: float) -> None:
    report = evaluate_program(text, Settings(formulas=False), {"x": [1.0, 1.0], "w": [3.0, 3.0]} if "w)" in text else
                              {"x": [1.0, 1.0]})  # fmt: skip
    assert torch.allclose(report["x"].gradient, torch.full((2,), expected, dtype=torch.float64))
