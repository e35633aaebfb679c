"""One program from text to report: parse, run, differentiate, compare."""

from __future__ import annotations

import gc
import importlib
import math
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gradcli import progress
from gradcli.deadline import deadline
from gradcli.derivation.client import Worker
from gradcli.derivation.derivations import Derivations
from gradcli.derivation.store import Store
from gradcli.errors import ExecutionError, InputError, NotSupportedError, boundary
from gradcli.inputs import check_names, check_reading, notes_on
from gradcli.inputs.programs import read, with_script
from gradcli.language.detach import detached
from gradcli.language.named_lengths import with_named_lengths
from gradcli.ops.programs import parse_program
from gradcli.phrases import did_you_mean
from gradcli.settings import MOST_ENTRIES
from gradcli.turn import turn

if TYPE_CHECKING:
    from gradcli.execution.commands.run import CheckedCall
    from gradcli.language.program import Program
    from gradcli.report.derivation import Derivation
    from gradcli.report.proof import ProofReport
    from gradcli.report.report import Report
    from gradcli.settings import Settings

# Seconds within which PyTorch is loaded on any machine.
LOADING = 60.0

_SHARED = Derivations(Worker())
# What runs programs in PyTorch: where it is loaded, PyTorch is.
RUNNER = "gradcli.execution.run"
# The runs beside which PyTorch was loaded: what they needed is noted for processes after this one.
_BESIDE: set[str] = set()


@boundary()
def evaluate_program(source: Any, settings: Settings, given: Any = None) -> Report:
    """Return the report of the command that the settings name.

    The symbolic worker is started before torch is imported, so that sympy loads beside it.
    """
    if callable(source):
        return evaluate_code(source, settings, given)
    report: Report = _carried_out(source, settings, given)
    return report


@boundary()
def derive_program(source: Any, settings: Settings, given: Any = None) -> Derivation:
    """Return the derivatives of a program as formulas and code."""
    derivation: Derivation = _carried_out(source, settings, given)
    return derivation


@boundary()
def derive_code(code: Any, settings: Settings, given: Any = None) -> Derivation:
    """Return the same of code: a function, a module, a Function, or what `FILE.py:NAME` names."""
    with _engine(settings, code) as derivations:
        from gradcli.execution.code.entry import loaded
        from gradcli.execution.commands.dispatch import carry_out

        program = loaded(code, settings, given, applies=True)
        with program.borrowed.given_back():
            derivation: Derivation = carry_out(program, program.with_room(settings), {}, derivations)
        return derivation


@boundary()
def prove_program(source: Any, settings: Settings, given: Any = None) -> ProofReport:
    """Return whether PyTorch's backward of a program is its derivative for all values."""
    report: ProofReport = _carried_out(source, settings, given)
    return report


@boundary()
def prove_code(code: Any, settings: Settings, given: Any = None) -> ProofReport:
    """Return the same of code: a function or a Function, or what `FILE.py:NAME` names."""
    program = _derived(settings)
    with _engine(settings, code) as derivations:
        from gradcli.execution.code.entry import loaded
        from gradcli.execution.commands.dispatch import carry_out
        from gradcli.execution.custom.prove import prove_function
        from gradcli.execution.targets.loading import is_function, load_code

        found = load_code(code) if isinstance(code, str) else code
        if is_function(found):
            return prove_function(found, program, settings, _inputs(given), derivations)
        target = loaded(code, settings, given)
        report: ProofReport = carry_out(target, target.with_room(settings), {}, derivations)
        return report


def _carried_out(source: Any, settings: Settings, given: Any) -> Any:
    """Return what the command that the settings name makes of a program's text."""
    program, given = detached(read(source, settings), settings.detach), _inputs(given)
    known = {*given, *settings.values, *settings.shapes}
    program = with_named_lengths(program, settings.shapes, settings.sizes, known)
    leaves = [leaf.name for leaf in (*program.leaves, *program.made)]
    check_names(leaves, settings)
    check_reading(program, settings)
    settings = settings.having(retain_grad=(*settings.retain_grad, *program.retained))
    for name in given:
        if name not in leaves:
            raise InputError(f"the program has no leaf '{name}'", hint=did_you_mean(name, leaves))
    with _engine(settings, source) as derivations:
        from gradcli.execution.commands.dispatch import carry_out
        from gradcli.execution.forward.plain_sizes import plain_sizes
        from gradcli.execution.forward.refusals import says_pytorch

        try:
            with plain_sizes():
                report: Any = carry_out(program, settings, given, derivations)
        except (ExecutionError, NotSupportedError) as error:
            if not says_pytorch(error):
                error.hint = with_script(error.hint, source)
            raise
    notes = (*(report.notes or ()), *notes_on(program, settings.command))
    return replace(report, notes=notes) if notes else report


def _inputs(given: Any) -> Mapping[str, Any]:
    """Return the values that Python gives, by name, where None stands for none; InputError if that is no mapping."""
    given = {} if given is None else given
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        what = f"not {type(given).__name__}" if not isinstance(given, Mapping) else "and a name is text"
        raise InputError(f"the inputs are a mapping from names to values, {what}", hint='such as `{"x": 2.0}`')
    return given


@contextmanager
def _engine(settings: Settings, target: Any) -> Iterator[Derivations]:
    """Start the symbolic worker, if it will be needed, then load torch, and limit the time of it all."""
    derivations = derivations_for(settings)
    _start_beside(target, settings, derivations)
    import_torch()
    from gradcli.execution.process import state_kept

    with turn(settings.timeout) as waited, state_kept(), deadline(settings.timeout, spent=waited):
        yield derivations
        if _BESIDE and settings.verify and (run := _run_of(target, settings)) in _BESIDE:
            derivations.store.note(run)
            _BESIDE.discard(run)


