"""What a notebook draws: random numbers as PyTorch draws them after the same seed, handed on as numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from gradcli.errors import ExecutionError, GradcliError
from gradcli.execution.forward.machine import BoundCall, Machine
from gradcli.execution.forward.refusals import refusals
from gradcli.execution.kernels.layers import slopes_of
from gradcli.language.notebook import DTYPES
from gradcli.language.program import Call, Expression, Literal, Program
from gradcli.ops.record import Op
from gradcli.ops.table import find


@dataclass(slots=True)
class Draws:
    """PyTorch's random numbers of one run of a program, and the type that they are drawn in."""

    seed: int
    dtype: torch.dtype = torch.float32
    _generator: torch.Generator | None = None

    @property
    def generator(self) -> torch.Generator:
        """Return what draws, which starts where `torch.manual_seed` would; few programs draw anything."""
        if self._generator is None:
            self._generator = torch.Generator()
            self._generator.manual_seed(self.seed)
        return self._generator


class Evaluator(Protocol):
    """What evaluates the program, as far as a word of a notebook asks it."""

    machine: Machine
    program: Program
    draws: Draws

    def call(self, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Any:
        """Return the result of a call."""

    def apply(self, op: Op, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Any:
        """Return the result of an op of the table."""

    def error(self, message: str, node: Expression, hint: str | None = None) -> ExecutionError:
        """Return an error that points at a node."""

    def taken(self, number: Any, error: ExecutionError) -> Any:
        """Return a number out of a tensor that requires grad."""

    def items(self, value: Any, node: Expression) -> list[Any]:
        """Return what a loop runs over."""

    def sized(self, node: Expression, value: Any) -> Any:
        """Return a list or a tuple, unless that is too long."""

    def located(self, error: GradcliError, node: Expression) -> GradcliError:
        """Return an error with the place of a node."""


# What draws: the names of the arguments, and PyTorch's function.
DRAWN: Mapping[str, tuple[tuple[str, ...], Callable[..., Tensor]]] = {
    "rand": (("*size",), torch.rand),
    "randn": (("*size",), torch.randn),
    "randint": (("low", "high", "size"), torch.randint),
    "randperm": (("n",), torch.randperm),
    "normal": (("mean", "std", "size"), torch.normal),
    "rand_like": (("input",), torch.rand),
    "randn_like": (("input",), torch.randn),
    "randint_like": (("input", "low", "high"), torch.randint),
    "multinomial": (("input", "num_samples", "replacement"), torch.multinomial),
    "bernoulli": (("input",), torch.bernoulli),
}
_BY_PROBABILITY = ("multinomial", "bernoulli")
_WHOLE = ("randint", "randperm", "randint_like")


def drawn(evaluator: Evaluator, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Any:
    """Return what is drawn, as PyTorch draws it."""
    function = DRAWN[node.function][1]
    dtype = dtype_of(evaluator, node, keywords.pop("dtype", None))
    given: dict[str, Any] = {"generator": evaluator.draws.generator}
    if dtype is not None or node.function not in _WHOLE:
        given["dtype"] = dtype or evaluator.draws.dtype
    if node.function in _BY_PROBABILITY:
        given.pop("dtype", None)
        positional = _probabilities(evaluator, node, positional)
    if node.function.endswith("_like"):
        tensor = evaluator.machine.tensor(positional[0])
        if tensor is None:
            raise evaluator.error(f"{node.function}() needs a tensor", node)
        positional = [*positional[1:], tuple(tensor.shape)]
    try:
        with refusals(node.function):
            _check_size(evaluator, node, positional, keywords)
            with torch.device("cpu"):  # where the generator is
                made = function(*positional, **keywords, **given)
    except ExecutionError as error:
        raise evaluator.located(error, node) from None
    return handed_on(evaluator, node, made.to(torch.get_default_device()))


def _probabilities(evaluator: Evaluator, node: Call, positional: list[Any]) -> list[Any]:
    """Return the arguments with the probabilities in the type that they have in the notebook."""
    tensor = evaluator.machine.tensor(positional[0]) if positional else None
    if tensor is None:
        raise evaluator.error(f"{node.function}() needs a tensor", node)
    return [tensor.detach().to("cpu", evaluator.draws.dtype), *positional[1:]]


@contextmanager
def drawing(draws: Draws) -> Iterator[None]:
    """Let PyTorch draw, in the block, the numbers that it would draw in the notebook."""
    before, dtype = torch.get_rng_state(), torch.get_default_dtype()
    torch.set_rng_state(draws.generator.get_state())
    torch.set_default_dtype(draws.dtype)
    try:
        yield
    finally:
        draws.generator.set_state(torch.get_rng_state())
        torch.set_default_dtype(dtype)
        torch.set_rng_state(before)


# What multiplies entries by a mask that it draws, whole channels by one number, or also adds one.
DROPPING: Mapping[str, Callable[..., Tensor]] = {
    name: getattr(torch.nn.functional, name)
    for name in ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout")
}
FRACTIONAL = {"fractional_max_pool2d": 2, "fractional_max_pool3d": 3}


def dropped(evaluator: Evaluator, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Any:
    """Return what dropout makes: entries times a mask that is drawn, plus numbers where it adds any: constants."""
    given = {**dict(zip(("input", "p", "training"), positional, strict=False)), **keywords}
    tensor = evaluator.machine.tensor(given.get("input"))
    if tensor is None or not given.get("training", node.function not in _ONLY_IF_TOLD):
        return given.get("input")
    try:
        with refusals(node.function), drawing(evaluator.draws):
            shift, factor = _affine(DROPPING[node.function], tensor, evaluator.draws.dtype, given.get("p", 0.5))
    except ExecutionError as error:
        raise evaluator.located(error, node) from None
    kept = _combined(evaluator, node, "mul", given["input"], _constant(evaluator, node, factor, "mask"))
    if not bool(shift.any()):
        return kept
    evaluator.machine.hide([kept])
    return _combined(evaluator, node, "add", kept, _constant(evaluator, node, shift, "shift"))


def _constant(evaluator: Evaluator, node: Call, drawn: Tensor, name: str) -> Any:
    """Return what an op has drawn, by a name of its own: the op's text is that of its result."""
    made = handed_on(evaluator, node, drawn)
    evaluator.machine.named(made, name)
    evaluator.machine.hide([made])
    return made


_ONLY_IF_TOLD = frozenset({"alpha_dropout", "feature_alpha_dropout"})


def _affine(
    function: Callable[..., Tensor], like: Tensor, dtype: torch.dtype, probability: float
) -> tuple[Tensor, Tensor]:
    """Return what a dropout makes of zeros, and how much more of ones; both draw the same, in the order of memory."""
    zeros = torch.zeros_like(like.detach(), dtype=dtype)
    state = torch.get_rng_state()
    shift = function(zeros, probability, training=True)
    torch.set_rng_state(state)
    return shift, function(zeros + 1, probability, training=True) - shift


def _combined(evaluator: Evaluator, node: Call, name: str, *values: Any) -> Any:
    """Return the result of an op, which is written as an operator if it has one."""
    parts = tuple(Literal(None, node.span) for _ in values)
    operator = {"mul": "*", "add": "+", "gt": ">"}.get(name)
    call = Call(name, parts, (), node.span, node.function_span, operator=operator)
    return evaluator.call(call, list(values), {})


def sloped(evaluator: Evaluator, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Any:
    """Return what `rrelu` makes in training: negative entries times slopes that are drawn; else None."""
    names = ("input", "lower", "upper", "training")
    given = {"lower": 0.125, "upper": 1 / 3, **dict(zip(names, positional, strict=False)), **keywords}
    tensor = evaluator.machine.tensor(given.get("input"))
    if tensor is None or not given.get("training"):
        return None
    try:
        with refusals(node.function), drawing(evaluator.draws):
            torch.nn.functional.rrelu(torch.empty(0), given["lower"], given["upper"], training=True)  # what it refuses
            slopes = slopes_of(tensor, given["lower"], given["upper"])
    except ExecutionError as error:
        raise evaluator.located(error, node) from None
    scaled = _combined(evaluator, node, "mul", given["input"], _constant(evaluator, node, slopes, "slopes"))
    positive = _combined(evaluator, node, "gt", given["input"], 0)
    evaluator.machine.hide([scaled, positive])
    return _combined(evaluator, node, "where", positive, given["input"], scaled)


def fractional(evaluator: Evaluator, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Any:
    """Return what fractional pooling makes, of windows that begin where it draws; None where it is told where."""
    tensor = evaluator.machine.tensor(positional[0] if positional else keywords.get("input"))
    axes, name = FRACTIONAL[node.function], "_random_samples"
    if tensor is None or tensor.ndim < axes + 1 or keywords.get(name) is not None:
        return None
    with drawing(evaluator.draws):
        images = 1 if tensor.ndim == axes + 1 else tensor.shape[0]
        places = torch.rand(images, tensor.shape[-axes - 1], axes)
    told = replace(node, keywords=(*node.keywords, (name, Literal(None, node.span))))
    return evaluator.call(told, positional, keywords | {name: handed_on(evaluator, node, places)})


def _check_size(evaluator: Evaluator, node: Call, positional: list[Any], keywords: dict[str, Any]) -> None:
    """Refuse to draw more numbers than a tensor may have: the size is all positions, or the last tuple among them."""
    given = [*positional, *keywords.values()]
    sizes = next((value for value in reversed(given) if isinstance(value, tuple | list)), positional)
    evaluator.machine.check_elements(math.prod(abs(size) for size in sizes if isinstance(size, int)), node)


def handed_on(evaluator: Evaluator, node: Call, made: Tensor) -> Any:
    """Return numbers as a tensor of the run's type: a call of `tensor`, which gives the same whenever it is run."""
    op = find("tensor")
    assert op is not None  # noqa: S101 (the table has it)
    data = made.tolist()
    return evaluator.machine.apply(op, BoundCall(node, [data], {}, {"data": data}))


def dtype_of(evaluator: Evaluator, node: Call, word: Any) -> torch.dtype | None:
    """Return the type that a word means in a notebook."""
    if word is None:
        return None
    name = str(word).removeprefix("torch.")
    found = getattr(torch, name, None)
    if not isinstance(found, torch.dtype):
        raise evaluator.error(f"'{word}' is not a type", node, f"types are {', '.join(DTYPES)}")
    return found


def set_seed(evaluator: Evaluator, node: Call, values: list[Any]) -> None:
    """Start the draws where `torch.manual_seed` does."""
    if len(values) != 1 or not isinstance(values[0], int):
        raise evaluator.error("the seed is one integer", node)
    try:
        evaluator.draws.generator.manual_seed(values[0])
    except (ValueError, RuntimeError, OverflowError) as error:
        raise evaluator.error(f"PyTorch refuses the seed: {error}", node) from None


def set_default(evaluator: Evaluator, node: Call, values: list[Any]) -> None:
    """Draw in another type from here on."""
    evaluator.draws.dtype = dtype_of(evaluator, node, values[0] if values else None) or torch.float32


def filled(evaluator: Evaluator, node: Call, tensor: Tensor, rest: list[Any], keywords: dict[str, Any]) -> Any:
    """Return a new tensor filled with random numbers, in the type that it would have in a notebook."""
    dtype = evaluator.draws.dtype if tensor.is_floating_point() else tensor.dtype
    made = torch.empty(tensor.shape, dtype=dtype, device="cpu")  # where the generator is
    try:
        with refusals(node.function):
            getattr(made, node.function)(*rest, **keywords, generator=evaluator.draws.generator)
    except ExecutionError as error:
        raise evaluator.located(error, node) from None
    return handed_on(evaluator, node, made.to(tensor.device))
