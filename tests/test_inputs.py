import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradcli.errors import GradcliError, InputError, LimitError
from gradcli.inputs import (
    check_names,
    parse_arguments,
    parse_backwards,
    parse_claims,
    parse_grad_output,
    parse_names,
    parse_shapes,
    parse_size,
    parse_values,
    shape_of,
)
from gradcli.limits import Limits
from gradcli.settings import Number, Settings

LIMITS = Limits()


def pointed_at(error: GradcliError) -> str:
    assert error.source is not None
    assert error.span is not None
    return error.source[error.span.start : error.span.end]


def refusal(parse: Callable[..., object], text: str) -> GradcliError | None:
    try:
        parse([text], LIMITS)
    except GradcliError as error:
        return error
    return None


@pytest.mark.parametrize(
    ("texts", "shapes"),
    [
        (["2x2"], {None: (2, 2)}),
        (["2", "w1=2x3"], {None: (2,), "w1": (2, 3)}),
        (["w=scalar"], {"w": ()}),
        (["0x3"], {None: (0, 3)}),
        ([], {}),
    ],
)
def test_shapes(texts: list[str], shapes: dict[str | None, tuple[int, ...]]) -> None:
    assert parse_shapes(texts, LIMITS) == shapes


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("2x", "x"),
        ("-1x2", "-1"),
        ("2.5x2", "2.5"),
        ("1_0x2", "1_0"),
        ("a=2x2=3", "=3"),
        ("a b=2", "a b"),
        ("=2", "="),
        ("w=", "="),
        ("2,2", "2,2"),
        ("٣", "٣"),
    ],
)
def test_what_is_no_shape_is_pointed_at(text: str, where: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_shapes([text], LIMITS)
    assert pointed_at(caught.value) == where
    assert caught.value.message.startswith("--shape")


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("99999999999999999999x2", "--max-elements"),
        ("4294967296x4294967296", "--max-elements"),
        ("0x99999999999", "--max-elements"),
        ("9" * 5000, "--max-elements"),
        ("x".join("1" * 9), "--max-rank"),
    ],
)
def test_a_shape_beyond_a_limit_names_the_option_that_raises_it(text: str, option: str) -> None:
    with pytest.raises(LimitError, match="--shape") as caught:
        parse_shapes([text], LIMITS)
    assert option in (caught.value.hint or "")


