"""`derive`: the derivatives of a program as formulas and code, each checked at random points of two sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from gradcli._version import __version__
from gradcli.derivation.derivations import Derivations
from gradcli.derivation.notation.brackets import readable
from gradcli.derivation.notation.code import LETTERS
from gradcli.derivation.notation.latex import latex_of
from gradcli.derivation.notation.mathml import mathml
from gradcli.derivation.notation.parsed import parsed
from gradcli.derivation.notation.plain import unicode
from gradcli.derivation.notation.ranks import rank
from gradcli.derivation.notation.sharing import shared
from gradcli.derivation.notation.sympy import Entry
from gradcli.errors import GradcliError, InputError, NotSupportedError
from gradcli.escaping import latex_name
from gradcli.execution.comparison.judged import judged
from gradcli.execution.formulas.checks import SECOND, checks_of, wanted_of
from gradcli.execution.formulas.closed import COMPLEX, NONE_READ, Form, Target, tangent_names, upstream_name
from gradcli.execution.formulas.codes import check_code, codes_of, markup
from gradcli.execution.formulas.counts import counts_at
from gradcli.execution.formulas.derivation_steps import steps_of
from gradcli.execution.formulas.detached import without_detached
from gradcli.execution.formulas.for_lengths import forms_for_lengths
from gradcli.execution.formulas.function import DETACHED, function_code
from gradcli.execution.formulas.kept_digits import what_is_lost
from gradcli.execution.formulas.lengths import turned_settings
from gradcli.execution.formulas.named_values import with_lengths_of_values
from gradcli.execution.formulas.points import Point, another_point, finite_point, point
from gradcli.execution.formulas.shaped import layout_of
from gradcli.execution.formulas.single_entries import entry_of, sympy_text
from gradcli.execution.formulas.spelled_numbers import with_spelled_numbers
from gradcli.execution.formulas.usual_shapes import note, with_usual_shapes
from gradcli.execution.formulas.verified import arguments
from gradcli.execution.forward.source import Source
from gradcli.execution.process import torch_version
from gradcli.phrases import show_shape
from gradcli.report.derivation import Abbreviations, Checked, Derivation, DerivedFormula, DerivedOutput
from gradcli.report.verdict import Verdict, worst
from gradcli.settings import Settings

NO_FORMULA = "it has no formula in terms of the leaves alone"
NOT_COUNTED = f"{NO_FORMULA} that holds for every count of the entries that a mask picks"
NOT_FINITE = "no point was found with a finite gradient that is not rounding"


def derive(program: Source, settings: Settings, given: Mapping[str, Any], derivations: Derivations) -> Derivation:
    """Return the derivation that the settings ask for; leaves without a shape are of the usual kind.

    Raises GradcliError if the program cannot be run, or nothing be differentiated.
    """
    usual = with_usual_shapes(program, settings, given)
    if usual is None:
        return _of_shapes(program, settings, given, derivations)
    return replace(_of_shapes(program, usual, given, derivations), notes=(note(settings, usual),))


def _of_shapes(program: Source, settings: Settings, given: Mapping[str, Any], derivations: Derivations) -> Derivation:
    """Return the derivation for these shapes.

    Of lengths with names, what is wide may have to be tall: `logdet(X @ X.T)` is of a singular matrix if X is tall.
    """
    try:
        found = _derived(program, settings, given, derivations)
    except GradcliError:  # at other lengths there may be a point, and no singular matrix, which PyTorch may refuse
        other = _of_values(program, settings, given, derivations) or _turned(program, settings, given, derivations)
        if other is None:
            raise
        return other
    if found.verdict not in {Verdict.UNDECIDED, Verdict.UNVERIFIED} or not settings.verify:
        return found
    return _turned(program, settings, given, derivations) or found


def _of_values(
    program: Source, settings: Settings, given: Mapping[str, Any], derivations: Derivations
) -> Derivation | None:
    """Return the derivation with a named length that a value has; None where that does not match."""
    for chosen in with_lengths_of_values(settings, given) if settings.sizes else ():
        with suppress(GradcliError):
            found = _derived(program, chosen, given, derivations)
            if found.verdict is Verdict.MATCH or not settings.verify:
                return found
    return None


def _turned(
    program: Source, settings: Settings, given: Mapping[str, Any], derivations: Derivations
) -> Derivation | None:
    """Return the derivation with the lengths that have names the other way round; None if that is no better."""
    turned = turned_settings(settings)
    if turned is None:
        return None
    with suppress(GradcliError):
        found = _derived(program, turned, given, derivations)
        return found if found.verdict is Verdict.MATCH else None
    return None


def _agreed(settings: Settings) -> None:
    """Refuse settings that ask for two things at once."""
    if settings.order > 1 and settings.product:
        hint = "the second derivative is one thing, a product of the Jacobian or the Hessian another (`--hvp`)"
        raise InputError("--order 2 and a product exclude each other", option="--order", hint=hint)
    if settings.to == "function" and settings.product:
        hint = "it has both: backward is the product with the upstream gradient, jvp the one with tangents"
        raise InputError("a Function is no product of its own", option="--to", hint=hint)


def _derived(program: Source, settings: Settings, given: Mapping[str, Any], derivations: Derivations) -> Derivation:
    _agreed(settings)
    settings = replace(settings, dtype=settings.dtype if settings.dtype.startswith("complex") else "float64")
    here = finite_point(program, settings, given, settings.seed)
    start = here or point(program, settings, given, settings.seed)
    if settings.steps and (settings.order > 1 or settings.product or settings.sizes):
        message = "--steps shows how first gradients come about, of lengths that are numbers"
        raise InputError(message, hint="leave out `--order 2` and products, and give lengths as `--shape X=4x3`")
    second = settings.order > 1 or settings.product == "hvp"
    if second and start.output.tensor.numel() != 1:
        raise InputError(
            f"the output has shape {show_shape(tuple(start.output.tensor.shape))}; a second derivative is a scalar's",
            hint="reduce the output with `--reduce sum` (or mean)",
        )
    if settings.product == "jacobian":
        here, start = (None if here is None else here.explicit()), start.explicit()
    wanted = wanted_of(start)
    forms, others = forms_for_lengths(start, wanted, given, derivations)
    forms = with_spelled_numbers(forms, program.source)
    if not settings.verify:
        checks = {target: Checked(Verdict.UNVERIFIED, 0, (), None, (), "not checked") for target in wanted}
    else:
        judge = partial(judged, derivations)
        checks = checks_of(here, forms, given, derivations, others=others, judge=judge) if here else _unchecked(wanted)
    if settings.stable and settings.verify:
        lost = what_is_lost(start, forms)
        forms = {one: replace(form, rewritten=(*form.rewritten, *lost.get(one, ()))) for one, form in forms.items()}
    derivation = _derivation(start, settings, wanted, forms, checks)
    if settings.steps:
        derivation = replace(derivation, steps=steps_of(here or start, derivations))
    if settings.to in {"mathml", "typst"}:
        return replace(derivation, markup={settings.to: markup(derivation)})
    return _with_function(derivation, start, given, derivations) if settings.to == "function" else derivation


def _with_function(derivation: Derivation, here: Point, given: Mapping[str, Any], asked: Derivations) -> Derivation:
    """Return a derivation with the source of a Function, or with the reason why there is none."""
    other = another_point(here, given, here.settings.seed + SECOND)
    try:
        is_closed = all(one.formula is not None for one in derivation.derivatives)
        others = [other] if other else []
        made = function_code(here, others, given, asked, partial(judged, asked), is_closed=is_closed)
    except NotSupportedError as error:
        held = without_detached(here, given) if error.message.endswith(DETACHED) else None
        if held is not None:
            return _with_function(derivation, held, given, asked)
        return replace(derivation, refused=error.message)
    if not (made.is_closed or here.settings.stable):  # what was rewritten for it is not in it
        plain = tuple(replace(one, rewritten=None) for one in derivation.derivatives)
        derivation = replace(derivation, derivatives=plain)
    return replace(derivation, codes={**derivation.codes, "function": made.code}, tried=made.how)


def _unchecked(wanted: Sequence[Target]) -> dict[Target, Checked]:
    return {target: Checked(Verdict.UNVERIFIED, 0, (), None, (), NOT_FINITE) for target in wanted}


def _derivation(
    here: Point,
    settings: Settings,
    wanted: Sequence[Target],
    forms: Mapping[Target, Form],
    checks: Mapping[Target, Checked],
) -> Derivation:
    """Return the report."""
    leaves, output = here.shapes, here.output
    codes, denied = codes_of(here, wanted, forms)
    entries = {target: _entry(here, target, form) for target, form in forms.items()} if settings.to == "sympy" else {}
    check_code(settings.to, codes | denied, wanted, forms)
    return Derivation(
        gradcli=__version__,
        torch=torch_version(),
        program=here.program.source,
        output=DerivedOutput(output.name or output.text, tuple(output.tensor.shape)),
        leaves=leaves,
        upstream=None if settings.product in NONE_READ else upstream_name(here),
        layout=layout_of(here, forms, _ranks(here)),
        derivatives=tuple(
            _shown(here, target, forms.get(target), entries.get(target), checks[target]) for target in wanted
        ),
        where=_where(here, wanted, forms),
        to=settings.to,
        codes=codes,
        refused=denied.get(settings.to),
        declarations=_declarations(here, wanted, entries),
        verify=settings.verify,
        product=settings.product,
        tangents={traced.name or traced.text: name for traced, name in tangent_names(here).items()}
        if wanted[0].is_moving
        else None,
        sizes=settings.sizes or None,
    )


def _shown(
    here: Point, target: Target, formula: Form | None, entry: Entry | str | None, checked: Checked
) -> DerivedFormula:
    tree = None if formula is None else parsed(formula.text)
    latex = None if tree is None else latex_of(tree, _ranks(here))
    known = entry if isinstance(entry, Entry) else None
    no_text = entry if isinstance(entry, str) else None
    if no_text is not None:
        checked = replace(checked, verdict=worst([checked.verdict, Verdict.UNDECIDED]), note=no_text)
    return DerivedFormula(
        wrt=target.label,
        order=here.settings.order,
        shape=target.shape,
        formula=None if formula is None else readable(formula.text, _ranks(here)),
        latex=latex,
        mathml=None if latex is None else mathml(latex),
        unicode=None if formula is None else unicode(readable(formula.text, _ranks(here))),
        sympy=None if known is None else known.text,
        notation=None if tree is None else "matrix" if tree.indices is None else "index",
        names_latex=tuple(latex_name(name) for name in target.names),
        indices=() if known is None else known.letters,
        free=() if known is None else known.free,
        checked=checked,
        rewritten=None if formula is None or not formula.rewritten else formula.rewritten,
        exception=None if formula is None else formula.exception,
        left_out=None if formula is None or not formula.cases else _left_out(formula),
        reason=_reason(here) if formula is None else no_text,
    )


def _reason(here: Point) -> str:
    """Return why there is no formula."""
    return COMPLEX if here.is_complex else NOT_COUNTED if counts_at(here) else NO_FORMULA


def _left_out(form: Form) -> tuple[str, ...]:
    """Return in words what a formula leaves out, and whether its code has it."""
    has = "the code has that case, and the formula leaves it out"
    return tuple(
        f"{case}; {has if form.code != form.text else 'the formula and the code leave that out'}" for case in form.cases
    )


def _where(here: Point, wanted: Sequence[Target], forms: Mapping[Target, Form]) -> Abbreviations:
    """Return the formulas with what they have in common named once."""
    known = [target for target in wanted if target in forms]
    taken = {*arguments(here, moving=True), *here.settings.sizes, *here.trace.variables, *LETTERS, *"ijklmnpqr"}
    common = shared([forms[target].text for target in known], taken)
    ranks, parts = _ranks(here), dict[str, str]()
    for name, part in common.parts:
        parts[name] = readable(part, ranks)
        ranks[name] = rank(parsed(part).body, ranks)
    texts = (readable(text, ranks) for text in common.formulas)
    return Abbreviations(parts, dict(zip((one.label for one in known), texts, strict=True)))


def _ranks(here: Point) -> dict[str, int]:
    return {name: value.ndim for name, value in arguments(here, moving=True).items()}


def _entry(here: Point, target: Target, form: Form) -> Entry | str:
    """Return an entry as sympy's expression, or why there is none."""
    try:
        return entry_of(here, target, form)
    except NotSupportedError as error:
        return error.message


def _declarations(here: Point, wanted: Sequence[Target], entries: Mapping[Target, Entry | str]) -> tuple[str, ...]:
    """Return the lines that declare what sympy's expressions hold; none where these are not asked for."""
    if here.settings.to != "sympy":
        return ()
    known = [entry for entry in entries.values() if isinstance(entry, Entry)]
    return tuple(sympy_text(here, known, moving=wanted[0].is_moving))
