"""The modules of a running program: what every one can do, and those of the program's own classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gradcli.execution.forward.values import Bound, Closure, Handed, Runner, Value
from gradcli.language.makers import CALL
from gradcli.language.notebook import CLASS_NAME, DTYPES
from gradcli.language.program import Call, Class, Expression

SAME = frozenset({"detach", "to", "cpu", "cuda", "double", "float", "train", "eval", "requires_grad_"})


class Module(Value):
    """What has parameters, its own and those of the modules in it."""

    __slots__ = ()

    def children(self) -> Iterator[tuple[str, Any]]:
        """Yield the modules and parameters in it, by name."""
        yield from ()

    def place(self, path: str) -> tuple[dict[str, Any], str] | None:
        """Return where a parameter is kept, `net.0.weight`: the dictionary and its key; None if there is no such."""
        head, _, rest = path.partition(".")
        child = dict(self.children()).get(head)
        return child.place(rest) if rest and isinstance(child, Module) else None

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
        if name in _METHODS:
            return _METHODS[name](self, runner, node, positional)
        if name == "to" and any(
            DTYPES.get(str(word).removeprefix("torch."), "default") != "default" for word in positional
        ):
            hint = "leave it out: `--dtype float16` runs the whole program in that precision"
            raise runner.error("a module in another precision is not read", node, hint)
        if name in SAME:
            # `requires_grad_(False)` is read as `detach`.
            self.switch(*(("requires_grad_", [False]) if name == "detach" else (name, positional)))
            return self
        return super().method(runner, node, positional, keywords)

    @property
    def class_name(self) -> str:
        """Return what its class is called."""
        return type(self).__name__

    def walked(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Yield itself and all modules in it, as PyTorch's `named_modules` does."""
        yield prefix, self
        for name, child in self.children():
            if isinstance(child, Module):
                yield from child.walked(f"{prefix}.{name}" if prefix else name)

    def loaded(self, runner: Runner, node: Call, given: list[Any]) -> None:
        """Give the parameters the numbers of others, by name."""
        if len(given) != 1 or not isinstance(given[0], dict):
            raise runner.error("`load_state_dict` takes what `state_dict` gives", node)
        for path, value in given[0].items():
            found, tensor = self.place(path), runner.machine.tensor(value)
            if found is None or tensor is None:
                raise runner.error(f"there is no parameter '{path}'", node)
            kept, key = found
            kept[key] = runner.parameter(
                tensor.detach().clone(), f"{getattr(self, 'name', None) or 'net'}.{path}", node
            )

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


# What every module has beside its call, and what leaves it as it is.
_METHODS: Mapping[str, Callable[[Module, Runner, Call, list[Any]], Any]] = {
    "parameters": lambda module, runner, *_: [tensor for _, tensor in module.named(runner)],
    "named_parameters": lambda module, runner, *_: list(module.named(runner)),
    "state_dict": lambda module, runner, *_: dict(module.named(runner)),
    "load_state_dict": lambda module, runner, node, given: module.loaded(runner, node, given),
    "apply": lambda module, runner, node, given: module.applied(runner, node, given),
    "modules": lambda module, *_: [found for _, found in module.walked()],
    "named_modules": lambda module, *_: list(module.walked()),
    "children": lambda module, *_: [found for _, found in module.children() if isinstance(found, Module)],
    "named_children": lambda module, *_: [pair for pair in module.children() if isinstance(pair[1], Module)],
    CLASS_NAME: lambda module, *_: module.class_name,
}


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
    is_training: bool = True

    @property
    def class_name(self) -> str:
        """Return what its class is called."""
        return self.maker.found.name

    def switch(self, name: str, values: list[Any]) -> None:
        """Take note of whether it is trained."""
        if name in ("train", "eval"):
            self.is_training = name == "train" and (bool(values[0]) if values else True)
        super(Instance, self).switch(name, values)

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
        if name == "training":
            return self.is_training
        if name in self.maker.values:
            return self.maker.values[name]
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

    def place(self, path: str) -> tuple[dict[str, Any], str] | None:
        """Return where a parameter is kept; None if there is no such."""
        return (self.attributes, path) if path in self.attributes else super(Instance, self).place(path)

    def children(self) -> Iterator[tuple[str, Any]]:
        """Yield the attributes."""
        yield from self.attributes.items()


@dataclass(frozen=True, slots=True, eq=False)
class Maker(Value):
    """A class of the program's own."""

    found: Class
    methods: Mapping[str, Closure]
    values: Mapping[str, Any]
    """The numbers and texts that stand in its body."""

    def attribute(self, runner: Runner, name: str, node: Expression) -> Any:
        """Return a value that stands in its body, or a method without an owner."""
        known = {**self.methods, **self.values}
        return known[name] if name in known else super(Maker, self).attribute(runner, name, node)

    def called(self, runner: Runner, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Any:
        """Return a new instance; what it makes is called by what it is assigned to."""
        made = Instance(self, runner.name_of(node))
        if "__init__" in self.methods:
            self.methods["__init__"].called(runner, node, [made, *positional], keywords)
        elif positional or keywords:
            raise runner.error(f"`{self.found.name}` takes no arguments", node)
        return made
