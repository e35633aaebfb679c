"""Names with a meaning of their own: PyTorch's prefixes, constants, attributes; and which names a user may choose."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping

from gradcli.errors import ProgramError
from gradcli.language.modules import MODULES
from gradcli.language.notebook import ARRAYS, DTYPES, FOREIGN, HABITS, MATH, TENSORS
from gradcli.language.source import Source

VIEWS_AND_SHAPES = (
    "T",
    "mT",
    "H",
    "mH",
    "real",
    "imag",
    "shape",
    "ndim",
    "data",
    "dtype",
    "device",
    "is_cuda",
    "is_leaf",
    "requires_grad",
)
SHOWN_ATTRIBUTES = "T, mT, H, mH, real, imag, shape, ndim, values, indices, and the fields of torch's named tuples"

CONSTANTS = {"pi": math.pi, "inf": math.inf}
VALUES = {**CONSTANTS, "e": math.e, "nan": math.nan}
_PREFIXED = ("e", "nan")  # with a prefix only
_CONSTANT_PREFIXES = ((), ("torch",), ("math",), ("np",), ("numpy",))
_MODULES = ("nn", "autograd", "optim")
_ROOTS = ("torch", "F", "math", *_MODULES, *FOREIGN)
_NAMESPACES = ("linalg", "special", "fft")  # an op's own name may be `linalg.norm`
# Modules whose functions are no ops.
NAMESPACES = frozenset(
    {
        "math",
        "nn",
        "nn.init",
        "nn.utils",
        "autograd",
        "autograd.functional",
        "optim",
        "func",
        "cuda",
        "random",
        "distributions",
        "utils.data",
        "utils.checkpoint",
    }
)
_PREFIXES: Mapping[tuple[str, ...], str] = {
    ("torch",): "",
    ("F",): "",
    ("torch", "nn", "functional"): "",
    ("nn", "functional"): "",
    ("torch", "masked"): "masked.",
    ("math",): "math.",
    **{
        (*before, *space.split(".")): f"{space}."
        for space in NAMESPACES
        if space != "math"
        for before in ((), ("torch",))
    },
    **{("torch", space): f"{space}." for space in _NAMESPACES},
    **{(space,): f"{space}." for space in _NAMESPACES},
}
# A method has the name of one of torch.nn.functional's functions, and another meaning.
_FUNCTIONAL_TWINS = {"unfold": "nn.functional.unfold"}
_FUNCTIONAL = (("F",), ("torch", "nn", "functional"), ("nn", "functional"))
_RESERVED = {
    "torch": "`torch` is a module, not a value",
    "F": "`F` is torch.nn.functional, not a value",
    "math": "`math` is a module, not a value",
    "nan": "`nan` needs a prefix",
}


# `torch.nn.functional.relu` has four.
MOST_PARTS = 8


def dotted(node: ast.expr) -> tuple[str, ...] | None:
    """Return the parts of `a.b.c`, or None for anything else, a chain longer than any name of PyTorch's too.

    It is asked at every attribute of a chain, which would take the square of its length.
    """
    parts: list[str] = []
    while isinstance(node, ast.Attribute) and len(parts) < MOST_PARTS:
        parts.append(node.attr)
        node = node.value
    return (node.id, *reversed(parts)) if isinstance(node, ast.Name) else None


def is_qualified(node: ast.expr) -> bool:
    """Tell whether an attribute chain begins at a module, and so is neither a method nor a field."""
    parts = dotted(node)
    return parts is not None and len(parts) > 1 and parts[0] in _ROOTS


def is_namespaced_function(node: ast.expr) -> bool:
    """Tell whether what is called is a function with a prefix, such as `torch.linalg.norm` or `linalg.norm`."""
    parts = dotted(node)
    return parts is not None and (is_qualified(node) or (parts[0] in _NAMESPACES and parts[:-1] == parts[:1]))


def function_name(node: ast.expr, source: Source) -> str:
    """Return an op's name without the prefixes that PyTorch users write."""
    parts = dotted(node) or ()
    name = without_prefix(parts)
    if name is not None:
        return name
    if parts[0] in ("np", "numpy") and f"np.{parts[-1]}" in MATH:
        return f"np.{parts[-1]}"
    if parts[0] in ("np", "numpy") and parts[1:] in [(name,) for name in ARRAYS]:
        return parts[-1]
    if parts[0] in FOREIGN:
        message = f"`{'.'.join(parts)}` is {FOREIGN[parts[0]]}'s; a program calls PyTorch's functions"
        raise source.error(message, node, _own_name(parts))
    hint = "prefixes are torch. (.linalg., .special., .fft., .masked., .nn.functional.), linalg., special., fft. and F."
    raise source.error(f"unknown function '{source.quoted(source.span(node))}'", node, hint)


