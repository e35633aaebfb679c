"""Runs a program: walks its nodes and hands every op to a machine.

One interpreter serves the user's program, run by PyTorch with autograd, and the op table's definitions, expanded to
primitive nodes; they differ only in the machine.
"""

from __future__ import annotations

from typing import Any

from gradcli.errors import LimitError, Span
from gradcli.execution.forward.expressions import Evaluator
from gradcli.execution.forward.machine import Machine
from gradcli.language.program import (
    Assign,
    Evaluate,
    For,
    If,
    Program,
    Statement,
    While,
)


class Interpreter(Evaluator):
    """Runs the statements of one program over a dict of variables."""

    def __init__(self, program: Program, machine: Machine, variables: dict[str, Any]) -> None:
        super().__init__(program, machine, variables)
        self.rounds = 0

    def run(self) -> Any:
        """Run all statements and return the value of the last one."""
        return self._block(self.program.statements)

    def _block(self, statements: tuple[Statement, ...]) -> Any:
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
                return self._block(statement.body if self.truth(statement.test) else statement.otherwise)
            case While():
                return self._while(statement)
            case For():
                return self._for(statement)

    def _assign(self, statement: Assign) -> Any:
        value = self.evaluate(statement.value)
        values = [value] if len(statement.targets) == 1 else self._unpack(value, statement)
        for target, item in zip(statement.targets, values, strict=True):
            self.variables[target.name] = item
            self.machine.named(item, target.name)
        return value

    def _unpack(self, value: Any, statement: Assign) -> list[Any]:
        if not isinstance(value, tuple | list):
            raise self.error("this is not a tuple and cannot be unpacked", statement.value)
        if len(value) != len(statement.targets):
            raise self.error(f"{len(value)} values cannot be unpacked into {len(statement.targets)} names", statement)
        return list(value)

    def _while(self, statement: While) -> Any:
        value = None
        while self.truth(statement.test):
            self._count_round(statement)
            value = self._block(statement.body)
        return value

    def _for(self, statement: For) -> Any:
        value = None
        bounds = [self.integer(bound) for bound in statement.bounds]
        if bounds[2:] == [0]:
            raise self.error("the step of a range is not 0", statement.bounds[2])
        for count in range(*bounds):
            self._count_round(statement)
            self.variables[statement.target.name] = count
            value = self._block(statement.body)
        return value

    def _count_round(self, statement: While | For) -> None:
        """Count a round of a loop as an operation: one that calls no op must end too."""
        self.rounds += 1
        if self.rounds > self.machine.most_rounds:
            message = f"the program's loops run more than {self.machine.most_rounds} rounds"
            span = Span(statement.span.start, statement.span.start + 1)
            hint = "`--max-operations` raises the limit"
            raise LimitError(message, span=span, source=self.program.source, hint=hint)
