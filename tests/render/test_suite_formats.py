"""Every format of several checks, read back by parsers that others wrote where there is one."""

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import junitparser
import pytest
import torch
from sarif.loader import load_sarif_file

from gradcli.deadline import DeadlineError
from gradcli.errors import ExitCode, InputError
from gradcli.render import FORMATS
from gradcli.render.style import Style
from gradcli.report.comparison import Comparison, Symbolic
from gradcli.report.notes import NoteKind, noted
from gradcli.report.report import AppliedTolerance, Output, Report, TensorReport
from gradcli.report.schema import suite_report_schema
from gradcli.report.suite import CheckReport, SuiteReport, check_report, error_report, suite_of
from gradcli.report.verdict import Verdict

STYLE = Style(80)
PLANTED = "a planted, wrong: 100% [/x] \x1b ` | <&> \ufffe"
PLACE = {"file": "suites/a suite.toml"}


def report(program: str, verdict: Verdict, note: str | None = None) -> Report:
    gradient, wrong = torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0])
    comparison = Comparison(Verdict.MISMATCH, 2.0, 0.5, (1,))
    symbolic = Symbolic("w/2", None, gradient if verdict is Verdict.MATCH else wrong, comparison)
    notes = noted(NoteKind.CAUSE, note)
    tensor = TensorReport("w", "leaf", (2,), True, None, gradient, None, gradient, symbolic, verdict, notes)
    output = Output("w", (), torch.tensor(1.0))
    return Report("0.1.0", "2.13.0", "check", program, "float64", "cpu", 0, output, (tensor,), verdict)


def suite_with(count: int) -> SuiteReport:
    """Return a suite of passing checks with one of each kind of failure in its middle."""
    checks = [check_report(report("w*w", Verdict.MATCH), f"check {n}", line=n + 1, **PLACE) for n in range(count)]
    checks[count // 2] = check_report(
        report("w*w", Verdict.MISMATCH, "off by a factor of 2"), PLANTED, line=count // 2 + 1, **PLACE
    )
    return SuiteReport(tuple(checks), count)


def broken() -> CheckReport:
    return error_report(InputError("no such thing", hint="write another"), "broken", "sinn(x)", line=3, **PLACE)


@pytest.mark.parametrize("name", FORMATS)
def test_the_planted_mismatch_comes_first(name: str) -> None:
    text = FORMATS[name].render_suite(suite_with(60), STYLE)
    listed = {"table": "Failures", "plain": "Failures"}.get(name)
    text = text.partition(listed)[2] if listed else text
    if name == "jsonl":  # in the order of the suite, as they finish: the only line that is not a match
        lines = [json.loads(line) for line in text.splitlines()]
        assert [line["name"] for line in lines if line["verdict"] != "match"] == [PLANTED]
    else:
        assert "planted" in text
        assert not re.search(r"check \d", text.partition("planted")[0])


@pytest.mark.parametrize("name", sorted({*FORMATS} - {"json", "jsonl"}))
def test_no_text_of_the_user_steers_a_terminal(name: str) -> None:
    text = FORMATS[name].render_suite(suite_with(3), STYLE)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", text)


@pytest.mark.parametrize("name", ["table", "plain"])
@pytest.mark.parametrize("width", [40, 80])
def test_no_line_is_wider_than_the_terminal(name: str, width: int) -> None:
    for count in (3, 60):
        assert max(map(len, FORMATS[name].render_suite(suite_with(count), Style(width)).splitlines())) <= max(width, 72)


def test_junit_is_read_back_by_junitparser() -> None:
    suite = SuiteReport((*suite_with(5).checks, broken()), 6)
    document = junitparser.JUnitXml.fromstring(FORMATS["junit"].render_suite(suite, STYLE).encode())
    (cases,) = list(document)
    assert (cases.tests, cases.failures, cases.errors, cases.skipped) == (6, 1, 1, 0)
    error, failure, *passed = list(cases)
    assert (error.name, type(error.result[0])) == ("broken", junitparser.Error)
    assert type(failure.result[0]) is junitparser.Failure
    assert "off by a factor of 2" in failure.result[0].message
    assert "100% [/x] \\x1b ` | <&> ?" in failure.name
    assert failure.classname == PLACE["file"]
    assert [case.name for case in passed] == ["check 0", "check 1", "check 3", "check 4"]
    assert all(not case.result for case in passed)


