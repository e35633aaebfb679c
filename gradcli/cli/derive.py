"""`gradcli derive`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import typer

from gradcli.cli.bundles import OutputOptions, RunOptions
from gradcli.cli.options import GRADIENT, OUTPUT, ProgramArgument, WrtOption
from gradcli.cli.settings import settings_from
from gradcli.cli.spread import spread
from gradcli.errors import InputError
from gradcli.settings import Notation, Settings

DerivationFormat = Literal["table", "plain", "markdown", "json"]


@dataclass(frozen=True, slots=True)
class DerivationOutput(OutputOptions):
    """How and where a derivation is written."""

    format: Annotated[
        DerivationFormat,
        typer.Option("--format", metavar="FORMAT", rich_help_panel=OUTPUT, help="table, plain, markdown or json."),
    ] = "table"


def _leaves(flag: str, words: str) -> Any:
    return typer.Option(flag, metavar="NAMES", rich_help_panel=GRADIENT, show_default=False, help=words)


SymmetricOption = Annotated[list[str], _leaves("--symmetric", "Leaves that are symmetric matrices, such as A,W.")]
PositiveOption = Annotated[list[str], _leaves("--positive", "Leaves whose entries are positive.")]
OrthogonalOption = Annotated[list[str], _leaves("--orthogonal", "Leaves that are orthogonal matrices.")]


@spread
def derive(
    program: ProgramArgument,
    run: RunOptions,
    output: DerivationOutput,
    wrt: WrtOption = (),  # type: ignore[assignment]  # a default must not be mutable
    order: Annotated[
        int, typer.Option("--order", metavar="N", rich_help_panel=GRADIENT, help="1, or 2 for second derivatives.")
    ] = 1,
    symmetric: SymmetricOption = (),  # type: ignore[assignment]
    positive: PositiveOption = (),  # type: ignore[assignment]
    orthogonal: OrthogonalOption = (),  # type: ignore[assignment]
    jvp: Annotated[
        bool,
        typer.Option(
            "--jvp",
            rich_help_panel=GRADIENT,
            help="The derivative along tangents of all leaves, forward mode; dx is the tangent of x.",
        ),
    ] = False,
    hvp: Annotated[
        bool,
        typer.Option(
            "--hvp",
            rich_help_panel=GRADIENT,
            help="The Hessian's product with tangents of all leaves; dx is the tangent of x.",
        ),
    ] = False,
    layout: Annotated[
        Literal["gradient", "jacobian"],
        typer.Option(
            "--layout",
            metavar="LAYOUT",
            rich_help_panel=GRADIENT,
            help="gradient: the variable's shape; jacobian: the output's shape, then the variable's.",
        ),
    ] = "gradient",
    steps: Annotated[
        bool, typer.Option("--steps", rich_help_panel=OUTPUT, help="How the gradients come about, a rule a line.")
    ] = False,
    stable: Annotated[
        bool,
        typer.Option(
            "--stable",
            rich_help_panel=OUTPUT,
            help="Rewrite what overflows or loses digits; say what was rewritten, and what is still lost.",
        ),
    ] = False,
    to: Annotated[
        Notation,
        typer.Option(
            "--to",
            metavar="NOTATION",
            rich_help_panel=OUTPUT,
            help="unicode, ascii, latex, mathml, typst or sympy; code for torch, numpy or jax; function: a "
            "torch.autograd.Function.",
        ),
    ] = "unicode",
) -> int:
    """Show the derivative itself: a formula to read, or code to run.

    Shapes are enough; no values are needed. Leaves without a shape are scalars;
    where PyTorch refuses these, capitals are matrices, small letters vectors.
    Each formula and its code are compared with autograd at random points, of two
    sizes where the program runs for both, before they are shown. If the output
    is not a scalar, g is the upstream gradient.

    Examples:
      gradcli derive "trace(A @ X)" --shape A=2x3 --shape X=3x2 --wrt X
      gradcli derive "x @ A @ x" --wrt x --order 2
      gradcli derive "softmax(X, dim=-1)*Y" --shape 4x3 --to latex
      gradcli derive "mean((x - y)**2)" --shape 5 --wrt x --to torch
      gradcli derive "softmax(x, dim=-1)" --shape x=3x4 --to function
      gradcli derive "logdet(X.T @ X)" --shape X=nxm
      gradcli derive "sum(log(1 + exp(x)))" --shape x=3 --stable
      gradcli derive "X @ W" --shape X=4x3 --shape W=3x2 --jvp
      gradcli derive model.py:loss --shape X=4x3 --shape w=3 --shape y=4 --wrt w
      gradcli derive "log(w)*v" --json
    """
    from gradcli.inputs import parse_names
    from gradcli.inputs.lengths import without_names

    shapes, sizes = without_names(run.shape)
    names: dict[str, Any] = {
        "wrt": parse_names("--wrt", wrt) or None,
        "symmetric": parse_names("--symmetric", symmetric),
        "positive": parse_names("--positive", positive),
        "orthogonal": parse_names("--orthogonal", orthogonal),
    }
    product = _product(jvp=jvp, hvp=hvp, jacobian=layout == "jacobian")
    run = replace(run, shape=shapes)
    names |= {"sizes": sizes, "product": product, "stable": stable}
    settings = settings_from("derive", run, order=order, to=to, steps=steps, **names)
    return _derived(program, settings, output)


def _product(**asked: bool) -> str:
    """Return which of the products is asked for; InputError for two."""
    names = [name for name, is_asked in asked.items() if is_asked]
    if len(names) > 1:
        raise InputError("--jvp, --hvp and --layout jacobian exclude each other")
    return names[0] if names else ""


def _derived(program: str, settings: Settings, output: DerivationOutput) -> int:
    from gradcli.cli.output import write
    from gradcli.cli.running import read_in_time, run_isolated
    from gradcli.inputs import is_code
    from gradcli.suite.check import Kind

    if is_code(program):
        return run_isolated(program, Kind.TARGET, settings, output)
    from gradcli.engine import derive_program
    from gradcli.render.derivation import DERIVATION_FORMATS

    derivation = derive_program(read_in_time(program, settings), settings)
    write(DERIVATION_FORMATS[output.chosen_format](derivation, output.style), output.output)
    return derivation.exit_code
