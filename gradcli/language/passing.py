"""Statements that compute nothing, and those that only say whether a gradient is wanted."""

from __future__ import annotations

import ast

from gradcli.errors import Span
from gradcli.language.names import dotted
from gradcli.language.notebook import HOOKS, MODULE_METHODS, PEEKING, PLOTTING, SHOWING, TENDING
from gradcli.language.program import Assign, Expression, Leaf, Literal, Name, SetAttribute, Statement
from gradcli.language.source import Source

PASSED_OVER = (ast.Import, ast.ImportFrom, ast.Assert, ast.Pass, ast.Delete, ast.Global, ast.Nonlocal)

# Contexts in which a block runs as it would without them, by the last part of their name.
_TRANSPARENT = frozenset(
    {"set_detect_anomaly", "detect_anomaly", "record_function", "profile", "fork_rng", "enable_grad"}
    | {"save_on_cpu", "sdpa_kernel", "catch_warnings"}
)
_OFF = frozenset({"no_grad", "inference_mode"})


def is_passed_over(node: ast.stmt, source: Source) -> bool:
    """Tell whether a statement computes nothing that a gradient depends on."""
    if isinstance(node, PASSED_OVER):
        return True
    if isinstance(node, ast.Assign):
        return (
            _is_tended(node.targets[0])
            or _makes_scaler(node, source)
            or _makes_optimizer(node.value)
            or _is_shown(node.value, source)
        )
    return isinstance(node, ast.Expr) and _is_idle(node.value, source)


def printed_call(node: ast.stmt, source: Source) -> ast.Call | None:
    """Return a call inside `print(...)` of a function of the program's own that differentiates; else None."""
    shown = node.value if isinstance(node, ast.Expr) else None
    if not isinstance(shown, ast.Call) or (dotted(shown.func) or ("",))[0] not in SHOWING:
        return None
    calls = (inner for inner in ast.walk(shown) if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name))
    return next((call for call in calls if call.func.id in source.session.differentiating), None)  # type: ignore[attr-defined]


def _is_idle(node: ast.expr, source: Source) -> bool:
    """Tell whether an expression as a statement only shows or looks at something, or tends an optimizer."""
    if isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, (str, type(None)))
    ):
        return True
    if source.mentions(PEEKING) and _looks_at_gradient(node):
        return True
    if isinstance(node, ast.Call):
        return _is_idle_call(node, source)
    return isinstance(node, ast.Name) and node.id == "_"


def _is_idle_call(node: ast.Call, source: Source) -> bool:
    parts = dotted(node.func) or ("",)
    if parts[-1] == "retain_grad" and isinstance(node.func, ast.Attribute):
        source.session.retained.append(source.quoted(source.span(node.func.value)))
        return True
    if parts[-1] in HOOKS:
        _note_hook(node, source)
        return True
    if parts[-1] == "append" and isinstance(node.func, ast.Attribute) and _takes_numbers(node):
        source.session.records.add(parts[0])
        return True
    if isinstance(node.func, ast.Attribute) and node.func.attr == "__init__":  # super().__init__()
        return True
    if parts[-1] in MODULE_METHODS and parts[0] in source.session.assigned:
        return False
    return parts[:1] in [(name,) for name in SHOWING] or parts[0] in PLOTTING or parts[-1] in TENDING


def _is_shown(value: ast.expr, source: Source) -> bool:
    """Tell whether what is assigned is only a handle of a hook, or a picture."""
    called = (dotted(value.func) or ("",)) if isinstance(value, ast.Call) else ("",)
    return (called[-1] in HOOKS or called == ("make_dot",)) and _is_idle(value, source)


def _note_hook(node: ast.Call, source: Source) -> None:
    if node.args and not _only_prints(node.args[0]):
        written = source.quoted(source.span(node.func))
        note = f"`{written}` is passed over: these are the gradients without the hook; `--hooks` shows when hooks fire"
        if "forward" in written:
            note = f"`{written}` is passed over: the module is called without the hook"
        source.session.notes.append(note)


def _takes_numbers(node: ast.Call) -> bool:
    """Tell whether a call is given a number out of a tensor: `losses.append(loss.item())`."""
    names = [
        inner.func.attr
        for inner in ast.walk(node)
        if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute)
    ]
    return "item" in names


def _is_false(node: ast.Call) -> bool:
    return any(isinstance(value, ast.Constant) and value.value is False for value in node.args)


