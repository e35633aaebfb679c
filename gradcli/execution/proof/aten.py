"""A graph of core ATen on entries of a circuit: its calls are named by the op table, and moves are run as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gradcli.errors import GradcliError
from gradcli.execution.forward import tree
from gradcli.execution.forward.calls import bound
from gradcli.execution.proof import fourier, inverses, pooling
from gradcli.execution.proof.circuit import Circuit, Entries, UnprovableError
from gradcli.execution.proof.machine import CircuitMachine, entries_in
from gradcli.execution.proof.multilinear import multilinear
from gradcli.execution.proof.rows import added_at, put
from gradcli.execution.proof.spellings import SPELLINGS
from gradcli.ops.record import Kind
from gradcli.ops.table import find

# Calls whose result has entries of the operands alone, or numbers: each is its own definition.
MOVES = frozenset(
    """
    alias view reshape permute expand unsqueeze squeeze select slice cat flip index gather index_select narrow movedim
    select_scatter slice_scatter diagonal diagonal_copy diagonal_scatter constant_pad_nd clone _to_copy lift_fresh_copy
    detach as_strided as_strided_scatter repeat roll split split_with_sizes unbind t transpose _unsafe_view full_like
    zeros_like ones_like new_zeros new_full new_empty empty_like empty_strided new_empty_strided copy view_copy
    permute_copy expand_copy squeeze_copy unsqueeze_copy stack take tril triu fill _reshape_alias _unsafe_index unfold
    scatter index_put complex real imag view_as_real view_as_complex
    """.split()  # noqa: SIM905 (a list of words is what it is)
)
# Keywords that say where and how a result is laid out, and nothing of its values.
LAYOUT = frozenset({"dtype", "layout", "device", "pin_memory", "memory_format", "non_blocking"})
# Kernels that have no decomposition: what is run at points says whether these are their formulas.
KERNELS: Mapping[str, str] = {
    "hardshrink_backward": "where(input > lambd, grad, where(input < -lambd, grad, 0))",
    "softshrink_backward": "where(input > lambd, grad, where(input < -lambd, grad, 0))",
}
KERNEL_OPERANDS = ("grad", "input", "lambd")
INTERPOLATIONS = (
    *("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d"),
    *("_upsample_nearest_exact1d", "_upsample_nearest_exact2d", "_upsample_nearest_exact3d"),
    *("upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d", "upsample_bicubic2d"),
    *("_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa"),
)
# Kernels that are linear in each of some operands, and depend on nothing else of any: for each result, which.
MULTILINEAR: Mapping[str, tuple[tuple[int, ...], ...]] = {
    "avg_pool2d_backward": ((0,),),
    "avg_pool3d_backward": ((0,),),
    "_adaptive_avg_pool2d_backward": ((0,),),
    "_adaptive_avg_pool3d_backward": ((0,),),
    "convolution_backward": ((0, 2), (0, 1), (0,)),
    "_trilinear": ((0, 1, 2),),
} | {f"{name}_backward": ((0,),) for name in INTERPOLATIONS}
UNSEEN = "{} has no definition that a circuit can hold"


def run(graph: Any, machine: CircuitMachine, arguments: Sequence[Entries | Tensor]) -> list[Entries]:
    """Return the results of a graph module as entries."""
    known: dict[Any, Any] = {}
    needed = _needed(graph)
    waiting = iter(arguments)

    def value(leaf: Any) -> Any:
        return known[leaf] if isinstance(leaf, torch.fx.Node) else leaf

    for node in graph.graph.nodes:
        if node not in needed and node.op != "placeholder":
            continue
        match node.op:
            case "placeholder":
                known[node] = next(waiting)
            case "get_attr":
                known[node] = getattr(graph, node.target)
            case "output":
                return [machine.entries(item) for item in _mapped(value, node.args[0])]
            case "call_function":
                positional, keywords = _mapped(value, list(node.args)), _mapped(value, dict(node.kwargs))
                known[node] = _call(node.target, machine, positional, keywords)
    raise UnprovableError("the backward's graph has no output")


def _needed(graph: Any) -> set[Any]:
    """Return the nodes that the results depend on, and those that write into an operand."""
    needed: set[Any] = set()
    for node in reversed(graph.graph.nodes):
        writes = node.op == "call_function" and hasattr(node.target, "_schema") and node.target._schema.is_mutable  # noqa: SLF001
        if node.op == "output" or writes or any(user in needed for user in node.users):
            needed.add(node)
    return needed


def _mapped(change: Any, value: Any) -> Any:
    """Return fx's own lists, tuples and dicts as Python's, with every node's value in its place."""
    if isinstance(value, dict):
        return {key: _mapped(change, item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_mapped(change, item) for item in value]
    return change(value)


def _call(target: Any, machine: CircuitMachine, positional: list[Any], keywords: dict[str, Any]) -> Any:
    if not hasattr(target, "_schema"):  # operator.getitem, of a call with several results
        return target(*positional, **keywords)
    name = target._schema.name.partition("::")[2]  # noqa: SLF001 (there is no other way to a call's name)
    if torch.Tag.nondeterministic_seeded in target.tags:
        raise UnprovableError(f"{name} draws random numbers")
    if not entries_in([positional, keywords]):
        return tree.map(lambda leaf: _held(machine, leaf), target(*positional, **keywords))
    if target._schema.is_mutable:  # noqa: SLF001
        return _written(target, name, machine, positional, keywords)
    found = _pure(target, name, machine, positional, keywords)
    if isinstance(found, Entries) and len(target._schema.returns) > 1:  # noqa: SLF001
        raise UnprovableError(UNSEEN.format(f"aten.{name}"))
    return found


def _pure(target: Any, name: str, machine: CircuitMachine, positional: list[Any], keywords: dict[str, Any]) -> Any:
    if name == "detach" and machine.detaches:
        return machine.detached(positional[0])
    kept = {key: item for key, item in keywords.items() if key not in LAYOUT}
    if name == "_to_copy" and _is_of_integers(keywords.get("dtype")):
        name = "ne" if keywords["dtype"] == torch.bool else "trunc"
        return _defined(name, machine, [*positional, 0] if name == "ne" else positional, {})
    if name in MOVES and not _accumulates(name, positional) and not _is_at_computed_places(name, positional):
        return _moved(target, name, machine, positional, keywords)
    if name in PUTS and isinstance(positional[2], Entries):
        whole, dim, index, source = positional
        value = source if isinstance(source, Entries) else torch.as_tensor(source, dtype=torch.float64)
        return PUTS[name](machine.circuit, machine.entries(whole), dim, index, machine.entries(value))
    if name in OWN:
        return OWN[name](name, machine, positional, kept)
    if name in MULTILINEAR:
        return multilinear(target, machine, positional, MULTILINEAR[name])
    if name in SPELLINGS:
        name, spelled, kept = SPELLINGS[name](*positional, **kept)
        positional = list(spelled)
    return _defined(name, machine, positional, kept)


def _with_factors(name: str, machine: CircuitMachine, positional: list[Any], keywords: dict[str, Any]) -> Any:
    """Return what solves an equation by factors of the matrix: what it is of, if the same backward made them."""
    if name == inverses.FACTORISED:
        solution = _defined("linalg.solve", machine, positional[:2], {"left": keywords.get("left", True)})
        return inverses.factorised(machine.circuit, machine.entries(positional[0]), solution)
    factors, pivots, given = positional
    found = inverses.solved_by_factors(machine.circuit, factors, pivots, machine.entries(given), **keywords)
    return _defined(name, machine, positional, keywords) if found is None else found


def _pooled(name: str, machine: CircuitMachine, positional: list[Any], _: dict[str, Any]) -> Any:
    return pooling.run(machine, name, *positional)


def _transformed(name: str, machine: CircuitMachine, positional: list[Any], _: dict[str, Any]) -> Any:
    machine.by_hand.add(name)
    return fourier.run(name, positional, lambda call, *given: _defined(call, machine, list(given), {}))


def _by_formula(name: str, machine: CircuitMachine, positional: list[Any], _: dict[str, Any]) -> Any:
    machine.by_hand.add(name)
    return machine.pointwise(KERNELS[name], dict(zip(KERNEL_OPERANDS, positional, strict=True)))


def _as_kind(entries: Entries, dtype: torch.dtype) -> Entries:
    """Return entries as complex numbers, or their real parts, as a dtype says."""
    codes = entries.codes.real if entries.codes.is_complex() and not dtype.is_complex else entries.codes
    return Entries(codes.to(torch.complex128) if dtype.is_complex else codes)


def _is_of_integers(dtype: Any) -> bool:
    return isinstance(dtype, torch.dtype) and not dtype.is_floating_point and not dtype.is_complex


def _is_at_computed_places(name: str, positional: list[Any]) -> bool:
    return name in {"gather", "scatter"} and isinstance(positional[2], Entries)


def _moved(target: Any, name: str, machine: CircuitMachine, positional: list[Any], keywords: dict[str, Any]) -> Any:
    """Return the result of a call that only moves entries; a real number is a complex one as its code is."""
    if any(map(_is_of_integers, keywords.values())):
        raise UnprovableError(f"{name} makes integers of what depends on a leaf")
    if name == "_to_copy" and keywords.get("dtype") is not None:
        positional = [_as_kind(machine.entries(positional[0]), keywords["dtype"])]
    kept = {key: item for key, item in keywords.items() if key != "dtype"}
    _check_indices(name, positional)
    try:
        return machine.moved(target, positional, kept)
    except RuntimeError as error:
        raise UnprovableError(f"aten.{name}: {error}") from None


def _defined(name: str, machine: CircuitMachine, positional: list[Any], keywords: dict[str, Any]) -> Any:
    """Return the result of a call by its definition in the table."""
    op = find(name.replace("special_", "special.").replace("linalg_", "linalg."))
    if op is None:
        raise UnprovableError(UNSEEN.format(f"aten.{name}"))
    try:
        chosen, call = bound(op, positional, keywords, method=False)
        if chosen.kind is Kind.MOVEMENT:
            _check_indices(name, positional)
        return machine.apply(chosen, call)
    except UnprovableError as error:
        raise UnprovableError(f"aten.{name}: {error}") from None
    except GradcliError as error:
        raise UnprovableError(f"aten.{name}: {error.message}") from None
    except (RuntimeError, NotImplementedError) as error:  # what has no values cannot be looked at
        raise UnprovableError(f"aten.{name}: its definition decides by a value") from error


def _check_indices(name: str, positional: Sequence[Any]) -> None:
    """Refuse a call that is told by what depends on a leaf which entries to take: only its first operand is data."""
    others = entries_in([item for item in positional[1:] if isinstance(item, list | tuple)])
    if name in {"index", "_unsafe_index", "index_select", "take"} and (
        others or any(isinstance(item, Entries) for item in positional[1:])
    ):
        raise UnprovableError(f"{name} takes entries by what depends on a leaf")


def _held(machine: CircuitMachine, leaf: Any) -> Any:
    """Return a constant of real or complex numbers as entries: others may be written into it."""
    is_of_numbers = isinstance(leaf, Tensor) and (leaf.is_floating_point() or leaf.is_complex())
    return machine.entries(leaf) if is_of_numbers else leaf


def _accumulates(name: str, positional: Sequence[Any]) -> bool:
    return name == "index_put" and len(positional) > ACCUMULATE and bool(positional[ACCUMULATE])


def _added(name: str, machine: CircuitMachine, positional: list[Any], keywords: dict[str, Any]) -> Entries:
    """Return the first operand with entries of another added to it, at the places that PyTorch's own call picks."""
    if keywords.get("alpha", 1) != 1 or not all(isinstance(machine.entries(item), Entries) for item in positional[:1]):
        raise UnprovableError(UNSEEN.format(f"aten.{name} with alpha"))
    whole = machine.entries(positional[0])
    numbers = torch.arange(whole.codes.numel()).reshape(whole.shape)
    if entries_in(positional[1:-1] if name != "index_put" else positional[1]):
        raise UnprovableError(f"{name} adds where what depends on a leaf says")
    places, source = ADDITIONS[name](numbers, *positional[1:])
    source = machine.entries(source)
    values = source.codes[tuple(slice(size) for size in places.shape)] if name == "scatter_add" else source.codes
    terms: list[list[int]] = [[node] for node in machine.circuit.decoded(whole.codes)]
    added = machine.circuit.decoded(values.expand_as(places))
    for place, node in zip(places.reshape(-1).tolist(), added, strict=True):
        terms[place].append(node)
    return Entries(Circuit.codes([machine.sum(nodes) for nodes in terms], whole.shape))


# What puts or adds entries at places that are computed of what depends on a leaf.
PUTS: Mapping[str, Callable[..., Entries]] = {"scatter": put, "scatter_add": added_at}
ACCUMULATE = 3
# Where each entry of the last operand is added: the numbers of the places, and the operand.
ADDITIONS: Mapping[str, Callable[..., tuple[Tensor, Any]]] = {
    "scatter_add": lambda numbers, dim, index, source: (torch.gather(numbers, dim, index), source),
    "index_add": lambda numbers, dim, index, source: (numbers.index_select(dim, index), source),
    "index_put": lambda numbers, indices, source, _accumulate: (
        numbers[tuple(slice(None) if index is None else index for index in indices)],
        source,
    ),
}


def _written(target: Any, name: str, machine: CircuitMachine, positional: list[Any], keywords: dict[str, Any]) -> Any:
    """Return the first operand with a call's result written into it: views of it see that, as in PyTorch."""
    first = positional[0]
    if not name.endswith("_") or not isinstance(first, Entries):
        raise UnprovableError(f"aten.{name} writes what depends on a leaf into a constant")
    match name:
        case "copy_":
            made = machine.entries(positional[1])
        case "fill_":
            made = machine.entries(torch.as_tensor(positional[1], dtype=torch.float64))
        case "zero_":
            made = machine.entries(torch.zeros((), dtype=torch.float64))
        case _:
            made = _pure(target, name.removesuffix("_"), machine, positional, keywords)
    first.codes.copy_(made.codes)
    return first


# Calls that are read in a way of their own.
OWN: Mapping[str, Callable[[str, CircuitMachine, list[Any], dict[str, Any]], Any]] = {
    **dict.fromkeys(pooling.NAMES, _pooled),
    **dict.fromkeys(fourier.KERNELS, _transformed),
    **dict.fromkeys(KERNELS, _by_formula),
    **dict.fromkeys((inverses.FACTORISED, inverses.BY_FACTORS), _with_factors),
    **dict.fromkeys(ADDITIONS, _added),
}
