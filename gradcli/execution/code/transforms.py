"""`torch.func.grad`, `vjp` and `jvp` in code, on which `jacrev`, `jacfwd` and `hessian` rest, by `torch.autograd.grad`.

Nothing can be followed inside of them. What they compute is a gradient that code asks for itself, which can be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch._functorch import eager_transforms
from torch.utils._pytree import tree_flatten, tree_unflatten

from gradcli.execution.forward import tree


@dataclass(frozen=True, slots=True)
class Derived:
    """One call of a transform."""

    name: str
    run: Callable[[], Any]
    """What PyTorch computes."""
    again: Callable[[list[Tensor]], Any]
    """The same tensors by `torch.autograd.grad`; it adds to the list what it makes up to differentiate by."""
    given: Any
    """What the transform was called with."""
    before: Sequence[Tensor] = ()
    """What it has returned before: results that its own backward may read."""
    made_up: list[Tensor] = field(default_factory=list)

    @property
    def tensors(self) -> list[Tensor]:
        """Return the tensors among what it was called with."""
        return tree.tensors(self.given)

    def by_autograd(self) -> Any:
        """Return the same, as autograd computes it."""
        return self.again(self.made_up)


Seen = Callable[[Derived], Any]


@contextmanager
def transforms_seen(seen: Seen) -> Iterator[None]:
    """Let every call of the transforms go through `seen` meanwhile, and every call of what `vjp` returns."""
    module: Any = eager_transforms
    own = {name: getattr(module, name) for name in WRAPPERS}
    for name, wrapper in WRAPPERS.items():
        setattr(module, name, wrapper(seen, own[name]))
    try:
        yield
    finally:
        for name, original in own.items():
            setattr(module, name, original)


def _grad(seen: Seen, original: Any) -> Any:
    def grad_and_value(function: Any, places: Any, has_aux: bool, args: Any, keywords: Any) -> Any:  # noqa: FBT001 (PyTorch's)
        def again(made_up: list[Tensor]) -> Any:
            at, further = _leaves(args, places, made_up)
            value = function(*at, **keywords)
            output = value[0] if has_aux else value
            return _gradients(output, further), value

        run = lambda: original(function, places, has_aux, args, keywords)  # noqa: E731 (as it is short)
        return seen(Derived("grad", run, again, [args, keywords]))

    return grad_and_value


def _vjp(seen: Seen, original: Any) -> Any:
    def vjp(function: Any, *primals: Any, argnums: Any = None, has_aux: bool = False) -> Any:
        def pulled(*args: Any, **keywords: Any) -> Any:
            def again(made_up: list[Tensor]) -> Any:
                at, further = _leaves(primals, argnums, made_up)
                value = function(*at)
                return _gradients(value[0] if has_aux else value, further, args[0])

            before = tree.tensors(output)
            return seen(Derived("vjp", lambda: pull(*args, **keywords), again, [primals, args], before))

        def run() -> Any:
            return original(function, *primals, argnums=argnums, has_aux=has_aux)

        output, pull, *aux = seen(Derived("vjp", run, lambda _: function(*primals), primals))
        return (output, pulled, *aux)

    return vjp


def _jvp(seen: Seen, original: Any) -> Any:
    def jvp(function: Any, primals: Any, tangents: Any, argnums: Any, **options: Any) -> Any:
        def again(made_up: list[Tensor]) -> Any:
            at, further = _leaves(primals, argnums, made_up)
            value = function(*at)
            output = value[0] if options["has_aux"] else value
            aux = value[1:] if options["has_aux"] else ()
            return output, _pushed(output, further, tangents, made_up), *aux

        run = lambda: original(function, primals, tangents, argnums, **options)  # noqa: E731 (as it is short)
        return seen(Derived("jvp", run, again, [primals, tangents]))

    return jvp


WRAPPERS = {"grad_and_value_impl": _grad, "_vjp_with_argnums": _vjp, "_jvp_with_argnums": _jvp}


def _leaves(args: Sequence[Any], places: Any, made_up: list[Tensor]) -> tuple[list[Any], list[Tensor]]:
    """Return arguments to differentiate by, and the tensors among those at some places: all of them without places."""
    chosen = range(len(args)) if places is None else [places] if isinstance(places, int) else places
    wanted, found = [place % len(args) for place in chosen], [*args]
    further: list[Tensor] = []
    for place in wanted:
        values, form = tree_flatten(args[place])
        fresh = [_fresh(value, made_up) if isinstance(value, Tensor) else value for value in values]
        found[place] = tree_unflatten(fresh, form)
        further += [value for value in fresh if isinstance(value, Tensor)]
    return found, further


def _fresh(value: Tensor, made_up: list[Tensor]) -> Tensor:
    """Return a tensor of the same value, of which nothing else is made."""
    if value.requires_grad:
        return value.clone()
    made_up.append(value.detach().clone().requires_grad_())
    return made_up[-1]


def _gradients(outputs: Any, inputs: Sequence[Tensor], upstream: Any = None) -> list[Tensor]:
    of = [tensor for tensor in tree.tensors(outputs) if tensor.requires_grad]
    if not of:
        return [torch.zeros_like(tensor) for tensor in inputs]
    pairs = zip(tree.tensors(outputs), tree.tensors(upstream), strict=True) if upstream is not None else ()
    given = [vector for tensor, vector in pairs if tensor.requires_grad] or None
    found = torch.autograd.grad(of, inputs, given, create_graph=True, materialize_grads=True)
    return list(found)


def _pushed(outputs: Any, inputs: Sequence[Tensor], tangents: Any, made_up: list[Tensor]) -> list[Tensor]:
    """Return the tangents of outputs: what vectors give as upstream gradients is linear in them, with this slope."""
    flat = tree.tensors(outputs)
    vectors = [torch.zeros_like(tensor).requires_grad_() for tensor in flat]
    made_up += vectors
    return _gradients(_gradients(outputs, inputs, vectors), vectors, tangents)
