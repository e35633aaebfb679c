"""How to avoid a NaN or an infinity that an op makes; {0} and {1} are the op's first and second operand."""

from __future__ import annotations

CLAMP = "keep it away from 0, as in clamp({0}, min=1e-12)"
CLAMP_OR_REPLACE = f"{CLAMP}, or use log_softmax or xlogy where they fit"
ROOT = "add a small number under the root: {0} + 1e-12"
INSIDE = "keep it inside the domain, as in clamp({0}, -1 + 1e-7, 1 - 1e-7)"
DIVISOR = "keep the divisor away from 0: where({1} != 0, {1}, 1), or add a small number to it"
LARGE = "subtract the largest argument before exp, as softmax and logsumexp do"
NORM = "add a small number under the root: sqrt(sum({0}**2) + 1e-12)"
