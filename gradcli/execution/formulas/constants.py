"""What formulas call the constants of definitions: by their numbers, or by the calls that make them of named values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from gradcli.execution.formulas.inlined import place
from gradcli.execution.reference.movement import holds_numbers
from gradcli.execution.reference.nodes import NODES, ComplexNode, Node, nodes_in
from gradcli.ops.record import Op
from gradcli.ops.signature import Parameter, parse_signature

# The entries of a constant that stands in formulas as it is.
MOST_WRITTEN = 64
# The constants that are named by their calls: which entries a call picks, and of what size its largest are.
NAMED = frozenset({
    *("one_hot", "argmax", "argmin", "argsort", "nonzero", "amax", "amin", "max", "min", "median", "nanmedian"),
    *("isfinite", "nan_to_num", "getitem", "sum", "logcumsumexp", "linalg.cholesky", "linalg.inv", "flatten", "cdist"),
    *("linalg.matrix_norm", "linalg.eigvalsh", "linalg.svdvals", "isnan", "linalg.pinv", "real", "_imag"),
})  # fmt: skip
# Those that are named by their calls whatever their numbers are: a mask of any size.
SHAPED = frozenset({"tril", "triu", "eye", "outer", "arange"})
RANGES = frozenset({"arange"})
# Those of them that are whole numbers, or truth values.
STEPPED = frozenset({"one_hot", "argmax", "argmin", "argsort", "nonzero", "isfinite", "isnan"})
# What of others' entries is named so too.
MOVED = frozenset({"pad"})
POOLS = frozenset({f"{kind}max_pool{axes}d" for kind in ("", "adaptive_") for axes in (1, 2, 3)})
FACTORS = frozenset({"linalg.eigh", "linalg.svd", "linalg.qr", "linalg.lu", "linalg.lu_factor", "linalg.eig"})
# What these are of may be made of what has a name by such calls.
OPERANDS = NAMED | FACTORS | {*("abs", "neg", "detach", "eq", "ne", "where", "ones"), *POOLS}
SIGNS = {"eq": "==", "ne": "!="}
# What has the shape of a tensor, and nothing else of it.
ALIKE = frozenset({"ones_like", "zeros_like", "full_like"})
# What formulas call them where that is another name.
SHORTER = {"linalg.inv": "inv", "_imag": "imag"}
# The characters of a text; and by how many a call may be longer than a name.
LONGEST, LONGER = 120, 8

Names = Mapping[Node, str]


def text_of(node: Node, names: Names) -> str | None:
    """Return a constant of a definition, or what is moved in it, as an expression, where formulas may name it."""
    if node.origin is None or (node.edges and node.origin[0].name not in MOVED):
        return None
    if node.origin[0].name in SHAPED:
        return _call(node, names)
    if is_given(node) and node.tensor.is_floating_point() and 0 < node.tensor.numel() <= MOST_WRITTEN:
        values = node.tensor.reshape(-1).tolist()
        return constant(values[0] if len({*values}) == 1 else node.tensor.tolist())
    return _call(node, names) if node.origin[0].name in NAMED | MOVED else None


def name_of(node: Node, names: Names) -> str | None:
    """Return what formulas call a node: the call that made it, or the name that it has, if that is much shorter."""
    made, name = text_of(node, names), names.get(node)
    return name if made is None or (name is not None and len(name) + LONGER < len(made)) else made


def constant(values: Any) -> str:
    """Return the text of a constant's values, as a list has them: 1 rather than 1.0 where it has no axes."""
    if not isinstance(values, float) or not math.isfinite(values) or values < 0:
        return f"tensor({values!r})"
    return str(int(values)) if values.is_integer() else repr(values)


def is_given(node: Node | ComplexNode) -> bool:
    """Tell whether a constant of a definition is the same whatever the leaves are."""
    origin = _origin(node)
    if origin is None or (isinstance(node, Node) and node.edges):
        return False
    return origin[0].name in ALIKE or all(is_given(one) for one in nodes_in(origin[1]))


def _origin(node: Node | ComplexNode) -> Any:
    return node.origin if isinstance(node, Node) else node.made_by


def _call(node: Node | ComplexNode, names: Names) -> str | None:
    """Return the call that made a node; None if one of its operands has no name, or the text would be long."""
    op, bound = _origin(node)
    is_small = 0 < node.tensor.numel() <= MOST_WRITTEN
    if op.name == "getitem" and is_small and is_given(node) and not node.tensor.is_floating_point():
        return f"tensor({node.tensor.tolist()!r})"
    if op.name == "getitem":
        return _reading(bound["input"], bound["index"], names)
    variadic = {parameter.name for parameter in parse_signature(op.signature) if parameter.variadic}
    given = {
        key: repr(value)[1:-1].rstrip(",") if key in variadic else _argument(value, names)
        for key, value in bound.items()
    }
    if any(text is None for text in given.values()):
        return None
    if op.name in SIGNS:
        return f"({given['input']} {SIGNS[op.name]} {given['other']})"
    if op.name == "detach":  # a formula says what a value is, and not what is differentiated
        return given["input"]
    text = f"{SHORTER.get(op.name, op.name)}({', '.join(_arguments(op, bound, given))})"
    return text if len(text) <= LONGEST else None


def _reading(tensor: Any, index: Any, names: Names) -> str | None:
    """Return the text of an indexing."""
    items = [*index] if isinstance(index, list | tuple) else [index]
    while items and items[-1] == slice(None):
        items.pop()
    places = [_argument(item, names) if isinstance(item, Node) else place(item) for item in items]
    read, known = _argument(tensor, names), [text for text in places if text is not None]
    return None if read is None or len(known) < len(places) else f"{read}[{', '.join(known)}]"


def _arguments(op: Op, bound: Mapping[str, Any], given: Mapping[str, str | None]) -> list[str]:
    """Return the arguments that say something: by place up to the first that is left out, then by name."""
    found: list[str] = []
    is_by_place = True
    for parameter in parse_signature(op.signature):
        if parameter.name not in given or _is_usual(parameter, bound[parameter.name]):
            is_by_place = False
        else:
            is_by_place = is_by_place and parameter.name != "dim" and not parameter.keyword_only
            found.append(f"{'' if is_by_place else f'{parameter.name}='}{given[parameter.name]}")
    return found


def _sizes(value: Any) -> str:
    return ", ".join(map(repr, value))


def _is_usual(parameter: Parameter, value: Any) -> bool:
    return not isinstance(value, Node) and not parameter.required and parameter.default == value


def _argument(value: Any, names: Names) -> str | None:
    if not isinstance(value, NODES):
        return None if nodes_in(value) else repr(value)
    if isinstance(value, Node) and value in names:
        return names[value]
    made = None if _origin(value) is None else _origin(value)[0].name
    if made in RANGES:
        return _call(value, names)
    if is_given(value) and not holds_numbers(value) and 0 < value.tensor.numel() <= MOST_WRITTEN:
        return f"tensor({value.tensor.tolist()!r})"
    is_known = made in OPERANDS and not (isinstance(value, Node) and value.edges)
    return _call(value, names) if is_known else None
