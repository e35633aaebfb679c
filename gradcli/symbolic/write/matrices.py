"""Inverses, determinants and exponentials in a composition: they stand for themselves, and have closed derivatives.

dY of Y = inv(A) is -Y dA Y, of Y = det(A) it is Y tr(inv(A) dA), of its logarithm tr(inv(A) dA); a solution of A Y = B
is inv(A) B. Of Y = exp(A) it is Fréchet's derivative of exp at A along dA (Higham, Functions of Matrices, chapter 10),
whose adjoint is that at Aᵀ. These are formulas to read: each is compared with autograd before it is shown, and none is
what autograd is compared with anywhere else.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import cast

import sympy
from sympy import Expr, Indexed, Integer, KroneckerDelta, Symbol

from gradcli.derivation.formulas import MatrixFunction
from gradcli.derivation.notation.parsed import names_read
from gradcli.derivation.notation.written import Written
from gradcli.python_trees import expression_tree
from gradcli.symbolic.write import prods
from gradcli.symbolic.write.printer import NotWritableError
from gradcli.symbolic.write.scope import Composed, Indices, NoFormulaError, Scope, Template
from gradcli.symbolic.write.standing import by_text, step_of, whole
from gradcli.symbolic.write.sums import total
from gradcli.symbolic.write.tensor_printer import TensorNotation
from gradcli.symbolic.write.tidy import tidy

Contribution = tuple[int, Indices, Expr]
LONGEST = 120
# The functions whose value is a matrix, and symmetric where the argument is.
OF_MATRIX = frozenset({"inv", "exp"})
NAMES = {
    "inv": "inv({})",
    "det": "det({})",
    "logdet": "logdet({})",
    "slogdet": "slogdet({})[1]",
    "exp": "matrix_exp({})",
}


def value(composition: Composed, place: int, function: MatrixFunction) -> Template:
    """Return the entry of a function of matrices; NoFormulaError if its argument has none to write."""
    if function.name == "solve":
        return _solution(composition, place, function)
    if function.name == "prod":
        return prods.value(composition, place, function)
    if function.name == "trunc":
        argument = composition.entry(function.operands[0])
        return step_of(composition.scope, function.name, argument, composition.shape(place))
    return _stand_in(composition, place, function.operands[0], function.name)


def _stand_in(composition: Composed, place: int, argument: int, name: str) -> Template:
    """Return a tensor by a function's name and its argument; the same one for the same text."""
    scope, entry = composition.scope, composition.entry(argument)
    if name == "inv" and (diagonal := _inverse_of_diagonal(scope, entry)) is not None:
        return diagonal
    inner = _text(composition, entry)
    text = NAMES[name].format(inner)
    known = next((key for key, shown in scope.names.items() if shown == text), None)
    shape = composition.shape(argument)
    shape = shape if name in OF_MATRIX else shape[:-2]
    made = scope.tensor(place if known is None else int(known[1:]), known[0] if known else name[0], text, shape)
    scope.of_matrices.setdefault(_key(made), (name, argument))
    if name in OF_MATRIX and known is None and (_is_symmetric(composition, entry) or _reads_as_turned(scope, inner)):
        scope.symmetric.add(f"{name[0]}{place:05d}")
    return made


def _inverse_of_diagonal(scope: Scope, entry: Template) -> Template | None:
    """Return the inverse of a diagonal matrix; None of any other."""
    delta, body = KroneckerDelta(*entry.symbols[-2:]), tidy(entry.body)
    if delta not in sympy.Mul.make_args(body):
        return None
    symbols = scope.fresh(scope.sizes.get(index, 1) if isinstance(index, Symbol) else 1 for index in entry.symbols)
    rest = Template(entry.symbols, body / delta).at(symbols)
    return None if rest.has(KroneckerDelta) else Template(symbols, KroneckerDelta(*symbols[-2:]) / rest)


def _key(made: Template) -> str:
    return str(made.body.base.label.name if isinstance(made.body, Indexed) else made.body.name)


def differential(
    composition: Composed, key: str, indices: Indices, of: Callable[[Expr], Expr], sizes: Mapping[Symbol, int]
) -> Expr:
    """Return the differential of a function of a matrix at some indices; `of` returns that of an expression.

    d inv(A) is -inv(A) dA inv(A), and d log det(A) is tr(inv(A) dA).
    """
    scope, (name, operand) = composition.scope, composition.scope.of_matrices[key]
    *batch, row, column = composition.scope.fresh(composition.shape(operand))
    if name == "exp" or batch:
        raise NoFormulaError
    inner = of(composition.entry(operand).at([row, column]))
    turned = _stand_in(composition, int(key[1:]), operand, "inv")
    if name == "inv":
        first, last = indices
        body = -turned.at([first, row]) * inner * turned.at([column, last])
    else:
        factor = Symbol(key, real=True) if name == "det" else Integer(1)
        body = factor * turned.at([column, row]) * inner
    return total(body, (row, column), {**sizes, **scope.sizes})


def _text(composition: Composed, entry: Template) -> str:
    try:
        text = TensorNotation(composition.scope, entry.symbols).with_all_axes(tidy(entry.body)).text
    except NotWritableError:
        raise NoFormulaError from None
    if len(text) > LONGEST:
        raise NoFormulaError
    return text


