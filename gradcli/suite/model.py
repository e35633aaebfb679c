"""What a suite file may hold, as pydantic models: they refuse what is wrong, and `gradcli schema suite` prints them.

Keys that are settings as they are get their type from Settings, which checks their values too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, create_model

from gradcli.render.formats import FORMATS
from gradcli.settings import DataType, Settings
from gradcli.witnesses import WitnessName

Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Number = bool | int | float
Tensor = Number | str | list[Any]
Shape = str | dict[Name, str]
VerdictName = Literal["match", "subgradient", "mismatch", "undefined", "undecided"]

# Keys that are fields of Settings as they are, and what the schema says of them.
PLAIN: Mapping[str, str | None] = {
    "init": "How the other leaves are filled.",
    "seed": None,
    "reduce": "What makes the output a scalar.",
    "leaves": "Report the leaves alone.",
    "points": "How many random points.",
    "rtol": None,
    "atol": None,
    "timeout": "Seconds for one check.",
    "formulas": "Write the formulas of the gradients too: they take longest.",
}


class Written(BaseModel):
    """The keys that are written in a different way than Settings has them."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    shape: Shape | Annotated[list[Shape], Field(min_length=1)] | None = Field(
        default=None, description='Of all leaves ("2x3", "scalar") or by leaf; a list makes one check for each.'
    )
    values: str | dict[Name, Tensor] | None = Field(
        default=None,
        validation_alias=AliasChoices("values", "value"),
        description="By leaf: a number, a nested list, or a complex number as text; or the name of a file with them.",
    )
    dtype: DataType | Annotated[list[DataType], Field(min_length=1)] | None = Field(
        default=None, description="A list makes one check for each."
    )
    constants: Name | list[Name] | None = Field(default=None, description="Leaves with requires_grad=False.")
    grad_output: Tensor | None = Field(
        default=None,
        alias="grad-output",
        description='The v of the vector-Jacobian product: "ones", "random", a number or a list.',
    )
    claim: dict[str, str | Number] | None = Field(default=None, description="Gradients derived by hand, by tensor.")
    witnesses: Annotated[list[WitnessName], Field(min_length=1)] | None = Field(
        default=None,
        validation_alias=AliasChoices("witnesses", "witness"),
        description="What to compare with; all by default.",
    )
    expect: VerdictName | None = Field(default=None, description="The verdict to pass with; else match or subgradient.")
    tags: str | list[str] | None = Field(default=None, description="Words to select checks by: `--tag`.")


if TYPE_CHECKING:
    Options = Written
    FormatName = str
else:
    FormatName = Literal[*FORMATS]
    _TYPES = get_type_hints(Settings, include_extras=True)
    Options = create_model(
        "Options",
        __base__=Written,
        **{name: (_TYPES[name] | None, Field(default=None, description=words)) for name, words in PLAIN.items()},
    )


class Defaults(Options):
    """What holds for every check that does not say otherwise."""


class ProjectDefaults(Defaults):
    """What holds for every check that no suite and no option says otherwise of: `[tool.gradcli]` of pyproject.toml."""

    targets: str | Annotated[list[str], Field(min_length=1)] | None = Field(
        default=None,
        validation_alias=AliasChoices("targets", "paths"),
        description="Suites and folders of them, from the folder of pyproject.toml: for `gradcli check` alone.",
    )
    format: FormatName | None = Field(default=None, description="The output format.")


class ProjectModel(BaseModel):
    """The defaults of a project, in the place that a suite has its own."""

    model_config = ConfigDict(extra="forbid", strict=True)

    defaults: ProjectDefaults


class CheckModel(Options):
    """One program to check."""

    name: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        default=None, description="Unique in the suite; the program itself by default."
    )
    program: Annotated[str, Field(min_length=1)]


class SuiteModel(BaseModel):
    """A suite: checks, and what they have in common."""

    model_config = ConfigDict(extra="forbid", strict=True, title="gradcli suite")

    defaults: Defaults = Defaults()
    check: Annotated[list[CheckModel], Field(min_length=1)]
