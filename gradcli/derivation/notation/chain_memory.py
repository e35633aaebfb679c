"""Statements of a chain that need less memory: what is new, and read once, is written over: `(g * t).mul_(s)`.

The statements can still be differentiated, and mapped by vmap:

- What is written over is the result of arithmetic, whose derivatives read operands and no result, and nothing else
  reads it. So autograd has not saved it.
- It depends on every leaf and gradient that what is written depends on. So it has every axis that vmap maps those over.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from gradcli.derivation.notation.chain import Statements
from gradcli.derivation.notation.chain_statements import VALUE
from gradcli.derivation.notation.parsed import callee, is_number, names_read, parsed
from gradcli.derivation.notation.written import text_of
from gradcli.ops.table import FUSED

Behind = Mapping[str, frozenset[str]]
"""Name -> the leaves and gradients that it depends on."""
# Whose results are new, and are read by no derivative: neither of backward nor along tangents.
NEW = frozenset({"add", "addcmul", "addcdiv", "where", "erf", *FUSED})
# What can write over its operand. `addcmul_` and `addcdiv_` cannot: PyTorch refuses them in a vmap within another.
SYMBOLS: Mapping[type[ast.operator], str] = {ast.Mult: "mul_", ast.Add: "add_", ast.Sub: "sub_", ast.Div: "div_"}
COMMUTING = ast.Mult | ast.Add


def written_over(found: Statements, behind: Behind) -> Statements:
    """Return the same statements, with what nothing else reads written over."""
    reads = Counter(name for text in found.texts for name in VALUE.findall(text))
    once = frozenset(name for name, count in reads.items() if count == 1)
    known, new, values = dict(behind), set[str](), dict[str, str]()
    for name, text in found.values.items():
        rewriter = _WritingOver(known, once & new)
        tree = rewriter.visit(parsed(text).body)
        known[name], values[name] = rewriter.behind(tree), text_of(tree)
        new |= {name} if rewriter.is_new(tree) else set()
    last = _WritingOver(known, once & new)
    return Statements(values, {name: text_of(last.visit(parsed(text).body)) for name, text in found.results.items()})


def writes_over(text: str) -> bool:
    """Return whether a formula writes over anything."""
    calls = [node.func for node in ast.walk(parsed(text).body) if isinstance(node, ast.Call)]
    return any(isinstance(function, ast.Attribute) and function.attr.endswith("_") for function in calls)


@dataclass(slots=True)
class _WritingOver(ast.NodeTransformer):
    known: Behind
    free: frozenset[str]
    """The names of what may be written over."""

    def behind(self, node: ast.expr) -> frozenset[str]:
        """Return what an expression depends on."""
        return frozenset[str]().union(*(self.known[name] for name in names_read(node)))

    def is_new(self, node: ast.expr) -> bool:
        """Return whether nothing but the place where it stands has read, or saved, a result."""
        match node:
            case ast.Name(id=name):
                return name in self.free
            case ast.UnaryOp(op=ast.USub()) | ast.BinOp(op=ast.Mult() | ast.Add() | ast.Sub()):
                return not is_number(node)
            case ast.BinOp(op=ast.Pow(), left=base, right=ast.Constant()):
                return not is_number(base)
            case ast.Call(func=ast.Attribute(attr=name)):
                return name in {"neg_", "mul_", "add_", "sub_"}
            case ast.Call(func=ast.Name(id="plus"), args=[inner, _]):
                return self.is_new(inner)
        return isinstance(node, ast.Call) and callee(node) in NEW and not is_number(node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Return an operation that writes over an operand, where one may be written over."""
        left, right = self.visit(node.left), self.visit(node.right)
        ways = [(left, right), (right, left)] if isinstance(node.op, COMMUTING) else [(left, right)]
        for one, other in ways if type(node.op) in SYMBOLS else ():
            if self._may_hold(one, other):
                return _method(one, SYMBOLS[type(node.op)], [other])
        return ast.BinOp(left, node.op, right)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        """Return what is negated, in its own place."""
        inner = self.visit(node.operand)
        is_over = isinstance(node.op, ast.USub) and self._may_hold(inner)
        return _method(inner, "neg_", []) if is_over else ast.UnaryOp(node.op, inner)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Return a call; `add(a, b, alpha=c)` in the place of a."""
        arguments = [self.visit(one) for one in node.args]
        if callee(node) == "add" and self._may_hold(*arguments):
            return _method(arguments[0], "add_", arguments[1:], node.keywords)
        return ast.Call(node.func, arguments, node.keywords)

    def _may_hold(self, target: ast.expr, *others: ast.expr) -> bool:
        return self.is_new(target) and frozenset[str]().union(*map(self.behind, others)) <= self.behind(target)


def _method(owner: ast.expr, name: str, arguments: list[ast.expr], words: list[ast.keyword] | None = None) -> ast.expr:
    return ast.Call(ast.Attribute(owner, name), arguments, words or [])
