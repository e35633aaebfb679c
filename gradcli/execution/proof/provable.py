"""What is to be proved: a function that PyTorch can run and trace, and the same by definitions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gradcli.errors import GradcliError
from gradcli.execution.forward.machine import BoundCall
from gradcli.execution.forward.trace import Trace, TracedTensor, replaced, traced_in
from gradcli.execution.proof import aten
from gradcli.execution.proof.circuit import Circuit, Entries, UnprovableError
from gradcli.execution.proof.machine import CircuitMachine
from gradcli.execution.proof.traced import Function, product, traced, traced_forward
from gradcli.ops.record import Kind

Defined = Callable[[CircuitMachine, Mapping[str, Any]], Any]
UPSTREAM = "grad_output"


@dataclass(frozen=True, slots=True)
class Provable:
    """A function of leaves; `point` is where it was run."""

    text: str
    point: Mapping[str, Tensor]
    wanted: Sequence[str]
    function: Function
    """The function in PyTorch."""
    defined: Defined
    """The function by the definitions of its ops, on a machine."""
    cotangent: Tensor
    domains: Mapping[str, tuple[float, float]]
    is_text: bool = False
    """Whether it is a program's text, which cannot look at the sizes of its leaves but by its ops."""

    def run(self, point: Mapping[str, Tensor], cotangent: Tensor) -> list[Tensor]:
        """Return what autograd gives at a point."""
        return product(self.function, point, self.wanted, cotangent)


@dataclass(frozen=True, slots=True)
class Written:
    """A function and its backward as one circuit; `traced` is None where `gap` says why."""

    circuit: Circuit
    leaves: Mapping[str, Entries]
    upstream: Entries
    output: Entries
    traced: list[Entries] | None
    gap: str | None
    is_pointwise: bool
    linear: frozenset[str]
    """The kernels that were taken to be linear in each of some operands."""
    by_hand: frozenset[str]
    """The kernels whose formula is written by hand, for PyTorch has no decomposition of them."""


def written(provable: Provable) -> Written:
    """Return a function as a circuit; UnprovableError where its definition is none.

    An extreme entry of a row is picked by comparisons only where it is differentiated, or compared: they make many
    cells.
    """
    if UPSTREAM in provable.point:
        raise UnprovableError(f"a leaf is called {UPSTREAM}, as the upstream gradient is here")
    if any(value.is_complex() for value in (*provable.point.values(), provable.cotangent)):
        raise UnprovableError("a leaf or the output is complex: only complex numbers in between are proved")
    machine, found = _written(provable, picks=False)
    return _written(provable, picks=True)[1] if machine.rows.is_compared else found


def _written(provable: Provable, *, picks: bool) -> tuple[CircuitMachine, Written]:
    machine, given, output = _defined(provable, picks=picks)
    if machine.rows.is_differentiated(output):
        machine, given, output = _defined(provable, picks=True)
    upstream = given.pop(UPSTREAM)
    found, gap = None, None
    try:
        graph = traced(provable.function, provable.point, provable.wanted, provable.cotangent)
        found = aten.run(graph, machine, [copied(value) for value in (*given.values(), upstream)])
    except UnprovableError as error:
        gap = str(error)
    except GradcliError as error:
        gap = error.message
    pointwise = machine.used <= {Kind.POINTWISE, Kind.CONSTANT}
    leaves = {name: value for name, value in given.items() if isinstance(value, Entries)}
    taken = frozenset(machine.multilinear), frozenset(machine.by_hand)
    return machine, Written(machine.circuit, leaves, upstream, output, found, gap, pointwise, *taken)


def copied(value: Any) -> Any:
    """Return entries that a backward may write into: what it changes in place is still what was given."""
    return Entries(value.codes.clone()) if isinstance(value, Entries) else value


def _defined(provable: Provable, *, picks: bool) -> tuple[CircuitMachine, dict[str, Any], Entries]:
    """Return the machine on which a function has run by its definition, its arguments, and its output."""
    circuit = Circuit()
    machine = CircuitMachine(circuit, picks=picks)
    leaves = {
        name: circuit.leaves(name, value.shape) for name, value in provable.point.items() if value.is_floating_point()
    }
    upstream = circuit.leaves(UPSTREAM, provable.cotangent.shape)
    given = {name: leaves.get(name, value) for name, value in provable.point.items()}
    try:
        output = machine.entries(provable.defined(machine, given))
    except GradcliError as error:
        raise UnprovableError(error.message) from None
    except (RuntimeError, NotImplementedError) as error:
        raise UnprovableError(f"the definition decides by a value: {str(error).partition(chr(10))[0]}") from None
    return machine, given | {UPSTREAM: upstream}, output


def by_calls(function: Function, point: Mapping[str, Tensor], *, detaches: bool) -> Defined:
    """Return code by the definitions of what it calls, traced without values: nothing is decided by the point.

    `detaches` says whether `detach` and `no_grad` cut a gradient off, as autograd has it.
    """

    def defined(machine: CircuitMachine, given: Mapping[str, Any]) -> Any:
        def run(*, decomposed: bool) -> Any:
            graph = traced_forward(function, point, decomposed=decomposed, detaches=detaches)
            return aten.run(graph, machine, [copied(given[name]) for name in point])[0]

        machine.detaches = detaches
        try:
            return run(decomposed=False)
        except UnprovableError:  # the table may lack a call, and have what that consists of
            return run(decomposed=True)
        finally:
            machine.detaches = False

    return defined


def replayed(trace: Trace, names: Mapping[str, TracedTensor]) -> Defined:
    """Return the calls of a trace, run by their definitions; UnprovableError where a constant may be none."""

    def defined(machine: CircuitMachine, given: Mapping[str, Any]) -> Any:
        known: dict[TracedTensor, Any] = {names[name]: value for name, value in given.items() if name in names}
        if any(leaf not in known for leaf in trace.leaves):
            raise UnprovableError("a Function is called beside constants, which may depend on the leaves")
        for call in trace.calls:
            if call.gap is not None or call.inner is not None:
                raise UnprovableError(call.gap or "the code differentiates")
            own = call.arguments
            parts = [replaced(part, known.__getitem__) for part in (own.positional, own.keywords, own.bound)]
            result = machine.apply(call.op, BoundCall(own.node, *parts))
            known |= dict(zip(traced_in(call.result), _leaves(result), strict=True))
        if trace.output not in known:
            raise UnprovableError("the output is not followed")
        return known[trace.output]

    return defined


def _leaves(result: Any) -> list[Any]:
    if isinstance(result, tuple | list):
        return [leaf for item in result for leaf in _leaves(item)]
    return [result] if isinstance(result, Entries | Tensor) else []


def drawn(provable: Provable, values: Callable[[str, int], float]) -> tuple[dict[str, Tensor], Tensor]:
    """Return a point, and an upstream gradient: `values` gives an entry by its leaf and number."""

    def filled(name: str, like: Tensor) -> Tensor:
        numbers = [values(name, place) for place in range(like.numel())]
        return torch.tensor(numbers, dtype=torch.float64).reshape(like.shape)

    point = {n: filled(n, v) if v.is_floating_point() else v for n, v in provable.point.items()}
    return point, filled(UPSTREAM, provable.cotangent)