def _own_name(parts: tuple[str, ...]) -> str:
    """Return what to write for a function of a different library."""
    return HABITS.get(parts[-1]) or f"without the prefix: `{parts[-1]}(x)`; `gradcli ops` lists all"


def without_prefix(parts: tuple[str, ...]) -> str | None:
    """Return the op's own name that `torch.linalg.norm`, in parts, means; None if the prefix is not PyTorch's."""
    prefix = _PREFIXES.get(parts[:-1])
    if parts[:-1] in _FUNCTIONAL and parts[-1] in _FUNCTIONAL_TWINS:
        return _FUNCTIONAL_TWINS[parts[-1]]
    return None if prefix is None else f"{prefix}{parts[-1]}"


def dtype_word(node: ast.expr) -> str | None:
    """Return `long` where the node is `torch.long` or another of PyTorch's types."""
    parts = dotted(node) or ("",)
    if parts[:-1] not in (("torch",), ("torch", "cuda"), ("np",), ("numpy",)):
        return None
    return TENSORS.get(parts[-1]) or (parts[-1] if parts[-1] in DTYPES else None)


def constant_symbol(node: ast.expr) -> str | None:
    """Return `pi` or `inf` where the node is that constant, with or without a prefix; `e` and `nan` only with one."""
    parts = dotted(node) or ("",)
    if parts[-1] in _PREFIXED and len(parts) > 1 and parts[:-1] in _CONSTANT_PREFIXES:
        return parts[-1]
    if parts[-1] not in CONSTANTS:
        return None
    return parts[-1] if parts[:-1] in _CONSTANT_PREFIXES else None


def check_attribute(node: ast.Attribute, source: Source) -> None:
    """Refuse an attribute of a module, and a private one; which others there are, the op table says."""
    if is_qualified(node):
        raise _module_attribute(node, source)
    if is_hidden(node.attr):
        message = f"the attribute '.{node.attr}' is not accepted"
        raise source.error(message, attribute_place(node), f"attributes are {SHOWN_ATTRIBUTES}")


def _module_attribute(node: ast.Attribute, source: Source) -> ProgramError:
    name = source.quoted(source.span(node))
    if node.attr in ("complex64", "complex128", "cfloat", "cdouble"):
        return source.error(f"`{name}` is not accepted", node, "the option `--dtype` sets the type of the leaves")
    hint = "a function needs brackets and arguments; constants are `pi` and `inf`"
    return source.error(f"`{name}` is not a value", node, hint)


def function_reference(node: ast.Attribute) -> str | None:
    """Return the function that is handed on by a name such as `torch.relu` or `F.gelu`; None for another attribute."""
    parts = dotted(node) or ("",)
    name = without_prefix(parts) if parts[:-1] in (("torch",), *_FUNCTIONAL) else None
    if parts[:-1] in (("nn",), ("torch", "nn")) and parts[-1] in MODULES:
        return f"nn.{parts[-1]}"
    return None if name in (None, *_MODULES, "nan", "complex64", "complex128", "cfloat", "cdouble") else name


def attribute_place(node: ast.Attribute) -> ast.expr:
    """Return a node that stands where the attribute's own name is."""
    place = ast.Name(id=node.attr)
    end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or 0
    place.lineno = place.end_lineno = end_line
    place.col_offset, place.end_col_offset = end_column - len(node.attr), end_column
    return place


def check_name(node: ast.Name, source: Source) -> None:
    """Refuse a name that no variable can have."""
    if node.id in _RESERVED and not source.definition:
        raise source.error(_RESERVED[node.id], node, "a NaN is written `torch.nan`" if node.id == "nan" else None)
    if node.id == "_" and not source.definition:
        raise source.error("`_` takes a value that nobody reads", node, "give it a name")
    if is_hidden(node.id) and not source.definition:
        raise source.error(f"the name '{node.id}' begins with `__`", node, "begin a name with a letter")


def is_hidden(name: str) -> bool:
    """Tell whether a name is one of Python's own, or is made like one: it begins with two underscores."""
    return name.startswith("__")


def check_target(node: ast.Name, source: Source, *, hides: bool = False) -> None:
    """Refuse a name that cannot be assigned; `_` takes a value that nobody reads.

    `hides` tells whether what is assigned may hide a constant: `pi = policy(x)`.
    """
    if node.id in CONSTANTS:
        if not hides or source.definition:
            raise source.error(f"`{node.id}` is a constant and cannot be assigned", node, "choose a different name")
        source.session.hidden.add(node.id)
    if node.id != "_":
        check_name(node, source)