def test_a_shape_given_twice_is_refused() -> None:
    with pytest.raises(InputError, match="twice"):
        parse_shapes(["w=2", "w=3"], LIMITS)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2", 2),
        ("-1e3", -1000.0),
        (".5", 0.5),
        ("[[1,2],[3,4]]", [[1, 2], [3, 4]]),
        (" [ 1 , 2.5 ] ", [1, 2.5]),
        ("1+2j", 1 + 2j),
        ("[1, 2j, -3.5-1e2j]", [1, 2j, -3.5 - 100j]),
        ("true", True),
        ("[]", []),
        ("[[], []]", [[], []]),
    ],
)
def test_values(text: str, value: object) -> None:
    parsed = parse_values([f"w={text}"], LIMITS)["w"]
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("nan", "nan"),
        ("-inf", "-inf"),
        ("[1, [2]]", "[2]"),
        ("[[1, 2], [3]]", "[3]"),
        ("[1", "["),
        ("1]", "]"),
        ("[1,]", "]"),
        ("[,1]", ","),
        ("[1 2]", "2"),
        ("1,2", ","),
        ("1 2", "2"),
        ("1+2", "+2"),
        ("1e999", "1e999"),
        ("truex", "truex"),
        ("__import__('os')", "__import__('os')"),
        ("", "="),
    ],
)
def test_what_is_no_value_is_pointed_at(text: str, where: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_values([f"w={text}"], LIMITS)
    assert pointed_at(caught.value) == where


@pytest.mark.parametrize("text", ["2", "w=1=2", "1w=2"])
def test_a_value_needs_the_name_of_a_leaf(text: str) -> None:
    with pytest.raises(InputError):
        parse_values([text], LIMITS)


def test_depth_and_length_of_a_value_are_limited() -> None:
    with pytest.raises(LimitError) as deep:
        parse_values(["w=" + "[" * 100_000], LIMITS)
    assert "--max-rank" in (deep.value.hint or "")
    with pytest.raises(LimitError) as long:
        parse_values(["w=[1, 2, 3]"], Limits(elements=2))
    assert "--max-elements" in (long.value.hint or "")


@given(st.recursive(st.floats(allow_nan=False, allow_infinity=False), lambda rows: st.lists(rows, max_size=3)))
def test_a_written_list_is_read_back_or_refused(value: object) -> None:
    try:
        parsed = parse_values([f"w={value}"], LIMITS)["w"]
    except GradcliError:
        return
    assert parsed == value


@given(st.text(alphabet="[],.0123456789eEj+- xw=", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in (parse_values, parse_shapes):
        error = refusal(parse, text)
        assert error is None or pointed_at(error) in text


def test_grad_output() -> None:
    assert parse_grad_output(None, LIMITS) is None
    assert parse_grad_output("ones", LIMITS) == "ones"
    assert parse_grad_output("[1, 10]", LIMITS) == [1, 10]


def test_names() -> None:
    assert parse_names("--wrt", ["w1,w2", "w1", " x "]) == ("w1", "w2", "x")
    with pytest.raises(InputError, match="empty"):
        parse_names("--wrt", ["w1,,w2"])


@pytest.mark.parametrize(("text", "size"), [("4096", 4096), ("16KiB", 16384), ("2 gib", 2**31), ("1MB", 10**6)])
def test_sizes(text: str, size: int) -> None:
    assert parse_size("--max-memory", text) == size


@pytest.mark.parametrize("text", ["", "2XB", "-1", "1e9", "9" * 40])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_size("--max-memory", text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("false", False),
        ("true", True),
        ("False", False),
        ("None", None),
        ("3", 3),
        ("-1e3", -1000.0),
        ("(1, 2)", (1, 2)),
        ("'false'", "false"),
        ("mean", "mean"),
        ("__import__('os')", "__import__('os')"),
    ],
)
def test_an_argument_is_what_python_would_read_or_text(text: str, value: object) -> None:
    parsed = parse_arguments([f"n={text}"])["n"]
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    "settings",
    [Settings(shapes={"w11": (2,)}), Settings(values={"w11": 1}), Settings(constants=("w11",))],
)
def test_a_name_that_is_no_leaf_is_refused_with_the_nearest(settings: Settings) -> None:
    with pytest.raises(InputError, match="w11") as caught:
        check_names(["w1", "x"], settings)
    assert caught.value.hint == "did you mean 'w1'?"
    assert pointed_at(caught.value) == "w11"


def test_a_value_that_contradicts_its_shape_is_refused() -> None:
    with pytest.raises(InputError, match="2x2"):
        check_names(["w"], Settings(shapes={"w": (2, 2)}, values={"w": [1, 2]}))
    check_names(["w"], Settings(shapes={"w": (2, 2), None: (3,)}, values={"w": 1}))
    with pytest.raises(InputError) as refused:  # the shape of all leaves is its shape too
        check_names(["w"], Settings(shapes={None: (3,)}, values={"w": [2]}))
    assert "`--shape w=1`" in (refused.value.hint or "")
    check_names(["w"], Settings(shapes={"w": (1,), None: (3,)}, values={"w": [2]}))


def test_shape_of() -> None:
    assert shape_of([[1, 2, 3], [4, 5, 6]]) == (2, 3)
    assert shape_of(1.5) == ()
    assert shape_of([[], []]) == (2, 0)


@pytest.mark.parametrize("parse", [parse_claims, parse_backwards])
@pytest.mark.parametrize("name", ["W", "dL/dW", "d L / d W", "∂loss/∂W", "d/dW", "W.grad", " W "])
@pytest.mark.parametrize("sign", ["=", ":", " = ", ": ", "==", ":="])
def test_a_gradient_is_written_in_any_usual_way(parse: Callable[..., object], name: str, sign: str) -> None:
    assert parse([f"{name}{sign}x == 2*x"]) == {"W": "x == 2*x"}


@pytest.mark.parametrize(
    ("texts", "message", "where"),
    [
        (["2*x"], "the name of a tensor belongs before `=` or `:`", "2*x"),
        (["a/b = 3"], "the name of a tensor belongs before `=` or `:`", "a/b = 3"),
        (["dW"], "the name of a tensor belongs before `=` or `:`", "dW"),
        (["W="], "the gradient is missing", "="),
        (["W=1", "dL/dW: 2"], "the gradient of 'W' is given twice", "dL/dW: 2"),
    ],
)
def test_what_is_no_gradient_is_pointed_at(texts: list[str], message: str, where: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        parse_claims(texts)
    assert pointed_at(caught.value) == where


@pytest.mark.parametrize(
    "text", ["9" * 50_000, "9" * 50_000 + "z", "1." + "9" * 50_000, "1" * 50_000 + "e", "." + "1" * 50_000 + "e+"]
)
def test_a_long_number_is_read_in_linear_time(text: str) -> None:
    """Each digit is looked at a few times, which takes milliseconds; with squares it takes minutes."""
    started = time.process_time()
    with suppress(GradcliError):
        parse_values([f"x={text}"], LIMITS)
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0" * 5000, 0),
        ("-" + "0" * 5000 + "12345678901234567890123", -12345678901234567890123.0),
        ("+007", 7),
        ("00", 0),
        ("1e", None),
        ("1.5.2", None),
        ("1+2j", 1 + 2j),
        ("-1.5e-1-.5e1j", -0.15 - 5j),
        ("3j", 3j),
        (".5", 0.5),
        ("5.", 5.0),
    ],
)
def test_numbers_of_every_form(text: str, value: Number | None) -> None:
    if value is None:
        with pytest.raises(InputError):
            parse_values([f"x={text}"], LIMITS)
    else:
        found = parse_values([f"x={text}"], LIMITS)["x"]
        assert (found, type(found)) == (value, type(value))
