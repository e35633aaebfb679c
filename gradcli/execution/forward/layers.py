"""Modules of `torch.nn` in a running program: made by PyTorch's own classes, and called as their functions."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from gradcli.errors import ExecutionError, LimitError
from gradcli.execution.forward import tree
from gradcli.execution.forward.draws import drawing, handed_on
from gradcli.execution.forward.embedded import embedding, with_parameters
from gradcli.execution.forward.machine import BoundCall
from gradcli.execution.forward.modules import Module
from gradcli.execution.forward.refusals import refusals
from gradcli.execution.forward.values import Handed, Runner, Value, written
from gradcli.language.modules import CONTAINERS, KEYED, MODULES, SHOWN, UNREAD
from gradcli.language.modules import Module as Row
from gradcli.language.notebook import PLACES
from gradcli.language.program import Call, Expression
from gradcli.phrases import show_shape

RUNNING = (torch.nn.InstanceNorm1d, torch.nn.InstanceNorm2d, torch.nn.InstanceNorm3d)
MOST_LAYERS = 1000
# Entries that every limit allows, and that PyTorch makes in no time.
SURELY_FEW = 1 << 20


def make(runner: Runner, kind: str, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Module:
    """Return the module that `nn.Linear(3, 2)` makes."""
    if kind in CONTAINERS:
        return _container(runner, kind, node, positional)
    tensors = {id(tensor): value for value in tree.leaves([positional, keywords])
               if (tensor := runner.machine.tensor(value)) is not None}  # fmt: skip
    given = tree.map(lambda leaf: _plain(runner, leaf), [list(positional), dict(keywords)])
    if MODULES[kind].is_whole:
        _check_layers(runner, kind, node, *given)
    made = _made(runner, getattr(torch.nn, kind), node, *given)
    _check_read(runner, made, node)
    return Layer(MODULES[kind], made, node, runner.program.text(node), tensors)


def _plain(runner: Runner, value: Any) -> Any:
    """Return what PyTorch's constructor is given for a value: the tensor, or the module that is copied."""
    if isinstance(value, Layer):
        return value.module
    tensor = runner.machine.tensor(value)
    return value if tensor is None else tensor


def _check_layers(runner: Runner, kind: str, node: Call, positional: list[Any], keywords: dict[str, Any]) -> None:
    """Refuse a network of more layers than anybody has: PyTorch would make them one by one."""
    place = 1 if kind.startswith("Transformer") else 2
    layers = keywords.get("num_layers", next(iter(positional[place : place + 1]), 1))
    if isinstance(layers, int) and layers > MOST_LAYERS and not kind.endswith(("Cell", "Layer", "Attention")):
        message = f"`{runner.program.text(node)}` has {layers:,} layers, more than the limit of {MOST_LAYERS:,}"
        raise LimitError(message, span=node.span, source=runner.program.source, hint="no option raises this limit")


def _check_read(runner: Runner, made: torch.nn.Module, node: Call) -> None:
    """Refuse a module with an option that its function is not called with."""
    allowed = {**UNREAD, "track_running_stats": False} if isinstance(made, RUNNING) else UNREAD
    for name, value in allowed.items():
        if getattr(made, name, value) != value:
            hint = "save the program as FILE.py, and `gradcli run FILE.py` runs it as it stands"
            raise runner.error(f"`{name}` of nn.{type(made).__name__} is not read", node, hint)


def _made(runner: Runner, kind: type[torch.nn.Module], node: Call, positional: list[Any], keywords: Any) -> Any:
    """Return PyTorch's own module, unless it has more entries than a tensor may have."""
    try:
        with refusals(f"nn.{kind.__name__}"):
            return _drawn(runner, kind, node, positional, keywords)
    except ExecutionError as error:
        error.hint = error.hint or f"it is made as `nn.{kind.__name__}{_signature(kind)}`"
        raise runner.located(error, node) from None


def _signature(kind: type[torch.nn.Module]) -> str:
    names = [name for name in inspect.signature(kind).parameters if name not in PLACES | {"dtype"}]
    return f"({', '.join(names)})"


