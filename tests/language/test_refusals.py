"""What is not a program, the words in which that is said, and the place that is pointed at."""

from __future__ import annotations

import pytest

from gradcli.errors import LimitError, ProgramError
from gradcli.language.parser import parse
from gradcli.limits import Limits

# The text, what the caret marks, a part of the message, a part of the hint.
REFUSED = [
    ("x^2", "^", "not a power", "`**`"),
    ("x = 1; y = x +* 2", "*", "unexpected `*` after `+`", ""),
    ("2w1", "2w1", "operator is missing", "2*w1"),
    ("3 x", "3 x", "operator is missing", "3*x"),
    ("2(x+1)", "2(", "not a function", "2*("),
    ("(a+b)(c)", "a+b", "not a function", "(a+b)*("),
    ("1e*w", "1e", "`1e` is not a number", "1e3"),
    ("1if x else y", "1if", "not a number", "space"),
    ("007*x", "007", "begin with 0", "`7`"),
    ("x\u00b2", "\u00b2", "U+00B2", "x**2"),
    ("w1\u00b9\u2070", "\u00b9", "U+00B9", "w1**10"),
    ("w\u00d72", "\u00d7", "U+00D7", "`*`"),
    ("w\u22121", "\u2212", "U+2212", "`-`"),
    ("\u0430+a", "\u0430", "U+0430", "looks like the ASCII letter 'a'"),
    ("\u03b1*x", "\u03b1", "U+03B1", "`alpha`"),
    ("\u2113+1", "\u2113", "U+2113", "`l`"),
    ("\U0001d430*2", "\U0001d430", "U+1D430", "`w`"),
    ("(w).\u1d47it_length()", "\u1d47", "U+1D47", "`b`"),
    ("w*\u0663", "\u0663", "U+0663", ""),
    ("x\u00a0+ y", "\u00a0", "U+00A0", "ordinary space"),
    ("w\u202e+1", "\u202e", "U+202E", ""),
    ("w # \u202e", "\u202e", "U+202E", ""),
    ("w\x1b[31m", "\x1b", "U+001B", ""),
    ("w # \x07", "\x07", "U+0007", ""),
    ("w\udcff+1", "\udcff", "byte 0xff", ""),
    ("einsum('\u0131i', x)", "\u0131", "U+0131", ""),
    ("w+\\[b]", "\\", "unexpected character", "brackets"),
    ("'abc", "'", "never closed", "'"),
    ("f('a\\b')", "\\", "backslash", ""),
    ("", None, "empty", ""),
    (" \n# w\n", None, "empty", ""),
    (";;", ";", "missing before `;`", "leave out"),
    ("a;;b", ";", "missing before `;`", "leave out"),
    ("w,,w", ",", "missing before `,`", "leave out"),
    ("w+", "+", "nothing on its right", ""),
    ("x =", "=", "nothing on its right", ""),
    ("sin(", "(", "never closed", "`)`"),
    ("(w]", "]", "closes `(`", "`)`"),
    ("w)", ")", "closes no bracket", ""),
    ("w..real", ".", "unexpected `.`", ""),
    ("a && b", "&&", "not an operator", "logical_and"),
    ("a || b", "||", "not an operator", "logical_or"),
    ("a and b", "a and b", "no gradient", "condition"),
    ("not a", "not a", "no gradient", "condition"),
    ("w << 2", "<<", "shifts", "2**n"),
    ("w &= 2", "&=", "not accepted", "logical_and"),
    ("|x|", "|", "no value before", "abs(x)"),
    ("x*sin y", "sin y", "operator is missing", "`sin(y)`"),
    ("x cos(y)", "x cos", "operator is missing", "`x*cos(...)`"),
    ("X^T @ Y", "^", "not a power", "`X.T`"),
    ("x = w\\ny = x", "\\", "unexpected character", "`;`"),
    ("a < b < c", "a < b < c", "no gradient", "condition"),
    ("a is None", "a is None", "no gradient", "condition"),
    ("1<w", "1<w", "no gradient", "condition"),
    ("y == x; y", "y == x", "does nothing", "`=`"),
    ("f(b'a')", "b'a'", "prefix 'b'", ""),
    ("'{0}'.format(w)", "'{0}'", "string", ""),
    ("'a'*10**9*w", "'a'", "string", ""),
    ("[a for a in b]", "[a for a in b]", "one tensor", "stack"),
    ("[a for a in b for c in d]", "[a for a in b for c in d]", "one loop", "`for` loops"),
    ("(lambda: w)()", "lambda: w", "not a function", "x**2"),
    ("lambda*w", "lambda", "Python keyword", "different name"),
    ("(y := w) + y", "y := w", "assignments inside an expression", ""),
    ("[(y := w) for w in b][0]", "y := w", "assignments inside an expression", ""),
    ("a[0] = b = c", "b", "several `=`", ""),
    ("*w", "*w", "starred", ""),
    ("f(a=1, a=2)", "a=2", "given twice", ""),
    ("import torch", None, "computes nothing", "itself"),
    ("print(x)", None, "computes nothing", "itself"),
    ("class A: x", "x", "methods and values only", "`__init__`"),
    ("class A(B): pass\nx", "A", "nn.Module", "`gradcli run FILE.py`"),
    ("class A(torch.autograd.Function): pass\nx", "A", "backward of its own", "`gradcli custom FILE.py:A`"),
    ("class A:\n  def __add__(self, x): return x\nx", "__add__", "not accepted", "FILE.py"),
    ("class A:\n  def f(): return x\nx", "f", "needs `self`", "def f(self)"),
    ("class A: pass", "A", "ends with a class", "`A()(x)`"),
    ("@cache\ndef f(x): return x", "cache", "decorator", "leave it out"),
    ("return x", "return", "outside of a function", "last statement"),
    ("break", "break", "outside of a loop", "leave it out"),
    ("for i in range(2):\n  def f(): continue\nx", "continue", "outside of a loop", ""),
    ("y = *x", "*x", "starred", ""),
    ("for (a, b[0]) in c: x = a\nx", "b[0]", "names only", "range"),
    ("x[0].data[1] = y; x", "x[0].data[1]", "needs its name", "index_put"),
    ("yield x", "yield", "keyword", ""),
    ("w.__class__.__mro__", "__class__", "'.__class__'", "shape"),
    ("__import__('os')", "__import__", "begins with `__`", ""),
    ("__w__+1", "__w__", "begins with `__`", ""),
    ("x.__len__()", "__len__", "begins with `__`", ""),
    ("torch", "torch", "module", ""),
    ("F = 2; F", "F", "not a value", ""),
    ("torch(x)", "torch", "module", ""),
    ("torch.complex64", "torch.complex64", "not accepted", "--dtype"),
    ("torch.nn.MaxUnpool2d()", "MaxUnpool2d", "cannot make", "`gradcli run FILE.py`"),
    ("torch.foo.bar(x)", "torch.foo.bar", "unknown function", "prefixes"),
    ("optim.SGD(m.parameters())", "optim.SGD(m.parameters())", "training", "leave the line out"),
    ("tf.reduce_sum(x)", "tf.reduce_sum", "TensorFlow", "`sum(x)`"),
    ("with fwAD.dual_level():\n  y = x\ny", "fwAD.dual_level()", "`with`", "gradcli jvp"),
    ("{f'a{i}': x for i in range(2)}", "f'a{i}'", "put together", "a number or a name"),
    ("L = []; L.append(x.item()); sum(L)*x", "L", "no gradient", "append"),
    ("[pi for pi in [x]][0]", "pi", "constant", ""),
    ("f = lambda pi: pi*x; f(2)", "pi", "constant", ""),
    ("_*2", "_", "nobody reads", "name"),
    ("x = 2 \\", "\\", "unexpected character", "brackets"),
    ("nan*w", "nan", "needs a prefix", "`torch.nan`"),
    ("x ? y", "?", "not an operator", "where"),
    ("...", "...", "inside an index", ""),
    ("a, b", "a, b", "one tensor", ""),
    ("x if y", "x if y", "`else` is missing", ""),
    ("x = 3; if x > 0: y", "if", "must begin a line", ""),
    ("if x > 0: y", "i", "ends with a block", "expression"),
    ("if x:\ny", "y", "indented line", ""),
    ("x\n  + y", "+", "indented", "brackets"),
    ("f(a=1, 2)", ")", "without a name", ""),
    ("10**400*w", "10**400", "double precision", ""),
    ("1e999*w", "1e999", "double precision", "inf"),
    ("1e308*10*w", "1e308*10", "double precision", ""),
    ("1/0*w", "1/0", "divides by zero", ""),
    ("0**-1*w", "0**-1", "divides by zero", ""),
]


