"""Suite files: what they make, and what is refused with its file and line."""

import os
import time
import tomllib
from pathlib import Path

import jsonschema
import pytest

from gradcli.deadline import DeadlineError
from gradcli.errors import InputError
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings
from gradcli.suite.check import SuiteCheck
from gradcli.suite.given import Given
from gradcli.suite.jobs import count_jobs
from gradcli.suite.places import SuiteText, tables
from gradcli.suite.read import read_suite
from gradcli.suite.schema import suite_schema

FULL = """
[defaults]
shape = "2x2"
reduce = "mean"
tags = "fast"

[[check]]
name = "everything"
program = \"\"\"
y = w1*w2  # [[check]]
y + z\"\"\"
shape = {w1 = "2x3", w2 = "2x3"}
values = {z = [[1, 2, 3], [4, 5.5, -6]]}
init = "uniform"
seed = 7
dtype = "float32"
constants = ["z"]
grad-output = [[1, 2, 3], [4, 5, 6]]
claim = {w1 = "w2*g", w2 = 1}
witnesses = ["symbolic"]
points = 3
rtol = 1e-3
atol = 0
timeout = 5
formulas = true
expect = "undecided"
tags = ["slow", "big"]

[[check]]
program = "a*b"
"""


def read(folder: Path, text: str | bytes) -> list[SuiteCheck]:
    path = folder / "suite.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_suite(str(path), Given(Settings(command="check")))


def test_every_key_reaches_its_setting(tmp_path: Path) -> None:
    check, other = read(tmp_path, FULL)
    assert (check.name, check.program, check.line) == ("everything", "y = w1*w2  # [[check]]\ny + z", 7)
    assert (check.expect, check.tags) == (Verdict.UNDECIDED, ("slow", "big"))
    settings = check.settings
    assert settings.shapes == {"w1": (2, 3), "w2": (2, 3)}
    assert settings.values == {"z": [[1, 2, 3], [4, 5.5, -6]]}
    assert (settings.init, settings.seed, settings.dtype, settings.constants) == ("uniform", 7, "float32", ("z",))
    assert settings.grad_output == [[1, 2, 3], [4, 5, 6]]
    assert settings.claims == {"w1": "w2*g", "w2": "1"}
    assert (settings.witnesses, settings.points, settings.formulas) == (("symbolic",), 3, True)
    assert (settings.rtol, settings.atol, settings.timeout, settings.reduce) == (1e-3, 0, 5, "mean")
    assert (other.name, other.line, other.tags) == ("a*b", 29, ("fast",))
    assert other.settings == Settings(command="check", shapes={None: (2, 2)}, reduce="mean", formulas=False)


def test_the_schema_accepts_what_is_read_and_refuses_what_is_not() -> None:
    schema = suite_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(tomllib.loads(FULL), schema)
    for text in ['[[check]]\nprogram = "w"\nshpae = "2"', "", '[[check]]\nprogram = "w"\nseed = "a"', "check = []"]:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(tomllib.loads(text), schema)


def test_lists_make_a_check_for_each_shape_and_dtype(tmp_path: Path) -> None:
    checks = read(
        tmp_path,
        '[[check]]\nname = "n"\nprogram = "a*b"\nshape = ["2x2", {a = "3", b = "scalar"}]\n'
        'dtype = ["float64", "bfloat16"]',
    )
    assert [check.name for check in checks] == [
        "n[2x2-float64]",
        "n[2x2-bfloat16]",
        "n[a=3,b=scalar-float64]",
        "n[a=3,b=scalar-bfloat16]",
    ]
    assert [check.settings.dtype for check in checks] == ["float64", "bfloat16"] * 2
    assert checks[2].settings.shapes == {"a": (3,), "b": ()}


def test_values_come_from_a_file_beside_the_suite(tmp_path: Path) -> None:
    (check,) = read(tmp_path, '[[check]]\nprogram = "a"\nvalues = "a.json"')
    assert check.settings.values_file == tmp_path / "a.json"


