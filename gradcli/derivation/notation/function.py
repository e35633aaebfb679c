"""A derivation as the source of a `torch.autograd.Function`: forward, backward, jvp, what they share, and a test.

Each of backward's gradients is computed only where it is needed, from what is saved.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from gradcli.derivation.notation.backends import RAISING, TORCH
from gradcli.derivation.notation.code import part_of, result_of
from gradcli.derivation.notation.decimals import typed_in
from gradcli.derivation.notation.expressions import Emitter
from gradcli.derivation.notation.function_guard import guard, homes_of
from gradcli.derivation.notation.function_parts import OUTPUT, OUTPUTS, FunctionParts, gradient_name, unpacked
from gradcli.derivation.notation.function_recorded import recorded_lines
from gradcli.derivation.notation.function_words import INDENT, docstring, quoted
from gradcli.derivation.notation.labels import ONE_HOT
from gradcli.derivation.notation.parsed import names_read, parsed
from gradcli.derivation.notation.shapes import shape_of
from gradcli.derivation.notation.sharing import readers, shared
from gradcli.derivation.notation.wrapped import WIDTH, wrapped
from gradcli.python_trees import expression_tree


@dataclass(slots=True)
class _Method:
    """The statements of backward or of jvp, and the tensors and lengths that they read."""

    parts: FunctionParts
    like: str
    helpers: dict[str, None] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    integers: set[str] = field(default_factory=set)
    seen: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """The shapes of what the formulas have in common, by name."""

    def note(self, part: str, text: str) -> None:
        """Note the shape of a part, where it is seen."""
        shape = shape_of(parsed(text).body, {**self.parts.shapes_here, **self.seen})
        self.seen |= {} if shape is None else {part: shape}

    def emitter(self, names: Mapping[str, str], lines: list[str]) -> Emitter:
        sizes, shapes = self.parts.sizes, {**self.parts.shapes_here, **self.seen}
        found = Emitter(TORCH, names, self.like, shapes, lines, self.helpers, sizes=sizes, device=self.like)
        return replace(found, integers=self.integers, typed=typed_in(self.parts.program))


def function_source(parts: FunctionParts) -> str:
    """Return the source of a module with the Function and its test."""
    backward, jvp = _backward(parts), _jvp(parts)
    saved, pushed = _saved(parts, backward, jvp)
    arriving = parts.chain.arriving if parts.chain else ()
    for method in (backward, *([jvp] if jvp else [])):
        method.lines = [_quiet(line) for line in method.lines]
    blocks = [_forward(parts), _setup(parts, saved, pushed, [*backward.lines, *(jvp.lines if jvp else [])])]
    blocks.append(_method("backward", ["ctx", parts.upstream, *arriving], parts, saved, backward.lines))
    if jvp:
        tangents = [parts.tangents.get(name, "_" * (place + 1)) for place, name in enumerate(parts.parameters)]
        blocks.append(_method("jvp", ["ctx", *tangents], parts, pushed, jvp.lines))
    head = [f"class {parts.name}(torch.autograd.Function):", *_indented(docstring(parts, saved))]
    head += ["", INDENT + "generate_vmap_rule = True"] if parts.has_vmap_rule else []
    body = "\n\n".join(["\n".join(head), *("\n".join(_indented(block)) for block in blocks)])
    body = body.replace("torch.nn.functional.", "F.")
    known = {**TORCH.helpers, **(parts.chain.helpers if parts.chain else {})}
    helpers = [text for name, text in known.items() if re.search(rf"\b_{name}\(", body)]
    top = _top(parts, "\n".join([*helpers, body]))
    calls = ["\n".join(_call(parts))] if parts.call else []
    return wrapped("\n\n\n".join([top, *helpers, body, *calls, "\n".join(_test(parts, bool(jvp)))]) + "\n")


def _saved(parts: FunctionParts, backward: _Method, jvp: _Method | None) -> tuple[list[str], list[str]]:
    """Return what is saved for backward, and for jvp: the same for both if there is a vmap rule.

    PyTorch's rule takes the axis that a tensor is mapped over from the last call that saved one in its place
    (`torch._functorch.autograd_function.CtxCustomSave`).
    """
    saved, pushed = _read(backward.lines, parts), _read(jvp.lines, parts) if jvp else []
    both = [name for name in (*parts.parameters, *parts.kept, OUTPUT) if name in {*saved, *pushed}]
    return (both, both) if parts.has_vmap_rule and pushed else (saved, pushed)


def _call(parts: FunctionParts) -> list[str]:
    """Return the function that gives the output alone."""
    given = ", ".join(parts.parameters)
    return [
        f"def {parts.call}({given}):",
        INDENT + f'"""Return `{quoted(parts.program)}`."""',
        INDENT + f"{OUTPUT}, *_ = {parts.name}.apply({given})",
        INDENT + f"return {OUTPUT}",
    ]


def _quiet(line: str) -> str:
    """Return a statement that raises nothing where a matrix is singular: autograd may have a gradient there."""
    for name, helper in RAISING.items():
        line = line.replace(name, helper)
    return line


def _top(parts: FunctionParts, body: str) -> str:
    title = f'"""`{quoted(parts.program)}` as a `torch.autograd.Function`, with a backward that was derived."""'
    if len(title) > WIDTH:
        title = f'"""`{quoted(parts.program)}` as a `torch.autograd.Function`.\n\nIts backward was derived.\n"""'
    math = ["import math", ""] if "math." in body else []
    functional = ["import torch.nn.functional as F"] if re.search(r"\bF\.", body) else []
    imports = [*math, "import torch", *functional, "from torch.autograd import gradcheck, gradgradcheck"]
    return "\n".join([title, "", *imports])


def _indented(lines: Sequence[str]) -> list[str]:
    return [INDENT + line if line else line for line in lines]


def _forward(parts: FunctionParts) -> list[str]:
    result = f"({parts.result}).clone()" if parts.is_copied else parts.result
    lines = [*parts.forward, f"return {', '.join([_tidy(result), *parts.kept])}"]
    homes = homes_of(parts)
    body = [*guard(parts), *(f"{size} = {homes[size]}" for size in _used_sizes(parts, lines)), *lines]
    return ["@staticmethod", f"def forward({', '.join(parts.parameters)}):", *_indented(body)]


def _tidy(text: str) -> str:
    return ast.unparse(expression_tree(text))


def _setup(parts: FunctionParts, saved: Sequence[str], pushed: Sequence[str], lines: Sequence[str]) -> list[str]:
    read = {*saved, *pushed} - {OUTPUT}
    kept = _kept(parts, saved, lines) | (_kept(parts, pushed, lines) if parts.jvp is not None else {})
    needed = ({code.partition(".")[0] for code in kept.values()} | read) & {*parts.parameters}
    body = []
    if needed:
        names = [name if name in needed else "_" for name in parts.parameters]
        body.append(f"{unpacked(names)} = inputs")
    results = OUTPUTS if parts.kept else OUTPUT
    if parts.kept:
        body.append(f"{OUTPUT if OUTPUT in {*saved, *pushed} else '_'}, {', '.join(parts.kept)} = {results}")
        body.append("ctx.set_materialize_grads(False)")
    body += [f"ctx.{name} = {code}" for name, code in kept.items()]
    body += [f"ctx.save_for_backward({', '.join(saved)})"] if saved else []
    body += [f"ctx.save_for_forward({', '.join(pushed)})"] if pushed else []
    return ["@staticmethod", f"def setup_context(ctx, inputs, {results}):", *_indented(body or ["pass"])]


def _used_sizes(parts: FunctionParts, lines: Sequence[str]) -> list[str]:
    read = {name for line in lines for name in re.findall(r"[A-Za-z_]\w*", line)}
    return [name for name in parts.sizes if name in read]


def _kept(parts: FunctionParts, saved: Sequence[str], lines: Sequence[str]) -> dict[str, str]:
    """Return the lengths that no saved tensor shows, each with where it is seen."""
    homes = homes_of(parts)
    return {name: homes[name] for name in _used_sizes(parts, lines) if _seen(parts, name, saved) is None}


def _seen(parts: FunctionParts, size: str, saved: Sequence[str]) -> str | None:
    for name in saved:
        shape = parts.output if name == OUTPUT else parts.parameters[name]
        if size in shape:
            return f"{name}.shape[{shape.index(size)}]"
    return None


def _method(
    name: str, arguments: Sequence[str], parts: FunctionParts, saved: Sequence[str], lines: Sequence[str]
) -> list[str]:
    body = [f"{size} = {_seen(parts, size, saved) or f'ctx.{size}'}" for size in _used_sizes(parts, lines)] + [*lines]
    words = {word for line in body for word in re.findall(r"\w+", line)}
    names = [one if one in words else "_" for one in saved]
    first = [f"{unpacked(names)} = ctx.saved_tensors"] if words & {*saved} else []
    return ["@staticmethod", f"def {name}({', '.join(arguments)}):", *_indented([*first, *body])]


def _read(lines: Sequence[str], parts: FunctionParts) -> list[str]:
    """Return the parameters that statements read, and the output among them."""
    read: dict[str, None] = {}
    for line in lines:
        text = line.strip().removeprefix("return ").removesuffix(":").removeprefix("if ")
        body = text.split(" = ")[-1]
        read |= dict.fromkeys(names_read(expression_tree(body)))
    return [name for name in (*parts.parameters, *parts.kept, OUTPUT) if name in read]


def _backward(parts: FunctionParts) -> _Method:
    method = _Method(parts, parts.upstream, integers={*parts.integers})
    if parts.chain is not None:
        method.lines = [*parts.chain.backward]
        return method
    if parts.recorded is not None:
        method.lines = recorded_lines(parts.recorded, [*parts.parameters])
        return method
    names = {name: name for name in (*parts.parameters, OUTPUT, parts.upstream)}
    common = shared([one.formula for one in parts.gradients.values()], {*names, *parts.taken}, ONE_HOT)
    texts = dict(zip(parts.gradients, common.formulas, strict=True))
    users = {part: readers(part, common.parts, texts) for part, _ in common.parts}
    results = {name: gradient_name(name) for name in parts.gradients}
    if several := len(parts.gradients) > 1:
        method.lines.append(f"{' = '.join(results.values())} = None")
    known = dict(names)
    for part, text in common.parts:
        known[part] = part
        method.note(part, text)
        if len(users[part]) > 1 or not several:
            method.lines.append(f"{part} = {part_of(method.emitter(known, method.lines), part, text)}")
    for place, name in enumerate(parts.parameters):
        if name in parts.gradients:
            lines = [
                f"{part} = {part_of(method.emitter(known, []), part, text)}"
                for part, text in common.parts
                if several and users[part] == {name}
            ]
            wanted = replace(parts.gradients[name], formula=texts[name])
            expression = result_of(method.emitter(known, lines), wanted, known)
            lines += [f"{results[name]} = {expression}"] if several else []
            results[name] = results[name] if several else expression
            test = [f"if ctx.needs_input_grad[{place}]:"] if several else []
            method.lines += [*test, *(_indented(lines) if several else lines)]
    gradients = [results.get(name, "None") for name in parts.parameters]
    method.lines.append(f"return {', '.join(gradients)}")
    return method


def _jvp(parts: FunctionParts) -> _Method | None:
    tangents = [*parts.tangents.values()]
    method = _Method(parts, tangents[0], integers={*parts.integers})
    if parts.chain is not None:
        method.lines = [*(parts.chain.jvp or ())]
        return method if method.lines else None
    if parts.jvp is None:
        return None
    names = {name: name for name in (*parts.parameters, OUTPUT, *tangents)}
    common = shared([parts.jvp.formula], {*names, *parts.taken}, ONE_HOT)
    for part, text in common.parts:
        names[part] = part
        method.note(part, text)
        method.lines.append(f"{part} = {part_of(method.emitter(names, method.lines), part, text)}")
    wanted = replace(parts.jvp, formula=common.formulas[0])
    method.lines.append(f"return {result_of(method.emitter(names, method.lines), wanted, names)}")
    return method


def _test(parts: FunctionParts, has_jvp: bool) -> list[str]:  # noqa: FBT001 (of the same module)
    forward = ", check_forward_ad=True" if has_jvp else ""
    values = [f"{name} = {text}" for name, text in parts.values.items()]
    called = parts.call or f"{parts.name}.apply"
    inputs = f"({', '.join(parts.values)}{',' if len(parts.values) == 1 else ''})"
    return [
        'if __name__ == "__main__":',
        *_indented(["torch.manual_seed(0)", *values]),
        INDENT + f"assert gradcheck({called}, {inputs}{forward})",
        INDENT + f"assert gradgradcheck({called}, {inputs})",
        INDENT + 'print("gradcheck and gradgradcheck pass")',
    ]
