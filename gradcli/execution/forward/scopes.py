"""The names that a running program sees, the functions that it is inside of, and how often its loops and calls run."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import MutableMapping
from typing import Any

from gradcli.errors import ExecutionError, GradcliError, LimitError, Span
from gradcli.execution.forward.draws import Draws
from gradcli.execution.forward.machine import Machine
from gradcli.execution.forward.modules import Maker
from gradcli.execution.forward.values import Closure, Taken, Value
from gradcli.language.program import Call, Class, Expression, Function, Program, Statement

DEEPEST = 40  # calls of functions inside of each other


class Returned(Exception):  # noqa: N818 (it ends a function, and is not an error)
    """A function returns a value."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class Left(Exception):  # noqa: N818 (it ends a round, and is not an error)
    """A loop is left, or its round."""

    def __init__(self, *, is_break: bool) -> None:
        super().__init__()
        self.is_break = is_break


class Differentiated(Exception):  # noqa: N818 (it ends a run, and is not an error)
    """The program differentiates: what, with which upstream gradient, with respect to what."""

    def __init__(self, output: Any, upstream: Any, wrt: Any, *, allow_unused: bool) -> None:
        super().__init__()
        self.output = output
        self.upstream = upstream
        self.wrt = wrt
        self.allow_unused = allow_unused


class Scope(ChainMap[str, Any]):
    """What a function sees: its own names before those around it, of which it may assign some."""

    def __init__(self, own: MutableMapping[str, Any], around: MutableMapping[str, Any], outer: tuple[str, ...]) -> None:
        super().__init__(own, around)
        self.outer = outer

    def __setitem__(self, name: str, value: Any) -> None:
        """Assign a name: around it, if it is declared as one of those."""
        self.maps[1 if name in self.outer else 0][name] = value


class Scopes:
    """What a run keeps beside the tensors."""

    def __init__(self, program: Program, machine: Machine, variables: dict[str, Any]) -> None:
        self.program = program
        self.machine = machine
        self.variables: MutableMapping[str, Any] = variables
        self.draws = Draws(machine.seed)
        self.given = dict(variables)
        """The leaves whose values are known, by name."""
        self.made = dict.fromkeys((leaf.name for leaf in program.leaves), 1)
        """How many leaves of a name there are."""
        self.records = True
        """Whether gradients are recorded: not inside `no_grad`."""
        self.rounds = 0
        self.callers: list[MutableMapping[str, Any]] = []
        """The names that those functions see that wait for the one that runs."""
        self.replaced: dict[int, tuple[Any, Any]] = {}
        """What stands in the place of a tensor since it was changed, by its identity; the tensor beside it."""
        self.embedded: Any = None
        """What runs PyTorch's own code in this run."""
        self.naming: tuple[Expression, str] | None = None

    def evaluate(self, node: Expression) -> Any:
        """Return the value of an expression."""
        raise NotImplementedError

    def block(self, statements: tuple[Statement, ...]) -> Any:
        """Run statements, and return the value of the last."""
        raise NotImplementedError

    def closure(self, node: Function) -> Closure:
        """Return a function, whose defaults are those of now."""
        values = [self.evaluate(value) for value in node.defaults]
        names = node.parameters[len(node.parameters) - len(values) :]
        return Closure(node, dict(zip(names, values, strict=True)), self.variables)

    def maker(self, node: Class) -> Maker:
        """Return a class."""
        values = {name: self.evaluate(value) for name, value in node.values}
        return Maker(node, {method.name: self.closure(method) for method in node.methods}, values)

    def enter(self, function: Function, scope: MutableMapping[str, Any], given: dict[str, Any], node: Call) -> Any:
        """Return what a function returns, whose parameters have these values."""
        self.count_round(node)
        if len(self.callers) >= DEEPEST:
            raise self._too_deep(function, node)
        self.callers.append(self.variables)
        self.variables = Scope(given, scope, function.outer)
        try:
            self.block(function.body)
        except Returned as returned:
            return returned.value
        except RecursionError:
            raise self._too_deep(function, node) from None
        finally:
            self.variables = self.callers.pop()
        return None

    def _too_deep(self, function: Function, node: Call) -> LimitError:
        message = f"calls of `{function.name}` are too deep inside of each other"
        hint = "write a loop, or a function that calls itself less often"
        return LimitError(message, span=node.span, source=self.program.source, hint=hint)

    def count_round(self, node: Statement | Expression) -> None:
        """Count a round of a loop as an operation, and a call of a function: one that calls no op must end too."""
        self.rounds += 1
        if self.rounds > self.machine.most_rounds:
            message = f"the program's loops run more than {self.machine.most_rounds} rounds"
            span = Span(node.span.start, node.span.start + 1)
            hint = "`--max-operations` raises the limit"
            raise LimitError(message, span=span, source=self.program.source, hint=hint)

    def current(self, value: Any) -> Any:
        """Return a value, or what stands in its place since it was changed."""
        while id(value) in self.replaced:
            value = self.replaced[id(value)][1]
        return value

    def name_of(self, node: Call) -> str | None:
        """Return what the result of a call is assigned to, where that is known before it is made."""
        return self.naming[1] if self.naming is not None and self.naming[0] is node else None

    def others(self, name: str) -> dict[str, Any]:
        """Return what other names stand for, of those too that only the callers of a function see."""
        own = {other: self.current(value) for other, value in self.variables.items() if other != name}
        for caller in self.callers:
            own |= {
                other: self.current(value)
                for other, value in caller.items()
                if caller is not self.variables and other != name
            }
        return own

    def callee(self, node: Call, positional: list[Any]) -> Value | None:
        """Return what a call calls, if that is of the program's own making; None for an op, or a word of a notebook."""
        if node.qualified:
            return None
        if node.method:
            return positional[0] if positional and isinstance(positional[0], Value) else None
        found = self.variables.get(node.function)
        return found if isinstance(found, Value) else None

    def taken(self, number: Any, error: ExecutionError) -> Taken:
        """Return a number out of a tensor that requires grad."""
        return Taken(number, error)

    def error(self, message: str, node: Expression | Statement, hint: str | None = None) -> ExecutionError:
        """Return an error that points at a node."""
        return ExecutionError(message, span=node.span, source=self.program.source, hint=hint)

    def located(self, error: GradcliError, node: Expression | Statement) -> GradcliError:
        """Return an error with the place of a node, unless it has one; a span alone is one in this program."""
        if error.source is None:
            error.span, error.source = error.span or node.span, self.program.source
        return error