def _only_prints(hook: ast.expr) -> bool:
    """Tell whether a hook leaves the gradient as it is: `print`, or a `lambda` that calls it."""
    body = hook.body if isinstance(hook, ast.Lambda) else None
    called = body.func if isinstance(body, ast.Call) else hook
    return isinstance(called, ast.Name) and called.id in SHOWING


def _looks_at_gradient(node: ast.expr) -> bool:
    """Tell whether an expression reads `.grad` or the like, and so nothing before backward ran."""
    looked_at = [inner for inner in ast.walk(node) if isinstance(inner, ast.Attribute) and inner.attr in PEEKING]
    return any((dotted(inner) or ("",))[0] not in ("torch", "func") for inner in looked_at)


def _is_tended(target: ast.expr) -> bool:
    """Tell whether an assignment only clears a gradient: `x.grad = None`."""
    parts = dotted(target) or ()
    return isinstance(target, ast.Attribute) and (target.attr == "grad" or "backends" in parts)


def _makes_scaler(node: ast.Assign, source: Source) -> bool:
    """Tell whether a statement makes a GradScaler, whose scale does not stay in a gradient."""
    is_scaler = isinstance(node.value, ast.Call) and (dotted(node.value.func) or ("",))[-1] == "GradScaler"
    if is_scaler and isinstance(node.targets[0], ast.Name):
        source.session.scalers.add(node.targets[0].id)
    return is_scaler


def _makes_optimizer(value: ast.expr) -> bool:
    """Tell whether a value is an optimizer, `torch.optim.SGD([w], lr=0.1)`, or what schedules its learning rate."""
    return isinstance(value, ast.Call) and "optim" in (dotted(value.func) or ())[:-1]


def _note_autocast(node: ast.Call, source: Source) -> None:
    """Say that a block under autocast is computed in the precision of the run, unless it is switched off."""
    is_off = [keyword.value for keyword in node.keywords if keyword.arg == "enabled"]
    note = (
        f"`{source.quoted(source.span(node))}` is passed over: all is computed in the precision of the run, which "
        "`--dtype float16` or `--dtype bfloat16` sets"
    )
    if note not in source.session.notes and not any(getattr(value, "value", True) is False for value in is_off):
        source.session.notes.append(note)


def build_flag(target: ast.Attribute, value: ast.expr, span: Span, owner: Expression, source: Source) -> Statement:
    """Return `x.requires_grad = True` as an assignment of x: from here on it is a leaf, or a constant.

    `owner` is what has the flag: of a parameter, `layer.weight`, it is the parameter that changes.
    """
    is_flag = isinstance(value, ast.Constant) and isinstance(value.value, bool)
    if target.attr != "requires_grad" or not is_flag:
        hint = "a module of your own has attributes, `class Net(nn.Module)`, which its `__init__` assigns first"
        raise source.error(f"a new attribute '.{target.attr}' is not accepted", target, hint)
    is_on = bool(value.value)  # type: ignore[attr-defined]  # it is a constant
    if is_on and isinstance(owner, Name):
        return Assign((owner,), Leaf(owner, span), span)
    return SetAttribute(owner, "requires_grad", Literal(value=is_on, span=source.span(value)), span)


_UNHOOKED = "these are the gradients without the hooks"


def grad_mode(node: ast.expr, source: Source, *, enabled: bool) -> bool:
    """Return whether gradients are recorded inside a `with` block; ProgramError for a context of another kind."""
    called = node.func if isinstance(node, ast.Call) else node
    name = (dotted(called) or ("",))[-1]
    if name in _OFF:
        return isinstance(node, ast.Call) and _is_false(node)  # inference_mode(False) is none
    if name == "set_grad_enabled" and isinstance(node, ast.Call):
        return not _is_false(node)
    if name in _TRANSPARENT:
        return True if name == "enable_grad" else enabled
    if name == "autocast" and isinstance(node, ast.Call):
        _note_autocast(node, source)
        return enabled
    if name == "saved_tensors_hooks":
        source.session.notes.append(f"`{source.quoted(source.span(called))}` is passed over: {_UNHOOKED}")
        return enabled
    hint = "`torch.no_grad()`, `torch.enable_grad()` and `torch.set_grad_enabled(...)` are; leave another one out"
    if name == "dual_level":
        hint = "forward mode is a command: `gradcli jvp PROGRAM --tangent x=1`, with what is computed as the program"
    raise source.error("this `with` block is not accepted", node, hint)
