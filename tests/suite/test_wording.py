import pytest

from gradcli.suite.wording import in_toml


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("give `--grad-output ones`, or `--reduce sum`", 'give `grad-output = "ones"`, or `reduce = "sum"`'),
        ("--grad-output has shape 2", "grad-output has shape 2"),
        ("`--constant t` keeps it", '`constants = "t"` keeps it'),
        ("`--constant a --constant b` keeps", '`constants = ["a", "b"]` keeps'),
        ("if 'n' is not a tensor: `--argument n=3`", "if 'n' is not a tensor: `arguments = {n = 3}`"),
        ("`--argument mode=mean`", '`arguments = {mode = "mean"}`'),
        ("write `--shape w1=2x3`, or `--shape 2`", 'write `shape = {w1 = "2x3"}`, or `shape = "2"`'),
        ("write `--value w1=[[1, 2], [3, 4]]`", "write `values = {w1 = [[1, 2], [3, 4]]}`"),
        ('such as `--claim "w2=(w3+1)/4"`', 'such as `claim = {w2 = "(w3+1)/4"}`'),
        ('such as `--backward "x: 2*x*g"`', 'such as `backwards = {x = "2*x*g"}`'),
        ("`--timeout` raises the limit", "`timeout` raises the limit"),
        ("`--max-elements` raises the limit", "`--max-elements` raises the limit"),
        ("`--reference PROGRAM` says", '`reference = "PROGRAM"` says'),
        ("a--b and `gradcli --help`", "a--b and `gradcli --help`"),
    ],
)
def test_options_become_keys(said: str, wanted: str) -> None:
    assert in_toml(said) == wanted
