from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradcli.errors import GradcliError, LimitError, ProgramError
from gradcli.language.order import postorder
from gradcli.language.parser import parse
from gradcli.language.pasted import without_surroundings
from gradcli.language.program import (
    Assign,
    BooleanOperation,
    Call,
    Compare,
    Conditional,
    Ellipsis,
    Evaluate,
    Expression,
    For,
    If,
    Index,
    Literal,
    Name,
    Sequence,
    Slice,
    While,
)
from gradcli.limits import Limits


def expression(text: str, *, definition: bool = False) -> Expression:
    (statement,) = parse(text, definition=definition).statements
    assert isinstance(statement, Evaluate)
    return statement.value


def call(text: str) -> Call:
    node = expression(text)
    assert isinstance(node, Call)
    return node


def leaves(text: str) -> list[str]:
    return [leaf.name for leaf in parse(text).leaves]


@pytest.mark.parametrize(
    ("text", "function", "operator"),
    [
        ("a + b", "add", "+"),
        ("a - b", "sub", "-"),
        ("a * b", "mul", "*"),
        ("a / b", "div", "/"),
        ("a ** b", "pow", "**"),
        ("(a) @ (b)", "matmul", "@"),
    ],
)
def test_operators_are_calls_that_know_where_their_sign_stands(text: str, function: str, operator: str) -> None:
    node = call(text)
    assert (node.function, node.operator, node.method) == (function, operator, False)
    assert text[node.function_span.start : node.function_span.end] == operator
    assert [argument.name for argument in node.arguments if isinstance(argument, Name)] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("tanh(x)", "tanh"),
        ("torch.tanh(x)", "tanh"),
        ("F.gelu(x)", "gelu"),
        ("torch.nn.functional.gelu(x)", "gelu"),
        ("torch.linalg.norm(x)", "linalg.norm"),
        ("linalg.norm(x)", "linalg.norm"),
        ("torch.special.erf(x)", "special.erf"),
        ("torch.fft.fft(x)", "fft.fft"),
    ],
)
def test_prefixes_are_stripped_and_qualifications_kept(text: str, name: str) -> None:
    node = call(text)
    assert node.function == name
    assert text[node.function_span.start : node.function_span.end] == name.rpartition(".")[2]


def test_a_method_takes_its_value_as_first_argument() -> None:
    node = call("(x * y).sum(dim=0)")
    assert (node.function, node.method) == ("sum", True)
    assert isinstance(node.arguments[0], Call)
    assert [name for name, _ in node.keywords] == ["dim"]


def test_unary_signs() -> None:
    assert isinstance(literal := expression("-1"), Literal)
    assert literal.value == -1
    assert expression("+x") == expression(" x")
    square = call("-w**2")
    assert square.function == "neg"
    assert isinstance(square.arguments[0], Call)
    assert square.arguments[0].function == "pow"


@pytest.mark.parametrize("text", ["pi", "math.pi", "torch.pi"])
def test_pi_is_a_constant_and_never_a_leaf(text: str) -> None:
    program = parse(f"{text}*w")
    literals = [node for node in postorder(expression(text)) if isinstance(node, Literal)]
    assert [(node.value, node.symbol) for node in literals] == [(math.pi, "pi")]
    assert [leaf.name for leaf in program.leaves] == ["w"]


@pytest.mark.parametrize("text", ["inf", "torch.inf", "math.inf", "float('inf')", 'float("Infinity")'])
def test_infinity_is_a_constant(text: str) -> None:
    assert isinstance(node := expression(text), Literal)
    assert (node.value, node.symbol) == (math.inf, "inf")


@pytest.mark.parametrize(
    ("text", "value"), [("1_000", 1000), ("0x1F", 31), ("0o17", 15), ("1.5e-3", 1.5e-3), ("2j", 2j), (".5", 0.5)]
)
def test_numbers(text: str, value: complex) -> None:
    assert isinstance(node := expression(text), Literal)
    assert node.value == value
    assert type(node.value) is type(value)


def test_indexing() -> None:
    assert isinstance(node := expression("X[0, 1:, ::2, ..., None]"), Index)
    assert [type(item) for item in node.items] == [Literal, Slice, Slice, Ellipsis, Literal]
    for text in ("X[0]", "X[0,]"):
        assert isinstance(single := expression(text), Index)
        assert len(single.items) == 1


def test_sequences_conditions_and_attributes() -> None:
    assert isinstance(node := expression("a.T if x > 0 else [b, c][0]"), Conditional)
    assert isinstance(node.test, Compare)
    assert isinstance(node.otherwise, Index)
    assert isinstance(node.otherwise.value, Sequence)
    assert node.otherwise.value.is_list


def test_statements() -> None:
    source = """
s = x.sum()
if s > 0:
  y = x
elif s < -1:
  y = 2*x
else:
  y = -x
while y.sum() > 9: y = y/2
for _ in range(1, 3):
  y = y*y
q, k = chunk(y, 2)
q + k
"""
    statements = parse(source).statements
    assert [type(statement) for statement in statements] == [Assign, If, While, For, Assign, Evaluate]
    assert isinstance(statements[1], If)
    assert isinstance(statements[1].otherwise[0], If)
    assert isinstance(statements[4], Assign)
    assert [target.name for target in statements[4].targets] == ["q", "k"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("w2*w1 + w2", ["w2", "w1"]),
        ("x = x*x + x; x", ["x"]),
        ("E*S+N*I+Q+beta*gamma+zeta", ["E", "S", "N", "I", "Q", "beta", "gamma", "zeta"]),
        ("a if c else b", ["a", "c", "b"]),
        ("y = x; y*z", ["x", "z"]),
        ("if s > 0:\n  y = x\nelse:\n  y = k*y\ny*z", ["s", "x", "k", "y", "z"]),
        ("for i in range(n): x = i*x\nx", ["n", "x"]),
        ("sum(x) + sum", ["x", "sum"]),
    ],
)
def test_leaves_are_read_before_they_are_assigned(text: str, names: list[str]) -> None:
    assert leaves(text) == names


