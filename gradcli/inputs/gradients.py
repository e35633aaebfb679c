"""`--claim "W=X.T @ g"` and `--backward "x: 2*x*g"`: gradients as programs, by the name of their tensor."""

from __future__ import annotations

import re
from collections.abc import Iterable

from gradcli.inputs.option_text import NAME, OptionText

# `W`, and what papers and PyTorch call its gradient: `dL/dW`, `W.grad`.
NAMED = re.compile(
    rf"\s*(?:[d∂]\s*\w*\s*/\s*[d∂]\s*(?P<derivative>{NAME.pattern})|(?P<tensor>{NAME.pattern})(?:\.grad)?)\s*(?:==|:=|=|:)"
)


def parse_claims(texts: Iterable[str]) -> dict[str, str]:
    """Return gradients derived by hand, as programs by the tensor's name."""
    return _parse("--claim", texts, '"w2=(w3+1)/4"')


def parse_backwards(texts: Iterable[str]) -> dict[str, str]:
    """Return the program of each input's gradient."""
    return _parse("--backward", texts, '"x: 2*x*g"')


def _parse(option: str, texts: Iterable[str], example: str) -> dict[str, str]:
    """Return the gradients that options give, written `NAME=PROGRAM` or `NAME: PROGRAM`."""
    found: dict[str, str] = {}
    for item in texts:
        text = OptionText(option, item)
        match = NAMED.match(item)
        if match is None:
            hint = f"write `{option} {example}`, where g is the upstream gradient"
            raise text.error("the name of a tensor belongs before `=` or `:`", hint=hint)
        name, program = match["derivative"] or match["tensor"], item[match.end() :].strip()
        if not program:
            raise text.error("the gradient is missing", match.end() - 1, len(item))
        if name in found:
            raise text.error(f"the gradient of '{name}' is given twice")
        found[name] = program
    return found
