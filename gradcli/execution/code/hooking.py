"""What code hooks into autograd's graph while it runs: nodes, and what nodes save."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch.autograd import Function
from torch.autograd.graph import saved_tensors_hooks

from gradcli.execution.code.places import place_of, user_frame
from gradcli.execution.forward.followed import Followed
from gradcli.execution.forward.observed import Observer
from gradcli.execution.targets.frames import is_own

CHECKPOINT = "the checkpoint{} computes other values in backward than in forward"
SAVED = "the saved-tensor hooks{} change what backward reads"
NODE = "a hook on the node {}{} changes the gradient"
TENSOR = "a hook on '{}'{} changes the gradient"


@contextmanager
def hooks_seen(observer: Observer, is_paused: Callable[[], bool]) -> Iterator[None]:
    """Let what is hooked meanwhile be observed, unless that is paused: on nodes, and where tensors are saved."""
    saved: Any = torch._C._autograd.SavedTensor  # noqa: SLF001 (what `_raw_saved_` holds)
    push: Any = torch._C._autograd._push_saved_tensors_default_hooks  # noqa: SLF001 (there is no public way)
    register, node, hook_one = _HOOK_A_NODE, Function, saved.register_hooks

    def hook_node(hooks: Any, hook: Callable[..., Any]) -> Any:
        return register(hooks, hook if is_paused() or not _is_users(hook) else _on_node(observer, hook))

    def enter(own: Any) -> None:
        pair = own.pack_hook, own.unpack_hook
        push(*(pair if is_paused() else observer.saving(pair, _saying(_words(own)))))

    def hook_saved(one: Any, pack: Any, unpack: Any) -> None:
        pair = pack, unpack
        hook_one(one, *(pair if is_paused() else observer.saving(pair, _saying(SAVED))))

    with ExitStack() as stack:
        stack.enter_context(_in_place_of(node, "_register_hook", staticmethod(hook_node)))
        stack.enter_context(_in_place_of(saved_tensors_hooks, "__enter__", enter))
        stack.enter_context(_in_place_of(saved, "register_hooks", hook_saved))
        yield


def hooked(observer: Observer, traced: Followed, handle: Any) -> Any:
    """Return the handle of a hook on a tensor, which was just registered, and is observed from now on."""
    hooks, where = handle.hooks_dict_ref(), _registered()
    place = None if traced.edge is None else (traced.edge.node, traced.edge.output_nr)
    if hooks is not None and handle.id in hooks:
        said = lambda: TENSOR.format(traced.name or traced.text, where)  # noqa: E731 (its name comes later)
        hooks[handle.id] = observer.on_tensor(hooks[handle.id], said, place)
    return handle


def checkpoint_seen(observer: Observer, args: Sequence[Any]) -> list[Any]:
    """Return the arguments of a re-entrant checkpoint; what it runs is observed."""
    return [observer.computed_again(args[0], _saying(CHECKPOINT)), *args[1:]]


def _on_node(observer: Observer, hook: Callable[..., Any]) -> Callable[..., Any]:
    where = _registered()
    return observer.on_node(hook, lambda name: NODE.format(name, where))


def _words(hooks: saved_tensors_hooks) -> str:
    return CHECKPOINT if type(hooks).__module__ == "torch.utils.checkpoint" else SAVED


def _saying(words: str) -> Callable[[], str]:
    place = place_of(user_frame())
    said = words.format("" if place is None else f" at {place.file}:{place.line}")
    return lambda: said


def _registered() -> str:
    place = place_of(user_frame())
    return "" if place is None else f", registered at {place.file}:{place.line},"


def _is_users(hook: Callable[..., Any]) -> bool:
    """Return whether a hook is not PyTorch's own, by which it calls the hooks of a module."""
    code = getattr(hook, "__code__", None)
    return code is None or is_own(code.co_filename)


@contextmanager
def _in_place_of(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Let an attribute have another value meanwhile."""
    own = dict(vars(owner))  # as it stands there: what is looked up may be bound already
    setattr(owner, name, value)
    try:
        yield
    finally:
        if name in own:
            setattr(owner, name, own[name])
        else:
            delattr(owner, name)


_HOOK_A_NODE: Any = Function._register_hook  # noqa: SLF001 (PyTorch's nodes call it)
