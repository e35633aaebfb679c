"""A script while it runs: its backward calls are counted, and what leads to one that is wanted is followed."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from torch._C._functorch import is_functorch_wrapped_tensor
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack, _pop_mode, _push_mode

from gradcli.execution.code.names import Names
from gradcli.execution.code.places import place_of, user_frame
from gradcli.execution.code.script.calls import BackwardCall, Original, calls_seen, kept
from gradcli.execution.code.script.explain import explanation, mark
from gradcli.execution.code.script.follower import ScriptFollower
from gradcli.execution.forward import tree
from gradcli.report.custom import SourcePlace

# Of the arguments of each of the three calls, the place of the first after which a flag may stand that keeps the graph.
SECOND_FLAG = 3
# Looks at a call that is wanted: runs it, by what it is given last, and returns what that returns.
Look = Callable[[BackwardCall, ScriptFollower, Callable[[], Any]], Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which backward calls are looked at: by number, or every one."""

    numbers: frozenset[int]
    every: bool = False

    def __contains__(self, number: object) -> bool:
        """Return whether a call is looked at."""
        return self.every or number in self.numbers


class Session:
    """What is known of a script that runs."""

    def __init__(self, wanted: Wanted, look: Look) -> None:
        self.count = 0
        """How many backward calls there were."""
        self.elsewhere: list[SourcePlace | None] = []
        """Where other threads made some of them, which are not looked at."""
        self.hints: list[tuple[BaseException, str]] = []
        """What is known of the errors that PyTorch raised in them."""
        self._wanted = wanted
        self._look = look
        self._names = Names()
        self._follower: ScriptFollower | None = None
        self._following = ExitStack()
        self._is_inside = False
        self._thread = threading.get_ident()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch the script, which runs meanwhile in this thread."""
        gc.freeze()  # what is there already is not looked at whenever what is followed is cleared away
        with calls_seen(self._seen):
            self._switch()
            try:
                yield
            finally:
                self._following.close()
                self._follower = None
        gc.unfreeze()

    def hint(self, error: BaseException) -> str | None:
        """Return what is known of an error, or of what it was raised from."""
        chain: list[BaseException] = []
        following: BaseException | None = error
        while following is not None and following not in chain:
            chain.append(following)
            following = following.__cause__ or following.__context__
        return next((hint for known, hint in self.hints if any(known is one for one in chain)), None)

    def _switch(self) -> None:
        """Follow what runs from here on if the next backward call is wanted, and else nothing."""
        if (self.count + 1 in self._wanted) == (self._follower is not None):
            return
        if self._follower is not None:
            self._leave()
            gc.collect()
            return
        follower = ScriptFollower(self._names)
        self._following.enter_context(follower.seeing())
        self._following.enter_context(_in_force(follower))
        self._follower = follower

    def _leave(self) -> None:
        """Follow nothing; `_switch` begins anew."""
        self._following.close()
        self._follower = None

    def _seen(self, kind: str, original: Original, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a call that differentiates, and count it, unless it is a part of another."""
        if threading.get_ident() != self._thread:
            self.elsewhere.append(place_of(user_frame()))
            return original(*args, **kwargs)
        if self._is_inside or _is_transformed(args):
            return original(*args, **kwargs)
        self._is_inside = True
        try:
            if self._follower is None:
                return self._passed(kind, original, args, kwargs)
            return self._counted(kind, original, args, kwargs)
        finally:
            self._is_inside = False
            self._switch()

    def _passed(self, kind: str, original: Original, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a call that is not looked at, with as little as can be around it."""
        try:
            result = original(*args, **kwargs)
        except Exception as error:
            call = BackwardCall.of(kind, original, args, kwargs, self.count + 1, user_frame())
            self._explain(error, call)
            raise
        self.count += 1
        if not kwargs.get("retain_graph") and not kwargs.get("create_graph") and len(args) < SECOND_FLAG:
            mark(args[:1], place_of(user_frame()), all_nodes=False)
        return result

    def _counted(self, kind: str, original: Original, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a call that is looked at."""
        args, kwargs = tuple(map(kept, args)), {name: kept(value) for name, value in kwargs.items()}
        call = BackwardCall.of(kind, original, args, kwargs, self.count + 1, user_frame())
        follower = self._follower
        if call is None or follower is None:
            return original(*args, **kwargs)
        try:
            with follower.paused():
                return self._followed(call, follower, lambda: original(*args, **kwargs))
        finally:
            call.frame = None

    def _followed(self, call: BackwardCall, follower: ScriptFollower, run: Callable[[], Any]) -> Any:
        result = self._look(call, follower, lambda: self._ran(call, run))
        self.count += 1
        if call.creates:
            follower.note_second(call, result)
        follower.forget()
        if follower.lost is not None:
            self._leave()
        gc.collect()
        return result

    def _ran(self, call: BackwardCall, run: Callable[[], Any]) -> Any:
        """Run the call as the script makes it; an error is looked into, and goes on its way."""
        try:
            result = run()
        except Exception as error:
            self._explain(error, call)
            raise
        if not call.retains:
            mark(call.outputs, call.place, all_nodes=True)
        return result

    def _explain(self, error: Exception, call: BackwardCall | None) -> None:
        """Keep what is known of an error that PyTorch raised in a call."""
        hint = None if call is None else explanation(error, call, self._follower)
        if hint is not None:
            self.hints = [(error, hint)]


def _is_transformed(args: tuple[Any, ...]) -> bool:
    """Return whether a call is one inside of a transform of torch.func."""
    return any(map(is_functorch_wrapped_tensor, tree.tensors(args[:1])))


@contextmanager
def _in_force(mode: TorchFunctionMode) -> Iterator[None]:
    """Put a mode under all that the script has entered, and take it away wherever it is then."""
    _rebuild(lambda modes: [mode, *modes])
    try:
        yield
    finally:
        _rebuild(lambda modes: [one for one in modes if one is not mode])


def _rebuild(change: Callable[[list[Any]], list[Any]]) -> None:
    modes = change(_get_current_function_mode_stack())
    while _get_current_function_mode_stack():
        _pop_mode()
    for mode in modes:
        _push_mode(mode)
