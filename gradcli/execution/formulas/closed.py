"""The derivatives of a program in terms of its leaves: asked of the sympy process, by the tensors they are by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, combinations_with_replacement, count
from typing import Any, Literal

import torch
from torch import Tensor

from gradcli.derivation.derivations import Derivations
from gradcli.derivation.formulas import UNIT, Formula
from gradcli.derivation.notation.algebra import simplified
from gradcli.derivation.notation.bounded import with_bounds
from gradcli.derivation.notation.cholesky import factored, with_matrices
from gradcli.derivation.notation.code import Wanted
from gradcli.derivation.notation.hidden import without_hidden
from gradcli.derivation.notation.hoisted import with_one_choice
from gradcli.derivation.notation.masked import with_masks
from gradcli.derivation.notation.masks import with_tests
from gradcli.derivation.notation.one_spelling import in_one_spelling
from gradcli.derivation.notation.others import with_quotients
from gradcli.derivation.notation.parsed import bound_names, names_read, parsed
from gradcli.derivation.notation.points import without_points
from gradcli.derivation.notation.selected import with_reads
from gradcli.derivation.notation.shortened import shortened
from gradcli.derivation.notation.stable import stable
from gradcli.execution.formulas.factored_solves import by_matrices, solves, symmetric_leaves
from gradcli.execution.formulas.inlined import inlined
from gradcli.execution.formulas.plain_definitions import plain
from gradcli.execution.formulas.points import Point
from gradcli.execution.formulas.request import as_request
from gradcli.execution.forward.dtypes import double_precision
from gradcli.execution.forward.run import display_names
from gradcli.execution.forward.trace import TracedTensor
from gradcli.execution.reference.decomposition import decompose

LONGEST = 2000  # characters of one formula
# Of one that is code, where lists of places may stand.
LONGEST_CODE = 20_000
NOTATIONS = frozenset({"unicode", "ascii", "latex", "mathml", "typst", "sympy"})
Product = Literal["", "jvp", "hvp", "jacobian"]
# The products that no upstream gradient is a factor of.
NONE_READ = frozenset({"jvp", "jacobian"})
COMPLEX = "a formula of complex numbers is not supported yet"


@dataclass(frozen=True, slots=True)
class Target:
    """One derivative that is wanted: by one tensor, or by one after the other."""

    by: tuple[TracedTensor, ...]
    names: tuple[str, ...]
    product: Product = ""
    """A product with tangents, of the Jacobian or the Hessian's part by one tensor; or the Jacobian; empty for none."""
    size: tuple[int, ...] | None = None
    """The shape of a Jacobian-vector product, which is the output's, and of a Jacobian."""

    @property
    def is_moving(self) -> bool:
        """Return whether it reads tangents."""
        return self.product in {"jvp", "hvp"}

    @property
    def label(self) -> str:
        """Return what it is by, as text."""
        return ",".join(dict.fromkeys(self.names))

    @property
    def shape(self) -> tuple[int, ...]:
        """Return its shape."""
        if self.size is not None:
            return self.size
        return tuple(size for traced in self.by for size in traced.tensor.shape)

    def wanted(self, formula: str, sizes: Mapping[str, int], *, exact: bool) -> Wanted:
        """Return what code is asked for; `sizes` are the lengths that have names."""
        names = {length: name for name, length in sizes.items()}
        shape = tuple(names.get(size, size) for size in self.shape)
        shown = f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
        return Wanted(formula, self.names, shape, exact, None if self.size is None else shown)


@dataclass(frozen=True, slots=True)
class Form:
    """A derivative in terms of the leaves."""

    text: str
    """The formula that is shown."""
    code: str
    """The formula that code is written from: with what holds at single points."""
    entry: str
    """One entry in index notation; empty if there is none."""
    raw: str
    """The formula as it was before it was simplified."""
    rewritten: tuple[str, ...] = ()
    """What was rewritten because it overflows or loses digits."""
    exception: str | None = None
    """Where the formula does not hold, and what does there: `0 where norm(x) == 0`."""
    cases: tuple[str, ...] = ()
    """What the formula leaves out that is far from usual values, in words."""

    @property
    def texts(self) -> list[str]:
        """Return the texts, each once."""
        return [text for text in dict.fromkeys([self.text, self.code, self.entry]) if text]