def test_what_is_undecided_is_no_pass_in_junit() -> None:
    document = junitparser.JUnitXml.fromstring(FORMATS["junit"].render(report("w", Verdict.UNDECIDED), STYLE).encode())
    assert (document.errors, document.skipped) == (1, 0)


def test_sarif_is_read_back_by_sarif_tools(tmp_path: Path) -> None:
    path = tmp_path / "report.sarif"
    path.write_text(FORMATS["sarif"].render_suite(suite_with(5), STYLE), encoding="utf-8")
    read = load_sarif_file(str(path))
    assert read.get_distinct_tool_names() == ["gradcli"]
    (record,) = read.get_records()
    assert (record["Severity"], record["Code"], record["Line"]) == ("error", "mismatch", 3)
    assert record["Location"] == "suites/a%20suite.toml"
    assert "off by a factor of 2" in record["Description"]


def test_annotations_of_github_name_file_and_line() -> None:
    lines = FORMATS["github"].render_suite(suite_with(5), STYLE).splitlines()
    command = re.fullmatch(r"::(?P<level>\w+) (?P<properties>[^:]*)::(?P<message>.*)", lines[0])
    assert command
    # As the runner reads it: properties end at commas, and these escapes are undone.
    properties = dict(part.split("=", 1) for part in command["properties"].split(","))
    assert (command["level"], properties["file"], properties["line"]) == ("error", PLACE["file"], "3")
    assert "%25" in properties["title"]
    assert "off by a factor of 2" in command["message"]
    assert lines[-1] == "gradcli: 5 checks, 1 failed: 4 match, 1 mismatch"


def test_github_gets_at_most_ten_annotations() -> None:
    checks = [check_report(report("w", Verdict.MISMATCH), f"check {n}", line=n, **PLACE) for n in range(25)]
    lines = FORMATS["github"].render_suite(SuiteReport(tuple(checks), 25), STYLE).splitlines()
    assert sum(line.startswith("::") for line in lines) == 10
    assert "15 more" in lines[10]


def test_gitlab_gets_what_its_format_demands() -> None:
    (found,) = json.loads(FORMATS["gitlab"].render_suite(suite_with(5), STYLE))
    assert found["location"] == {"path": PLACE["file"], "lines": {"begin": 3}}
    assert found["severity"] in {"info", "minor", "major", "critical", "blocker"}
    assert found["check_name"] == "gradcli/mismatch"
    other = check_report(report("w*w", Verdict.MISMATCH), "other", line=3, **PLACE)
    (unlike,) = json.loads(FORMATS["gitlab"].render_suite(SuiteReport((other,), 1), STYLE))
    assert re.fullmatch("[0-9a-f]{64}", found["fingerprint"])
    assert found["fingerprint"] != unlike["fingerprint"]


def test_json_is_what_its_schema_says() -> None:
    late = error_report(_undecided(), "late", "w", **PLACE)
    suite = SuiteReport((*suite_with(3).checks, broken(), late), 9)
    data = json.loads(FORMATS["json"].render_suite(suite, STYLE))
    schema = suite_report_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(data, schema)
    assert data["failures"] == ["broken", PLANTED, "late"]
    assert data["counts"] == {"match": 2, "undecided": 1, "mismatch": 1, "error": 1}
    assert suite.exit_code is ExitCode.USAGE
    del data["checks"][0]["name"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, schema)


def _undecided() -> DeadlineError:
    return DeadlineError("no verdict within 1 s")


@pytest.mark.parametrize(
    ("found", "expect", "code", "verdict"),
    [
        ("mismatch", None, 1, "mismatch"),
        ("mismatch", "mismatch", 0, "match"),
        ("match", "mismatch", 1, "mismatch"),
        ("match", "match", 0, "match"),
        ("subgradient", None, 0, "subgradient"),
        ("subgradient", "match", 1, "mismatch"),
        ("undecided", None, 3, "undecided"),
        ("undecided", "match", 3, "undecided"),
        ("undecided", "undecided", 0, "match"),
        ("undefined", "mismatch", 1, "mismatch"),
    ],
)
def test_an_expected_verdict_passes_and_no_other(found: str, expect: str | None, code: int, verdict: str) -> None:
    wanted = None if expect is None else Verdict(expect)
    check = check_report(report("w", Verdict(found)), "w", wanted)
    suite = SuiteReport((check,), 1)
    assert (suite.exit_code, str(suite.verdict), suite.counts) == (code, verdict, {found: 1})


