"""The worker process: reads requests, a line of JSON each, and answers each with a line of JSON.

sympy lives here alone. The parent starts this process before it imports torch, kills it when a derivation takes too
long, and limits its memory; so nothing here guards against either.
"""

from __future__ import annotations

import json
import resource
import sys
from typing import Any

from gradcli.derivation.messages import DerivativeRequest, Derived


def main() -> None:
    """Answer requests until standard input ends."""
    limit = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    from gradcli.symbolic import warm  # sympy's import counts against the limit

    warm.warm()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")
        sys.stdout.flush()


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to one request; a failure is an answer too."""
    from gradcli.symbolic.derive.derive import derive  # see main

    if "formulas" in request:
        return _formulas(request)
    if "arbitrate" in request:
        return _arbitrate(request["arbitrate"])
    try:
        return derive(DerivativeRequest.from_data(request["derive"])).to_data()
    except MemoryError:
        return Derived(None, {}, error="the derivation needs more memory than the limit").to_data()
    except Exception as error:  # noqa: BLE001 (sympy raises anything; the verdict is then undecided, with this reason)
        return Derived(None, {}, error=f"{type(error).__name__}: {error}").to_data()


def _formulas(request: dict[str, Any]) -> dict[str, Any]:
    """Return the formulas that were found in time; none where sympy failed, because no verdict depends on them."""
    from gradcli.symbolic.write.formulas import formulas  # see main

    try:
        return formulas(request["formulas"], request["seconds"])
    except Exception:  # noqa: BLE001 (as above)
        return {}


def _arbitrate(request: dict[str, Any]) -> dict[str, Any]:
    """Return a derivative's value to many digits; none where sympy failed: then nothing is settled."""
    from gradcli.symbolic.derive.high_precision import arbitrate  # see main

    try:
        return arbitrate(request)
    except Exception:  # noqa: BLE001 (as above)
        return {}


if __name__ == "__main__":
    main()