def test_a_leaf_stands_where_it_is_first_read() -> None:
    (leaf,) = parse("# w\nw + w").leaves
    assert (leaf.span.start, leaf.span.end) == (4, 5)


def test_spans_count_characters_and_text_folds_white_space() -> None:
    program = parse("x = (a  # \u00e9\u20ac\U0001d430\r\n  + b)\r\ny = x*2")
    assert [program.text(statement) for statement in program.statements] == [
        "x = (a # \u00e9\u20ac\U0001d430 + b)",
        "y = x*2",
    ]


def test_an_indented_paste_is_read() -> None:
    program = parse("\n    x = w*w\n    y = (x +\n  1)\n")
    assert [program.text(statement) for statement in program.statements] == ["x = w*w", "y = (x + 1)"]


def test_definitions_may_use_more_of_the_language() -> None:
    assert isinstance(expression("a is not None and not b", definition=True), BooleanOperation)
    assert isinstance(comparison := expression("reduction == 'mean'", definition=True), Compare)
    assert isinstance(comparison.right, Literal)
    assert isinstance(node := expression("n // 2 % 3", definition=True), Call)
    assert (node.function, node.operator) == ("remainder", "%")
    assert parse("_scaled(x)", definition=True).leaves


@pytest.mark.parametrize(
    ("text", "function", "count"),
    [("+".join(["w"] * 2001), "add", 2000), ("x" + ".t()" * 1000, "t", 1000), ("-".join(["w**2"] * 500), "sub", 999)],
)
def test_long_chains_are_read(text: str, function: str, count: int) -> None:
    nodes = list(postorder(expression(text)))
    assert nodes[-1].function == function  # type: ignore[union-attr]
    assert sum(isinstance(node, Call) for node in nodes) == count


def test_the_operations_limit_names_its_option() -> None:
    with pytest.raises(LimitError) as caught:
        parse("+".join(["w"] * 2002))
    assert "--max-operations 2001" in str(caught.value.hint)
    assert parse("w + w + w", Limits(operations=2)).leaves


@pytest.mark.parametrize("text", ["x" + ".T" * 8000, "x" + "[0]" * 5000, "x" + ".t()" * 4000, "<".join("x" * 8000)])
def test_trees_beyond_pythons_own_parser_are_refused_cleanly(text: str) -> None:
    with pytest.raises(GradcliError):
        parse(text)


VOCABULARY = (
    "x w1 _ 1 2.5 1e9 9 pi torch F math . , ; : = == < ** * / // % @ + - ( ) [ ] { } if else elif for in range "
    "while not and or is None lambda 'a' \" ... -> := += \n \t # \\ ^ \u00e9 \u0436 \u202e \x1b \udcff ! .sum() inf 1j"
)
WORDS = st.sampled_from(VOCABULARY.split(" "))


def refusal(text: str) -> GradcliError | None:
    try:
        parse(text)
    except (ProgramError, LimitError) as error:
        return error
    return None


@settings(max_examples=400, deadline=2000)
@given(
    st.one_of(
        st.text(max_size=80), st.lists(WORDS, max_size=25).map(" ".join), st.lists(WORDS, max_size=25).map("".join)
    )
)
def test_any_text_parses_or_is_refused_with_a_place_inside_it(text: str) -> None:
    error = refusal(text)
    text = without_surroundings(text)
    if error is None:
        assert all(text[leaf.span.start : leaf.span.end] == leaf.name for leaf in parse(text).leaves)
    elif error.span is not None:
        assert error.source == text
        assert 0 <= error.span.start <= error.span.end <= len(text) + 1


@pytest.mark.parametrize(
    ("limits", "terms", "advice"),
    [
        (Limits(), 3_000, "`--max-operations` raises the limit"),
        (Limits(operations=10**6, program_size=10**7), 30_000, "no option raises this limit"),
    ],
)
def test_a_sum_that_is_too_long_names_the_option_if_one_helps(limits: Limits, terms: int, advice: str) -> None:
    with pytest.raises(LimitError, match="too long or nests too deep") as caught:
        parse("x" + "+x" * terms, limits)
    assert advice in (caught.value.hint or "")
    assert parse("x" + "+x" * 3_000, Limits(operations=5_000)).leaves[0].name == "x"


@settings(max_examples=40, deadline=2000)
@given(
    st.integers(1, 3000),
    st.sampled_from(["(", "[", "-", "**", "not", "f(", "x[", "x.", "+x", "1if", "f(a=", "(-"]),
    st.sampled_from(["x", "", "if"]),
)
def test_repetition_is_never_too_deep(count: int, part: str, end: str) -> None:
    closing = "".join({"(": ")", "[": "]"}.get(character, "") for character in part)
    for text in (part * count + end + closing * count, (part + " ") * count + end, part * count):
        refusal(text)