def targets(point: Point, order: int, product: Product = "") -> tuple[Target, ...]:
    """Return the derivatives of an order: the second ones by each pair of tensors, in either order the same.

    Of a product with tangents it is one, or one by each tensor.
    """
    names = display_names(point.trace)
    if product == "jvp":
        by = point.wanted
        return (Target(by, tuple(names[traced] for traced in by), product, tuple(point.output.tensor.shape)),)
    if product == "hvp":
        return tuple(Target((traced,), (names[traced],), product) for traced in point.wanted)
    if product == "jacobian":
        shape = tuple(point.output.tensor.shape)
        return tuple(Target((one,), (names[one],), product, (*shape, *one.tensor.shape)) for one in point.wanted)
    several = combinations_with_replacement(point.wanted, order)
    return tuple(Target(by, tuple(names[one] for one in by), size=_size_of_others(by)) for by in several)


def _size_of_others(by: Sequence[TracedTensor]) -> tuple[int, ...] | None:
    """Return the shape of a derivative by what is no leaf, and so no argument of the code."""
    if all(traced.is_leaf for traced in by):
        return None
    return tuple(size for traced in by for size in traced.tensor.shape)


def upstream_name(point: Point) -> str | None:
    """Return what the upstream gradient is called: `g`, unless a leaf is; None where it is given."""
    if not _is_tensor(point):
        return None
    names = chain(("g", "grad_output"), (f"grad_output{number}" for number in count(2)))
    return next(name for name in names if name not in point.shapes)


def given_upstream(point: Point) -> dict[str, list[Any]]:
    """Return the upstream gradient by its name where it is numbers that differ, which code holds; else nothing."""
    name = None if point.has_upstream or point.settings.product in NONE_READ else upstream_name(point)
    return {} if name is None else {name: point.cotangent.tolist()}


def known_shapes(point: Point, *, moving: bool = False) -> dict[str, tuple[int, ...]]:
    """Return the shapes of what formulas may name: leaves, the upstream gradient, and the tangents of what moves."""
    name = upstream_name(point)
    shapes = point.shapes | ({} if name is None else {name: tuple(point.output.tensor.shape)})
    tangents = {tangent: tuple(traced.tensor.shape) for traced, tangent in tangent_names(point).items()}
    return shapes | (tangents if moving else {})


def tangent_names(point: Point) -> dict[TracedTensor, str]:
    """Return what the tangent of each tensor is called: `dx` is that of x, unless a leaf is called so."""
    names, taken = display_names(point.trace), {*point.shapes, "g", upstream_name(point)}
    found: dict[TracedTensor, str] = {}
    for traced in point.wanted:
        own = f"d{names[traced]}" if names[traced].isidentifier() else "dt"
        while own in taken:
            own += "_"
        taken.add(own)
        found[traced] = own
    return found


def _is_tensor(point: Point) -> bool:
    return _number(point.cotangent) is None or point.has_upstream


def _number(cotangent: Tensor) -> float | None:
    if cotangent.is_complex():
        return None
    first = float(cotangent.reshape(-1)[0]) if cotangent.numel() else 0.0
    return first if bool((cotangent == first).all()) else None


