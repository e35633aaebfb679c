"""The report: what was found, as data; every format is a rendering of it."""

from gradcli.report.report import Report, TensorReport
from gradcli.report.verdict import Verdict

__all__ = ["Report", "TensorReport", "Verdict"]