def test_without_verification_there_is_no_failure() -> None:
    suite = suite_of([replace(report("w", Verdict.UNVERIFIED), verify=False)])
    assert (suite.exit_code, suite.counts, suite.verdict) == (0, {"unverified": 1}, "unverified")


def test_the_numbers_of_a_finding_are_said_once() -> None:
    told = FORMATS["plain"].render_suite(suite_of([report("w", Verdict.MISMATCH, "at [1] autograd gives 2")]), STYLE)
    silent = FORMATS["plain"].render_suite(suite_of([report("w", Verdict.MISMATCH)]), STYLE)
    assert "w: mismatch: at [1] autograd gives 2" in told
    assert "symbolic" not in told
    assert "w: mismatch at [1]: autograd 2, symbolic 4" in silent


def test_what_was_not_run_is_said() -> None:
    assert "7 not run" in FORMATS["plain"].render_suite(SuiteReport(suite_with(3).checks, 10), STYLE)


def test_the_summary_goes_to_the_step_of_github(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    from gradcli.cli.bundles import OutputOptions
    from gradcli.cli.suites import write_suite

    summary = tmp_path / "summary.md"
    summary.write_text("before\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    write_suite(suite_with(5), OutputOptions(format="github"))
    text = summary.read_text(encoding="utf-8")
    assert text.startswith("before\n✗ **mismatch**: 5 checks, 1 failed")
    assert "::error" in capsys.readouterr().out
    assert os.environ["GITHUB_STEP_SUMMARY"] == str(summary)


HOSTILE = (
    "a\n::error::x",
    "::error::planted",
    "  ::warning file=x::y",
    "a]b;c=d%0Ae%AZP25",
    "##vso[task.complete result=Succeeded;]done",
    "##[error]x",
    "##VSO[task.setvariable variable=a]b",
    "right\u202eleft\u2066\u200b",
    "tab\tbell\x07\x1b[31m\r\udcff\x85\u2028",
)


def hostile_suite(text: str) -> SuiteReport:
    """Return a suite in which a text stands wherever a user may write one, with and without a file."""
    found = report("w*w", Verdict.MISMATCH, text)
    place = {"file": f"{text}.toml", "line": 7}
    errors = [error_report(InputError(text, hint=text), text, text, **more) for more in ({}, place)]
    checks = [check_report(found, text), check_report(found, text, **place), *errors]
    return SuiteReport(tuple(checks), len(checks))


def undone(text: str) -> str:
    """Return a text of a logging command as the agent of Azure Pipelines reads it."""
    for escaped, character in (("%3B", ";"), ("%0D", "\r"), ("%0A", "\n"), ("%5D", "]"), ("%AZP25", "%")):
        text = text.replace(escaped, character)
    return text


@pytest.mark.parametrize("text", HOSTILE)
def test_a_line_of_concise_is_a_failure_whatever_its_text(text: str) -> None:
    lines = FORMATS["concise"].render_suite(hostile_suite(text), STYLE).splitlines()
    assert lines[-1] == "gradcli: 4 checks, 4 failed: 2 mismatch, 2 error"
    assert len(lines) == 5
    for line in lines:
        assert line.isprintable()
        assert not line.lstrip().startswith("::")  # GitHub's agent, and below Azure's
        assert not re.search(r"##\[|##vso\[", line, re.IGNORECASE)
    assert sum(".toml:7: " in line for line in lines) == 2


def test_a_line_of_concise_names_file_line_verdict_and_words() -> None:
    suite = SuiteReport((*suite_with(3).checks, broken(), check_report(report("w * w", Verdict.UNDECIDED), "w * w")), 5)
    planted = PLANTED.replace("\x1b", r"\x1b")
    assert FORMATS["concise"].render_suite(suite, STYLE).splitlines() == [
        "suites/a suite.toml:3: error: broken: no such thing",
        f"suites/a suite.toml:2: mismatch: {planted}: w: mismatch: off by a factor of 2",
        "w * w: undecided: w: undecided at [1]: autograd 2, symbolic 4",
        "gradcli: 5 checks, 3 failed: 2 match, 1 undecided, 1 mismatch, 1 error",
    ]
    assert FORMATS["concise"].render(report("w", Verdict.MATCH), STYLE) == "gradcli: 1 check passed: 1 match\n"


@pytest.mark.parametrize("text", HOSTILE)
def test_azure_reads_one_issue_for_each_failure(text: str) -> None:
    lines = FORMATS["azure"].render_suite(hostile_suite(text), STYLE).splitlines()
    assert lines.pop() == "gradcli: 4 checks, 4 failed: 2 mismatch, 2 error"
    assert len(lines) == 4
    places = []
    for line in lines:
        # As the agent reads it: the command up to the first `]`, its properties between `;`.
        command = re.fullmatch(r"##vso\[task\.logissue ([^\]]*)\](.*)", line)
        assert command
        properties = dict(part.split("=", 1) for part in command[1].rstrip(";").split(";"))
        assert properties["type"] == "error"
        assert properties["code"] in {"mismatch", "error"}
        assert set(properties) <= {"type", "code", "sourcepath", "linenumber"}
        assert undone(command[2])
        places.append((undone(properties.get("sourcepath", "")), properties.get("linenumber")))
    assert places.count(("", None)) == 2
    assert all(file.endswith(".toml") and number == "7" for file, number in places if file)


def test_azure_escapes_what_would_end_a_command() -> None:
    found = check_report(report("w", Verdict.UNDECIDED, "100% [x]; y"), "n", file="a]b;c%d.toml", line=3)
    text = FORMATS["azure"].render_suite(SuiteReport((found,), 1), STYLE)
    assert text.startswith(
        "##vso[task.logissue type=warning;sourcepath=a%5Db%3Bc%AZP25d.toml;linenumber=3;code=undecided;]"
        "n: w: undecided: 100%AZP25 [x]; y\n"
    )


# What reviewdog's definition of the format asks for, field by field, and no field that it does not know.
RDFORMAT = {
    "type": "object",
    "required": ["source", "diagnostics"],
    "additionalProperties": False,
    "properties": {
        "source": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
        "diagnostics": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["message", "location", "severity"],
                "additionalProperties": False,
                "properties": {
                    "message": {"type": "string", "minLength": 1},
                    "location": {
                        "type": "object",
                        "required": ["path", "range"],
                        "properties": {
                            "path": {"type": "string", "minLength": 1},
                            "range": {
                                "type": "object",
                                "required": ["start"],
                                "properties": {
                                    "start": {
                                        "type": "object",
                                        "required": ["line"],
                                        "properties": {"line": {"type": "integer", "minimum": 1}},
                                    }
                                },
                            },
                        },
                    },
                    "severity": {"enum": ["UNKNOWN_SEVERITY", "ERROR", "WARNING", "INFO"]},
                    "code": {"type": "object", "required": ["value"], "properties": {"value": {"type": "string"}}},
                },
            },
        },
    },
}