@pytest.mark.parametrize(("text", "marked", "message", "hint"), REFUSED, ids=[ascii(case[0]) for case in REFUSED])
def test_a_refusal_says_what_where_and_how_to_fix_it(text: str, marked: str | None, message: str, hint: str) -> None:
    with pytest.raises(ProgramError) as caught:
        parse(text, is_function=lambda name: name in ("sin", "cos"))
    error = caught.value
    assert message in error.message
    assert hint in (error.hint or "")
    if marked is None:
        assert error.span is None
    else:
        assert error.span is not None
        assert text[error.span.start : error.span.end] == marked


# The text, the option that its message names.
TOO_LARGE = [
    ("(" * 20000 + "w", "--max-program-size"),
    ("(" * 101 + "w" + ")" * 101, "--max-nesting"),
    ("-" * 5000 + "w", "--max-nesting"),
    ("not " * 200 + "w", "--max-nesting"),
    ("**".join(["w"] * 200), "--max-nesting"),
    (" if c else ".join(["w"] * 200), "--max-nesting"),
    ("if x: y = 1\n" + "elif x: y = 2\n" * 200 + "y", "--max-nesting"),
    ("".join(" " * level + "if x:\n" for level in range(101)) + " " * 101 + "y = x\ny", "--max-nesting"),
    ("9**9**9*w", "--max-exponent"),
    ("2**99999*w", "--max-exponent"),
    ("w**-1001", "--max-exponent"),
    ("w.pow(5000)", "--max-exponent"),
    ("pow(w, exponent=5000)", "--max-exponent"),
    ("w**(999 + 2)", "--max-exponent"),
]


