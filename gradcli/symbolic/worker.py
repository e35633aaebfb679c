"""The worker process: reads questions, a line of JSON each, and answers each with a line of JSON.

sympy lives only here. The parent starts this process before it imports torch, kills it when a derivation takes too
long, and limits its memory; so nothing here guards against either.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
from queue import SimpleQueue
from typing import IO, Any

from gradcli.derivation.formulas import FormulaRequest, formulas_to_data
from gradcli.derivation.messages import Arbitration, DerivativeRequest
from gradcli.derivation.proof import ProofRequest
from gradcli.derivation.protocol import READY, Answer, Query
from gradcli.derivation.single_entries import EntriesRequest


def main() -> None:
    """Answer questions until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    _limit_memory(int(sys.argv[1]))
    pipe = _answer_pipe()
    lines: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()
    ready = _warmed()
    _reply(pipe, ready)
    while ready.defect is None:
        _reply(pipe, answer(Query.from_line(lines.get())))


def answer(question: Query) -> Answer:
    """Return the answer to one question; a failure of sympy's is an answer too."""
    from gradcli.symbolic.failures import failure

    try:
        data, partial = _data(question)
        return Answer(question.number, data, partial=partial)
    except MemoryError:
        return Answer(question.number, exhausted=True)
    except Exception as error:  # noqa: BLE001 (sympy raises anything)
        return Answer(question.number, **failure(error))


def _warmed() -> Answer:
    """Load sympy, whose import counts against the limit, and say whether that went well."""
    from gradcli.symbolic.failures import failure

    try:
        from gradcli.symbolic import warm

        warm.warm()
    except MemoryError:
        return Answer(READY, exhausted=True)
    except Exception as error:
        found = failure(error)
        if "defect" not in found:
            raise
        return Answer(READY, **found)
    return Answer(READY)


def _data(question: Query) -> tuple[Any, bool]:
    """Return the answer as data, and whether there was no time for all of it."""
    from gradcli.symbolic.derive.derive import derive  # see main
    from gradcli.symbolic.derive.high_precision import arbitrate
    from gradcli.symbolic.write.as_read import formulas_as_read

    match question.kind:
        case "derive":
            return derive(DerivativeRequest.from_data(question.data)).to_data(), False
        case "formulas":
            found, whole = formulas_as_read(FormulaRequest.from_data(question.data))
            return formulas_to_data(found), not whole
        case "prove":
            from gradcli.symbolic.prove.prove import prove  # only a proof needs it

            return prove(ProofRequest.from_data(question.data)).to_data(), False
        case "arbitrate":
            return arbitrate(Arbitration.from_data(question.data)).to_data(), False
        case "entries":
            from gradcli.symbolic.evaluate import entries  # only sympy's own text needs it

            return entries(EntriesRequest.from_data(question.data)), False


def _limit_memory(limit: int) -> None:
    """Limit the address space, to less where the system allows no more."""
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    limit = limit if most == resource.RLIM_INFINITY else min(limit, most)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _answer_pipe() -> IO[bytes]:
    """Return standard output for answers only: whatever else is printed goes to standard error."""
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return pipe


def _reply(pipe: IO[bytes], reply: Answer) -> None:
    pipe.write(reply.to_line())
    pipe.flush()
    if reply.exhausted:
        os._exit(1)


def _listen(lines: SimpleQueue[bytes]) -> None:
    """Read questions, and end with the parent: the input ends when it does, whatever is being derived."""
    for line in sys.stdin.buffer:
        lines.put(line)
    os._exit(0)


if __name__ == "__main__":
    main()
