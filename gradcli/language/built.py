"""The expressions built so far, by the Python node that they come from; and the numbers that constants come to."""

from __future__ import annotations

import ast

from gradcli.errors import GradcliError, Span
from gradcli.language.constants import ExponentError, Number, check_exponent, fold, is_number
from gradcli.language.program import Call, Expression, Literal, Starred
from gradcli.language.source import Source


class Built:
    """What one expression's translation has made; gone when it is done."""

    __slots__ = ("_numbers", "_places", "source")

    def __init__(self, source: Source) -> None:
        self.source = source
        self._places: dict[ast.expr, Expression] = {}
        self._numbers: dict[int, Number] = {}  # by id: hashing a deep expression would recurse

    def add(self, node: ast.expr, expression: Expression) -> None:
        """Keep what a node was translated to; refuse constants that no double can hold."""
        self._places[node] = expression
        if isinstance(expression, Literal) and is_number(expression.value):
            self._numbers[id(expression)] = expression.value  # type: ignore[assignment]
        elif isinstance(expression, Call):
            self._check_constants(expression)

    def argument(self, node: ast.expr) -> Expression:
        """Return a node's expression where a string is allowed."""
        return self._places[node]

    def operand(self, node: ast.expr) -> Expression:
        """Return a node's expression where a string has no meaning."""
        expression = self._places[node]
        if isinstance(expression, Literal) and isinstance(expression.value, str) and expression.symbol is None:
            raise self.source.error("a string is accepted only as a function's argument", node)
        if isinstance(expression, Starred):
            place = Span(expression.span.start, expression.span.start + 1)
            raise self.source.error("`*` is accepted only among the arguments of a call", place)
        return expression

    def _check_constants(self, call: Call) -> None:
        try:
            self._fold(call)
        except ExponentError:
            raise self._exponent_error(call) from None
        except TypeError:
            raise self.source.error(f"`{call.operator}` is not defined for complex numbers", call.span) from None
        except ZeroDivisionError:
            raise self.source.error(f"`{self.source.quoted(call.span)}` divides by zero", call.span) from None
        except OverflowError:
            message = f"`{self.source.quoted(call.span)}` does not fit in double precision"
            raise self.source.error(message, call.span, "use smaller constants") from None

    def _fold(self, call: Call) -> None:
        numbers = [self._numbers.get(id(argument)) for argument in call.arguments]
        limit = self.source.limits.exponent
        exponent = self._numbers.get(id(_exponent(call)))
        if exponent is not None:
            check_exponent(exponent, limit)
        known = [number for number in numbers if number is not None]
        if call.operator and len(known) == len(numbers):
            result = fold(call.function, known, limit)
            if result is not None:
                self._numbers[id(call)] = result

    def _exponent_error(self, call: Call) -> GradcliError:
        span = (_exponent(call) or call).span
        limit = self.source.limits.exponent
        message = f"the constant exponent `{self.source.quoted(span)}` is beyond the limit of {limit}"
        return self.source.limit(message, span, "`--max-exponent` raises the limit")


def _exponent(call: Call) -> Expression | None:
    """Return the exponent of a power, however it is written."""
    if call.function not in ("pow", "float_power"):
        return None
    candidates = [*call.arguments[1:2], *(value for name, value in call.keywords if name == "exponent")]
    return candidates[0] if candidates else None


def after(source: Source, start: int, end: int, text: str) -> Span:
    """Return where a token stands between two operands; only brackets and white space stand there beside it."""
    position = source.clean.find(text, start, end)
    return Span(position, position + len(text)) if position >= 0 else Span(start, end)
