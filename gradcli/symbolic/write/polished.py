"""What is done to an expression before it is written: the shortest form, in the functions that readers know."""

from __future__ import annotations

from typing import Any

from gradcli.symbolic.write.bessel import scaled_bessel
from gradcli.symbolic.write.decided import with_shorter_tests
from gradcli.symbolic.write.joined import joined
from gradcli.symbolic.write.normalised import normalised
from gradcli.symbolic.write.placed import placed
from gradcli.symbolic.write.scope import Scope
from gradcli.symbolic.write.separated import separated
from gradcli.symbolic.write.signs import upright
from gradcli.symbolic.write.squares import squared
from gradcli.symbolic.write.tidy import tidy, without_poles


def polished(scope: Scope, body: Any) -> list[Any]:
    """Return an expression as it is written: without sums over three axes, and with them, which may be shorter."""
    body = tidy(with_shorter_tests(scope.ordered(body)))
    named = normalised(scope, body)
    body = with_shorter_tests(without_poles(body if named == body else tidy(named)))
    ways = dict.fromkeys(placed(way, scope.sizes) for way in (separated(body), body))
    return [upright(squared(joined(scaled_bessel(way)))) for way in ways]
