"""Recorded calls as text: operators as operators, methods as methods, numbers in the type of what is given."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.overrides import resolve_name

from gradcli.errors import NotSupportedError
from gradcli.python_trees import expression_tree

# By the names of methods and functions, without underscores; those of the other order have an r in front.
OPERATORS = {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "div": "/", "matmul": "@", "pow": "**"}
OPERATORS |= {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!=", "and": "&", "or": "|"}
OPERATORS |= {"true_divide": "/", "logical_and": "&", "logical_or": "|", "bitwise_and": "&", "bitwise_or": "|"}
# The helpers that stand for operators where care is taken.
CAREFUL = {"*": "times", "/": "over"}
SIGNS = {"neg": "-", "invert": "~", "logical_not": "~", "bitwise_not": "~"}
# What writes to all of a tensor, as a new tensor.
FILLED = {"fill_": "torch.full_like({0}, {1})", "zero_": "torch.zeros_like({0})"}
FILLED |= {"copy_": "torch.broadcast_to({1}, {0}.shape).clone()"}
# What the names of functions begin with in PyTorch's C++, and in public.
PUBLIC = {"linalg_": "torch.linalg.", "fft_": "torch.fft.", "special_": "torch.special."}
# Arguments that say where results lie in memory.
LAYOUT = frozenset({"out", "memory_format", "layout", "pin_memory"})
FACTORIES = frozenset({"tensor", "arange", "zeros", "ones", "full", "eye", "empty", "linspace", "as_tensor"})
# Of these, what makes floating-point numbers, of PyTorch's default dtype, where nothing is said.
FLOATING = frozenset({"zeros", "ones", "empty", "eye", "linspace"})
# The entries of a constant that stands as numbers, whatever makes it; of whole numbers; and of what nothing else makes.
MOST_FOLDED, MOST_PLACES, MOST_WRITTEN = 24, 200, 400
LONGEST = 64
# Whole numbers from here on are none in single precision.
SINGLE = 2.0**24


class Value(Protocol):
    """A recorded value."""

    @property
    def name(self) -> str | None: ...  # noqa: D102
    @property
    def value(self) -> Tensor | None: ...  # noqa: D102
    @property
    def write(self) -> Callable[[Written], str] | None: ...  # noqa: D102


@dataclass(slots=True)
class Written:
    """What has been written: statements, and the expression of each value after them."""

    like: str
    taken: set[str]
    is_careful: bool = False
    """Whether 0/0 and 0 times infinity are 0, and a singular system has its shortest solution."""
    folds: bool = True
    """Whether constants that calls make stand as numbers; else the code may be for other lengths too."""
    lines: list[str] = field(default_factory=list)
    texts: dict[Any, str] = field(default_factory=dict)

    def enter(self, made: Value, uses: int) -> None:
        """Write a value: as a statement if it is read more than once, or long."""
        if made.name is not None:
            self.texts[made] = made.name
            return
        text = self._literal(made.value) if is_folded(made, folds=self.folds) else self._called(made)
        is_number = made.value is not None and made.value.ndim == 0
        self.texts[made] = (
            self._assigned(text) if "\n" in text or (not is_number and (uses > 1 or len(text) > LONGEST)) else text
        )

    def _called(self, made: Value) -> str:
        if made.write is None:
            raise NotSupportedError("a constant of the definition has too many entries to write")
        return made.write(self)

    def _assigned(self, text: str) -> str:
        *before, last = text.split("\n")
        line = bare(last)
        known = next((one.partition(" = ") for one in self.lines if one.endswith(f" = {line}")), None)
        if known is not None and not before and known[2] == line and "[" not in known[0]:
            return known[0]
        number, name = 1, "t"
        while name in self.taken:
            number += 1
            name = f"t{number}"
        self.taken.add(name)
        self.lines += [one.replace("{name}", name) for one in before]
        self.lines += [] if before else [f"{name} = {line}"]
        return name

    def _literal(self, value: Tensor | None) -> str:
        assert value is not None  # noqa: S101 (asked before)
        is_wide = value.is_floating_point() and bool((value.abs() >= SINGLE).any())
        kind = self.dtype(torch.float32 if value.is_floating_point() and not is_wide else value.dtype)
        numbers = repr(value.tolist()).replace("inf", "float('inf')").replace("nan", "float('nan')")
        return f"torch.tensor({numbers}, dtype={kind}, device={self.like}.device)"

    def dtype(self, dtype: torch.dtype) -> str:
        """Return the code of a dtype: that of what is given for what is not exact."""
        if dtype.is_complex:
            return f"{self.like}.dtype.to_complex()"
        return f"{self.like}.dtype" if dtype == torch.float32 else str(dtype)

    def bare(self, made: Value) -> str:
        """Return the expression of a value, with no more parentheses than it needs."""
        return bare(self.texts[made])

    def argument(self, value: Any, read: Mapping[int, Any], *, as_number: bool = False) -> str:
        """Return an argument; a constant of no axes as a number where one may stand."""
        if isinstance(value, Tensor):
            made = read[id(value)]
            is_number = as_number and made.value is not None and made.value.ndim == 0 and not made.value.is_complex()
            return self.argument(made.value.item(), read) if is_number else self.texts[made]
        if isinstance(value, tuple | list):
            items = [self.argument(item, read) for item in value]
            inside = ", ".join(items) + ("," if len(items) == 1 and isinstance(value, tuple) else "")
            return f"({inside})" if isinstance(value, tuple) else f"[{inside}]"
        if isinstance(value, slice):
            return f"slice({value.start}, {value.stop}, {value.step})"
        if isinstance(value, torch.dtype):
            return self.dtype(torch.float32 if value.is_floating_point else value)
        if isinstance(value, torch.device):
            return f"{self.like}.device"
        if value is None or value is Ellipsis or isinstance(value, bool | int | float | complex | str):
            text = "..." if value is Ellipsis else repr(value)
            text = {"inf": "float('inf')", "-inf": "-float('inf')", "nan": "float('nan')"}.get(text, text)
            return f"({text})" if text.startswith("-") else text
        raise NotSupportedError(f"there is no source for an argument `{value!r}`")


def is_folded(made: Value, *, folds: bool) -> bool:
    """Return whether a value stands in the code as its numbers; one that a call makes only if that `folds`."""
    value = made.value
    if not folds and value is not None and made.write is not None:
        return value.ndim == 0
    if value is None or made.write is None:
        return value is not None
    return value.numel() <= (MOST_FOLDED if value.is_floating_point() or value.is_complex() else MOST_PLACES)


def item_of(whole: Any, place: int) -> Callable[[Written], str]:
    """Return what writes one of several results."""
    return lambda written: f"{written.texts[whole]}[{place}]"


def bare(text: str) -> str:
    """Return an expression with no more parentheses than it needs."""
    return ast.unparse(expression_tree(text))


def short_name(func: Any) -> str:
    """Return the name of what PyTorch is asked for: `add`, `index_add_`; of an attribute its own."""
    name: str = getattr(func, "__name__", "")
    return getattr(func.__self__, "__name__", name) if name == "__get__" else name


def expression(
    func: Any, args: Sequence[Any], keywords: Mapping[str, Any], read: Mapping[int, Any], item: int | None = None
) -> Callable[[Written], str]:
    """Return what writes a call, or an item of its result; `read` are the values that its tensors are now."""

    def write(written: Written) -> str:
        text = _expression(written, func, args, keywords, read)
        return text if item is None else f"{text}[{item}]"

    return write


def _expression(
    written: Written, func: Any, args: Sequence[Any], keywords: Mapping[str, Any], read: Mapping[int, Any]
) -> str:
    name = short_name(func)
    if func.__name__ == "__get__":
        return f"{written.argument(args[0], read)}.{name}"
    if func is Tensor.__getitem__:
        return f"{written.argument(args[0], read)}[{_index(written, args[1], read)}]"
    if func is Tensor.__setitem__:
        whole, value = (written.argument(one, read) for one in (args[0], args[2]))
        place = _index(written, args[1], read)
        return f"{{name}} = {whole}.clone()\n{{name}}[{place}] = {value}\n{{name}}"
    if name in FILLED:
        return FILLED[name].format(*(written.argument(one, read) for one in args))
    words = {
        key: value
        for key, value in keywords.items()
        if key not in LAYOUT and (value is not False or key != "requires_grad")
    }
    return _operation(written, name.strip("_"), args, words, read) or _function(written, func, name, args, words, read)


def _index(written: Written, value: Any, read: Mapping[int, Any]) -> str:
    if isinstance(value, tuple):
        return ", ".join(_index(written, one, read) for one in value) + ("," if len(value) == 1 else "")
    if isinstance(value, slice):
        ends = [value.start, value.stop, *([] if value.step is None else [value.step])]
        return ":".join("" if end is None else str(end) for end in ends)
    return written.argument(value, read)


def _operation(
    written: Written, stem: str, args: Sequence[Any], words: Mapping[str, Any], read: Mapping[int, Any]
) -> str | None:
    """Return a call as an operation; None if it is none."""
    if words or len(args) not in {1, 2}:
        return None
    if len(args) == 1:
        return f"({SIGNS[stem]}{written.argument(args[0], read)})" if stem in SIGNS else None
    is_turned = stem not in OPERATORS and stem[:1] == "r" and stem[1:] in OPERATORS
    sign = OPERATORS.get(stem[1:] if is_turned else stem)
    if sign is None:
        return None
    first, second = args[::-1] if is_turned else args
    constants = [isinstance(one, Tensor) and read[id(one)].value is None for one in (first, second)]
    left = written.argument(first, read, as_number=constants[1])
    right = written.argument(second, read, as_number=constants[0])
    real = [_is_real(text, one) for text, one in ((left, first), (right, second))]
    left = _typed(written, left, first, beside_real=real[1])
    right = _typed(written, right, second, beside_real=real[0])
    if written.is_careful and sign in CAREFUL and all(isinstance(one, Tensor) and one.ndim for one in (first, second)):
        return f"_{CAREFUL[sign]}({left}, {right})"
    return f"({left} {sign} {right})"


def _typed(written: Written, text: str, own: Any, *, beside_real: bool) -> str:
    """Return an operand; one of whole numbers beside a number that is none in the type that both have then."""
    is_whole = isinstance(own, Tensor) and not (own.is_floating_point() or own.is_complex())
    return f"{text}.to({written.like}.dtype)" if is_whole and beside_real and not _is_number(text) else text


def _is_real(text: str, own: Any) -> bool:
    """Tell whether an operand is written as a number that is not whole by its type."""
    return isinstance(own, float) or (isinstance(own, Tensor) and own.is_floating_point() and _is_number(text))


def _is_number(text: str) -> bool:
    return text.removeprefix("-")[:1].isdigit()


def _function(  # noqa: PLR0917 (a call's parts)
    written: Written, func: Any, name: str, args: Sequence[Any], words: Mapping[str, Any], read: Mapping[int, Any]
) -> str:
    """Return a call of a function or of a method; in place, of the one that makes a new tensor."""
    name = name if name.endswith("__") else name.rstrip("_")
    given = [written.argument(one, read) for one in args]
    if name in {"as_strided", "as_strided_copy"}:  # of memory as the entries lie in it where nothing else is said
        given[0] = f"{given[0]}.contiguous()"
    if written.is_careful and name == "linalg_solve":
        return f"_shortest({given[0]}, {given[1]})"
    shown = {key: written.argument(value, read) for key, value in words.items()}
    if name in FACTORIES and not any(isinstance(one, Tensor) for one in args):
        shown.setdefault("device", f"{written.like}.device")
        if name in FLOATING or (name == "tensor" and torch.tensor(args[0]).is_floating_point()):
            shown.setdefault("dtype", f"{written.like}.dtype")
        if any(isinstance(one, int | float) and abs(one) >= SINGLE for one in args):
            shown = {
                key: "torch.float64" if value == f"{written.like}.dtype" else value for key, value in shown.items()
            }
    if name == "arange" and len(args) > 1 and args[0] >= SINGLE:  # where numbers that are moved begin
        device, dtype = shown["device"], shown.get("dtype", "torch.int64")
        return f"(torch.arange({args[1] - args[0]}, dtype={dtype}, device={device}) + {args[0]})"
    keywords = [f"{key}={value}" for key, value in shown.items()]
    dotted = _dotted(func, name)
    if dotted.startswith("torch.Tensor."):
        method = dotted.removeprefix("torch.Tensor.")
        return f"{given[0]}.{method}({', '.join([*given[1:], *keywords])})"
    return f"{dotted}({', '.join([*given, *keywords])})"


def _dotted(func: Any, name: str) -> str:
    """Return the public name of a function; NotSupportedError if it has none."""
    prefix = next((prefix for prefix in PUBLIC if name.startswith(prefix)), None)
    if prefix is not None:
        found = PUBLIC[prefix] + name.removeprefix(prefix)
    else:
        head = (resolve_name(func) or f"torch.{name}").rpartition(".")[0]
        head = head.replace("torch._C._nn", "torch.nn.functional")
        found = f"{'torch' if head == 'torch.functional' else head}.{name}"
    owner: Any = torch
    for part in found.split(".")[1:]:
        owner = getattr(owner, part, None)
    if not found.startswith("torch.") or "._" in found or owner is None:
        raise NotSupportedError(f"there is no public name of the function '{name}'")
    return found
