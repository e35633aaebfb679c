"""The process in which a user's file is checked: see `gradcli.suite.isolated`."""

from __future__ import annotations

import json
import os
import pickle
import sys
import threading
import warnings
from base64 import b64encode
from typing import IO, TYPE_CHECKING, Any

from gradcli import libraries, progress
from gradcli.errors import ExitCode, GradcliError, SeveralFunctionsError, internal

if TYPE_CHECKING:
    from collections.abc import Callable

    from gradcli.render.style import Style
    from gradcli.settings import Settings
    from gradcli.suite.check import Kind


def main() -> None:
    """Read what to do, do it, and write one answer."""
    libraries.begin()
    pipe = os.fdopen(int(sys.argv[1]), "w", encoding="ascii")
    source = os.fdopen(os.dup(0), "rb")
    request = pickle.load(source)  # noqa: S301 (our own parent wrote it)
    _apart(source)
    answer = _answer(request, pipe)
    pipe.write(json.dumps(answer) + "\n")
    pipe.close()
    _leave(at_once="script" not in request)


def _apart(source: IO[bytes]) -> None:
    """Give the file an empty standard input, and end with the parent: our own input ends when it does."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)

    def watch() -> None:
        while os.read(source.fileno(), 1):  # without Python's own lock, which the end of a script would meet
            pass
        os._exit(ExitCode.INTERRUPTED)

    threading.Thread(target=watch, daemon=True).start()


def _answer(request: dict[str, Any], pipe: IO[str]) -> dict[str, Any]:
    """Return what the check came to; an empty line says that its time begins."""
    from gradcli.cli.app import show_traceback_to_developers, show_warning
    from gradcli.engine import import_torch, prepare

    if "script" not in request:  # whose warnings are shown as Python shows them
        warnings.showwarning = show_warning  # type: ignore[assignment]  # it ignores where the warning comes from
    if request.get("stages"):
        progress.listen(lambda stage: _more(pipe, {"stage": stage}))
    try:
        if "check" in request:
            prepare(request["check"].program, request["check"].settings)
        import_torch()
        pipe.write("\n")
        pipe.flush()
        if "script" in request:
            return _of_script(request, pipe)
        return _of_check(request) if "check" in request else _text(request)
    except GradcliError as error:
        if error.__cause__ is not None:
            show_traceback_to_developers(error.__cause__)
        return {"error": _plain(error)}
    except KeyboardInterrupt as error:  # nobody else can raise one here: this is not the terminal's session
        from gradcli.execution.targets.frames import refusal

        return {"error": _plain(refusal("the file", error))}
    except Exception as error:  # noqa: BLE001 (any defect becomes a message, as in the parent)
        show_traceback_to_developers(error)
        return {"error": _plain(internal(error))}


def _text(request: dict[str, Any]) -> dict[str, Any]:
    """Return a report on the user's code as text."""
    report, render = _rendered(request["target"], request["settings"], request["kind"], request["format"])
    return {"text": render(report, request["style"]), "code": int(report.exit_code)}


def _rendered(target: str, settings: Settings, kind: Kind, form: str) -> tuple[Any, Callable[[Any, Style], str]]:
    """Return the report of a command on the user's code, and what makes it text in a format."""
    if settings.command == "prove":
        from gradcli.engine import prove_code
        from gradcli.render.proof import PROOF_FORMATS

        return prove_code(target, settings), PROOF_FORMATS[form]
    if settings.command == "derive":
        from gradcli.engine import derive_code
        from gradcli.render.derivation import DERIVATION_FORMATS

        return derive_code(target, settings), DERIVATION_FORMATS[form]
    from gradcli.render.formats import format_of
    from gradcli.suite.reproduce import reproducible
    from gradcli.suite.work import RUN

    report = reproducible(RUN[kind](target, settings), target, settings)
    return report, format_of(form, report.command).render


def _of_check(request: dict[str, Any]) -> dict[str, Any]:
    """Return what a check of a suite came to."""
    from gradcli.suite.work import attempted

    return {"report": _pickled(attempted(request["check"]))}


def _of_script(request: dict[str, Any], pipe: IO[str]) -> dict[str, Any]:
    """Run a script, and write what each of its backward calls came to; the answer only says that it has ended."""
    from gradcli.engine import shared_derivations
    from gradcli.suite.script import checked_script, drawn_script

    def say(**found: Any) -> None:
        _more(pipe, found)

    if request["settings"].verify:
        shared_derivations().worker.start()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # what a script prints shows how far it is
    script = request["script"], request["arguments"], request["settings"]
    if "format" in request:
        drawn_script(*script, say, form=request["format"], style=request["style"])
    else:
        checked_script(*script, lambda report: say(report=_pickled(report)))
    return {}


def _more(pipe: IO[str], answer: dict[str, Any]) -> None:
    """Write a line that is not the last."""
    pipe.write(json.dumps({"more": True} | answer) + "\n")
    pipe.flush()


def _pickled(report: Any) -> str:
    return b64encode(pickle.dumps(report)).decode("ascii")


def _plain(error: GradcliError) -> dict[str, Any]:
    span = None if error.span is None else [error.span.start, error.span.end]
    code = int(error.exit_code)
    functions = dict(error.functions) if isinstance(error, SeveralFunctionsError) else None
    place = {"source": error.source, "span": span}
    return {"reason": error.reason, **place, "hint": error.hint, "code": code, "functions": functions}


def _leave(*, at_once: bool) -> None:
    """End at once, as `gradcli.cli.app` does, or as Python does: a script may have more to do then."""
    from gradcli.engine import stop_worker

    stop_worker()
    sys.stdout.flush()
    sys.stderr.flush()
    if at_once:
        os._exit(0)


if __name__ == "__main__":
    main()
