"""Functions that are made of others: `vmap(f)`, one sample after the other, and `torch.func.grad(f)`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gradcli.execution.forward.modules import Module
from gradcli.execution.forward.values import Runner, Value
from gradcli.language.program import Call, Literal

# Arguments of `checkpoint` that say how it keeps what it needs.
CHECKPOINTS = ("use_reentrant", "preserve_rng_state", "context_fn", "determinism_check", "debug")
MAPPED = "`vmap` maps over axes of tensors: `in_dims` is an integer or None, or a tuple of one for each argument"


@dataclass(frozen=True, slots=True, eq=False)
class Mapped(Value):
    """A function of each sample, whose results are stacked."""

    function: Value
    axes: Any
    out: Any

    def called(self, runner: Runner, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Any:
        """Call the function for one sample after the other."""
        axes = self.axes if isinstance(self.axes, tuple | list) else (self.axes,) * len(positional)
        mapped = [value for value, axis in zip(positional, axes, strict=False) if axis is not None]
        tensors = [runner.machine.tensor(value) for value in mapped]
        is_read = all(axis is None or isinstance(axis, int) for axis in axes) and len(axes) == len(positional)
        if not is_read or not mapped or any(tensor is None or not tensor.ndim for tensor in tensors):
            raise runner.error(MAPPED, node)
        sizes = [runner.machine.tensor(value).shape[axis]
                 for value, axis in zip(positional, axes, strict=True) if axis is not None]  # fmt: skip
        if len(set(sizes)) > 1:
            raise runner.error(f"`vmap` maps over axes of one length, and these are {sizes}", node)
        runner.machine.check_items(sizes[0])
        rows = []
        for place in range(sizes[0]):
            given = [value if axis is None else applied(runner, node, "select", value, axis, place)
                     for value, axis in zip(positional, axes, strict=True)]  # fmt: skip
            rows.append(self.function.called(runner, node, given, keywords))
        return self._stacked(runner, node, rows, self.out)

    def _stacked(self, runner: Runner, node: Call, rows: list[Any], out: Any) -> Any:
        if isinstance(rows[0], tuple | list):
            outs = out if isinstance(out, tuple | list) else (out,) * len(rows[0])
            parts = zip(zip(*rows, strict=True), outs, strict=True)
            return tuple(self._stacked(runner, node, list(part), axis) for part, axis in parts)
        return applied(runner, node, "stack", rows, out)


@dataclass(frozen=True, slots=True, eq=False)
class Gradient(Value):
    """The gradient of a function by some of its arguments."""

    function: Value
    places: Any

    def called(self, runner: Runner, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Any:
        """Differentiate the function at copies of the arguments, by which only these are meant."""
        places = self.places if isinstance(self.places, tuple | list) else (self.places,)
        given = [applied(runner, node, "clone", value) if place in places else value
                 for place, value in enumerate(positional)]  # fmt: skip
        by = [given[place] for place in places]
        if any(runner.machine.tensor(value) is None for value in by):
            raise runner.error("`grad` differentiates by tensors", node, "`argnums` says which arguments these are")
        output = self.function.called(runner, node, given, keywords)
        call = Call("grad", (), (), node.span, node.span)
        found = runner.machine.gradient(call, [output], by, [None], allow_unused=True)
        return found if isinstance(self.places, tuple | list) else found[0]


def called(runner: Any, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Any:
    """Return the function that `vmap` or `grad` makes, and what `checkpoint` computes."""
    if not positional or not isinstance(positional[0], Value):
        name = node.function.rpartition(".")[2]
        raise runner.error(f"`{name}` takes a function", node, f"such as `{name}(lambda x: x**2)`")
    function, *rest = positional
    if node.function.endswith("functional_call"):
        given = {**dict(zip(("parameters", "args", "kwargs"), rest, strict=False)), **keywords}
        return _with_parameters(runner, node, function, given)
    if node.function.endswith("checkpoint"):  # it computes the same, and later once more
        given = {name: value for name, value in keywords.items() if name not in CHECKPOINTS}
        return function.called(runner, node, rest, given)
    if node.function.endswith("vmap"):
        given = {**dict(zip(("in_dims", "out_dims"), rest, strict=False)), **keywords}
        return Mapped(function, given.get("in_dims", 0), given.get("out_dims", 0))
    return Gradient(function, keywords.get("argnums", rest[0] if rest else 0))


def _with_parameters(runner: Runner, node: Call, module: Value, given: Mapping[str, Any]) -> Any:
    """Return what a module gives with other parameters, which it has for this call alone."""
    parameters, arguments = given.get("parameters"), given.get("args", ())
    if not isinstance(module, Module) or not isinstance(parameters, dict):
        hint = "such as `functional_call(model, dict(model.named_parameters()), (x,))`"
        raise runner.error("`functional_call` takes a module and a dictionary of its parameters", node, hint)
    places = {path: module.place(str(path)) for path in parameters}
    missing = next((path for path, place in places.items() if place is None), None)
    if missing is not None:
        raise runner.error(f"the module has no parameter '{missing}'", node)
    before = [(owner, name, owner.get(name, _NOTHING)) for owner, name in places.values()]  # type: ignore[misc]
    try:
        for path, value in parameters.items():
            owner, name = places[path]  # type: ignore[misc]  # none is missing
            owner[name] = value
        arguments = [*arguments] if isinstance(arguments, tuple | list) else [arguments]
        return module.called(runner, node, arguments, given.get("kwargs") or {})
    finally:
        for owner, name, value in before:
            owner.pop(name) if value is _NOTHING else owner.update({name: value})


_NOTHING = object()


def applied(runner: Runner, node: Call, name: str, *values: Any) -> Any:
    """Return the result of an op of the table."""
    parts = tuple(Literal(None, node.span) for _ in values)
    return runner.call(Call(name, parts, (), node.span, node.span, qualified=True), list(values), {})