@pytest.mark.parametrize("text", ["plain", *HOSTILE])
def test_rdjson_is_what_reviewdog_reads(text: str) -> None:
    written = FORMATS["rdjson"].render_suite(hostile_suite(text), STYLE)
    assert written.isascii()
    data = json.loads(written)
    jsonschema.validate(data, RDFORMAT)
    assert len(data["diagnostics"]) == 4
    assert {found["code"]["value"] for found in data["diagnostics"]} == {"mismatch", "error"}
    placed = [found["location"] for found in data["diagnostics"] if found["location"]["path"] == f"{text}.toml"]
    assert [location["range"]["start"]["line"] for location in placed] == [7, 7]


def test_what_is_undecided_is_a_warning_in_rdjson() -> None:
    found = json.loads(FORMATS["rdjson"].render(report("w", Verdict.UNDECIDED), STYLE))
    assert [one["severity"] for one in found["diagnostics"]] == ["WARNING"]
    assert json.loads(FORMATS["rdjson"].render(report("w", Verdict.MATCH), STYLE))["diagnostics"] == []


def unverified(verify: bool = False) -> CheckReport:
    return check_report(replace(report("w", Verdict.UNVERIFIED), verify=verify), "w", line=2, **PLACE)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("verify", [False, True])
def test_what_was_not_compared_is_called_so_and_no_match(name: str, verify: bool) -> None:
    suite = SuiteReport((unverified(verify), unverified(verify)), 2)
    text = FORMATS[name].render_suite(suite, STYLE)
    text = text.partition('"results"')[2] if name == "sarif" else text  # what comes before lists every verdict
    assert "unverified" in text
    assert not re.search(r"passed(?!\")|[^s]match", text)
    assert suite.exit_code == (3 if verify else 0)


@pytest.mark.parametrize("expect", ["match", "mismatch", "undecided"])
@pytest.mark.parametrize("verify", [False, True])
def test_what_was_not_compared_is_not_told_from_what_is_expected(expect: str, verify: bool) -> None:
    found = check_report(replace(report("w", Verdict.UNVERIFIED), verify=verify), "w", Verdict(expect))
    suite = SuiteReport((found,), 1)
    assert (suite.exit_code, suite.verdict, suite.counts) == (3 if verify else 0, "unverified", {"unverified": 1})


