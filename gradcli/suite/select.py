"""Which checks of a suite are carried out: `--only`, `--tag`, `--shard`, `--last-failed`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gradcli.errors import InputError
from gradcli.phrases import did_you_mean
from gradcli.suite.check import SuiteCheck

SHARD = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")


def named(checks: Sequence[SuiteCheck], texts: Sequence[str]) -> list[SuiteCheck]:
    """Return the checks whose name holds one of the texts; InputError if a text is in none."""
    for text in texts:
        if not any(text in check.name for check in checks):
            hint = did_you_mean(text, [check.name for check in checks])
            raise InputError(f"no check's name holds '{text}'", option="--only", hint=hint)
    return [check for check in checks if not texts or any(text in check.name for text in texts)]


def tagged(checks: Sequence[SuiteCheck], tags: Sequence[str]) -> list[SuiteCheck]:
    """Return the checks that have one of the tags; InputError for a tag that none has."""
    known = sorted({tag for check in checks for tag in check.tags})
    for tag in tags:
        if tag not in known:
            hint = f"the tags are {', '.join(known[:20])}" if known else "no check has a tag"
            raise InputError(f"no check has the tag '{tag}'", option="--tag", hint=hint)
    return [check for check in checks if not tags or set(tags) & set(check.tags)]


def shard(checks: Sequence[SuiteCheck], text: str | None) -> list[SuiteCheck]:
    """Return the part `i/n` of the checks, so that the reports of the parts, one after the other, are that of all."""
    if text is None:
        return list(checks)
    match = SHARD.fullmatch(text)
    part, parts = map(int, match.groups()) if match else (0, 0)
    if not 1 <= part <= parts:
        raise InputError(f"'{text}' is not a part", option="--shard", hint="write 1/3, 2/3 and 3/3 for three parts")
    return list(checks[len(checks) * (part - 1) // parts : len(checks) * part // parts])
