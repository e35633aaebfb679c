"""What a running program has beside tensors and numbers: its functions, its classes, and the modules that they make."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from gradcli.errors import ExecutionError
from gradcli.execution.forward import draws
from gradcli.execution.forward.machine import BoundCall
from gradcli.language.makers import CALL
from gradcli.language.notebook import DTYPES
from gradcli.language.program import Call, Class, Expression, Function, Literal

SAME = frozenset({"to", "cpu", "cuda", "double", "float", "train", "eval", "requires_grad_"})


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


class Module(Value):
    """What has parameters, its own and those of the modules in it."""

    __slots__ = ()

    def children(self) -> Iterator[tuple[str, Any]]:
        """Yield the modules and parameters in it, by name."""
        yield from ()

    def named(self, runner: Runner, prefix: str = "") -> Iterator[tuple[str, Any]]:
        """Yield the parameters, as PyTorch's `named_parameters` does."""
        for name, child in self.children():
            own = f"{prefix}.{name}" if prefix else name
            if isinstance(child, Module):
                yield from child.named(runner, own)
            elif (tensor := runner.machine.tensor(child)) is not None and tensor.is_leaf and tensor.requires_grad:
                yield own, child

    def method(self, runner: Runner, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Any:
        """Return what a method gives: one of every module's, or an attribute that is called."""
        name = node.function
        if name in (CALL, "forward"):
            return self.called(runner, node, positional, keywords)
        if name == "parameters":
            return [tensor for _, tensor in self.named(runner)]
        if name == "named_parameters":
            return list(self.named(runner))
        if name == "apply":
            return self.applied(runner, node, positional)
        if name == "to" and any(
            DTYPES.get(str(word).removeprefix("torch."), "default") != "default" for word in positional
        ):
            hint = "leave it out: `--dtype float16` runs the whole program in that precision"
            raise runner.error("a module in another precision is not read", node, hint)
        if name in SAME:
            self.switch(name, positional)
            return self
        return super().method(runner, node, positional, keywords)

    def applied(self, runner: Runner, node: Call, positional: list[Any]) -> Any:
        """Call a function on every module in it, itself last, as `apply` does."""
        for _, child in self.children():
            if isinstance(child, Module):
                child.applied(runner, node, positional)
        if len(positional) != 1 or not isinstance(positional[0], Value):
            raise runner.error("`apply` takes one function", node)
        positional[0].called(runner, node, [self], {})
        return self

    def is_a(self, kind: Value) -> bool:
        """Tell whether it is an instance of a class."""
        return isinstance(kind, Handed) and kind.function == "nn.Module"

    def switch(self, name: str, values: list[Any]) -> None:
        """Do what `train`, `eval` and `requires_grad_` do, in all modules in it."""
        for _, child in self.children():
            if isinstance(child, Module):
                child.switch(name, values)


@dataclass(frozen=True, slots=True, eq=False)
class Pending(Value):
    """A parameter that becomes a leaf when it is first used, by the name that it has then."""

    numbers: Any
    node: Expression

    def leaf(self, runner: Runner, name: str, node: Expression) -> Any:
        """Return the leaf."""
        return runner.new_leaf(self.numbers, name, node)


@dataclass(slots=True, eq=False)
class Instance(Module):
    """An object of one of the program's own classes."""

    maker: Maker
    name: str | None
    attributes: dict[str, Any] = field(default_factory=dict)

    def called(self, runner: Runner, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Any:
        """Run `forward`, as a module does, or `__call__`."""
        self.adopt(f"{self.maker.found.name}()")
        name = CALL if CALL in self.maker.methods else "forward"
        return self.attribute(runner, name, node).called(runner, node, positional, keywords)

    def method(self, runner: Runner, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Any:
        """Return what a method gives: the class's own goes before every module's."""
        if node.function in self.maker.methods:
            return self.attribute(runner, node.function, node).called(runner, node, positional, keywords)
        return super(Instance, self).method(runner, node, positional, keywords)

    def attribute(self, runner: Runner, name: str, node: Expression) -> Any:
        """Return what `self.name` is."""
        if name in self.attributes:
            value = self.attributes[name]
            if isinstance(value, Pending):
                self.attributes[name] = value = value.leaf(runner, f"{self.name or self.maker.found.name}.{name}", node)
            return value
        if name not in self.maker.methods:
            raise runner.error(f"an instance of '{self.maker.found.name}' has no attribute '{name}'", node)
        found = self.maker.methods[name]
        if not found.function.is_property:
            return Bound(self, found)
        call = Call(CALL, (), (), node.span, node.span, method=True)
        return found.called(runner, call, [self], {})

    def adopt(self, name: str) -> None:
        """Name what it has by its attributes."""
        if self.name is not None:
            return
        self.name = name
        for attribute, value in self.attributes.items():
            if isinstance(value, Value):
                value.adopt(f"{name}.{attribute}")

    def is_a(self, kind: Value) -> bool:
        """Tell whether it is an instance of a class."""
        return kind is self.maker or super(Instance, self).is_a(kind)

    def named(self, runner: Runner, prefix: str = "") -> Iterator[tuple[str, Any]]:
        """Yield the parameters; those that nobody has used become leaves."""
        for name, value in self.attributes.items():
            if isinstance(value, Pending):
                self.attribute(runner, name, value.node)
        yield from super(Instance, self).named(runner, prefix)

    def children(self) -> Iterator[tuple[str, Any]]:
        """Yield the attributes."""
        yield from self.attributes.items()


@dataclass(frozen=True, slots=True, eq=False)
class Maker(Value):
    """A class of the program's own."""

    found: Class
    methods: Mapping[str, Closure]

    def called(self, runner: Runner, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Any:
        """Return a new instance; what it makes is called by what it is assigned to."""
        made = Instance(self, runner.name_of(node))
        if "__init__" in self.methods:
            self.methods["__init__"].called(runner, node, [made, *positional], keywords)
        elif positional or keywords:
            raise runner.error(f"`{self.found.name}` takes no arguments", node)
        return made


def written(function: str, node: Call, positional: list[Any], keywords: Mapping[str, Any]) -> Call:
    """Return a call of another function in the place of one, with a node for each of its arguments."""

    def part() -> Expression:
        return Literal(None, node.span)

    arguments, named = tuple(part() for _ in positional), tuple((name, part()) for name in keywords)
    return Call(function, arguments, named, node.span, node.function_span, qualified=True)


@dataclass(frozen=True, slots=True, eq=False)
class Taken(Value):
    """A number that was taken out of a tensor that requires grad: it may decide, and be shown."""

    number: Any
    error: ExecutionError
    """Why no tensor can be computed with it."""