def shared_derivations() -> Derivations:
    """Return what the checks of this process share: the sympy process, which stays warm, and its answers."""
    return _SHARED


def _run_of(target: Any, settings: Settings) -> str:
    """Return a text that tells this run from others with other derivatives, but for some that depend on values."""
    name = target if isinstance(target, str) else [getattr(target, part, "") for part in ("__module__", "__qualname__")]
    what = (settings.command, settings.shapes, settings.init, settings.seed, settings.dtype, settings.constants)
    how = (settings.reduce, settings.order, settings.to, settings.witnesses, settings.under, settings.claims)
    return repr((name, what, how))


def derivations_for(settings: Settings) -> Derivations:
    """Return what one check derives with."""
    store = Store.of_user(used=settings.cache)
    return shared_derivations().for_check(settings.limits.derivation_time, store)


def stop_worker() -> None:
    """End the sympy process, if it runs."""
    _SHARED.worker.stop()


def _start_beside(target: Any, settings: Settings, derivations: Derivations) -> None:
    """Have the symbolic worker started beside PyTorch, unless this run can do without.

    Where PyTorch is loaded, nothing is won by starting the worker before it is asked: neither is a file looked up.
    """
    if settings.verify and RUNNER not in sys.modules:
        run = _run_of(target, settings)
        derivations.start(run)
        _BESIDE.add(run)


def prepare(target: str, settings: Settings) -> None:
    """Load what a check needs, sympy beside PyTorch, and make its numbers depend on nothing but itself."""
    _start_beside(target, settings, derivations_for(settings))
    import_torch()
    from gradcli.execution.process import use_one_thread

    use_one_thread()


def import_torch() -> None:
    """Load torch, and what runs programs in it.

    Python may never end that where it has too little memory: whoever waits for this process ends it then.
    """
    progress.begin(progress.LOADING)
    progress.limit(time.monotonic() + LOADING, LOADING)
    if RUNNER in sys.modules:
        importlib.import_module(RUNNER)  # which another thread may still be loading
    else:
        _load()
    progress.limit(math.inf, 0.0)


def _load() -> None:
    with warnings.catch_warnings():
        # torch warns once that numpy is not there; gradcli does not need it.
        warnings.filterwarnings("ignore", message="Failed to initialize NumPy")
        with _no_collection():
            importlib.import_module(RUNNER)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Leave out the search for garbage: a tenth of the time in which PyTorch is loaded, and it is all still in use."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@boundary()
def evaluate_code(code: Any, settings: Settings, given: Any = None) -> Report:
    """Return the report of code, which is loaded here if it is `FILE.py:NAME`; `given` are its inputs from Python."""
    most = MOST_ENTRIES if settings.max_entries is None else settings.max_entries
    settings = replace(settings, max_entries=most)
    with _engine(settings, code) as derivations:
        from gradcli.execution.code.entry import loaded, where_it_is
        from gradcli.execution.commands.dispatch import carry_out

        settings = settings if isinstance(code, str) else where_it_is(code, settings, given)
        progress.stage(f"loading {code}" if isinstance(code, str) else "loading")
        program = loaded(code, settings, given)
        progress.stage(f"running {program.source}")
        with program.borrowed.given_back():
            report: Report = carry_out(program, program.with_room(settings), {}, derivations)
        return report


@boundary()
def check_function(function: Any, settings: Settings, given: Mapping[str, Any] | None = None) -> Report:
    """Return the report of a `torch.autograd.Function`: a class, or `FILE.py:Class`, which is loaded here."""
    program, given = _derived(settings), _inputs(given)
    with _engine(settings, function) as derivations:
        from gradcli.execution.custom import entry

        return entry.check_function(function, program, settings, given, derivations)


@boundary()
def run_script(script: str, arguments: Sequence[str], settings: Settings, tell: Callable[[CheckedCall], None]) -> None:
    """Run a script in this process, and tell what each of its backward calls that is wanted came to.

    Each check has the time limit of the settings; the script itself has none.
    """
    from gradcli.execution.commands.run import run

    run(script, arguments, settings, lambda: derivations_for(settings), tell)


def _derived(settings: Settings) -> Program | None:
    """Return the program that backward should be the derivative of; None stands for forward's own body."""
    if settings.surrogate is not None and settings.reference is not None:
        hint = "a surrogate is differentiated in place of forward, and a reference is what forward should compute"
        raise InputError("--surrogate and --reference exclude each other", hint=hint)
    text = settings.reference if settings.surrogate is None else settings.surrogate
    return None if text is None else read(text, settings)


@boundary()
def check_inline(forward: str, settings: Settings, given: Mapping[str, Any] | None = None) -> Report:
    """Return the report of a Function whose forward is a program, and whose backward is one for each input."""
    program = read(forward, settings)
    backwards = {name: parse_program(text, settings.limits) for name, text in settings.backwards.items()}
    missing = [leaf.name for leaf in program.leaves if leaf.name not in {*backwards, *settings.constants}]
    if missing:
        hint = f'give one: `--backward "{missing[0]}: ..."`, or `--constant {missing[0]}`'
        raise InputError(f"'{missing[0]}' has no --backward", hint=hint)
    derived = _derived(settings) or program
    with _engine(settings, forward) as derivations:
        from gradcli.execution.custom import entry

        return entry.check_inline(program, backwards, settings, _inputs(given), derivations, program=derived)