def test_keys_may_be_spelt_as_options_are(tmp_path: Path) -> None:
    text = '[[check]]\nprogram = "a"\nvalue = {a = 3}\nwitness = ["taylor"]'
    (check,) = read(tmp_path, text)
    assert (check.settings.values, check.settings.witnesses) == ({"a": 3}, ("taylor",))
    jsonschema.validate(tomllib.loads(text), suite_schema())


def test_complex_values_are_text(tmp_path: Path) -> None:
    (check,) = read(tmp_path, '[[check]]\nprogram = "a"\nvalue = {a = ["1+2j", 3]}')
    assert check.settings.values == {"a": [1 + 2j, 3]}


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "suite.toml: a suite needs at least one check", "[[check]]"),
        ("[defaults]\nshape = '2'\n", "suite.toml: a suite needs at least one check", "[[check]]"),
        ("check = []", "suite.toml:1: a suite needs at least one check", "[[check]]"),
        ('[[check]]\nprogram = "w"\nshpae = "2"', "suite.toml:3: 'shpae' is not a key of a check", "'shape'"),
        ('[defaults]\nname = "w"\n[[check]]\nprogram = "w"', "suite.toml:2: 'name' is not a key", "keys are"),
        ('[[check]]\nprogram = "w"\n\n[[check]]\nname = "n"', "suite.toml:4: the check has no 'program'", "program ="),
        (
            '[[check]]\nprogram = "w"\n[[check]]\nprogram = "w"',
            "suite.toml:3: the check 'w' is there twice: line 1",
            "",
        ),
        ('[[check]]\nprogram = "w"\nshape = ["2", "2"]', "suite.toml:1: the check 'w[2]' is there twice", ""),
        ('[[check]]\nprogram = "w"\nrtol = nan', "suite.toml:3: 'rtol': it must be a finite number", ""),
        (
            '[[check]]\nprogram = "w"\natol = -1',
            "suite.toml:3: atol: it must be a finite number of at least 0, not -1",
            "",
        ),
        ('[[check]]\nprogram = "w"\nvalues = {w = nan}', "suite.toml:3:", ""),
        ('[[check]]\nprogram = "w"\nvalue = {w = [[1], [1, 2]]}', "suite.toml:3: values: the list is not rectang", ""),
        ('[[check]]\nprogram = "w"\nwitness = ["x"]', "suite.toml:3: 'witness': it should be 'symbolic'", ""),
        ('[[check]]\nprogram = "w"\nvalues = {w = [[1], [1, 2]]}', "suite.toml:3: values: the list is not rectang", ""),
        ('[[check]]\nprogram = "w"\nvalues = {"a b" = 1}', "suite.toml:3: 'values': 'a b' is not the name", ""),
        ('[[check]]\nprogram = "w"\nshape = "2y2"', "suite.toml:3: shape: '2y2' is not a size", "2x3"),
        ('[defaults]\nshape = "2y2"\n[[check]]\nprogram = "w"', "suite.toml:2: shape: '2y2' is not a size", "2x3"),
        ('[[check]]\nprogram = "w"\ngrad-output = "twos"', "suite.toml:3: grad-output: 'twos' is not a number", ""),
        ('[defaults]\ngrad-output = "twos"\n[[check]]\nprogram = "w"', "suite.toml:2: grad-output: 'twos'", ""),
        ('[[check]]\nprogram = "w"\nclaim = {w = ""}', "suite.toml:3: claim: the gradient is missing", ""),
        ('[[check]]\nprogram = "w"\ndtype = "flaot32"', "suite.toml:3: 'dtype'", "float32"),
        ('[[check]]\nprogram = "w"\nexpect = "good"', "suite.toml:3: 'expect': it should be 'match'", ""),
        ('[[check]]\nprogram = "w"\nseed = true', "suite.toml:3: 'seed': it should be a valid integer", ""),
        *(
            (f'[[check]]\nprogram = "w"\n{written}', f"suite.toml:3: '{written.split()[0]}': {words}", "")
            for written, words in [
                ("grad-output = {w = 1}", "it should be a number, a string or a list"),
                ("values = 3", "it should be a string or a table"),
                ("values = {w = {}}", "in 'w' it should be a number, a string or a list"),
                ("shape = {w = 3}", "in 'w' it should be a valid string"),
                ('shape = ["2", 3]', "in entry 2 it should be a string or a table"),
                ('constants = ["w", 3]', "in entry 2 it should be a valid string"),
                ("tags = 3", "it should be a string or a list"),
                ("claim = {w = [1]}", "in 'w' it should be a number or a string"),
            ]
        ),
        ('[[check]]\ntarget = "m:f"\noutput = 1.5', "suite.toml:3: 'output': it should be a whole number or a str", ""),
        (
            '[[check]]\ntarget = "m:f"\narguments = {"a b" = 1}',
            "suite.toml:3: 'arguments': 'a b' is not the name of an arg",
            "",
        ),
        ('[check]\nprogram = "w"', "suite.toml:1: 'check' is a list of tables", "[[check]]"),
        ("[a.b]\nx = 1\n[a.b]", "suite.toml:3: this is not TOML: cannot declare [a.b] twice", ""),
        (f'[[check]]\nprogram = "w"\nseed = {"9" * 5000}', "suite.toml: this is not TOML that can be read: a num", ""),
        ('[[check]]\nprogram = "w"\nshape = []', "suite.toml:3: 'shape': it must not be empty", ""),
        ('[[check]]\nprogram = ""', "suite.toml:2: 'program': it must not be empty", ""),
        ('[[check]]\nprogram = "w"\n[chekc]\n', "suite.toml", ""),
        ("[[check]\n", "suite.toml:1: this is not TOML: expected ']]'", ""),
        ('[[check]]\nprogram = "w', "suite.toml:2: this is not TOML", ""),
        ("\0", "suite.toml:1: this is not TOML: invalid statement", ""),
        (b'[[check]]\nprogram = "\xff"', "suite.toml:2: byte 0xff is not UTF-8", "UTF-8"),
        ("a = " + "[" * 5000, "suite.toml", ""),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str | bytes, message: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    assert caught.value.message.removeprefix(f"{tmp_path}/").startswith(message)
    assert hint in (caught.value.hint or "")


