"""The terms of a right gradient and the factors in it, by which a wrong one is explained.

A term is what one path through the definitions' graph contributes. A factor is a tensor of the forward run, or one less
it (or its square). What is missing may also be a product of an adjoint and such tensors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations_with_replacement, islice

import torch
from torch import Tensor

from gradcli.derivation.derivations import Derivations
from gradcli.execution.comparison.causes import Clues
from gradcli.execution.custom.reference import SUBJECT, WHO, Side
from gradcli.execution.forward.dtypes import double, double_precision
from gradcli.execution.reference.adjoints import Adjoints, accumulate, contribution
from gradcli.execution.reference.decomposition import Decomposition
from gradcli.execution.reference.nodes import Node
from gradcli.execution.reference.systems.problem import UndecidedError
from gradcli.tolerance import CLOSENESS, is_close

# What is larger is not taken apart.
MOST_NODES, MOST_PATHS, MOST_ENTRIES, MOST_FACTORS = 120, 128, 4096, 12
# A product fits by chance where there are fewer entries than this.
FEWEST_ENTRIES = 3

Named = dict[str, Tensor]


def clues_of(name: str, side: Side) -> Clues:
    """Return what a wrong gradient of an input may have gone wrong with."""
    if _is_complex(side):
        return Clues(WHO, SUBJECT)
    tensors = {f"'{other}'": double(leaf) for other, leaf in side.recording.leaves.items()}
    factors = {"'grad_output'": double(side.cotangent), **tensors, **_made(side)}
    factors = {what: factor for what, factor in factors.items() if bool((factor != 1).any())}
    return Clues(WHO, SUBJECT, factors, _terms(name, side))


def _is_complex(side: Side) -> bool:
    """Return whether complex numbers are about: their graph's nodes are pairs, and are not taken apart."""
    return any(tensor.is_complex() for tensor in (side.recording.output, *side.recording.leaves.values()))


def _made(side: Side) -> Named:
    """Return what forward makes, and one less it: factors that the derivatives of many functions have."""
    found: Named = {}
    for call in side.recording.trace.calls:
        for traced in call.outputs:
            if traced.tensor.is_floating_point() and traced.tensor.numel() <= MOST_ENTRIES:
                value, text = double(traced.tensor), f"'{traced.text}'"
                found |= {text: value, f"1 - {text}": 1 - value, f"1 - {text}**2": 1 - value * value}
    return found


def _terms(name: str, side: Side) -> Named:
    """Return what each path through the definitions contributes to an input's gradient, and paths' common parts."""
    decomposition = side.decomposition
    if decomposition is None or len(decomposition.tape.nodes) > MOST_NODES or side.right[name].numel() > MOST_ENTRIES:
        return {}
    leaf, start = decomposition.nodes[side.leaf(name)], decomposition.nodes[side.recording.trace.output]
    texts = _texts(decomposition)
    with double_precision(), torch.no_grad():
        found = dict(_edges(side, leaf, _adjoints(side), texts))
        paths = _paths(side.derivations, start, leaf, double(side.cotangent).reshape(start.tensor.shape))
        for steps, part in islice(paths, MOST_PATHS):
            words = "through " + " and ".join(dict.fromkeys(texts[node] for node in steps))
            if _tells(part) and not _is_known(part, found):
                found[words if words not in found else f"{words} #{len(found)}"] = part
    return found


def _adjoints(side: Side) -> Adjoints:
    """Return every node's adjoint in the definitions' graph."""
    decomposition = side.decomposition
    assert decomposition is not None  # noqa: S101 (the callers ask)
    adjoints = Adjoints()
    start = decomposition.nodes[side.recording.trace.output]
    adjoints.add(start, double(side.cotangent).reshape(start.tensor.shape))
    accumulate(decomposition.tape.nodes, adjoints, side.derivations.known)
    return adjoints


def _texts(decomposition: Decomposition) -> dict[Node, str]:
    """Return what each node is called: the call that made it, and the op inside its definition if it has several."""
    found: dict[Node, str] = {}
    for group in decomposition.calls:
        text = f"'{group.call.outputs[0].text}'"
        for node in group.nodes:
            inner = isinstance(node.origin, tuple) and len(group.nodes) > 1
            found[node] = f"{node.origin[0].name} in the definition of {text}" if inner else text
    return found


def _contributions(derivations: Derivations, node: Node, upstream: Tensor) -> dict[Node, Tensor]:
    """Return what a node passes on to each of its operands: `x * x` reads one operand twice."""
    found: dict[Node, Tensor] = {}
    for edge in node.edges:
        try:
            part = contribution(edge, upstream, derivations.known)
        except UndecidedError:
            continue
        if part is not None:
            found[edge.source] = part if edge.source not in found else found[edge.source] + part
    return found


