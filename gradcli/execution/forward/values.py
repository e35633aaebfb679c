"""What a running program has beside tensors and numbers: its functions, its classes, and the modules that they make."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Protocol

from gradcli.errors import ExecutionError
from gradcli.execution.forward import draws
from gradcli.execution.forward.machine import BoundCall
from gradcli.language.makers import CALL
from gradcli.language.program import Call, Expression, Function, Literal


class Runner(draws.Evaluator, Protocol):
    """What runs a program, as far as its own functions and modules ask it."""

    def enter(self, function: Function, scope: MutableMapping[str, Any], given: dict[str, Any], node: Call) -> Any:
        """Return what a function returns, whose parameters have these values."""

    def call(self, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Any:
        """Return the result of a call."""

    def parameter(self, numbers: Any, name: str, node: Expression) -> Any:
        """Return a new leaf with these numbers, or the one that is given for it."""

    def new_leaf(self, value: Any, name: str, node: Expression) -> Any:
        """Return a new leaf with the numbers of a tensor, or the one that is given for it."""

    replaced: dict[int, tuple[Any, Any]]
    embedded: Any

    def overwritten(self, value: Any, call: BoundCall, make: Callable[[], Any]) -> Any:
        """Return what a call makes, which also stands in the place of a value."""

    def others(self, name: str) -> dict[str, Any]:
        """Return what other names stand for."""

    def current(self, value: Any) -> Any:
        """Return a value, or what stands in its place since it was changed."""

    def name_of(self, node: Call) -> str | None:
        """Return what the result of a call is assigned to, where that is known before it is made."""


class Value:
    """What can be called, or has attributes."""

    __slots__ = ()

    def called(
        self,
        runner: Runner,
        node: Call,
        positional: list[Any],  # noqa: ARG002 (for those that can be called)
        keywords: dict[str, Any],  # noqa: ARG002
    ) -> Any:
        """Return what a call gives."""
        raise runner.error(f"`{runner.program.text(node)}` calls what is not a function", node)

    def attribute(self, runner: Runner, name: str, node: Expression) -> Any:
        """Return an attribute."""
        raise runner.error(f"there is no attribute '{name}'", node)

    def method(self, runner: Runner, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Any:
        """Return what a method gives: an attribute that is called; brackets call the value itself."""
        if node.function == CALL:
            return self.called(runner, node, positional, keywords)
        found = self.attribute(runner, node.function, node)
        if not isinstance(found, Value):
            raise runner.error(f"'{node.function}' is not a function", node)
        return found.called(runner, node, positional, keywords)

    def adopt(self, name: str) -> None:
        """Take note of what it is assigned to."""


@dataclass(frozen=True, slots=True, eq=False)
class Closure(Value):
    """A function of the program's own, with the names that it sees."""

    function: Function
    defaults: Mapping[str, Any]
    scope: MutableMapping[str, Any]

    def called(self, runner: Runner, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Any:
        """Run the body."""
        return runner.enter(self.function, self.scope, self._bound(runner, node, positional, keywords), node)

    def _bound(self, runner: Runner, node: Call, positional: list[Any], keywords: dict[str, Any]) -> dict[str, Any]:
        """Return the value of each parameter; ExecutionError where they are not those that are given."""
        names, rest, options = self.function.parameters, self.function.rest, self.function.options
        if len(positional) > len(names) and rest is None:
            raise self._misfit(runner, node, f"{len(positional)} are given")
        given = dict(zip(names, positional, strict=False))
        given |= {} if rest is None else {rest: tuple(positional[len(names) :])}
        given |= {} if options is None else {options: {n: v for n, v in keywords.items() if n not in names}}
        for name, value in keywords.items():
            if name not in names and options is not None:
                continue
            if name not in names or name in given:
                raise self._misfit(runner, node, f"'{name}' is {'given twice' if name in given else 'none of them'}")
            given[name] = value
        missing = next((name for name in names if name not in given and name not in self.defaults), None)
        if missing is not None:
            raise self._misfit(runner, node, f"'{missing}' is missing")
        return {**self.defaults, **given}

    def _misfit(self, runner: Runner, node: Call, what: str) -> ExecutionError:
        known = ", ".join(self.function.parameters) or "nothing"
        return runner.error(f"`{self.function.name}` takes {known}, and {what}", node)


@dataclass(frozen=True, slots=True, eq=False)
class Handed(Value):
    """A function of PyTorch's that is handed on by its name."""

    function: str

    def called(self, runner: Runner, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Any:
        """Call it by its name."""
        call = written(self.function, node, positional, keywords)
        return runner.call(call, positional, keywords)


@dataclass(frozen=True, slots=True, eq=False)
class Bound(Value):
    """A method of an instance."""

    owner: Value
    function: Closure

    def called(self, runner: Runner, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Any:
        """Run the method on its instance."""
        return self.function.called(runner, node, [self.owner, *positional], keywords)


def written(function: str, node: Call, positional: list[Any], keywords: Mapping[str, Any]) -> Call:
    """Return a call of another function in the place of one, with a node for each of its arguments."""

    def part() -> Expression:
        return Literal(None, node.span)

    arguments, named = tuple(part() for _ in positional), tuple((name, part()) for name in keywords)
    return Call(function, arguments, named, node.span, node.function_span, qualified=True)


@dataclass(frozen=True, slots=True, eq=False)
class TypeOf(Value):
    """`type(m)`, which is compared with classes."""

    of: Any

    def is_one_of(self, kinds: Any) -> bool:
        """Tell whether it is a class, or one of several."""
        found = kinds if isinstance(kinds, tuple | list) else (kinds,)
        return hasattr(self.of, "is_a") and any(self.of.is_a(kind) for kind in found if isinstance(kind, Value))


@dataclass(frozen=True, slots=True, eq=False)
class Taken(Value):
    """A number that was taken out of a tensor that requires grad: it may decide, and be shown."""

    number: Any
    error: ExecutionError
    """Why no tensor can be computed with it."""