def test_a_missing_file_is_named() -> None:
    with pytest.raises(InputError, match=r"^none\.toml: No such file"):
        read_suite("none.toml", Given(Settings()))


def test_the_caret_stands_under_the_key(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, '[[check]]\nprogram = "w"\n  shpae = "2"')
    error = caught.value
    assert error.source is not None
    assert error.span is not None
    assert error.source[error.span.start : error.span.end] == "shpae"


def test_keys_are_found_where_toml_has_them() -> None:
    text = (
        'a = 1\n[one]\nshape = {w = "2",\n}\nvalues = {x = [\n [1],\n [[check]], # no\n]}\n# [[check]]\n'
        '[[two]]\nprogram = """\n[[three]]\nname = 3\n"""\n"quoted" = \'x # y\'\n [[ four ]] # [\nlast = ["a = 1"]\n'
    )
    found = {table.name: list(table.keys) for table in tables(text)}
    assert found == {
        "": ["a"],
        "one": ["shape", "values"],
        "two": ["program", "quoted"],
        "four": ["last"],
    }


@pytest.mark.parametrize("text", ["٣", "²", "0", "1025", "-1", "+2", "1_0", "", "two", "1" * 30])
def test_what_is_no_number_of_processes_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not a number from 1 to 1024"):
        count_jobs(text)


@pytest.mark.parametrize(
    "value",
    [
        '"""a""""',  # a quotation mark before the closing ones
        '"""""a"""',
        "''''a'''''",
        '"""\\""""',
        '"\\""',
        '["a]b", "["]',
        '[\n["a]b", "[c"],\n["d"],\n]',
        "[\n  [ [1], [2] ],\n]",
        '{a = "]", b = [1]}',
    ],
)
def test_strings_and_lists_of_every_kind_end_where_toml_has_it(value: str) -> None:
    text = f"[[check]]\nprogram = 1\nvalues = {value}\nseed = 2\n[[check]]\nlast = 3\n"
    keys = [list(entry) for entry in tomllib.loads(text)["check"]]
    suite = SuiteText.of("suite.toml", text)
    assert [list(table.keys) for table in suite.checks] == keys
    for place, names in enumerate(keys):
        for name in names:
            span = suite.span(place, name)
            assert span is not None
            assert text[span.start : span.end] == name
    assert [suite.line(place) for place in (0, 1)] == [1, text.count("\n") - 1]


