"""`gradcli graph` on the command line: what it draws, where it writes it, and what it does not do."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from lxml import etree

from gradcli.cli.app import main
from gradcli.report.schema import report_schema

PROGRAM = "x=w1+w2; y=w2*w3; x+y"
STARTS = {"mermaid": "flowchart", "dot": "digraph", "svg": "<?xml", "html": "<!DOCTYPE html>", "tree": "gradcli graph"}
CODE = """
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 2)

    def forward(self, x):
        print("it runs")
        return torch.tanh(self.layer(x)).sum()
"""


@pytest.mark.parametrize("picture", STARTS)
def test_each_picture(picture: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["graph", PROGRAM, "--to", picture]) == 0
    text, errors = capsys.readouterr()
    assert text.startswith(STARTS[picture])
    assert text.endswith("\n")
    assert "AccumulateGrad" in text
    assert not errors


@pytest.mark.parametrize(
    ("ending", "picture"),
    [("mermaid", "mermaid"), ("mmd", "mermaid"), ("dot", "dot"), ("gv", "dot"), ("SVG", "svg"), ("html", "html")],
)
def test_a_file_s_ending_says_what_is_drawn(
    ending: str, picture: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / f"graph.{ending}"
    assert main(["graph", PROGRAM, "-o", str(file)]) == 0
    assert file.read_text(encoding="utf-8").startswith(STARTS[picture])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("options", "start"), [(["--to", "tree"], "gradcli graph"), (["--format", "plain"], "gradcli"), (["--json"], "{")]
)
def test_what_is_asked_for_wins_over_the_ending(options: list[str], start: str, tmp_path: Path) -> None:
    file = tmp_path / "graph.svg"
    assert main(["graph", PROGRAM, *options, "-o", str(file)]) == 0
    assert file.read_text(encoding="utf-8").startswith(start)


def test_a_picture_has_no_other_format(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["graph", PROGRAM, "--to", "svg", "--json"]) == 2
    assert "--to svg and --format json exclude each other" in capsys.readouterr().err


def test_an_unknown_picture(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["graph", PROGRAM, "--to", "png"]) == 2
    error = capsys.readouterr().err
    assert "--to" in error
    assert "mermaid" in error


def test_json_has_the_graph_beside_the_tensors(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["graph", PROGRAM, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    jsonschema.validate(data, report_schema())
    assert [node["name"] for node in data["graph"]["forward"]] == ["w1", "w2", "w3", "x", "y", "x+y"]
    assert [tensor["name"] for tensor in data["tensors"]] == ["w1", "w2", "w3", "x", "y", "x+y"]
    assert data["graph"]["backward"][0] == {
        "id": 0,
        "grad_fn": "AddBackward0",
        "tensor": "x+y",
        "next": [{"node": 2, "input": 0}, {"node": 1, "input": 0}],
        "saves": [],
    }


def test_without_verification(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["graph", PROGRAM, "--no-verify"]) == 0
    assert "unverified: nothing was compared" in " ".join(capsys.readouterr().out.split())


def test_code_is_drawn_with_its_modules(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.py").write_text(CODE, encoding="utf-8")
    assert main(["graph", f"{tmp_path}/net.py:Net", "--shape", "x=3x2", "--depth", "1", "--to", "svg"]) == 0
    text, errors = capsys.readouterr()
    root = etree.fromstring(text.encode())
    said = ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert said.count("layer") == 2
    assert "3 tensors" in said
    assert "it runs" in errors


def test_a_mismatch_is_told_by_the_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = (
        "import torch\nclass Wrong(torch.autograd.Function):\n"
        "    @staticmethod\n    def forward(ctx, x):\n        return x * x\n"
        "    @staticmethod\n    def backward(ctx, g):\n        return g\n"
        "def f(x: torch.Tensor):\n    return Wrong.apply(x).sum()\n"
    )
    (tmp_path / "wrong.py").write_text(wrong, encoding="utf-8")
    assert main(["graph", f"{tmp_path}/wrong.py:f", "--shape", "x=2", "--to", "svg"]) == 1
    text, errors = capsys.readouterr()
    assert 'class="leaf wrong"' in text
    assert not errors


def test_other_commands_load_nothing_of_it() -> None:
    code = (
        "import sys; from gradcli.cli.app import main; main(['--help']); main(['eval', 'w*w', '--no-verify']);"
        "print([name for name in sys.modules if name.startswith(('gradcli.render.graph', 'networkx', 'xml.etree'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


SCRIPT = """
import torch

