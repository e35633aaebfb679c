"""Runs a program: walks its nodes and hands every op to a machine.

One interpreter serves the user's program, run by PyTorch with autograd, and the op table's definitions, expanded to
primitive nodes; they differ only in the machine.
"""

from __future__ import annotations

from typing import Any

from gradcli.errors import GradcliError
from gradcli.execution.forward.expressions import Evaluator
from gradcli.execution.forward.fills import check_place, numbers
from gradcli.execution.forward.machine import BoundCall, Machine
from gradcli.execution.forward.notebook import handed_on
from gradcli.execution.forward.scopes import Returned
from gradcli.execution.forward.values import Instance, Module, Value
from gradcli.language.program import (
    Assign,
    Call,
    Differentiate,
    Each,
    Evaluate,
    Expression,
    Fill,
    For,
    GradMode,
    If,
    InPlace,
    Leaf,
    Program,
    Return,
    SetAttribute,
    Statement,
    While,
)
from gradcli.ops.table import find


class Differentiated(Exception):  # noqa: N818 (it ends a run, and is not an error)
    """The program differentiates: what, with which upstream gradient, with respect to what."""

    def __init__(self, output: Any, upstream: Any, wrt: Any, *, allow_unused: bool) -> None:
        super().__init__()
        self.output = output
        self.upstream = upstream
        self.wrt = wrt
        self.allow_unused = allow_unused