def _edges(side: Side, leaf: Node, adjoints: Adjoints, texts: Mapping[Node, str]) -> Iterator[tuple[str, Tensor]]:
    """Yield what passes from each node to each of its operands, and on to a leaf."""
    assert side.decomposition is not None  # noqa: S101 (the caller asks)
    nodes, known = side.decomposition.tape.nodes, dict[str, Tensor]()
    for node in [node for node in nodes if node in adjoints.values and node in texts]:
        for source, begun in _contributions(side.derivations, node, adjoints.values[node]).items():
            local = Adjoints()
            local.add(source, begun)
            accumulate(nodes, local, side.derivations.known)
            part = local.values.get(leaf)
            if part is not None and _tells(part) and not _is_known(part, known):
                words = f"through {texts[node]}"
                known[words if words not in known else f"{words} #{len(known)}"] = part
    yield from known.items()


def _paths(derivations: Derivations, node: Node, leaf: Node, upstream: Tensor) -> Iterator[tuple[list[Node], Tensor]]:
    """Yield every path from a node to a leaf, as nodes from the leaf's side, and what it contributes."""
    if node is leaf:
        yield [], upstream
        return
    for source, part in _contributions(derivations, node, upstream).items():
        for steps, found in _paths(derivations, source, leaf, part):
            yield [*steps, node], found


def _tells(part: Tensor) -> bool:
    return bool(part.isfinite().all()) and bool((part != 0).any())


def _is_known(part: Tensor, found: Mapping[str, Tensor]) -> bool:
    """Return whether a part has a name already: along a chain of ops it is the same at every edge."""
    return any(is_close(part, other) for other in found.values() if other.shape == part.shape)


def missing_products(name: str, gradient: Tensor, side: Side) -> Iterator[str]:
    """Yield in words the products of an adjoint and tensors that a gradient lacks, each in all of its entries."""
    right, decomposition = double(side.right[name]), side.decomposition
    if (
        decomposition is None
        or _is_complex(side)
        or not FEWEST_ENTRIES <= right.numel() <= MOST_ENTRIES
        or right.shape != gradient.shape
    ):
        return
    lacking = right - double(gradient)
    with double_precision(), torch.no_grad():
        upstream = {"grad_output": double(side.cotangent), **_adjoint_factors(side)}
        factors = dict(_factors(side))
    for words, one in _fitting(upstream, right):
        for more, other in _fitting(factors, right):
            times = _multiple(lacking, (one * other).expand(right.shape))
            if times is not None:
                text = " * ".join(
                    part for part in (f"{times:.6g}" if abs(times - 1) > CLOSENESS else "", words, more) if part
                )
                yield f"the term {text} is missing"


def _fitting(named: Mapping[str, Tensor], like: Tensor) -> list[tuple[str, Tensor]]:
    """Return the tensors that broadcast to a shape."""
    found = []
    for name, tensor in named.items():
        try:
            tensor.expand(like.shape)
        except RuntimeError:
            continue
        found.append((name, tensor))
    return found


def _adjoint_factors(side: Side) -> Named:
    values, nodes = _adjoints(side).values, side.decomposition.nodes if side.decomposition else {}
    return {
        f"grad('{traced.text}')": values[node]
        for traced, node in nodes.items()
        if node in values and not traced.is_leaf
    }


def _factors(side: Side) -> Iterator[tuple[str, Tensor]]:
    """Yield nothing, tensors of the run, and products of two."""
    assert side.decomposition is not None  # noqa: S101 (the caller asks)
    texts = _texts(side.decomposition)
    leaves = {
        traced.name or "constant": node.tensor for traced, node in side.decomposition.nodes.items() if traced.is_leaf
    }
    made = {texts[node]: node.tensor for node in side.decomposition.tape.nodes if node in texts}
    some = [(n, t) for n, t in {**leaves, **made}.items() if t.is_floating_point()][:MOST_FACTORS]
    yield "", torch.ones(())
    yield from some
    for (name, one), (other_name, other) in combinations_with_replacement(some, 2):
        try:
            yield f"{name} * {other_name}", one * other
        except RuntimeError:
            continue


def _multiple(lacking: Tensor, product: Tensor) -> float | None:
    """Return the number that a product has to be multiplied by to be what is lacking; None if none does it."""
    square = float((product * product).sum())
    if not square:
        return None
    times = float((lacking * product).sum()) / square
    return times if times and is_close(times * product, lacking) else None
