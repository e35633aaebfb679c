"""Text of options -> shapes, values, names and numbers; without torch, every error with a caret."""

from gradcli.inputs.claims import parse_claims
from gradcli.inputs.names import check_names, parse_choices, parse_names, suggest
from gradcli.inputs.scalars import check_count, check_number, check_positive, check_rate, parse_size
from gradcli.inputs.shapes import parse_shapes, shape_of, show_shape
from gradcli.inputs.values import parse_grad_output, parse_values

__all__ = [
    "check_count",
    "check_names",
    "check_number",
    "check_positive",
    "check_rate",
    "parse_choices",
    "parse_claims",
    "parse_grad_output",
    "parse_names",
    "parse_shapes",
    "parse_size",
    "parse_values",
    "shape_of",
    "show_shape",
    "suggest",
]