def test_a_table_of_a_check_is_found_in_that_check(tmp_path: Path) -> None:
    first = '[[check]]\nprogram = "x"\n[check.values]\nx = 1\n'
    second = '[[check]]\nprogram = "x*2"\n[check . "value"]\nx = "one"\n'
    with pytest.raises(InputError, match=r"suite\.toml:7: ") as caught:
        read(tmp_path, first + second)
    assert caught.value.span is not None
    assert caught.value.span.start > len(first)


HUGE = {
    "a row of a list": "[[check]]\nprogram = 'x'\nvalues.x = [\n[" + " " * 100_000 + "\n1]]",
    "a row of a list that begins late": "[[check]]\nprogram = 'x'\nvalues.x = [\n" + " " * 100_000 + "[\n1]]",
    "a header": "[" + " " * 100_000 + "defaults" + " " * 100_000 + "]\n[[check]]\nprogram = 'x'",
    "a key": "[[check]]\n" + " " * 100_000 + "program" + " " * 100_000 + "= 'x'",
    "a string": '[[check]]\nprogram = \'x\'\nname = """' + '\\"\\"\\"' * 30 + '"""\n#' + "'\"[" * 100_000,
    "empty lines": "[[check]]\n" + " \n" * 100_000 + "program = 'x'",
    "a long number": "[[check]]\nprogram = 'x'\ngrad-output = \"" + "1" * 300 + "." + "9" * 100_000 + '"',
    "strings": "[[check]]\nprogram = 'x'\ntags = [" + "'a', \"b\", " * 30_000 + "]",
}


@pytest.mark.parametrize("kind", HUGE)
def test_a_large_suite_is_read_in_linear_time(kind: str, tmp_path: Path) -> None:
    """Where each character is looked at once it takes a tenth of a second; with squares, minutes."""
    started = time.process_time()
    assert len(read(tmp_path, HUGE[kind])) == 1
    assert time.process_time() - started < 10


def test_the_places_of_many_checks_are_found_in_linear_time() -> None:
    """It takes half a second; where each check is looked for from the beginning, a minute."""
    entry = '[[check]]\nprogram = "x"\n[check.values]\nx = 1\n'
    started = time.process_time()
    suite = SuiteText.of("suite.toml", entry * 20_000)
    for place in range(20_000):
        assert suite.line(place) == 4 * place + 1
        assert suite.span(place, "values") is not None
    assert time.process_time() - started < 20


def test_a_suite_that_nobody_writes_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "suite.toml")
    with pytest.raises(DeadlineError, match=r"no verdict within 0\.2 s"):
        read_suite(str(tmp_path / "suite.toml"), Given(Settings(command="check", timeout=0.2)))


def test_of_a_file_without_end_only_the_beginning_is_read() -> None:
    with pytest.raises(InputError, match="more than 16 MiB"):
        read_suite("/dev/zero", Given(Settings(command="check")))


@pytest.mark.parametrize("number", ["9" * 5000, "0x" + "f" * 5000, "-" + "9" * 5000])
@pytest.mark.parametrize("key", ["seed", "grad-output", "values.x", "claim.x", "arguments.n", "atol"])
def test_a_number_that_python_does_not_read_is_an_error(tmp_path: Path, key: str, number: str) -> None:
    with pytest.raises(InputError, match="this is not TOML that can be read: a number has more digits"):
        read(tmp_path, f"[[check]]\nprogram = 'x'\n{key} = {number}")


@pytest.mark.parametrize("key", ["seed", "points", "max-entries", "atol", "timeout"])
def test_a_number_beyond_all_floats_is_an_error(tmp_path: Path, key: str) -> None:
    with pytest.raises(InputError, match=rf"suite\.toml:3: .*{key}.*: it "):
        read(tmp_path, f"[[check]]\nprogram = 'x'\n{key} = {'9' * 400}")
