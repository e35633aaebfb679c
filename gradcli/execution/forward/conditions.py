"""Comparisons, boolean operations and conditions of a running program."""

from __future__ import annotations

from typing import Any

from gradcli.execution.forward.items import Items
from gradcli.execution.forward.values import Taken, TypeOf
from gradcli.language.operator_table import COMPARISON_OF
from gradcli.language.program import BooleanOperation, Call, Compare, Expression
from gradcli.ops.table import find


class Conditions(Items):
    """What decides in a run."""

    def compare(self, node: Compare) -> Any:
        """Return the result of a comparison: of tensors, entry by entry."""
        left, right = (
            value.number if isinstance(value, Taken) else value
            for value in (self.evaluate(node.left), self.evaluate(node.right))
        )
        if isinstance(left, TypeOf):
            return left.is_one_of(right) == (node.operator in {"is", "==", "in"})
        if node.operator in {"is", "is not"}:
            return (left is right) == (node.operator == "is")
        if node.operator in {"in", "not in"}:
            return self.contained(node, left, right) == (node.operator == "in")
        comparison = COMPARISON_OF[node.operator]
        if self.machine.tensor(left) is None and self.machine.tensor(right) is None:
            return self.computed(node, lambda: comparison.compute(left, right))
        op = find(comparison.function)
        assert op is not None  # noqa: S101 (the table has it)
        call = Call(op.name, (node.left, node.right), (), node.span, node.span, operator=node.operator)
        return self.apply(op, call, [left, right], {})

    def boolean(self, node: BooleanOperation) -> Any:
        """Return the operand that decides, as Python does."""
        if node.operator == "not":
            return not self.truth(node.operands[0])
        value = None
        for operand in node.operands:
            value = self.evaluate(operand)
            if self._holds(value, operand) != (node.operator == "and"):
                break
        return value

    def truth(self, node: Expression) -> bool:
        """Return whether a condition holds; a tensor must hold one element."""
        return self._holds(self.evaluate(node), node)

    def _holds(self, value: Any, node: Expression) -> bool:
        tensor = self.machine.tensor(value)
        if tensor is None:
            return bool(value.number if isinstance(value, Taken) else value)
        if tensor.numel() != 1:
            shape = "x".join(str(size) for size in tensor.shape)
            hint = "reduce it first, with all(), any(), sum() or norm()"
            raise self.error(f"a condition must hold one element, and this tensor has shape {shape}", node, hint)
        self.machine.decides(tensor)
        return bool(tensor.item())
