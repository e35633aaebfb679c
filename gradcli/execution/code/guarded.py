"""What follows code as it runs, and stands in nobody's way: where that fails, the code goes on without it.

An error that following raises itself is none of the code's, which must not see it: what the code has called gives what
it would have given, nothing is followed any more, and nothing can be said of what the code computes.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch.overrides import TorchFunctionMode

from gradcli.errors import GradcliError, UnfollowedError, first_line
from gradcli.execution.code.places import place_of, user_frame
from gradcli.execution.forward.calls import MadeCall

MOST_QUOTED = 200
UNFOLLOWED = "`{}`{} runs, and cannot be followed here: {}"


class Own:
    """What the code runs itself, once; what it raises is the code's own error."""

    def __init__(self, run: Callable[[], Any]) -> None:
        self._run: Callable[[], Any] | None = run
        self._result: Any = None
        self.error: BaseException | None = None

    def __call__(self, *_: Any) -> Any:
        """Return what it returns; it runs again if it has not come to that."""
        if self._run is None:
            return self._result
        try:
            self._result = self._run()
        except BaseException as error:
            self.error = error
            raise
        self._run = None
        return self._result


@dataclass(frozen=True)
class OwnCall(MadeCall):
    """A call that the code makes."""

    own: Own

    def run(self) -> Any:
        """Run the call as it was made."""
        return self.own()


class Guarded(TorchFunctionMode):
    """Sees every call of PyTorch that code makes, until it cannot follow one."""

    def __init__(self) -> None:
        super().__init__()
        self.lost: str | None = None
        """Why nothing is followed any more, where that is so."""
        self._is_paused = False

    @property
    def is_paused(self) -> bool:
        """Return whether nothing is followed now."""
        return self._is_paused or self.lost is not None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Follow nothing meanwhile."""
        before, self._is_paused = self._is_paused, True
        try:
            yield
        finally:
            self._is_paused = before

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one call of the code, and follow it."""
        args, keywords = tuple(args), dict(kwargs or {})
        if self.is_paused:
            return func(*args, **keywords)
        own = Own(lambda: func(*args, **keywords))
        call = OwnCall(func, args, keywords, own)
        return self._guarded(lambda: call.short, own, lambda: self._seen(call))

    @abstractmethod
    def _seen(self, call: MadeCall) -> Any:
        """Run a call of the code's, follow it, and return its result."""

    def _guarded(self, name: Callable[[], str], own: Own, follow: Callable[[], Any]) -> Any:
        """Return what comes of following what the code runs; of that alone, where following it fails."""
        try:
            return follow()
        except GradcliError as error:
            if not isinstance(error, UnfollowedError):
                raise
            self._lose(name(), error.message)
        except Exception as error:
            if error is own.error:
                raise
            self._lose(name(), f"{type(error).__name__}: {first_line(error)[:MOST_QUOTED]}")
        finally:
            own.error = None  # whose traceback leads here, and would keep alive all that it sees
        return own()

    def _lose(self, name: str, reason: str) -> None:
        place = place_of(user_frame())
        where = "" if place is None else f" at {place.file}:{place.line}"
        self.lost = self.lost or UNFOLLOWED.format(name, where, reason)