def _is_symmetric(composition: Composed, entry: Template) -> bool:
    *batch, row, column = entry.symbols
    body = composition.scope.ordered(entry.body)
    turned = composition.scope.ordered(entry.at([*batch, column, row]))
    return bool(tidy(body) == tidy(turned))


def _reads_as_turned(scope: Scope, text: str) -> bool:
    """Tell whether a matrix reads as its own transpose: `X.T @ C @ X + A` does if A and C are symmetric."""
    shapes = {name: scope.shapes[key] for key, name in scope.names.items()}
    diagonal = {name for name, shape in shapes.items() if name.startswith("diag(") and len(shape) == 2}  # noqa: PLR2004 (a matrix)
    tree = _Named(diagonal).visit(expression_tree(text))
    symmetric = frozenset({scope.names[key] for key in scope.symmetric if key in scope.names} | diagonal)
    # Of what is in another name that is the text of a call nothing is known: `cholesky(K)`.
    return {*names_read(tree)} <= {*shapes} and Written(shapes, symmetric).is_symmetric(tree)


class _Named(ast.NodeTransformer):
    """Puts what has a name, which is its text, as one name."""

    def __init__(self, names: Collection[str]) -> None:
        self.names = names

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Return a call, or its name."""
        text = ast.unparse(node)
        return ast.Name(text) if text in self.names else cast("ast.expr", self.generic_visit(node))


def inverse(composition: Composed, place: int, function: MatrixFunction) -> Template:
    """Return the inverse of the matrix that a function is of."""
    return _stand_in(composition, place, function.operands[0], "inv")


def _solution(composition: Composed, place: int, function: MatrixFunction) -> Template:
    turned, right = inverse(composition, place, function), composition.entry(function.operands[1])
    *batch, row, column = symbols = composition.scope.fresh(composition.shape(place))
    inner = _inner(composition, function)
    body = turned.at([*batch, row, inner]) * right.at([*batch, inner, column])
    return Template(symbols, total(body, [inner], composition.scope.sizes))


def contributions(composition: Composed, place: int, function: MatrixFunction) -> Iterator[Contribution]:
    """Yield what the adjoint of a function of matrices contributes to those of its operands."""
    if function.name == "exp":
        yield _through_exponential(composition, place, function)
        return
    if function.name == "prod":
        yield prods.contribution(composition, place, function)
        return
    given, turned = composition.adjoints[place], inverse(composition, place, function)
    *batch, row, column = symbols = composition.scope.fresh(composition.shape(function.operands[0]))
    if function.name in {"inv", "solve"}:
        yield from _through_equation(composition, place, function)
        return
    factor = value(composition, place, function).at(batch) if function.name == "det" else Integer(1)
    yield function.operands[0], symbols, given.at(batch) * factor * turned.at([*batch, column, row])


def _through_exponential(composition: Composed, place: int, function: MatrixFunction) -> Contribution:
    """Return what exp(A) contributes to A: of a multiple of the unit matrix that of exp(A)'."""
    given, operand = composition.adjoints[place], function.operands[0]
    body = tidy(composition.scope.ordered(given.body))
    delta, number = KroneckerDelta(*given.symbols), sympy.S.Zero
    if body.has(delta):
        number = sympy.cancel(body / delta)
    if number != 0 and number.free_symbols.isdisjoint(given.symbols):
        row, column = symbols = composition.scope.fresh(composition.shape(operand))
        return operand, symbols, number * value(composition, place, function).at([column, row])
    entry = composition.entry(operand)
    turned = Template(entry.symbols, entry.at(entry.symbols[::-1]))
    back = along(composition, turned, Template(given.symbols, body))
    return operand, back.symbols, back.body


def along(composition: Composed, entry: Template, tangent: Template) -> Template:
    """Return Fréchet's derivative of the exponential at a matrix along another."""
    scope = composition.scope
    if len(entry.symbols) > 2:  # noqa: PLR2004 (of a batch of matrices there is no notation)
        raise NoFormulaError
    text = f"expm_frechet({_text(composition, entry)}, {whole(scope, tangent.symbols, tidy(tangent.body))})"
    if len(text) > LONGEST:
        raise NoFormulaError
    return by_text(scope, text, tuple(1 if index == 0 else scope.sizes[index] for index in entry.symbols))


def _through_equation(composition: Composed, place: int, function: MatrixFunction) -> Iterator[Contribution]:
    """Yield the contributions of Y = inv(A) B: inv(A)' G to B, and -(inv(A)' G) Y' to A."""
    given, turned = composition.adjoints[place], inverse(composition, place, function)
    *batch, row, column = symbols = composition.scope.fresh(composition.shape(place))
    inner = _inner(composition, function)
    right = turned.at([*batch, inner, row]) * given.at([*batch, inner, column])
    to_right = Template(symbols, total(right, [inner], composition.scope.sizes))
    if function.name == "solve":
        yield function.operands[1], symbols, to_right.body
    result = value(composition, place, function)
    *batch, row, column = symbols = composition.scope.fresh(composition.shape(function.operands[0]))
    last = composition.scope.fresh(composition.shape(place)[-1:])[0]
    body = -to_right.at([*batch, row, last]) * result.at([*batch, column, last])
    yield function.operands[0], symbols, total(body, [last], composition.scope.sizes)


def _inner(composition: Composed, function: MatrixFunction) -> Expr:
    """Return an index along an axis of the matrix that is inverted."""
    (index,) = composition.scope.fresh(composition.shape(function.operands[0])[-1:])
    return index
