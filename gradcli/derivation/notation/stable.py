"""Formulas without what overflows or loses digits: each rewriting is an identity, and is named where it was made."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

from gradcli.derivation.notation.parsed import callee, names_read, parsed
from gradcli.derivation.notation.written import text_of

OVERFLOWS, CANCELS = "overflows", "loses digits"
Rule = Callable[[ast.expr], ast.expr | None]


def stable(text: str, *, digits: bool = True) -> tuple[str, tuple[str, ...]]:
    """Return a formula in functions that keep their digits, and what was rewritten: `exp(x)/(exp(x) + 1) overflows`.

    Without `digits`, only what overflows is.
    """
    head, _, body = text.rpartition(": ") if parsed(text).indices is not None else ("", "", text)
    rewriter = _Stable([(why, rule) for why, rule in RULES if digits or why == OVERFLOWS])
    tree = rewriter.visit(ast.parse(body, mode="eval").body)
    if not rewriter.said:
        return text, ()
    return f"{head}: {text_of(tree)}" if head else text_of(tree), tuple(rewriter.said)


class _Stable(ast.NodeTransformer):
    """Rewrites from the inside out."""

    def __init__(self, rules: Sequence[tuple[str, Rule]]) -> None:
        self.rules = rules
        self.said: dict[str, None] = {}

    def visit(self, node: ast.AST) -> ast.AST:
        """Return an expression rewritten, its parts first."""
        node = self.generic_visit(node)
        for why, rule in self.rules:
            found = rule(node) if isinstance(node, ast.expr) else None
            if found is not None and isinstance(node, ast.expr):
                self.said[f"{text_of(node)} {why}: it is written as {text_of(found)}"] = None
                return self.visit(found)
        return node


def _call(name: str, *arguments: ast.expr) -> ast.expr:
    return ast.Call(ast.Name(name), [*arguments], [])


def _minus(node: ast.expr) -> ast.expr:
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return inner
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return ast.BinOp(right, ast.Sub(), left)
        case ast.BinOp(left=ast.UnaryOp(op=ast.USub(), operand=inner), op=ast.Mult() | ast.Div() as op, right=right):
            return ast.BinOp(inner, op, right)
    return ast.UnaryOp(ast.USub(), node)


def _are_tensors(*nodes: ast.expr | None) -> bool:
    return all(node is not None and [*names_read(node)] for node in nodes)


def _is_one(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == 1


def _exponent(node: ast.expr) -> ast.expr | None:
    """Return a of exp(a), and of u**a for a number u its multiple."""
    match node:
        case ast.Call(func=ast.Name(id="exp"), args=[inner]):
            return inner
        case ast.BinOp(left=ast.Constant(value=int() | float() as base), op=ast.Pow(), right=inner) if (
            base > 0 and not isinstance(inner, ast.Constant)
        ):
            return ast.BinOp(inner, ast.Mult(), _call("log", ast.Constant(base)))
    return None


def _summands(node: ast.expr) -> tuple[ast.expr, ast.expr] | None:
    match node:
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return left, right
    return None


def _apart(node: ast.expr, below: ast.expr) -> ast.expr | None:
    """Return a - b where a is the exponent of a node and below is exp(a) + exp(b), or exp(a) + 1."""
    own, pair = _exponent(node), _summands(below)
    if own is None or pair is None:
        return None
    for one, other in (pair, pair[::-1]):
        if ast.unparse(one) == ast.unparse(node):
            if _is_one(other):
                return own
            rest = _exponent(other)
            return None if rest is None else _difference(own, rest)
    return None


def _difference(own: ast.expr, rest: ast.expr) -> ast.expr:
    match own, rest:
        case (
            ast.BinOp(left=one, op=ast.Mult(), right=ast.Call() as scale),
            ast.BinOp(left=other, op=ast.Mult(), right=ast.Call() as same),
        ) if ast.unparse(scale) == ast.unparse(same):
            return ast.BinOp(ast.BinOp(one, ast.Sub(), other), ast.Mult(), scale)
    return ast.BinOp(own, ast.Sub(), rest)


def _logistic(node: ast.expr) -> ast.expr | None:
    """Return sigmoid(a - b) for c*exp(a)/(exp(a) + exp(b)), and sigmoid(-a) for 1/(1 + exp(a))."""
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)):
        return None
    below = _factors(node.right)
    for place, factor in enumerate(below):
        sum_, others = _one_of_power(factor)
        found = _over_sum(node.left, sum_) or _spread(node.left, sum_)
        if found is not None:
            rest = [*below[:place], *others, *below[place + 1 :]]
            return found if not rest else ast.BinOp(found, ast.Div(), _product(rest))
    return None


def _one_of_power(node: ast.expr) -> tuple[ast.expr, list[ast.expr]]:
    """Return a factor of a whole power, and the power of those that are left."""
    match node:
        case ast.BinOp(left=base, op=ast.Pow(), right=ast.Constant(value=int(count))) if count > 1:
            return base, [base if count == 2 else ast.BinOp(base, ast.Pow(), ast.Constant(count - 1))]  # noqa: PLR2004
    return node, []


def _over_sum(above: ast.expr, below: ast.expr) -> ast.expr | None:
    factors = _factors(above)
    for place, factor in enumerate(factors):
        argument = _apart(factor, below)
        if argument is not None:
            return _product([*factors[:place], _call("sigmoid", argument), *factors[place + 1 :]])
    pair = _summands(below)
    for one, other in (pair, pair[::-1]) if pair else ():
        if _is_one(other) and (inner := _exponent(one)) is not None:
            found = _call("sigmoid", _minus(inner))
            return found if _is_one(above) else ast.BinOp(above, ast.Mult(), found)
    return None


def _spread(above: ast.expr, below: ast.expr) -> ast.expr | None:
    """Return a sum over a sum of exponentials term by term, where each term has a sigmoid."""
    if not (isinstance(above, ast.BinOp) and isinstance(above.op, ast.Add | ast.Sub)):
        return None
    left, right = _over_sum(above.left, below), _over_sum(above.right, below)
    return None if left is None or right is None else ast.BinOp(left, above.op, right)


def _factors(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return [*_factors(node.left), *_factors(node.right)]
    return [node]


def _product(factors: list[ast.expr]) -> ast.expr:
    whole = factors[0]
    for factor in factors[1:]:
        whole = ast.BinOp(whole, ast.Mult(), factor)
    return whole


def _softplus(node: ast.expr) -> ast.expr | None:
    """Return softplus(a) for log(1 + exp(a)), and logaddexp(a, b) for log(exp(a) + exp(b))."""
    match node:
        case ast.Call(func=ast.Name(id="log"), args=[ast.BinOp(left=left, op=ast.Add(), right=right)]):
            exponents = [_exponent(left), _exponent(right)]
            if exponents[0] is not None and exponents[1] is not None and _are_tensors(*exponents):
                return _call("logaddexp", exponents[0], exponents[1])
            for inner, other in zip(exponents, (right, left), strict=True):
                if inner is not None and _is_one(other):
                    return _call("softplus", inner)
    return None


def _logsumexp(node: ast.expr) -> ast.expr | None:
    match node:
        case ast.Call(
            func=ast.Name(id="log"),
            args=[
                ast.Call(
                    func=ast.Name(id="sum"), args=[ast.Call(func=ast.Name(id="exp"), args=[inner])], keywords=[along]
                )
            ],
        ):
            return ast.Call(ast.Name("logsumexp"), [inner], [along])
    return None


def _softmax_of_all(node: ast.expr) -> ast.expr | None:
    """Return exp(a)*b/sum(exp(a)) over every entry with the largest one taken from a."""
    match node:
        case ast.BinOp(
            left=above,
            op=ast.Div(),
            right=ast.Call(
                func=ast.Name(id="sum"),
                args=[ast.Call(func=ast.Name(id="exp"), args=[ast.Name() as inner])],
                keywords=[],
            ),
        ):
            shifted = _call("exp", ast.BinOp(inner, ast.Sub(), _call("amax", inner)))
            factors = _factors(above)
            own = [place for place, factor in enumerate(factors) if text_of(factor) == f"exp({inner.id})"]
            if own:
                factors[own[0]] = shifted
                return ast.BinOp(_product(factors), ast.Div(), _call("sum", shifted))
    return None


def _log_of(node: ast.expr) -> ast.expr | None:
    """Return the logarithm of a sigmoid, or of a softmax, as the function that it is; log1p(x) for log(1 + x)."""
    match node:
        case ast.Call(func=ast.Name(id="log"), args=[ast.Call() as inner]) if callee(inner) == "sigmoid":
            return _call("logsigmoid", inner.args[0])
        case ast.Call(func=ast.Name(id="log"), args=[ast.Call() as inner]) if callee(inner) == "softmax":
            return ast.Call(ast.Name("log_softmax"), inner.args, inner.keywords)
        case ast.Call(func=ast.Name(id="log"), args=[ast.BinOp(left=left, op=ast.Add(), right=right)]):
            for one, other in ((left, right), (right, left)):
                if _is_one(one):
                    return _call("log1p", other)
    return None


def _rest_of_one(node: ast.expr) -> ast.expr | None:
    """Return 1 - sigmoid(a) as sigmoid(-a), the tail that is not cut off, and 1 - tanh(a)**2 as two such tails."""
    match node:
        case ast.BinOp(left=left, op=ast.Sub(), right=ast.Call(func=ast.Name(id="sigmoid"), args=[inner])):
            return _call("sigmoid", _minus(inner)) if _is_one(left) else None
        case ast.BinOp(left=ast.Call(func=ast.Name(id="sigmoid"), args=[inner]), op=ast.Sub(), right=right):
            return ast.UnaryOp(ast.USub(), _call("sigmoid", _minus(inner))) if _is_one(right) else None
        case ast.BinOp(
            left=left,
            op=ast.Sub(),
            right=ast.BinOp(
                left=ast.Call(func=ast.Name(id="tanh"), args=[inner]), op=ast.Pow(), right=ast.Constant(value=2)
            ),
        ) if _is_one(left):
            tails = [ast.BinOp(twice, ast.Mult(), inner) for twice in (ast.Constant(2), _minus(ast.Constant(2)))]
            return _product([ast.Constant(4), *(_call("sigmoid", tail) for tail in tails)])
        case ast.BinOp(left=ast.Call(func=ast.Name(id="exp"), args=[inner]), op=ast.Sub(), right=right):
            return _call("expm1", inner) if _is_one(right) else None
    return None


def _hypotenuse(node: ast.expr) -> ast.expr | None:
    match node:
        case ast.Call(
            func=ast.Name(id="sqrt"),
            args=[
                ast.BinOp(
                    left=ast.BinOp(left=one, op=ast.Pow(), right=ast.Constant(value=2)),
                    op=ast.Add(),
                    right=ast.BinOp(left=other, op=ast.Pow(), right=ast.Constant(value=2)),
                )
            ],
        ) if _are_tensors(one, other):
            return _call("hypot", one, other)
    return None


RULES: tuple[tuple[str, Rule], ...] = (
    (OVERFLOWS, _logistic),
    (OVERFLOWS, _logsumexp),
    (OVERFLOWS, _softmax_of_all),
    (OVERFLOWS, _softplus),
    (OVERFLOWS, _hypotenuse),
    (CANCELS, _log_of),
    (CANCELS, _rest_of_one),
)