def test_junit_skips_what_was_not_to_be_compared_and_nothing_else() -> None:
    suite = SuiteReport((unverified(), unverified(verify=True)), 2)
    document = junitparser.JUnitXml.fromstring(FORMATS["junit"].render_suite(suite, STYLE).encode())
    assert (document.tests, document.skipped, document.errors, document.failures) == (2, 1, 1, 0)


def test_a_suite_of_match_and_unverified_is_unverified() -> None:
    suite = SuiteReport((check_report(report("w", Verdict.MATCH), "v"), unverified()), 2)
    assert (suite.verdict, suite.exit_code) == ("unverified", 0)
    assert "none failed: 1 match, 1 unverified" in FORMATS["plain"].render_suite(suite, STYLE)


def interrupted(done: int) -> SuiteReport:
    checks = tuple(check_report(report("w", Verdict.MATCH), f"check {n}", line=n + 1, **PLACE) for n in range(done))
    return SuiteReport(checks, 60, interrupted=True)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("done", [0, 2])
def test_an_interrupted_suite_says_so(name: str, done: int) -> None:
    text = FORMATS[name].render_suite(interrupted(done), STYLE)
    assert "interrupted" in text
    assert "60" in text
    assert interrupted(done).verdict is Verdict.UNVERIFIED
    whole = FORMATS[name].render_suite(replace(interrupted(done), interrupted=False, asked=done), STYLE)
    assert not re.search(r"interrupted(?!\": false)", whole)


def test_an_interrupted_suite_is_valid_in_every_format_of_others(tmp_path: Path) -> None:
    data = json.loads(FORMATS["json"].render_suite(interrupted(2), STYLE))
    jsonschema.validate(data, suite_report_schema())
    assert (data["interrupted"], data["asked"], len(data["checks"])) == (True, 60, 2)
    *checks, last = map(json.loads, FORMATS["jsonl"].render_suite(interrupted(2), STYLE).splitlines())
    assert [check["name"] for check in checks] == ["check 0", "check 1"]
    assert (last["interrupted"], last["asked"], last["counts"]) == (True, 60, {"match": 2})
    document = junitparser.JUnitXml.fromstring(FORMATS["junit"].render_suite(interrupted(2), STYLE).encode())
    assert (document.tests, document.errors) == (3, 1)
    path = tmp_path / "report.sarif"
    path.write_text(FORMATS["sarif"].render_suite(interrupted(2), STYLE), encoding="utf-8")
    load_sarif_file(str(path))
    (invocation,) = json.loads(path.read_text(encoding="utf-8"))["runs"][0]["invocations"]
    assert invocation["executionSuccessful"] is False


def test_what_is_left_of_a_stream_ends_as_the_whole_does() -> None:
    suite, whole = interrupted(3), FORMATS["jsonl"].render_suite(interrupted(3), STYLE).splitlines()
    for written in range(4):
        assert FORMATS["jsonl"].render_suite(suite.after(written), STYLE).splitlines() == whole[written:]


def test_a_mismatch_before_an_interrupt_is_the_verdict() -> None:
    suite = replace(suite_with(5), asked=9, interrupted=True)
    assert suite.verdict is suite.after(5).verdict is Verdict.MISMATCH


def test_a_verdict_that_passes_because_it_is_expected_is_told_as_that() -> None:
    expected = check_report(report("w", Verdict.MISMATCH), "w", Verdict.MISMATCH)
    late = replace(error_report(_undecided(), "late", "w", expect=Verdict.UNDECIDED), code=ExitCode.OK)
    failed = check_report(report("w", Verdict.MISMATCH), "v")
    suite = SuiteReport((expected, late), 2)
    assert (suite.verdict, suite.exit_code) == ("match", 0)
    assert [check["passed"] for check in suite.to_dict()["checks"]] == [True, True]
    text = FORMATS["plain"].render_suite(suite, STYLE)
    assert "2 checks passed: 1 undecided as expected, 1 mismatch as expected" in text
    mixed = FORMATS["plain"].render_suite(SuiteReport((expected, failed), 2), STYLE)
    assert "2 checks, 1 failed: 2 mismatch (1 as expected)" in mixed
    assert SuiteReport((failed,), 1).to_dict()["checks"][0]["passed"] is False


