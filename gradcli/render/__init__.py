"""Report -> text: one module per format, each a pure function of the report and the style."""

from gradcli.render.formats import FORMATS

__all__ = ["FORMATS"]
