"""A formula's tree before it is written as code: its labels, its numbers, and what PyTorch computes in fewer passes."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Mapping
from fractions import Fraction

from gradcli.derivation.notation.code_numbers import with_typed_numbers
from gradcli.derivation.notation.inverse_roots import with_inverse_roots
from gradcli.derivation.notation.labels import with_added_labels
from gradcli.derivation.notation.shapes import Shapes
from gradcli.derivation.notation.whole import with_floats


def prepared(node: ast.expr, shapes: Shapes, sizes: Mapping[str, int], typed: Collection[Fraction]) -> ast.expr:
    """Return an expression without one-hot matrices, with the decimals that were `typed`."""
    return with_typed_numbers(with_added_labels(node, shapes, sizes), typed)


def for_torch(node: ast.expr, integers: Collection[str], is_number: Callable[[ast.expr], bool]) -> ast.expr:
    """Return an expression as PyTorch takes it: with matrices of one type, and with its own inverse root."""
    return with_inverse_roots(with_floats(node, integers), is_number)
