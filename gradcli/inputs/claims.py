"""`--claim "W=X.T @ g"`: gradients derived by hand."""

from __future__ import annotations

from collections.abc import Iterable

from gradcli.inputs.option_text import NAME, OptionText


def parse_claims(texts: Iterable[str]) -> dict[str, str]:
    """Return the gradients that the `--claim` options give, as programs by the tensor's name."""
    claims: dict[str, str] = {}
    for text in texts:
        option = OptionText("--claim", text)
        name, equals, gradient = text.partition("=")
        if not equals or NAME.fullmatch(name.strip()) is None:
            raise option.error("the name of a tensor belongs before `=`", hint='write `--claim "w2=(w3+1)/4"`')
        if not gradient.strip():
            raise option.error("the gradient is missing", max(len(name), 0), len(text))
        if name.strip() in claims:
            raise option.error(f"the gradient of '{name.strip()}' is given twice")
        claims[name.strip()] = gradient.strip()
    return claims
