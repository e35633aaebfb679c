"""Calls of PyTorch, recorded as they run, as straight-line code: what results depend on, and nothing else.

What does not depend on what is given is a constant, and stands in the code as numbers where it has few. Decisions that
Python takes meanwhile are as they were: the code is for the lengths at which it was recorded.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from torch import Tensor
from torch.overrides import TorchFunctionMode

from gradcli.errors import NotSupportedError
from gradcli.execution.formulas.recorded_text import (
    MOST_WRITTEN,
    Written,
    expression,
    is_folded,
    item_of,
    short_name,
)
from gradcli.execution.forward import tree

# What may give back what it is given, and what does so but for the shape.
RESHAPING = frozenset({"reshape", "view", "squeeze", "unsqueeze", "flatten"})
SAME = RESHAPING | {"__getitem__", "detach", "contiguous", "to", "permute", "clone", "expand", "type_as"}
Text: TypeAlias = Callable[[Written], str]


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """A recorded value: what is given, a constant, or the result of a call."""

    number: int
    """In the order in which they were made."""
    name: str | None = None
    value: Tensor | None = None
    """What a constant holds that has few entries."""
    write: Text | None = None
    """Returns its expression; None of what no call has made."""
    reads: tuple[Made, ...] = ()
    depends: bool = False
    source: Tensor | None = None
    """Of entries in another shape, what they are the entries of."""


class Recorder(TorchFunctionMode):
    """Records calls while it is in force; `given` are the tensors that the code is given, by name."""

    def __init__(self, given: Mapping[str, Tensor]) -> None:
        super().__init__()
        self._known: dict[int, Made] = {}
        self._alive: list[Any] = []  # whose identities have to stay what they are
        self._parts: dict[int, int] = {}  # of tensors, that have been written to
        self._numbers = itertools.count()
        self._is_of_program = False
        self.give(given)

    def give(self, given: Mapping[str, Tensor]) -> None:
        """Name tensors that the code is given."""
        for name, tensor in given.items():
            self._know(tensor, Made(next(self._numbers), name, depends=True))

    @contextmanager
    def of_program(self) -> Iterator[None]:
        """Record the program itself meanwhile, in which `detach` means something."""
        self._is_of_program = True
        yield
        self._is_of_program = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run a call, and record it."""
        kwargs = dict(kwargs or {})
        self._lose(func, args, tree.tensors([list(args), kwargs]))
        read = {id(one): self._made(one) for one in tree.tensors([list(args), kwargs])}
        result = func(*args, **kwargs)
        self._alive += [args, kwargs, result]
        name = short_name(func)
        if name == "requires_grad_":
            return result
        if func is Tensor.__setitem__ or (name.endswith("_") and not name.endswith("__")):
            self._note_write(args[0], expression(func, args, kwargs, read), read)
        elif "out" in kwargs:  # memory that nothing else reads
            self._note(result, expression(func, args, kwargs, read), read)
        elif name in SAME and isinstance(result, Tensor) and not (name == "detach" and self._is_of_program):
            self._note_same(func, name, args, kwargs, result, read)
        else:
            self._note_results(func, args, kwargs, result, read)
        return result

    def _note_results(self, func: Any, args: Any, kwargs: Any, result: Any, read: Mapping[int, Made]) -> None:
        write = expression(func, args, kwargs, read)
        if isinstance(result, Tensor):
            if id(result) not in read:
                self._note(result, write, read)
            return
        depends = any(made.depends for made in read.values())
        whole = Made(next(self._numbers), None, None, write, tuple(read.values()), depends)
        for place, one in enumerate(tree.tensors(result)):
            if id(one) not in read:
                self._note(one, item_of(whole, place), {id(result): whole})

    def _note_same(  # noqa: PLR0917 (a call's parts)
        self, func: Any, name: str, args: Any, kwargs: Any, result: Tensor, read: Mapping[int, Made]
    ) -> None:
        """Record a call that changes nothing of its operand, or its shape alone: of the shape that it had, it is it."""
        operand: Tensor = args[0]
        made = read[id(operand)]
        source = operand if made.source is None else made.source
        if name in RESHAPING and source.shape == result.shape and source.dtype == result.dtype:
            self._known[id(result)] = self._made(source)
        elif name in RESHAPING:
            write = expression(Tensor.reshape, (source, tuple(result.shape)), {}, {id(source): self._made(source)})
            self._note(result, write, {id(source): self._made(source)}, source)
        elif result.shape == operand.shape and result.dtype == operand.dtype and _is_identity(name, args):
            self._known[id(result)] = made
        else:
            self._note_results(func, args, kwargs, result, read)

    def _made(self, tensor: Tensor) -> Made:
        """Return what a tensor is; one that no call has made is a constant."""
        if id(tensor) not in self._known:
            self._know(tensor, Made(next(self._numbers), value=_held(tensor)))
        return self._known[id(tensor)]

    def _know(self, tensor: Tensor, made: Made) -> None:
        self._known[id(tensor)] = made
        self._alive.append(tensor)

    def _note(self, tensor: Tensor, write: Text, read: Mapping[int, Made], source: Tensor | None = None) -> None:
        depends = any(made.depends for made in read.values())
        value = None if depends else _held(tensor)
        self._know(tensor, Made(next(self._numbers), None, value, write, tuple(read.values()), depends, source))

    def _note_write(self, tensor: Tensor, write: Text, read: Mapping[int, Made]) -> None:
        """Record a write to memory as a new value.

        Python follows one to a part of a tensor, `x[i] -= y`, by another of that part to the whole. Where it does not,
        the whole is no longer known.
        """
        whole = tensor._base  # noqa: SLF001 (there is no public way)
        if whole is not None and id(whole) in self._known:
            self._parts[id(whole)] = id(tensor)
        self._note(tensor, write, read)

    def _lose(self, func: Any, args: Sequence[Any], reads: Iterable[Tensor]) -> None:
        """Forget what tensors are whose parts have been written to, unless this is what follows that."""
        for one in reads:
            part = self._parts.pop(id(one), None)
            if part is not None and not (func is Tensor.__setitem__ and one is args[0] and id(args[2]) == part):
                self._know(one, Made(next(self._numbers), write=_refused, depends=True))

    def code(
        self,
        results: Sequence[Tensor],
        like: str,
        taken: Iterable[str],
        *,
        is_careful: bool = False,
        folds: bool = True,
    ) -> tuple[list[str], list[str]]:
        """Return statements, and the expressions of results after them; numbers have the type of what is called `like`.

        Raises NotSupportedError for a constant of too many entries.
        """
        wanted = [self._made(one) for one in results]
        reached = _behind(wanted, folds=folds)
        uses = [one for made in reached for one in made.reads] + wanted
        written = Written(like, {*taken}, is_careful, folds)
        for made in sorted(reached, key=lambda one: one.number):
            written.enter(made, uses.count(made))
        return written.lines, [written.bare(made) for made in wanted]


def _refused(_: Written) -> str:
    raise NotSupportedError("a definition writes to a part of a tensor")


def _is_identity(name: str, args: Sequence[Any]) -> bool:
    """Return whether a call that may move entries moves none."""
    if name == "__getitem__":
        places = args[1] if isinstance(args[1], tuple) else (args[1],)
        return all(one is Ellipsis or (isinstance(one, slice) and one.step in {None, 1}) for one in places)
    axes = args[1] if len(args) == 2 and isinstance(args[1], list | tuple) else args[1:]  # noqa: PLR2004 (a list)
    return name != "permute" or list(axes) == sorted(axes)


def _held(tensor: Tensor) -> Tensor | None:
    """Return a copy of a constant that has few entries: it may be written to."""
    return tensor.detach().clone() if tensor.numel() <= MOST_WRITTEN else None


def _behind(wanted: Sequence[Made], *, folds: bool) -> list[Made]:
    """Return what results depend on; nothing behind a constant that stands as numbers."""
    found, waiting = dict[Made, None](), [*wanted]
    while waiting:
        made = waiting.pop()
        if made not in found:
            found[made] = None
            waiting += [] if is_folded(made, folds=folds) else made.reads
    return [*found]
