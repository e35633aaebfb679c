"""Runs a program: walks its nodes and hands every op to a machine.

One interpreter serves the user's program, run by PyTorch with autograd, and the op table's definitions, expanded to
primitive nodes; they differ only in the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gradcli.errors import ExecutionError
from gradcli.execution.forward.machine import Machine
from gradcli.execution.forward.refusals import REFUSALS, says_pytorch
from gradcli.execution.forward.scopes import Differentiated, Left, Returned
from gradcli.execution.forward.writes import Writes
from gradcli.language.leaves import names_in
from gradcli.language.program import (
    Assign,
    Differentiate,
    Each,
    Evaluate,
    Fill,
    For,
    GradMode,
    If,
    InPlace,
    Leave,
    Program,
    Raise,
    Return,
    Sequence,
    SetAttribute,
    SetItem,
    Statement,
    Try,
    Unpack,
    While,
)
from gradcli.language.words import shorten


class RaisedError(ExecutionError):
    """The program raises an error itself."""


class Interpreter(Writes):
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
        return _RULES[type(statement)](self, statement)

    def _if(self, statement: If) -> Any:
        return self.block(statement.body if self.truth(statement.test) else statement.otherwise)

    def _return(self, statement: Return) -> Any:
        raise Returned(None if statement.value is None else self.evaluate(statement.value))

    def _assign(self, statement: Assign) -> Any:
        value = self._assigned(statement)
        values = [value] if len(statement.targets) == 1 else self._unpack(value, statement)
        for target, item in zip(statement.targets, values, strict=True):
            self.variables[target.name] = item
            self.name_value(item, target.name)
        return value

    def _assigned(self, statement: Assign) -> Any:
        """Return the value that is assigned; a leaf that is made is called as its target is."""
        if len(statement.targets) == 1:
            return self.called_as(statement.value, statement.targets[0].name)
        if isinstance(statement.value, Sequence) and len(statement.value.items) == len(statement.targets):
            pairs = zip(statement.value.items, statement.targets, strict=True)
            return tuple(self.called_as(item, target.name) for item, target in pairs)
        return self.evaluate(statement.value)

    def _unpacking(self, statement: Unpack) -> Any:
        value = self.evaluate(statement.value)
        self.unpacked(statement.pattern, value, statement)
        for name in names_in(statement.pattern):
            self.name_value(self.variables[name.name], name.name)
        return value

    def _raise(self, statement: Raise) -> Any:
        written = shorten(self.program.text(statement))
        raise RaisedError(f"the program itself does `{written}`", span=statement.span, source=self.program.source)

    def _try(self, statement: Try) -> Any:
        """Run a block; where PyTorch refuses it, the other one."""
        try:
            return self.block(statement.body)
        except Differentiated as found:
            tensor = self.machine.tensor(found.output)
            if tensor is None or tensor.numel() == 1 or found.upstream is not None:
                raise
        except (ExecutionError, *REFUSALS) as error:
            if isinstance(error, ExecutionError) and not (isinstance(error, RaisedError) or says_pytorch(error)):
                raise
        if statement.name is not None:
            self.variables[statement.name.name] = "error"
        return self.block(statement.otherwise)

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
        output, upstream, wrt = values
        raise Differentiated(_only(output), _only(upstream), wrt, allow_unused=statement.allow_unused)

    def _unpack(self, value: Any, statement: Assign) -> list[Any]:
        if (tensor := self.machine.tensor(value)) is not None and tensor.ndim:
            value = self.items(value, statement.value)
        if not isinstance(value, tuple | list):
            raise self.error("this is not a tuple and cannot be unpacked", statement.value)
        if len(value) != len(statement.targets):
            raise self.error(f"{len(value)} values cannot be unpacked into {len(statement.targets)} names", statement)
        return list(value)

    def _while(self, statement: While) -> Any:
        value, is_left = None, False
        while not is_left and self.truth(statement.test):
            self.count_round(statement)
            value, is_left = self._round(statement.body)
        return value

    def _round(self, body: tuple[Statement, ...]) -> tuple[Any, bool]:
        """Return the value of a loop's round, and whether the loop ends with it."""
        try:
            return self.block(body), False
        except Left as left:
            return None, left.is_break

    def _leave(self, statement: Leave) -> Any:
        raise Left(is_break=statement.is_break)

    def _for(self, statement: For) -> Any:
        value = None
        bounds = [self.integer(bound) for bound in statement.bounds]
        if bounds[2:] == [0]:
            raise self.error("the step of a range is not 0", statement.bounds[2])
        self.machine.begin_loop(_length(range(*bounds)))
        for count in range(*bounds):
            self.count_round(statement)
            self.variables[statement.target.name] = count
            value, is_left = self._round(statement.body)
            if is_left:
                break
        return value

    def _each(self, statement: Each) -> Any:
        value = None
        for item in self.items(self.evaluate(statement.iterable), statement.iterable):
            self.count_round(statement)
            self.unpacked(statement.targets, item, statement)
            value, is_left = self._round(statement.body)
            if is_left:
                break
        return value


def _only(value: Any) -> Any:
    """Return what a tuple or a list holds alone, such as the one gradient that `autograd.grad` gives."""
    return value[0] if isinstance(value, tuple | list) and len(value) == 1 else value


def _length(counts: range) -> int:
    """Return how many numbers a range has, of any size."""
    return max(0, -(-(counts.stop - counts.start) // counts.step))


_RULES: Mapping[type, Callable[[Interpreter, Any], Any]] = {
    Evaluate: lambda self, statement: self.evaluate(statement.value),
    Assign: lambda self, statement: self._assign(statement),
    If: lambda self, statement: self._if(statement),
    While: lambda self, statement: self._while(statement),
    For: lambda self, statement: self._for(statement),
    Each: lambda self, statement: self._each(statement),
    InPlace: lambda self, statement: self.in_place(statement),
    SetItem: lambda self, statement: self.set_item(statement),
    SetAttribute: lambda self, statement: self.set_attribute(statement),
    Fill: lambda self, statement: self.fill(statement),
    GradMode: lambda self, statement: self._grad_mode(statement),
    Differentiate: lambda self, statement: self._differentiate(statement),
    Unpack: lambda self, statement: self._unpacking(statement),
    Raise: lambda self, statement: self._raise(statement),
    Try: lambda self, statement: self._try(statement),
    Leave: lambda self, statement: self._leave(statement),
    Return: lambda self, statement: self._return(statement),
}
