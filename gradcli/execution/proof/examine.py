"""A proof from what is to be proved to its report: the circuit, the points, the answer, and what is run."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import torch

from gradcli._version import __version__
from gradcli.derivation.derivations import Derivations
from gradcli.derivation.proof import Proof, ProofRequest, ProvedEntry, Region, Wanted
from gradcli.execution.process import torch_version
from gradcli.execution.proof.circuit import UnprovableError
from gradcli.execution.proof.points import RANDOM, Run, confirmed, points, run, witness_at
from gradcli.execution.proof.provable import Provable, Written, written
from gradcli.report.proof import (
    EXACT,
    EXCEPT,
    PROVED,
    REFUTED,
    UNDECIDED,
    Exception_,
    Kernel,
    ProofReport,
    ProvedGradient,
    Witness,
)
from gradcli.settings import Settings

MOST_ENTRIES = 64
# The share of the time that exact arithmetic has.
SHARE = 0.6
TRACED = "core ATen, with the decompositions that PyTorch ships in the place of its kernels"
NOT_TRACED = "nothing: there is no formula of what PyTorch computes"
SERIES = "one of the two formulas is a series there, and the difference is less than float64 shows"
ROUNDING = "a number in PyTorch's code is rounded to float64"
# How far a rounded number moves what is computed with it; less is no rounding.
LAST_PLACES, NO_PLACE = 2.0**-50, 2.0**-57
CAUSES = {
    "kink": "a kink, where PyTorch takes one of the one-sided derivatives, or what is between them",
    "jump": "the program jumps, and has no derivative",
    "stair": "the program rounds there, jumps and has no derivative; where the jump is 0, it may have a kink",
    "small": "PyTorch computes something simpler there, and the difference is lost in float32",
    "undefined": "the derivative, or its formula, has no value there",
    "difference": "the formulas differ there, and running it shows no difference",
}


def examine(provable: Provable, settings: Settings, derivations: Derivations, *, strict: bool) -> ProofReport:
    """Return the report of a proof."""
    started = time.monotonic()
    try:
        circuit = written(provable)
    except UnprovableError as error:
        return _report(provable, _nothing(provable, str(error)), (), None, strict=strict)
    runs = [run(provable, *point) for point in points(provable, circuit)]
    runs = [run for run in runs if run.gradients is not None]
    asked = _request(provable, circuit, runs, SHARE * (settings.timeout - (time.monotonic() - started)))
    proof = derivations.prove(asked)
    if isinstance(proof, str):
        return _report(provable, _nothing(provable, proof), (), None, strict=strict)
    return _concluded(provable, circuit, runs, proof, asked, strict=strict)


def _nothing(provable: Provable, reason: str) -> list[ProvedGradient]:
    return [
        ProvedGradient(name, tuple(provable.point[name].shape), UNDECIDED, name, None, None, reason=reason)
        for name in provable.wanted
    ]


def _request(provable: Provable, circuit: Written, runs: Sequence[Run], seconds: float) -> ProofRequest:
    own = circuit.circuit
    leaves = {name: own.decoded(entries.codes) for name, entries in circuit.leaves.items()}
    upstream = own.decoded(circuit.upstream.codes)
    wanted = [
        Wanted(name, leaf, backward)
        for place, name in enumerate(provable.wanted)
        for leaf, backward in zip(
            leaves[name],
            own.decoded(circuit.traced[place].codes) if circuit.traced else [None] * len(leaves[name]),
            strict=True,
        )
    ]
    domains = [(leaf, *provable.domains[name]) for name in provable.domains if name in leaves for leaf in leaves[name]]
    points = [
        (
            *(
                (leaf, float(v))
                for name in leaves
                for leaf, v in zip(leaves[name], run.point[name].reshape(-1), strict=True)
            ),
            *((leaf, float(v)) for leaf, v in zip(upstream, run.cotangent.reshape(-1), strict=True)),
        )
        for run in runs
    ]
    outputs = own.decoded(circuit.output.codes)
    return ProofRequest(
        tuple(own.nodes), tuple(outputs), tuple(upstream), tuple(wanted), tuple(domains), tuple(points), seconds
    )


def _concluded(
    provable: Provable,
    circuit: Written,
    runs: Sequence[Run],
    proof: Proof,
    asked: ProofRequest,
    *,
    strict: bool,
) -> ProofReport:
    """Return the report of a proof that has an answer."""
    gradients, start = [], 0
    for place, name in enumerate(provable.wanted):
        count = provable.point[name].numel()
        part = slice(start, start + count)
        rows = zip(runs, proof.values, proof.traced, strict=True)
        has_formula = circuit.traced is not None
        found = [
            witness_at(run, place, values[part], formulas[part] if has_formula else None)
            for run, values, formulas in rows
        ]
        witness = next((one for one in found if one is not None), None)
        entries = proof.entries[part]
        witness = witness or confirmed(provable, asked, place, entries)
        gradients.append(_gradient(provable, circuit, name, entries, witness))
        start += count
    said = tuple(
        f"{one.text} stands for {one.meaning}, of which it is rounded (relative error {one.relative:.1g})"
        for one in proof.rounded
    )
    return _report(
        provable,
        gradients,
        (*_sizes(provable, circuit), *_of_kernels(circuit), *said),
        _kernel(circuit, runs, proof),
        strict=strict,
    )


def _of_kernels(circuit: Written) -> tuple[str, ...]:
    """Return what is taken of kernels that PyTorch ships no decomposition of."""
    linear = "is linear in each of its operands, with the coefficients that it gives for unit vectors"
    by_hand = "has no decomposition in PyTorch: its formula is written by hand"
    said = [(name, linear) for name in circuit.linear] + [(name, by_hand) for name in circuit.by_hand]
    return tuple(f"the kernel {name} {words}" for name, words in sorted(said))


def _sizes(provable: Provable, circuit: Written) -> tuple[str, ...]:
    shapes = {tuple(value.shape) for value in provable.point.values()}
    if provable.is_text and circuit.is_pointwise and len(shapes) == 1:
        return ("every op is a function of single entries: what holds of these sizes holds of all",)
    return ("the sizes are those above",)


def _gradient(
    provable: Provable, circuit: Written, name: str, entries: Sequence[ProvedEntry], witness: Witness | None
) -> ProvedGradient:
    shown = _shown(entries)
    verdict, reason = _verdict(entries, witness)
    regions = list(dict.fromkeys(region for entry in entries for region in entry.regions))
    exceptions = dict.fromkeys(
        Exception_(region.where, _cause(region), region.error)
        for region in regions[:MOST_ENTRIES]
        if region.kind in CAUSES and (region.kind != "difference" or verdict != REFUTED)
    )
    difference = next((region.difference for region in regions if region.difference is not None), None)
    place = entries.index(shown)
    index = torch.unravel_index(torch.tensor(place), provable.point[name].shape) if provable.point[name].ndim else ()
    return ProvedGradient(
        name,
        tuple(provable.point[name].shape),
        verdict,
        name + (f"[{', '.join(str(int(i)) for i in index)}]" if index else ""),
        shown.derived,
        shown.traced,
        difference,
        tuple(exceptions) if verdict in {EXCEPT, UNDECIDED} else (),
        witness,
        circuit.gap or reason if verdict == UNDECIDED else None,
    )


def _cause(region: Region) -> str:
    """Return in words why the two differ in a region."""
    error = (region.error or 0.0) if region.kind == "small" else math.inf
    if error < NO_PLACE:
        return SERIES
    return ROUNDING if error <= LAST_PLACES else CAUSES[region.kind]


def _shown(entries: Sequence[ProvedEntry]) -> ProvedEntry:
    """Return the entry whose formulas are shown: the first that is not proved, else the first."""
    return next((entry for entry in entries if entry.verdict != "proved"), entries[0])


def _verdict(entries: Sequence[ProvedEntry], witness: Witness | None) -> tuple[str, str | None]:
    """Return the verdict on a gradient, and why nothing is decided."""
    if witness is not None:
        return REFUTED, None
    verdicts = {entry.verdict for entry in entries}
    if "undecided" in verdicts:
        return UNDECIDED, next((entry.reason for entry in entries if entry.reason), None)
    if "different" in verdicts:
        return UNDECIDED, "the formulas differ, and running PyTorch at the point that shows it gives the derivative"
    exact = [entry.points for entry in entries if entry.verdict == "exact"]
    if exact:
        return EXACT.format(min(exact)), None
    return (EXCEPT if any(entry.regions for entry in entries) else PROVED), None


def _kernel(circuit: Written, runs: Sequence[Run], proof: Proof) -> Kernel | None:
    """Return how far PyTorch's own kernels are from the derivative at the random points that were run."""
    errors, absolute = list[float](), list[float]()
    for one, values in zip(runs[-RANDOM:], proof.values[-RANDOM:], strict=True):
        found = [float(x) for gradient in one.gradients or () for x in gradient.reshape(-1)]
        pairs = [(a, b) for a, b in zip(found, values, strict=True) if b is not None and math.isfinite(b)]
        largest = max((abs(b) for _, b in pairs), default=0.0)
        error = max((abs(a - b) for a, b in pairs), default=None)
        if error is not None:
            (errors if largest else absolute).append(error / (largest or 1))
    if not errors and not absolute:
        return None
    traced = TRACED if circuit.traced is not None else NOT_TRACED
    worst = max(errors, default=None)
    return Kernel(len(errors) + len(absolute), worst, traced, max(absolute, default=None))


def _report(
    provable: Provable,
    gradients: Sequence[ProvedGradient],
    assumptions: Sequence[str],
    kernel: Kernel | None,
    *,
    strict: bool,
) -> ProofReport:
    domain = {name: f"({low:g}, {high:g})" for name, (low, high) in provable.domains.items()}
    over = "over the real numbers: what floats round is not in it"
    return ProofReport(
        gradcli=__version__,
        torch=torch_version(),
        dtype="float64",
        program=provable.text,
        leaves={name: tuple(value.shape) for name, value in provable.point.items()},
        domain=domain,
        assumptions=(over, "wherever both formulas have a value", *assumptions),
        gradients=tuple(gradients),
        kernel=kernel,
        strict=strict,
    )