class Interpreter(Evaluator):
    """Runs the statements of one program over a dict of variables."""

    def __init__(self, program: Program, machine: Machine, variables: dict[str, Any]) -> None:
        super().__init__(program, machine, variables)
        self.differentiated: Differentiated | None = None
        """What the program itself differentiates, after its run."""

    def run(self) -> Any:
        """Run the statements up to the first that differentiates, and return what that does; else the last value."""
        try:
            return self.block(self.program.statements)
        except Differentiated as found:
            self.differentiated = found
            return found.output

    def block(self, statements: tuple[Statement, ...]) -> Any:
        """Run statements, and return the value of the last."""
        value = None
        for statement in statements:
            value = self._statement(statement)
        return value

    def _statement(self, statement: Statement) -> Any:
        match statement:
            case Evaluate():
                return self.evaluate(statement.value)
            case Assign():
                return self._assign(statement)
            case If():
                return self.block(statement.body if self.truth(statement.test) else statement.otherwise)
            case While():
                return self._while(statement)
            case For():
                return self._for(statement)
            case Each():
                return self._each(statement)
            case Fill():
                return self._fill(statement)
            case Return():
                raise Returned(None if statement.value is None else self.evaluate(statement.value))
            case SetAttribute():
                return self._set_attribute(statement)
            case InPlace():
                return self._in_place(statement)
            case GradMode():
                return self._grad_mode(statement)
            case Differentiate():
                return self._differentiate(statement)

    def _assign(self, statement: Assign) -> Any:
        value = self._assigned(statement)
        values = [value] if len(statement.targets) == 1 else self._unpack(value, statement)
        for target, item in zip(statement.targets, values, strict=True):
            self.variables[target.name] = item
            self._name_value(item, target.name)
        return value

    def _name_value(self, value: Any, name: str) -> None:
        """Take note that the program calls a value by a name."""
        if isinstance(value, Value):
            value.adopt(name)
        else:
            self.machine.named(value, name)

    def _set_attribute(self, statement: SetAttribute) -> Any:
        owner, name = self.evaluate(statement.owner), statement.name
        if name == "requires_grad" and isinstance(owner, Module):
            return owner.switch("requires_grad_", [False])
        if name == "requires_grad" and self.machine.tensor(owner) is not None:
            return self._freeze(owner, statement)
        if not isinstance(owner, Instance):
            raise self.error(f"'{statement.owner.name}' takes no new attributes", statement)
        own = f"{owner.name}.{name}"
        owner.attributes[name] = value = self._called(statement.value, own)
        self._name_value(value, own)
        return value

    def _fill(self, statement: Fill) -> Any:
        """Give a tensor other numbers: a leaf of the program's keeps what an option gives it."""
        value, call = self.evaluate(statement.target), statement.value
        tensor = self.machine.tensor(value)
        if tensor is None:
            raise self.error(f"`{self.program.text(statement.target)}` is not a tensor", statement.target)
        given = [self._plain_tensor(self.evaluate(part)) for part in call.arguments]
        keywords = {name: self.evaluate(part) for name, part in call.keywords}
        try:
            quiet = statement.is_quiet or not self.records
            check_place(tensor, self.program.text(statement.target), is_quiet=quiet)
            found = numbers(call.function, tensor, given, keywords, self.draws)
            if tensor.requires_grad:
                self._refill(value, found, statement)
            else:
                self.constants[id(value)] = value, handed_on(self, call, found)
        except GradcliError as error:
            raise self.located(error, statement) from None
        return None

    def _plain_tensor(self, value: Any) -> Any:
        tensor = self.machine.tensor(value)
        return value if tensor is None else tensor.detach()

    def _refill(self, value: Any, found: Any, statement: Fill) -> None:
        if any(value is self.variables.get(leaf.name) for leaf in self.program.leaves):
            name = self.program.text(statement.target)
            raise self.error(f"'{name}' is a leaf of the program", statement, f"`--value {name}=...` gives its numbers")
        if not any(value is known for known in self.given.values()):
            self.machine.refill(value, found)

    def _freeze(self, value: Any, statement: SetAttribute) -> Any:
        """Make a constant of a tensor, by all the names that it has."""
        op, call = find("detach"), Call("detach", (statement.owner,), (), statement.span, statement.span)
        assert op is not None  # noqa: S101 (the table has it)
        constant = self.apply(op, call, [value], {})
        self.constants[id(value)] = value, constant
        return constant

    def _assigned(self, statement: Assign) -> Any:
        """Return the value that is assigned; a leaf that is made is called as its target is."""
        if len(statement.targets) == 1:
            return self._called(statement.value, statement.targets[0].name)
        return self.evaluate(statement.value)

    def _called(self, node: Expression, name: str) -> Any:
        """Return the value of an expression; what it makes is called by a name."""
        if isinstance(node, Leaf):
            return self.leaf(node, name)
        before, self.naming = self.naming, (node, name)
        try:
            return self.evaluate(node)
        finally:
            self.naming = before

    def _in_place(self, statement: InPlace) -> Any:
        """Return `x += y` as a new value of x: PyTorch keeps the old one for nobody, or refuses."""
        target, call = statement.target, statement.value
        value, operand = self.evaluate(target), self.evaluate(call.arguments[1])
        if self.machine.tensor(value) is not None:
            try:
                self.machine.overwrites(value, BoundCall(call, [value, operand], {}, {}), self.others(target.name))
            except GradcliError as error:
                raise self.located(error, statement) from None
        self.variables[target.name] = result = self.call(call, [value, operand], {})
        self.machine.named(result, target.name)
        return result

    def _grad_mode(self, statement: GradMode) -> Any:
        before, self.records = self.records, statement.enabled
        try:
            return self.block(statement.body)
        finally:
            self.records = before

    def _differentiate(self, statement: Differentiate) -> Any:
        values = [
            None if node is None else self.evaluate(node)
            for node in (statement.output, statement.upstream, statement.wrt)
        ]
        raise Differentiated(*values, allow_unused=statement.allow_unused)

    def _unpack(self, value: Any, statement: Assign) -> list[Any]:
        if not isinstance(value, tuple | list):
            raise self.error("this is not a tuple and cannot be unpacked", statement.value)
        if len(value) != len(statement.targets):
            raise self.error(f"{len(value)} values cannot be unpacked into {len(statement.targets)} names", statement)
        return list(value)

    def _while(self, statement: While) -> Any:
        value = None
        while self.truth(statement.test):
            self.count_round(statement)
            value = self.block(statement.body)
        return value

    def _for(self, statement: For) -> Any:
        value = None
        bounds = [self.integer(bound) for bound in statement.bounds]
        if bounds[2:] == [0]:
            raise self.error("the step of a range is not 0", statement.bounds[2])
        for count in range(*bounds):
            self.count_round(statement)
            self.variables[statement.target.name] = count
            value = self.block(statement.body)
        return value

    def _each(self, statement: Each) -> Any:
        value = None
        for item in self.items(self.evaluate(statement.iterable), statement.iterable):
            self.count_round(statement)
            self.unpacked(statement.targets, item, statement)
            value = self.block(statement.body)
        return value