def closed_forms(
    point: Point,
    wanted: Sequence[Target],
    derivations: Derivations,
    *,
    seconds: float | None = None,
    units: bool = False,
    everywhere: bool | None = None,
) -> dict[Target, Form]:
    """Return the formulas in terms of the leaves alone, of those of the derivatives that have one.

    With `units`, all tangents are 1 in every entry; `everywhere` says whether they have the cases that textbooks leave
    out. Those of a Function have them.
    """
    if point.is_complex:
        return {}
    with double_precision():
        is_whole = point.settings.to == "function" if everywhere is None else everywhere
        is_once = all(len(target.by) == 1 and target.product != "hvp" for target in wanted)
        kept = frozenset(traced for target in wanted for traced in target.by)
        decomposition = decompose(plain(by_matrices(point.trace, kept), everywhere=is_whole, once=is_once))
    numbers = {node: number for number, node in enumerate(decomposition.tape.nodes)}
    places = {target: [numbers[decomposition.nodes[traced]] for traced in target.by] for target in wanted}
    is_first = all(target.product in {"", "jvp"} for target in wanted)
    keys = {f"{target.product}{target.label}/{number}": target for number, target in enumerate(wanted)}
    firsts = [(key, places[target][0]) for key, target in keys.items() if len(target.by) == 1 and not target.product]
    request = replace(
        as_request(
            decomposition,
            inlined(point.trace),
            None if point.has_upstream else _number(point.cotangent),
            wanted=firsts,
            matrices=True,
            products=point.settings.to != "sympy" and point.settings.order == 1 and is_first,
        ),
        seconds=derivations.seconds if seconds is None else seconds,
        upstream_name=upstream_name(point) or "g",
        longest=LONGEST if point.settings.to in NOTATIONS else LONGEST_CODE,
        closed=True,
        lengths=tuple(point.settings.sizes),
        symmetric=tuple(
            numbers[decomposition.nodes[leaf]] for leaf in point.trace.leaves if leaf.name in point.settings.symmetric
        ),
        entries=point.settings.to == "sympy",
        second=tuple(
            (key, *places[target])  # type: ignore[misc]  # there are two
            for key, target in keys.items()
            if len(target.by) > 1 and not target.product
        ),
        tangents=tuple(
            (UNIT if units else name, numbers[decomposition.nodes[traced]])
            for traced, name in tangent_names(point).items()
        ),
        pushed=next((key for key, target in keys.items() if target.product == "jvp"), None),
        mapped=tuple((key, places[target][0]) for key, target in keys.items() if target.product == "jacobian"),
        positive=tuple(
            numbers[decomposition.nodes[leaf]] for leaf in point.trace.leaves if leaf.name in point.settings.positive
        ),
        curved=tuple((key, places[target][0]) for key, target in keys.items() if target.product == "hvp"),
    )
    written = derivations.collect_formulas(derivations.post_formulas(request))
    found = {keys[key]: _form(formula, point) for key, formula in written.items() if _is_closed(formula, point)}
    return {target: found[target] for target in wanted if target in found}


def _form(formula: Formula, point: Point) -> Form:
    """Return a formula as a reader would write it."""
    shapes = known_shapes(point, moving=True)
    assumed = frozenset(point.settings.orthogonal), frozenset(point.settings.symmetric)
    ranks = {name: len(shape) for name, shape in shapes.items()}
    masks = frozenset(leaf.name or leaf.text for leaf in point.trace.leaves if leaf.tensor.dtype is torch.bool)
    entry = with_tests(formula.entry, ranks, masks) if formula.entry else ""
    whole = in_one_spelling(with_tests(formula.text, ranks, masks), ranks)
    formula = replace(formula, text=with_reads(whole, ranks), entry=entry)
    varying = {leaf.name or leaf.text for leaf in point.trace.leaves if leaf.tensor.requires_grad}
    assumed = assumed[0], assumed[1] | factored(formula.text) | symmetric_leaves(point.trace)
    plain_text = with_matrices(simplified(without_hidden(formula.text), shapes, *assumed), shapes)
    whole, outside = with_quotients(simplified(plain_text, shapes, *assumed))
    text, exception = without_points(whole, varying)
    text = with_bounds(text)
    again = partial(simplified, shapes=shapes, orthogonal=assumed[0], symmetric=assumed[1])
    text = with_one_choice(text, ranks, again)
    shorter = shortened(again(text), shapes, again, assumed[1])
    if assumed[1] or "cholesky(" in shorter or solves(point.trace):  # a matrix and its transpose may be the same now
        shorter = shortened(again(again(with_matrices(shorter, shapes))), shapes, again, assumed[1])
        shorter = with_matrices(shorter, shapes)
    exception = exception or (outside if "prod(" in shorter else None)
    whole = text if point.settings.to == "function" else shortened(text, shapes, again)
    text, code = shorter, formula.text if exception or parsed(formula.text).indices else whole
    text, code = (again(with_masks(one, ranks)) if "nonzero(" in one else one for one in (text, code))
    rewritten: tuple[str, ...] = ()
    if point.settings.stable or point.settings.to == "function":
        (text, rewritten), (code, _) = (stable(one, digits=point.settings.stable) for one in (text, code))
    return Form(text, code, formula.entry, formula.text, rewritten, exception)


def _is_closed(formula: Formula, point: Point) -> bool:
    """Tell whether a formula is one that Python could parse, of nothing but leaves and the upstream gradient."""
    try:
        tree = parsed(formula.text)
    except (SyntaxError, ValueError):
        return False
    known = {*known_shapes(point, moving=True), *(tree.indices or ()), *bound_names(tree.body)}
    return set(names_read(tree.body)) <= known
