"""What only `grad` reports: the Jacobian, the vector v and their product."""

from __future__ import annotations

from gradcli.escaping import escape
from gradcli.render.grid import Grid, Lines, left_out
from gradcli.render.numbers import tensor_lines
from gradcli.render.presentation import Presentation
from gradcli.report.grad import GradDetails, VectorJacobianProduct

MOST_TENSORS = 12
FULL = 64


def grids(details: GradDetails) -> tuple[Grid, ...]:
    """Return one grid: a row of J and an entry of v for each entry of the output."""
    return () if details.vjp is None else (_product(details.vjp),)


def _product(found: VectorJacobianProduct) -> Grid:
    rows = []
    for name, tensor in [*found.tensors.items()][:MOST_TENSORS]:
        matrix = tensor.jacobian.reshape(found.v.numel(), -1)
        product = tensor_lines(tensor.product.reshape(-1, 1), FULL)
        rows.append(((escape(name),), tensor_lines(matrix, FULL), _column(found), _bare(product)))
    words = "J has a row for each entry of the output, and a column for each entry of the tensor."
    below = (words, *left_out(len(found.tensors) - len(rows)))
    return Grid("The gradient is J^T v", ("tensor", "J", "v", "J^T v"), tuple(rows), below)


def _column(found: VectorJacobianProduct) -> Lines:
    return _bare(tensor_lines(found.v.reshape(-1, 1), FULL))


def _bare(lines: Lines) -> Lines:
    """Return a column of numbers without its brackets."""
    return tuple(line.strip("[]") for line in lines)


WHY = "torch.autograd.grad returns the gradient and leaves .grad alone: it is None."
PRESENTATION = Presentation(grids, why_no_grad=WHY, leaves_grad=True)
