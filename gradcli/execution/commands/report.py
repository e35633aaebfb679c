"""`report`: one run with its graphs, the chain rule node by node, and every gradient judged as `eval` does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradcli.derivation.derivations import Derivations
from gradcli.execution.autograd.nodes import backward_graph
from gradcli.execution.commands.graph import graph_of
from gradcli.execution.commands.trace import details_of, watched
from gradcli.execution.comparison.evaluation import evaluate_run
from gradcli.execution.forward.source import Source
from gradcli.execution.run import report as report_of
from gradcli.execution.run import start
from gradcli.execution.witnesses.bends import where_it_bends
from gradcli.report.page import PageDetails
from gradcli.report.report import Report
from gradcli.settings import Settings


def report(program: Source, settings: Settings, given: Mapping[str, Any], derivations: Derivations) -> Report:
    """Return the report of `report`."""
    run = start(program, settings, given, derivations)
    backward = backward_graph(run.trace, run.names)  # before the backward pass frees what it shows
    with watched(run) as seen:
        evaluation = evaluate_run(run)
    reports = where_it_bends(run, evaluation)
    graph = graph_of(run, backward, {*reports})
    chain = details_of(run, evaluation, seen)
    return report_of(run, list(reports.values()), PageDetails(graph, chain.trace, chain.left_out))