def _drawn(runner: Runner, kind: type[torch.nn.Module], node: Call, positional: list[Any], keywords: Any) -> Any:
    """Return a module whose parameters are drawn; those that the same draws have made before are used again."""
    generator, memo = runner.draws.generator, runner.machine.memo
    key = node.span, str(positional), str(keywords), bytes(generator.get_state().tolist())
    if key in memo and not tree.tensors([positional, keywords]):
        made, state = memo[key]
        generator.set_state(state)
        return made.train()
    if _most([positional, keywords]) > SURELY_FEW:  # PyTorch imports a lot where it makes modules without numbers
        with torch.device("meta"), torch.random.fork_rng(devices=[]):
            sizes = [parameter.numel() for parameter in kind(*positional, **keywords).parameters()]
        runner.machine.check_elements(max([0, *sizes]), node)
    with drawing(runner.draws):
        made = kind(*positional, **keywords)
    memo[key] = made, generator.get_state()
    return made


def _most(given: Any) -> int:
    """Return a bound on the entries of a module's parameters: the product of its sizes, a kernel's in three axes."""
    sizes = [abs(leaf) for leaf in tree.leaves(given) if isinstance(leaf, int) and leaf]
    return math.prod(sizes) * math.prod(sizes[2:3]) ** 2


def _container(runner: Runner, kind: str, node: Call, items: list[Any]) -> Module:
    entries = items[0] if len(items) == 1 and isinstance(items[0], dict) else None
    if entries is not None or kind in KEYED:
        found = {} if entries is None else entries
        return Container([*found.values()], runner.program.text(node), kind == "Sequential", keys=[*found])
    if kind != "Sequential":
        if len(items) > 1 or not isinstance((items or [[]])[0], list | tuple):
            raise runner.error(f"nn.{kind} takes one list", node, f"write `nn.{kind}([...])`")
        items = [*items[0]] if items else []
    return Container(items, runner.program.text(node), is_called=kind == "Sequential")


