"""The last line of a report: the verdict, and what it means in words."""

from __future__ import annotations

from collections.abc import Sequence

from gradcli.escaping import clip
from gradcli.render.presentation import Judged, Presentation, presentation_of, words_of
from gradcli.report.check import CheckDetails
from gradcli.report.report import Report, TensorReport
from gradcli.report.verdict import Verdict
from gradcli.witnesses import TRANSFORMATIONS

UNCOMPARED = "no verdict: the gradients could not be compared under {}, so this is not a pass"
MOST_NAMES = 6
LONGEST_NAME = 28


def summary(report: Report) -> str:
    """Return the verdict and what it means: the last line of a report."""
    return f"{report.verdict}: {verdict_words(report, presentation_of(report))}"


def verdict_words(report: Report, how: Presentation) -> str:
    """Return what the verdict on all means, and for which tensors."""
    judged: list[Judged] = [*report.tensors, *how.judged(report.details)]
    subjects = [subject for subject in judged if subject.verdict is report.verdict]
    tensors = [tensor for tensor in report.tensors if tensor.verdict is report.verdict]
    if report.verdict is Verdict.UNDEFINED and how.words is None and how.shows_gradient and tensors:
        words = _undefined(tensors)
    else:
        words = _words(report, how, report.verdict)
        words += f" ({_names(subjects)})" if subjects and report.verdict is not Verdict.MATCH else ""
    claims = _about_claims(report)
    if claims and tensors and all(tensor.only_claim_is_wrong for tensor in tensors):
        return f"{claims}, and autograd agrees with the derivative"
    return f"{words}, and {claims}" if claims else words


def listed(names: Sequence[str], width: int | None = None) -> str:
    """Return names, of many the first ones: as many as stand within a width, if there is one."""
    shown = list(names[:MOST_NAMES])
    while width is not None and len(shown) > 1 and len(", ".join(shown)) > width:
        shown.pop()
    more = f" and {len(names) - len(shown):,} more" if len(names) > len(shown) else ""
    return f"{', '.join(shown)}{more}"


def _words(report: Report, how: Presentation, verdict: Verdict) -> str:
    """Return what the verdict means: who agrees or disagrees with whom, where that is not the usual two."""
    if how.words is not None:
        return how.words(report.details)[verdict]
    several = isinstance(report.details, CheckDetails) and report.details.points
    where = "at each of the points" if several else "at this point"
    tensors = [tensor for tensor in report.tensors if tensor.verdict is verdict]
    if tensors and all(tensor.dissenter == "claim" for tensor in tensors):
        symbolic = all(tensor.symbolic for tensor in tensors)
        return words_of(verdict, who="a claim", reference=None if symbolic else "autograd's gradient")
    under = _under(tensors, verdict)
    if under is not None:
        return under
    compared = tensors if verdict is Verdict.MISMATCH else report.tensors
    if any(tensor.witnesses for tensor in compared) and not any(map(_has_symbolic, compared)):
        return words_of(verdict, reference="the numerical witnesses", where=where)
    if verdict is Verdict.MISMATCH and tensors and all(map(_agrees_with_symbolic, tensors)):
        return words_of(verdict, reference="the derivative of the whole program")  # at kinks, and where it decides
    return words_of(verdict, where=where)


def _has_symbolic(tensor: TensorReport) -> bool:
    """Return whether there is a symbolic derivative by a tensor, which its gradient is compared with."""
    return tensor.symbolic is not None and tensor.symbolic.value is not None


def _agrees_with_symbolic(tensor: TensorReport) -> bool:
    """Return whether no call denies autograd's gradient, and only the program as a whole does."""
    known = None if tensor.symbolic is None else tensor.symbolic.comparison.verdict
    return tensor.dissenter == "autograd" and known is not None and known is not Verdict.MISMATCH


def _under(tensors: Sequence[TensorReport], verdict: Verdict) -> str | None:
    """Return what a verdict means that transformations of the code are the only reason of; None of any other."""
    if not all(_is_by_transformations(tensor, verdict) for tensor in tensors):
        return None
    named = [
        row.phrase
        for name, row in TRANSFORMATIONS.items()
        if any(name in (t.witnesses or {}) and (t.witnesses or {})[name].verdict is verdict for t in tensors)
    ]
    if not named or verdict not in {Verdict.MISMATCH, Verdict.UNDECIDED}:
        return None
    names = " and ".join(named)
    return words_of(verdict, who=f"autograd under {names}") if verdict is Verdict.MISMATCH else UNCOMPARED.format(names)


def _is_by_transformations(tensor: TensorReport, verdict: Verdict) -> bool:
    """Return whether a tensor would have a different verdict without the transformations of the code."""
    if verdict is Verdict.MISMATCH:
        return tensor.dissenter in TRANSFORMATIONS
    return tensor.symbolic is not None and tensor.symbolic.comparison.verdict.passes


def _undefined(tensors: Sequence[TensorReport]) -> str:
    """Return of which tensors autograd computed a NaN, and which have no derivative where it gives a number."""
    nan = [t for t in tensors if t.gradient is not None and bool(t.gradient.isnan().any())]
    rest = [t for t in tensors if all(t is not other for other in nan) and not t.only_claim_is_wrong]
    parts = [("autograd's gradient is NaN", nan), ("there is no derivative here", rest)]
    return " and ".join(f"{words} ({_names(own)})" for words, own in parts if own)


def _names(judged: Sequence[Judged]) -> str:
    return listed([clip(subject.name, LONGEST_NAME) for subject in judged])


def _about_claims(report: Report) -> str:
    """Return what the claims come to, for the last line: right ones, wrong ones, and those that alone are NaN."""
    claimed = [(f"'{clip(t.name, LONGEST_NAME)}'", t.claim.verdict) for t in report.tensors if t.claim]
    right = [name for name, verdict in claimed if verdict.passes]
    wrong = [name for name, verdict in claimed if verdict is Verdict.MISMATCH]
    nan = [f"'{clip(t.name, LONGEST_NAME)}'" for t in report.tensors if _is_nan_alone(t)]
    parts = []
    for names, words in ((right, "right"), (wrong, "wrong"), (nan, "NaN")):
        if names:
            claims, verb = ("claims", "are") if len(names) > 1 else ("claim", "is")
            parts.append(f"the {claims} for {listed(names)} {verb} {words}")
    return " and ".join(parts)


def _is_nan_alone(tensor: TensorReport) -> bool:
    """Return whether a claim is NaN where autograd's gradient is a number, and right."""
    return tensor.claim is not None and tensor.claim.verdict is Verdict.UNDEFINED and tensor.only_claim_is_wrong
