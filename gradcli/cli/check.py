"""`gradcli check`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gradcli.cli.bundles import OutputOptions, RunOptions, SuiteOptions, settings_from
from gradcli.cli.options import ClaimOption, DtypesOption, PointsOption, TargetsArgument, WitnessOption
from gradcli.cli.spread import spread
from gradcli.settings import DataType
from gradcli.witnesses import WitnessName


@dataclass(frozen=True, slots=True)
class CheckOptions(RunOptions):
    """What `check` can be told about a run: more than one dtype."""

    dtype: DtypesOption = "float64"  # type: ignore[assignment]  # several, with commas between


@spread
def check(
    targets: TargetsArgument,
    run: CheckOptions,
    suite: SuiteOptions,
    output: OutputOptions,
    points: PointsOption = 1,
    witness: WitnessOption = (),  # type: ignore[assignment]  # a default must not be mutable
    claim: ClaimOption = (),  # type: ignore[assignment]
) -> int:
    """Verify every gradient of one or several programs, or of suite files.

    Autograd's gradients are compared with the symbolic derivative, with finite
    differences and by the order of the Taylor remainder, at a random point
    inside the domain of each op. Several targets give one report for all.

    Examples:
      gradcli check "softmax(X @ W, dim=-1).log().mean()" --shape 3x3
      gradcli check "x**2 * y" "sin(x) / x" --points 3
      gradcli check "mean(w1+w2+w2*w3)" --shape 2x2 --claim "w2=(w3+1)/4"
      gradcli check "tanh(x).sum()" --shape 8 --dtype float32,bfloat16
      gradcli check suite.toml -j auto --format junit
    """
    from gradcli.cli.checking import run_checks
    from gradcli.inputs import check_positive, parse_choices, parse_claims

    dtypes = parse_choices("--dtype", [run.dtype], DataType)
    more = {"points": check_positive("--points", points), "claims": parse_claims(claim)}
    more |= {"witnesses": parse_choices("--witness", witness, WitnessName)} if witness else {}
    settings = settings_from("check", replace(run, dtype=dtypes[0]), **more)
    return run_checks(targets, settings, dtypes, suite, output)
