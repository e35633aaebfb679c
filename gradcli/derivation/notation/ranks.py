"""How many axes the tensors in a formula have, as far as a notation depends on it."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from gradcli.derivation.notation.parsed import callee

TO_NUMBERS = frozenset({"trace", "det", "logdet"})
# Of matrices: what these make of one has so many axes less; `linalg.norm` is of all axes where it is given none.
OF_MATRICES = {"linalg.eigvals": 1, "linalg.eigvalsh": 1, "linalg.svdvals": 1, "linalg.matrix_norm": 2}
# Which of the results are the values, or pivots, and not matrices.
VALUES = {"linalg.eig": 0, "linalg.eigh": 0, "linalg.svd": 1, "linalg.lu_factor": 1}
VALUES |= {"linalg.qr": -1, "linalg.lu": -1}  # all of them are matrices
REDUCING = frozenset(
    {
        *("sum", "mean", "logsumexp", "prod", "norm", "amax", "amin", "argmax", "argmin"),
        *("max", "min", "median", "kthvalue"),
    }
)
# What is read of these first is a result, and not an axis of one.
SEVERAL = frozenset({"max", "min", "median", "kthvalue", "mode", "sort", "topk", "cummax", "cummin"})
MATRIX = 2


def rank(node: ast.expr, ranks: Mapping[str, int]) -> int:
    """Return the rank of an expression; that of a name that is not known is 0."""
    match node:
        case ast.Name(id=name):
            return ranks.get(name, 0)
        case ast.BinOp(left=left, op=ast.MatMult(), right=right):
            return max(rank(left, ranks) + rank(right, ranks) - MATRIX, 0)
        case ast.Subscript():
            return _read(node, ranks)
        case ast.Call():
            return _call(node, ranks)
    return max((rank(child, ranks) for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)), default=0)


def _read(node: ast.Subscript, ranks: Mapping[str, int]) -> int:
    items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    whole = rank(node.value, ranks)
    if isinstance(node.value, ast.Call) and callee(node.value) in SEVERAL:
        return whole
    if isinstance(node.value, ast.Call) and callee(node.value) in VALUES:
        is_of_values = isinstance(node.slice, ast.Constant) and node.slice.value == VALUES[callee(node.value) or ""]
        return whole - is_of_values
    used = sum(not (isinstance(item, ast.Constant) and item.value is None) for item in items)
    dropped = sum(not isinstance(item, ast.Slice) for item in items) - (len(items) - used)
    indexed = max((rank(item, ranks) for item in items if not isinstance(item, ast.Slice | ast.List)), default=0)
    return whole - dropped + (len(items) - used) + indexed


def _depth(node: ast.expr) -> int:
    """Return how deep lists are nested."""
    return 1 + max(map(_depth, node.elts), default=0) if isinstance(node, ast.List | ast.Tuple) else 0


def _call(node: ast.Call, ranks: Mapping[str, int]) -> int:
    if _is_elided(node):
        return 0
    name = callee(node)
    if name == "einsum" and isinstance(node.args[0], ast.Constant):
        return len(str(node.args[0].value).rpartition("->")[2])
    if name in TO_NUMBERS:
        return 0
    made = _made(name, node, ranks)
    if made is not None:
        return made
    inner = max((rank(argument, ranks) for argument in node.args), default=0)
    if name == "diagonal":
        return inner - 1
    if name in OF_MATRICES:
        return inner - OF_MATRICES[name]
    if name in REDUCING:
        if any(keyword.arg == "keepdim" for keyword in node.keywords):
            return inner
        place = 2 if name in {"kthvalue", "norm"} else 1
        given = [*node.args[place : place + 1], *(keyword.value for keyword in node.keywords if keyword.arg == "dim")]
        axes = next(iter(given), ast.Constant(-1) if name == "kthvalue" else None)
        lost = len(axes.elts) if isinstance(axes, ast.Tuple) else 1
        return 0 if axes is None else inner - lost
    if name is None and isinstance(node.func, ast.Attribute):
        return rank(node.func.value, ranks)
    return inner


def _is_elided(node: ast.Call) -> bool:
    """Return whether a call is written without its arguments, `take(...)`, of whose rank nothing is known."""
    return len(node.args) == 1 and isinstance(node.args[0], ast.Constant) and node.args[0].value is ...


def _made(name: str | None, node: ast.Call, ranks: Mapping[str, int]) -> int | None:
    """Return the rank of what a function makes whatever it is given; None of others."""
    if name in {"eye", "outer", "diag", "nonzero"}:
        return MATRIX
    if name in {"reshape", "broadcast_to"} and len(node.args) > 1 and isinstance(node.args[1], ast.Tuple):
        return len(node.args[1].elts)
    if name == "summed_into" and isinstance(node.args[2], ast.Tuple):
        return len(node.args[2].elts)
    if name == "take":
        return _depth(node.args[1])
    if name in {"ones", "zeros", "full"}:
        return _count_of_lengths(node.args if name != "full" else node.args[:1])
    if name == "arange":
        return 1
    if name == "tensor":
        return _depth(node.args[0])
    if name == "one_hot":
        return rank(node.args[0], ranks) + 1
    return None


def _count_of_lengths(lengths: Sequence[ast.expr]) -> int:
    """Return how many lengths are given: one by one, or as a tuple."""
    first = lengths[0] if len(lengths) == 1 else None
    return len(first.elts) if isinstance(first, ast.Tuple | ast.List) else len(lengths)
