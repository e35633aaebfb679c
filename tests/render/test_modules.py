"""Many tensors of several modules: what is right is told by module, what is wrong in full."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from gradcli.render import FORMATS
from gradcli.render.style import Style
from gradcli.report.check import CheckDetails
from gradcli.report.comparison import Comparison, Symbolic
from gradcli.report.report import Extent, Report, TensorReport, WitnessReport
from gradcli.report.verdict import Verdict
from gradcli.witnesses import TRANSFORMATIONS

Make = Callable[..., TensorReport]


def bert(make: Make, wrong: str = "") -> list[TensorReport]:
    """Return the parameters of a model of BERT's size; those whose name begins with `wrong` are wrong."""
    parts = ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"]
    parts += ["attention.output.LayerNorm", "intermediate.dense", "output.dense", "output.LayerNorm"]
    modules = [f"bert.embeddings.{name}" for name in ("word", "position", "LayerNorm")]
    modules += [f"bert.encoder.layer.{n}.{part}" for n in range(12) for part in parts]
    modules += ["bert.pooler.dense", "classifier"]
    tensors = [make("x", 1.0, 1.0)]
    for module in modules:
        for name in (f"{module}.weight", f"{module}.bias"):
            verdict = Verdict.MISMATCH if wrong and name.startswith(wrong) else Verdict.MATCH
            tensors.append(make(name, 1.0, 2.0, module=module, verdict=verdict))
    return tensors


def test_a_module_shows_how_far_its_gradients_are_under_a_transformation(
    make_tensor: Make, make_report: Callable[..., Report]
) -> None:
    witnesses = {name: WitnessReport(Verdict.MATCH, 3e-16) for name in TRANSFORMATIONS}
    tensors = [replace(tensor, witnesses=witnesses) for tensor in bert(make_tensor)]
    text = FORMATS["plain"].render(make_report(*tensors, program="m.py:Bert"), Style(80))
    _, _, under = text.partition("Under transformations")
    assert "eager    compile  checkpoint  vmap     autocast  channels_last" in under  # no word is split
    assert under.count("3.0e-16") >= len(TRANSFORMATIONS)
    assert max(map(len, text.splitlines())) <= 80


def test_many_transformations_of_few_tensors_split_no_word(
    make_tensor: Make, make_report: Callable[..., Report]
) -> None:
    witnesses = {name: WitnessReport(Verdict.MISMATCH, 7.1) for name in TRANSFORMATIONS}
    tensor = replace(make_tensor("x", 1.0, 1.0), witnesses=witnesses, verdict=Verdict.MISMATCH)
    text = FORMATS["plain"].render(replace(make_report(tensor), command="check", details=CheckDetails()), Style(80))
    assert all(row.heading in text for row in TRANSFORMATIONS.values())
    assert text.count("  mismatch") >= len(TRANSFORMATIONS)
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", ["table", "plain"])
def test_a_large_model_without_failures_fits_a_page(
    make_tensor: Make, make_report: Callable[..., Report], name: str, width: int
) -> None:
    text = FORMATS[name].render(make_report(*bert(make_tensor), program="m.py:Bert"), Style(width))
    lines = text.splitlines()
    assert len(lines) < 34
    assert max(map(len, lines)) <= width
    (row,) = [line.split() for line in lines if "bert.encoder.layer.11" in line]
    assert (row[1], row[-2]) == ("16", "match")
    assert "(Bert itself)" in text


def test_depth_opens_and_closes_levels(make_tensor: Make, make_report: Callable[..., Report]) -> None:
    report = make_report(*bert(make_tensor), program="m.py:Bert")
    shallow = FORMATS["plain"].render(replace(report, extent=Extent(depth=1)), Style(80))
    assert [line.split()[1] for line in shallow.splitlines() if line.startswith(("  bert ", "  classifier "))] == [
        "200",
        "2",
    ]
    deep = FORMATS["plain"].render(replace(report, extent=Extent(depth=9)), Style(80))
    assert "bert.encoder.layer.3.attention.self.key " in deep
    assert "--depth 2" in shallow
    assert "--depth" not in deep


def test_what_is_wrong_is_shown_whole_and_the_rest_by_module(
    make_tensor: Make, make_report: Callable[..., Report]
) -> None:
    tensors = bert(make_tensor, "bert.pooler")
    text = FORMATS["plain"].render(make_report(*tensors, verdict=Verdict.MISMATCH), Style(120))
    assert "bert.pooler.dense.weight" in text.partition("All others, by module")[0]
    assert "bert.pooler.dense.bias" in text.partition("All others, by module")[0]
    assert "bert.encoder.layer.4 " in text.partition("All others, by module")[2]
    assert "mismatch" not in text.partition("All others, by module")[2].partition("mismatch: autograd")[0]


def test_of_much_that_is_wrong_the_last_is_shown_and_no_module_with_more_is_called_right(
    make_tensor: Make, make_report: Callable[..., Report]
) -> None:
    tensors = bert(make_tensor, "bert.encoder.layer.")
    text = FORMATS["plain"].render(make_report(*tensors, verdict=Verdict.MISMATCH), Style(120))
    whole, _, rest = text.partition("All others, by module")
    assert "bert.encoder.layer.11" in rest
    assert "layer.0." not in whole
    rows = [line.split()[-2] for line in rest.splitlines() if line.startswith("  bert.encoder.layer.")]
    assert rows == ["mismatch"] * 12


def test_the_largest_error_of_a_module_is_shown(make_tensor: Make, make_report: Callable[..., Report]) -> None:
    tensors = bert(make_tensor)
    tensors[-1] = replace(
        tensors[-1], symbolic=Symbolic(None, None, tensors[-1].gradient, Comparison(Verdict.MATCH, 3e-12))
    )
    text = FORMATS["plain"].render(make_report(*tensors), Style(80))
    assert next(line for line in text.splitlines() if line.startswith("  classifier ")).endswith("3.0e-12")


@pytest.mark.parametrize("count", [5, 40])
def test_few_tensors_and_programs_are_shown_one_by_one(
    make_tensor: Make, make_report: Callable[..., Report], count: int
) -> None:
    modules = ["a", "b"] if count == 5 else [None]
    tensors = [make_tensor(f"t{n}", 1.0, 1.0, module=modules[n % len(modules)]) for n in range(count)]
    text = FORMATS["plain"].render(make_report(*tensors), Style(80))
    assert "by module" not in text.lower()
    assert "t1 " in text


def test_many_modules_of_one_level_end_in_one_line(make_tensor: Make, make_report: Callable[..., Report]) -> None:
    tensors = [make_tensor(f"{n}.weight", 1.0, 1.0, module=str(n)) for n in range(50)]
    lines = FORMATS["plain"].render(make_report(*tensors), Style(80)).splitlines()
    assert len(lines) < 34
    (last,) = [line.split() for line in lines if " more " in line]
    assert last[:3] == ["31", "more", "31"]


def test_nothing_compared_is_no_failure_of_each(make_tensor: Make, make_report: Callable[..., Report]) -> None:
    tensors = [replace(tensor, verdict=None, symbolic=None) for tensor in bert(make_tensor)]
    text = FORMATS["plain"].render(make_report(*tensors, verdict=Verdict.UNVERIFIED), Style(80))
    assert next(line for line in text.splitlines() if line.startswith("  classifier ")).endswith("- unverified")