COMMANDS = ["::add-mask::true", "  ::stop-commands::x", "a ##[group]b", "##vso[task.setvariable]x", "##teamcity[x]"]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("command", COMMANDS)
def test_no_text_of_a_user_is_a_command_of_a_log(name: str, command: str) -> None:
    program = f"w\n{command}\n  {command}"
    failed = check_report(report(program, Verdict.MISMATCH, f"{command}\n{command}"), command, file=command, line=1)
    passed = check_report(report(program, Verdict.MATCH, command), command)
    texts = [FORMATS[name].render(report(program, Verdict.MISMATCH, f"a\n{command}"), STYLE)]
    texts += [FORMATS[name].render_suite(SuiteReport((failed, passed), 2), Style(width)) for width in (40, 80)]
    pattern = {"github": r"::(error|warning|notice) [^:]*::", "azure": r"##vso\[task\.logissue [^\]]*\]"}.get(name)
    for line in "\n".join(texts).splitlines():
        own = re.match(pattern, line) if pattern else None
        rest = line[own.end() :] if own else line
        assert not rest.lstrip().startswith("::") or own
        assert not re.search(r"##\w*\[", rest)


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_no_command_any_more_is_still_the_same_data(command: str) -> None:
    suite = SuiteReport((check_report(report(command, Verdict.MISMATCH), command),), 1)
    assert json.loads(FORMATS["json"].render_suite(suite, STYLE))["checks"][0]["name"] == command
    assert json.loads(FORMATS["jsonl"].render_suite(suite, STYLE))["program"] == command
    assert command.strip() in json.loads(FORMATS["gitlab"].render_suite(suite, STYLE))[0]["description"]
    (cases,) = junitparser.JUnitXml.fromstring(FORMATS["junit"].render_suite(suite, STYLE).encode())
    assert [case.name for case in cases] == [command]


def test_tolerances_that_are_not_the_defaults_are_listed() -> None:
    loose = replace(report("w", Verdict.MATCH), tolerance=AppliedTolerance(1e300, 1e-13))
    usual = replace(report("w", Verdict.MATCH), tolerance=AppliedTolerance(1e-9, 1e-13))
    for name in ("table", "plain", "markdown"):
        text = FORMATS[name].render_suite(SuiteReport((check_report(loose, "v"), check_report(usual, "u")), 2), STYLE)
        assert "1e+300" in text
        assert "1e-09" not in text
        assert "rtol" not in FORMATS[name].render_suite(suite_of([usual]), STYLE)
        assert "compared with rtol 1e+300, atol 1e-13" in FORMATS[name].render(loose, STYLE)
        assert "rtol" not in FORMATS[name].render(usual, STYLE)


def remarked() -> SuiteReport:
    """Return a suite whose check passes with an infinite gradient."""
    infinite = report("sqrt(w)", Verdict.MATCH)
    notes = noted(NoteKind.UNDEFINED, "the derivative of 'sqrt(w)' is infinite here", "sqrt(w)")
    infinite = replace(infinite, tensors=(replace(infinite.tensors[0], notes=notes),))
    checks = check_report(infinite, "root", line=1, **PLACE), check_report(report("w*w", Verdict.MATCH), "other")
    return SuiteReport(checks, 2)


@pytest.mark.parametrize("name", ["table", "plain", "markdown", "concise", "github", "junit"])
def test_what_is_said_of_an_infinite_gradient_that_passes_is_shown(name: str) -> None:
    text = " ".join(FORMATS[name].render_suite(remarked(), STYLE).split())
    assert re.search(r"derivative of '?(&apos;)?sqrt\(w\)'?(&apos;)? is infinite here", text.replace("\\", ""))
    assert "2 checks passed" in text or name == "junit"


def test_a_remark_is_no_failure_for_junit() -> None:
    (cases,) = junitparser.JUnitXml.fromstring(FORMATS["junit"].render_suite(remarked(), STYLE))
    assert (cases.tests, cases.failures, cases.errors, cases.skipped) == (2, 0, 0, 0)
    assert [case.system_out is not None for case in cases] == [True, False]


def test_a_remark_is_one_line_for_concise() -> None:
    first, last = FORMATS["concise"].render_suite(remarked(), STYLE).splitlines()
    assert first.startswith("suites/a suite.toml:1: match: root: w: the derivative of 'sqrt(w)' is infinite")
    assert last == "gradcli: 2 checks passed: 2 match"