@dataclass(slots=True, eq=False)
class Layer(Module):
    """One module of PyTorch's; its parameters become leaves where they are first used."""

    row: Row
    module: torch.nn.Module
    node: Call
    """What made it."""
    text: str
    given: dict[int, Any]
    """The tensors that it was made with, by identity of what PyTorch sees of them."""
    name: str | None = None
    known: dict[str, Any] = field(default_factory=dict)
    """Parameters and buffers that have been used."""
    is_frozen: bool = False

    def adopt(self, name: str) -> None:
        """Take note of what it is assigned to first."""
        self.name = self.name or name

    def called(self, runner: Runner, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Any:
        """Call the module's function, with its attributes."""
        if self.row.is_whole:
            return self._whole(runner, node, positional, keywords)
        own: dict[str, Any] = {}
        for pair in self.row.attributes:
            argument, _, attribute = pair.partition("=")
            value = self._value(runner, attribute or argument, node)
            own |= {} if value is None else {argument: value}
        keywords = {**own, **dict(zip(self.row.inputs, positional[1:], strict=False)), **keywords}
        positional = positional[:1] if self.row.inputs else positional
        if getattr(self.module, "inplace", False) and runner.machine.tensor(positional[0]) is not None:
            return self._in_place(runner, node, positional, keywords)
        return self._result(runner, node, positional, keywords)

    def _whole(self, runner: Runner, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Any:
        """Run PyTorch's own code of the module."""
        values = {name: self._value(runner, name, node) for name, _ in self.module.named_parameters()}

        def run(values: dict[str, Tensor], positional: list[Any], keywords: dict[str, Any]) -> Any:
            return with_parameters(self.module, values)(*positional, **keywords)

        return embedding(runner).of_shapes(node, run, values, positional, keywords)

    def _in_place(self, runner: Runner, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Any:
        """Return what is computed; it also stands in the place of the input, by all its names."""
        call = BoundCall(node, positional, {}, {})
        return runner.overwritten(positional[0], call, lambda: self._result(runner, node, positional, keywords))

    def _result(self, runner: Runner, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Any:
        try:
            return runner.call(written(self.row.function, node, positional, keywords), positional, keywords)
        except ExecutionError as error:
            raise self._explained(error) from None

    def _explained(self, error: ExecutionError) -> ExecutionError:
        """Return an error with what the module computes."""
        sizes = [f"{name} is {show_shape(tuple(tensor.shape))}" for name, tensor in self.module.named_parameters()]
        if sizes and error.hint and "F." not in error.hint:
            names = ", ".join(("x", *(name for name, _ in self.module.named_parameters())))
            error.hint = (
                f"`{self.text}` computes `F.{self.row.function}({names})`, where {', '.join(sizes)}; {error.hint}"
            )
        return error

    def _value(self, runner: Runner, name: str, node: Expression) -> Any:
        value = dict(self.module.named_parameters()).get(name, getattr(self.module, name, None))
        if not isinstance(value, Tensor):
            return value
        if id(value) in self.given:
            return self.given[id(value)]
        if name not in self.known:
            self.known[name] = self._tensor(runner, name, value, node)
        return runner.current(self.known[name])

    def _tensor(self, runner: Runner, name: str, value: Tensor, node: Expression) -> Any:
        """Return a parameter as a leaf, and a buffer as a constant."""
        if isinstance(value, torch.nn.Parameter) and not self.is_frozen:
            return runner.parameter(value.detach(), f"{self.name or self.text}.{name}", node)
        call = Call("tensor", (), (), node.span, node.span)
        return handed_on(runner, call, value.detach())

    @property
    def class_name(self) -> str:
        """Return what PyTorch calls its class."""
        return type(self.module).__name__

    def attribute(self, runner: Runner, name: str, node: Expression) -> Any:
        """Return a parameter, or a size."""
        value = self._value(runner, name, node) if name in (*SHOWN, *dict(self.module.named_parameters())) else None
        if value is None and getattr(self.module, name, 0) is not None:
            raise runner.error(f"`{self.text}` has no attribute '{name}'", node)
        return value

    def place(self, path: str) -> tuple[dict[str, Any], str] | None:
        """Return where a parameter is kept; None if there is no such."""
        return (self.known, path) if path in dict(self.module.named_parameters()) else None

    def children(self) -> Iterator[tuple[str, Any]]:
        """Yield the parameters that have been used; `named` makes leaves of all."""
        yield from self.known.items()

    def named(self, runner: Runner, prefix: str = "") -> Iterator[tuple[str, Any]]:
        """Yield the parameters, as leaves."""
        for name, parameter in self.module.named_parameters():
            node = Call("tensor", (), (), _nowhere(runner), _nowhere(runner))
            value = self._value(runner, name, node) if parameter.requires_grad else None
            if value is not None and runner.machine.tensor(value).requires_grad:
                yield f"{prefix}.{name}" if prefix else name, value

    def is_a(self, kind: Value) -> bool:
        """Tell whether it is an instance of one of PyTorch's classes."""
        name = f"nn.{type(self.module).__name__}"
        return (isinstance(kind, Handed) and kind.function == name) or super(Layer, self).is_a(kind)

    def switch(self, name: str, values: list[Any]) -> None:
        """Train, or not; make the parameters constants, or not."""
        is_on = bool(values[0]) if values else True
        if name in ("train", "eval"):
            self.module.train(is_on and name == "train")
        elif name == "requires_grad_":
            self.is_frozen = not is_on
            self.known.clear()


def _nowhere(runner: Runner) -> Any:
    return runner.program.statements[0].span


@dataclass(slots=True, eq=False)
class Container(Module):
    """Modules in a row."""

    items: list[Any]
    text: str
    is_called: bool
    name: str | None = None
    keys: list[str] | None = None
    """What the modules are called, where they are not by their places."""

    @property
    def entries(self) -> Any:
        """Return the modules as what an index looks into."""
        return self.items if self.keys is None else dict(zip(self.keys, self.items, strict=True))

    def attribute(self, runner: Runner, name: str, node: Expression) -> Any:
        """Return a module by its name."""
        if self.keys is None or name not in self.keys:
            return super(Container, self).attribute(runner, name, node)
        return self.entries[name]

    def adopt(self, name: str) -> None:
        """Name the modules in it by their places, or their own names."""
        self.name = self.name or name
        for place, item in self.children():
            if isinstance(item, Value):
                item.adopt(f"{self.name}.{place}")

    def called(self, runner: Runner, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Any:
        """Call one module after the other."""
        if not self.is_called or len(positional) != 1 or keywords:
            return super(Container, self).called(runner, node, positional, keywords)
        self.adopt(self.text)
        for item in self.items:
            if not isinstance(item, Value):
                raise runner.error(f"`{self.text}` holds what is not a module", node)
            positional = [item.called(runner, item.node if isinstance(item, Layer) else node, positional, {})]
        return positional[0]

    def children(self) -> Iterator[tuple[str, Any]]:
        """Yield the modules by their places, or their own names."""
        names = map(str, range(len(self.items))) if self.keys is None else self.keys
        yield from zip(names, self.items, strict=True)