@pytest.mark.parametrize(("text", "option"), TOO_LARGE, ids=[f"{len(case[0])}-{case[0][:20]}" for case in TOO_LARGE])
def test_a_limit_names_the_option_that_raises_it(text: str, option: str) -> None:
    with pytest.raises(LimitError) as caught:
        parse(text)
    assert option in (caught.value.hint or "")


@pytest.mark.parametrize("text", ["9" * 5000 + "*w", "0x" + "f" * 5000 + "*w", "." + "1" * 5000])
def test_long_numbers_are_refused(text: str) -> None:
    with pytest.raises(LimitError, match="limit of 400"):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 60 + "w" + ")" * 60,
        "sin(" * 50 + "w" + ")" * 50,
        "+".join(["x**-2"] * 300),
        "*".join(["-x"] * 300),
        " if c else ".join(["w"] * 90),
        "2**63*w",
        "2**-1*w",
        "w**1000",
        "f(" + ",".join(["-x"] * 300) + ")",
        "if x: y = 1\nelif x: y = 2\n" * 150 + "y",
        "w/0",
        "inf*0 + w",
    ],
)
def test_what_is_within_the_limits_is_read(text: str) -> None:
    assert parse(text).statements


def test_limits_can_be_raised() -> None:
    assert parse("(" * 150 + "w" + ")" * 150, Limits(nesting=150)).leaves
    assert parse("w**5000", Limits(exponent=5000)).leaves
    with pytest.raises(LimitError):
        parse("(" * 400 + "w" + ")" * 400, Limits(nesting=10**6))
