"""What holds for every check: the command line, which wins over suites, and pyproject.toml, which does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gradcli.inputs.command_line import options_of
from gradcli.settings import DataType, Settings

if TYPE_CHECKING:
    from pydantic import BaseModel

    from gradcli.suite.project import Project


@dataclass(frozen=True, slots=True)
class Given:
    """The settings of the command line, of which it says those whose keys in a suite are `said`.

    Several `dtypes` make a check for each.
    """

    settings: Settings
    said: frozenset[str] = frozenset()
    dtypes: tuple[DataType, ...] = ()
    isolated: bool = False
    """Whether pyproject.toml is to be ignored."""
    project: Project | None = None

    def keys(self, *models: BaseModel) -> dict[str, Any]:
        """Return what pyproject.toml and the models of a suite say by keys, the last one first of all.

        What the command line says is left out: the settings have it, but for several dtypes.
        """
        layers = [*([self.project.defaults] if self.project else []), *models]
        found = {name: getattr(model, name) for model in layers for name in model.model_fields_set}
        several = {"dtype": list(self.dtypes)} if len(self.dtypes) > 1 else {}
        return {name: value for name, value in found.items() if name not in self.said} | several

    @property
    def options(self) -> tuple[str, ...]:
        """Return the words of the command line that the checks of a suite depend on."""
        words = options_of(self.settings.having(dtype="float64"), self.said - {"dtype"})
        dtypes = ["--dtype", ",".join(self.dtypes or (self.settings.dtype,))] if "dtype" in self.said else []
        return (*(["--isolated"] if self.isolated else []), *words, *dtypes)

    @property
    def program_options(self) -> tuple[str, ...]:
        """Return the words that a program depends on beside its settings: none of them may come from elsewhere."""
        return ("--isolated",) if self.isolated or self.project else ()