w = torch.tensor([1.0, 2.0], requires_grad=True)
for step in range(3):
    print("step", step)
    loss = (w * w).sum() if step < 2 else w.prod()
    loss.backward()
"""


@pytest.fixture
def script(tmp_path: Path) -> str:
    file = tmp_path / "train.py"
    file.write_text(SCRIPT, encoding="utf-8")
    return str(file)


def test_a_script_has_a_graph_for_each_backward(
    script: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(script).parent)
    script = Path(script).name  # a line that says where a call is ends with its number, however long the folder is
    assert main(["graph", script, "--backward", "all"]) == 0
    text, errors = capsys.readouterr()
    assert re.findall(r"train\.py:8 #(\d)$", text, re.MULTILINE) == ["1", "2", "3"]
    assert text.count("ProdBackward0") == 2
    assert text.count("SumBackward0") == 4
    assert errors.split() == ["step", "0", "step", "1", "step", "2"]
    assert main(["graph", script]) == 0
    assert "#1" in capsys.readouterr().out


def test_graphs_of_a_script_go_to_files_of_their_own(
    script: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["graph", script, "--backward", "1,3", "-o", str(tmp_path / "graph.svg")]) == 0
    first, second = (etree.parse(tmp_path / f"graph-{number}.svg").getroot() for number in (1, 2))
    assert "SumBackward0" in "".join(first.itertext())
    assert "ProdBackward0" in "".join(second.itertext())
    assert not (tmp_path / "graph.svg").exists()
    assert main(["graph", script, "--backward", "last", "--to", "dot"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("digraph")
    assert "ProdBackward0" in text
    assert main(["graph", script, "--backward", "1,2", "--to", "dot"]) == 2
    assert "standard output takes one" in capsys.readouterr().err


def test_a_script_s_json_has_its_graph(script: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["graph", script, "--backward", "3", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    jsonschema.validate(data, report_schema())
    assert [node["grad_fn"] for node in data["graph"]["backward"]] == ["ProdBackward0", "AccumulateGrad"]
    assert {tensor["verdict"] for tensor in data["tensors"]} == {"match"}


def test_what_a_script_cannot_be_drawn_with_is_refused(script: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["graph", script, "--shape", "w=2"]) == 2
    assert "a script has its own values" in capsys.readouterr().err
    assert main(["graph", script, "--backward", "9"]) == 2
    assert "calls backward 3 times" in capsys.readouterr().err


def test_a_file_that_would_be_no_picture_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["graph", "x*y", "-o", str(tmp_path / "graph.png")]) == 2
    assert "end FILE in dot, html, mermaid or svg" in capsys.readouterr().err
    assert not (tmp_path / "graph.png").exists()


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["graph", "x*y", "--format", "svg"], "write `--to svg`"),
        (["derive", "x*y", "--format", "latex"], "write `--to latex`"),
        (["eval", "x*y", "--format", "dot"], "`gradcli graph --to svg`"),
        (["eval", "x*y", "--format", "tabel"], "did you mean 'table'?"),
    ],
)
def test_a_format_of_another_option_is_told(
    capsys: pytest.CaptureFixture[str], arguments: list[str], hint: str
) -> None:
    assert main(arguments) == 2
    assert hint in capsys.readouterr().err
