"""Programs that run straight through: no entry of a tensor decides what they do, and nothing in them is random."""

from __future__ import annotations

from gradcli.execution.forward.notebook import WORDS
from gradcli.language.calls import IN_PLACE, OPTIONS
from gradcli.language.modules import module_name
from gradcli.language.notebook import IN_PLACE_ALONE, METHODS
from gradcli.language.order import SyntaxNode, postorder
from gradcli.language.program import (
    Assign,
    Attribute,
    Call,
    Ellipsis,
    Evaluate,
    Index,
    Literal,
    Name,
    Program,
    Sequence,
    Slice,
)
from gradcli.ops.table import find

STATEMENTS = (Assign, Evaluate)
NODES = (Name, Literal, Attribute, Index, Sequence, Slice, Ellipsis)
# The words of Python's that are ops where they are called on tensors, and the ops that only ask for a shape.
AS_OPS = frozenset({"abs", "max", "min", "pow", "round", "sum"})
OF_SHAPES = frozenset({"size", "numel", "dim", "ndimension"})


def runs_straight(program: Program) -> bool:
    """Tell whether a program is a list of assignments of ops' results, so that only kinds of tensors decide its course.

    No for one that might be: it then runs statement by statement each time.
    """
    if program.made or not all(isinstance(statement, STATEMENTS) for statement in program.statements):
        return False
    values = (statement.value for statement in program.statements if isinstance(statement, STATEMENTS))
    return all(_is_plain(node) for value in values for node in postorder(value))


def _is_plain(node: SyntaxNode) -> bool:
    return _calls_op(node) if isinstance(node, Call) else isinstance(node, NODES)


def _calls_op(call: Call) -> bool:
    if find(call.function) is None or module_name(call) is not None:
        return False
    if any(name in {IN_PLACE, OPTIONS} for name, _ in call.keywords):
        return False
    if call.operator is not None:
        return True
    ours = (METHODS | IN_PLACE_ALONE) - OF_SHAPES if call.method else WORDS - AS_OPS
    return call.function not in ours
