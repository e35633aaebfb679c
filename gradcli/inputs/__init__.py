"""Text of options -> shapes, values, names and numbers; without torch, every error with a caret."""

from gradcli.code_names import is_code
from gradcli.inputs.arguments import parse_arguments
from gradcli.inputs.gradients import parse_backwards, parse_claims
from gradcli.inputs.names import check_names, parse_choices, parse_names
from gradcli.inputs.parts import parse_numbers, parse_parts
from gradcli.inputs.reading import check_reading, notes_on
from gradcli.inputs.shapes import parse_shapes, shape_of
from gradcli.inputs.sizes import parse_size
from gradcli.inputs.values import parse_grad_output, parse_values

__all__ = [
    "check_names",
    "check_reading",
    "is_code",
    "notes_on",
    "parse_arguments",
    "parse_backwards",
    "parse_choices",
    "parse_claims",
    "parse_grad_output",
    "parse_names",
    "parse_numbers",
    "parse_parts",
    "parse_shapes",
    "parse_size",
    "parse_values",
    "shape_of",
]
