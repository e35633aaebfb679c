"""A process that waits for the one that works, so that a crash of PyTorch's ends with a message and an exit code.

The process forks before torch is there: the parent, of a few MB, waits, and the child does the work. A signal that
somebody sends only to the parent is passed on. A child that a signal ended which nobody passed on has crashed. One that
is still there some seconds after its time is up is in a call of PyTorch's that nothing ends but a kill.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from gradcli import progress
from gradcli.errors import ExitCode, GradcliError, InternalError

if TYPE_CHECKING:
    from mmap import mmap

# What a user or a system ends a process with: it is passed on, and the parent ends the same way.
PASSED_ON = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")
# Signals of a crash, and SIGKILL, by which a system takes back memory.
CRASHES = {"SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGKILL", "SIGSYS", "SIGXCPU"}
# Seconds within which a second Ctrl-C is the first one: a terminal and a parent both send it.
TOGETHER = 0.3
# Seconds between two looks at the time, and those that a child has after its time is up to say so itself.
LOOK, GRACE = 0.25, 2.0


def supervise() -> None:
    """Return in a child of this process; the parent waits for it and ends as it does, or says how it crashed.

    Where there is no fork, or no way to wait for signals, the process stays alone.
    """
    if not hasattr(os, "fork") or not hasattr(signal, "sigtimedwait"):
        _count_interrupts_once()
        return
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # some daemons ignore it, and then no child is waited for
    watched = {getattr(signal, name) for name in PASSED_ON} | {signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)  # so that none is lost between fork and wait
    board, pipe = progress.share(), os.pipe()
    child = os.fork()
    if child:
        os.close(pipe[0])
        _wait(child, watched, board)
    os.close(pipe[1])
    _end_with_parent(pipe[0])
    _count_interrupts_once()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _wait(child: int, watched: set[signal.Signals], board: mmap) -> NoReturn:
    """Wait until the child has ended, pass signals on to it, and end the same way."""
    late = 0.0
    while True:
        received = signal.sigtimedwait(watched, LOOK)
        if received is None or received.si_signo not in watched:  # what it returns after a stop has no meaning
            end, seconds = progress.limit_of(board)
            late = late + LOOK if time.monotonic() > end else 0.0  # not the time by a clock: both may have been stopped
            if late > GRACE:
                _give_up(child, seconds, progress.last(board))
        elif received.si_signo != signal.SIGCHLD:
            if received.si_pid:  # a terminal, which has no process number, has sent it to the child as well
                with suppress(ProcessLookupError):
                    os.kill(child, received.si_signo)
        else:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                _end(os.waitstatus_to_exitcode(status), board)


def _give_up(child: int, seconds: float, last: str) -> NoReturn:
    """End a child whose time is up, and say so in its place."""
    from gradcli.deadline import out_of_time

    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    error = out_of_time(seconds, f": {last} did not end" if last else "")
    if last == progress.LOADING:
        error.hint = "`ulimit -v` shows how much memory there may be; PyTorch itself takes some 800 MiB"
    _write(error)
    os._exit(ExitCode.UNDECIDED)


def _end(code: int, board: mmap) -> NoReturn:
    """End as the child did; one that crashed, or that a library ended, is an internal error, and no verdict."""
    if code < 0:
        name = signal.Signals(-code).name
        if name not in CRASHES:
            _end_by(-code)
        _say(name, progress.last(board))
        code = ExitCode.INTERNAL
    elif code != progress.ending_of(board):
        _say_ended(code, progress.last(board))
        code = ExitCode.INTERNAL
    os._exit(code)


def _end_by(number: int) -> None:
    """End this process by a signal, as if there were no other; whoever started it sees its name."""
    with suppress(OSError):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)


def _say(name: str, last: str) -> None:
    """Write what the child died of."""
    during = f" in {last}" if last else ""
    if name == "SIGKILL":
        hint = "the system ends a process that takes too much memory: smaller shapes, or `--max-memory`"
    else:
        hint = "the crash is in PyTorch's own code: nothing was checked; `gradcli info` has what a report of it needs"
    _write(InternalError(f"the process was ended by {name}{during}", hint=hint))


def _say_ended(code: int, last: str) -> None:
    """Write that the child has ended with an exit code that is none of its own: a library ended it."""
    during = f" in {last}" if last else ""
    hint = "libraries that PyTorch loads do so where they get no memory: `ulimit -v` shows how much there may be"
    _write(InternalError(f"something other than gradcli ended the process{during}, with exit code {code}", hint=hint))


def _write(error: GradcliError) -> None:
    from gradcli.cli.output import error_width, write_error
    from gradcli.render.errors import format_error

    write_error(format_error(error, error_width()))
    with suppress(OSError, ValueError):
        sys.stderr.flush()


def _end_with_parent(pipe: int) -> None:
    """End this process as soon as the other end of a pipe closes: the parent is gone, by SIGKILL too."""
    import fcntl

    if hasattr(fcntl, "F_SETSIG"):  # Linux
        fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(pipe, fcntl.F_SETSIG, signal.SIGTERM)
        fcntl.fcntl(pipe, fcntl.F_SETFL, os.O_NONBLOCK | os.O_ASYNC)


def _count_interrupts_once() -> None:
    """Take a Ctrl-C that comes right after another for the same: one may reach this process along two ways."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        return
    latest = -TOGETHER

    def interrupt(_: int, __: Any) -> None:
        nonlocal latest
        before, latest = latest, time.monotonic()
        if latest - before > TOGETHER:
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
