"""What a suite file may hold, as pydantic models: they refuse what is wrong, and `gradcli schema suite` prints them.

Keys that are settings as they are get their type from Settings, which checks their values too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, create_model, model_validator
from pydantic_core import PydanticCustomError

from gradcli.fields import Range
from gradcli.render.formats import FORMATS
from gradcli.settings import DataType, Settings
from gradcli.suite.check import Kind
from gradcli.suite.places import spellings
from gradcli.witnesses import BY_DEFAULT, TransformationName, WitnessName

# Complaints of ours: about the key in the context, and about a check of nothing.
KEY, NO_TARGET = "key", "no_target"
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


def spelt(name: str) -> AliasChoices:
    """Return the ways to write a key, for a field's `validation_alias`."""
    return AliasChoices(*spellings(name))


class Written(BaseModel):
    """The keys that are written in a different way than Settings has them."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    shape: Shape | Annotated[list[Shape], Field(min_length=1)] | None = Field(
        default=None,
        validation_alias=spelt("shape"),
        description='Of all leaves ("2x3", "scalar") or by leaf; a list makes one check for each.',
    )
    values: str | dict[Name, Tensor] | None = Field(
        default=None,
        validation_alias=spelt("values"),
        description="By leaf: a number, a nested list, or a complex number as text; or the name of a file with them.",
    )
    dtype: DataType | Annotated[list[DataType], Field(min_length=1)] | None = Field(
        default=None, validation_alias=spelt("dtype"), description="A list makes one check for each."
    )
    constants: Name | list[Name] | None = Field(
        default=None, validation_alias=spelt("constants"), description="Leaves with requires_grad=False."
    )
    grad_output: Tensor | None = Field(
        default=None,
        validation_alias=spelt("grad-output"),
        description='The v of the vector-Jacobian product: "ones", "random", a number or a list.',
    )
    claim: dict[str, str | Number] | None = Field(
        default=None, validation_alias=spelt("claim"), description="Gradients derived by hand, by tensor."
    )
    witnesses: WitnessName | Annotated[list[WitnessName], Field(min_length=1)] | None = Field(
        default=None,
        validation_alias=spelt("witnesses"),
        description=f"What to compare with; {', '.join(BY_DEFAULT)} by default.",
    )
    under: TransformationName | Annotated[list[TransformationName], Field(min_length=1)] | None = Field(
        default=None,
        description="With `target`: transformations under which the gradients are computed once more.",
    )
    max_entries: Annotated[int, Range()] | None = Field(
        default=None,
        validation_alias=spelt("max-entries"),
        description="A tensor with more entries is written as a summary; 1000 for code, no limit for programs.",
    )
    expect: VerdictName | None = Field(default=None, description="The verdict to pass with; else match or subgradient.")
    tags: str | list[str] | None = Field(
        default=None, validation_alias=spelt("tags"), description="Words to select checks by: `--tag`."
    )


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


Text = Annotated[str, Field(min_length=1)]


class ProjectDefaults(Defaults):
    """What holds for every check that no suite and no option says otherwise of: `[tool.gradcli]` of pyproject.toml."""

    targets: str | Annotated[list[str], Field(min_length=1)] | None = Field(
        default=None,
        validation_alias=spelt("targets"),
        description="Suites and folders of them, from the folder of pyproject.toml: for `gradcli check` alone.",
    )
    format: FormatName | None = Field(default=None, description="The output format.")


class ProjectModel(BaseModel):
    """The defaults of a project, in the place that a suite has its own."""

    model_config = ConfigDict(extra="forbid", strict=True)

    defaults: ProjectDefaults


class CheckModel(Options):
    """One program, one torch.autograd.Function, or one function or module of the user's, to check."""

    name: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        default=None, description="Unique in the suite; the program or the name of the code by default."
    )
    program: Text | None = Field(default=None, description="The program to check.")
    function: Text | None = Field(
        default=None,
        description='Instead of a program, a Function: "FILE.py:Class", beside the suite, or "module:Class".',
    )
    target: Text | None = Field(
        default=None,
        description='Instead of a program, code: "FILE.py:NAME", beside the suite, or "module:NAME"; the name is that '
        "of a function, a module, or a function that returns one of these with its inputs.",
    )
    forward: Text | None = Field(default=None, description="Instead of these, what the forward of a Function computes.")
    backwards: dict[str, str | Number] | None = Field(
        default=None,
        validation_alias=spelt("backwards"),
        description="With `forward`: the gradient of each input, by name; g is the upstream gradient.",
    )
    arguments: dict[Name, Any] | None = Field(
        default=None,
        validation_alias=spelt("arguments"),
        description="Arguments that are no tensors: of a Function's forward, a function, a module's constructor.",
    )
    output: str | int | None = Field(
        default=None, description='With `target`: which tensor of what the code returns is differentiated, as "loss".'
    )
    train: bool | None = Field(
        default=None, description="With `target`: the mode of a module, training or evaluation; else as it was built."
    )
    reference: Text | None = Field(default=None, description="What a Function's forward should compute, as a program.")
    surrogate: Text | None = Field(
        default=None, description="What backward is meant to be the derivative of, where that is not forward."
    )

    @property
    def kind(self) -> Kind:
        """Return what the check is about."""
        return next(kind for kind in Kind if getattr(self, kind) is not None)

    @model_validator(mode="after")
    def _about_one_thing(self) -> CheckModel:
        """Refuse a check of nothing, of two things, and keys that its kind does not have."""
        given = [kind for kind in Kind if getattr(self, kind) is not None]
        if not given:
            raise PydanticCustomError(NO_TARGET, "the check has no 'program', no 'target', and no 'function'")
        if len(given) > 1:
            raise PydanticCustomError(KEY, f"a check has either '{given[0]}' or '{given[1]}'", {"key": given[1]})
        for key in self.model_fields_set & LEFT_OUT[given[0]]:
            raise PydanticCustomError(KEY, f"'{key}' does not go with '{given[0]}'", {"key": key})
        return self


# Keys of a check that mean nothing for a kind of it; defaults do not hold for them there.
OF_PROGRAMS = frozenset({"reduce", "points", "witnesses", "claim", "leaves"})
OF_FUNCTIONS = frozenset({"backwards", "reference", "surrogate"})
OF_CODE = frozenset({"output", "train", "under"})
LEFT_OUT: Mapping[Kind, frozenset[str]] = {
    Kind.PROGRAM: OF_FUNCTIONS | OF_CODE | {"arguments"},
    Kind.TARGET: OF_FUNCTIONS,
    Kind.FUNCTION: OF_PROGRAMS | OF_CODE | {"backwards"},
    Kind.FORWARD: OF_PROGRAMS | OF_CODE | {"arguments", "reference"},
}


class SuiteModel(BaseModel):
    """A suite: checks, and what they have in common."""

    model_config = ConfigDict(extra="forbid", strict=True, title="gradcli suite")

    defaults: Defaults = Defaults()
    check: Annotated[list[CheckModel], Field(min_length=1)]
