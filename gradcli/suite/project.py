"""`[tool.gradcli]` in pyproject.toml: defaults of `gradcli check`, below what suites and the command line say."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradcli.errors import GradcliError
from gradcli.settings import Settings
from gradcli.suite.expand import variants
from gradcli.suite.places import SuiteText
from gradcli.suite.source import read_source

FILE = "pyproject.toml"
TABLE = "tool.gradcli"


@dataclass(frozen=True, slots=True)
class Project:
    """The defaults of a project, as a pydantic model, and where they are written."""

    defaults: Any
    source: SuiteText
    folder: Path

    @property
    def format(self) -> str | None:
        """Return the output format."""
        found: str | None = self.defaults.format
        return found

    def targets(self) -> list[str]:
        """Return the suites and folders that are checked where the command line names none.

        Raises InputError for what is neither.
        """
        said = self.defaults.targets or []
        return [self._target(text) for text in ([said] if isinstance(said, str) else said)]

    def _target(self, text: str) -> str:
        path = self.folder / text
        if not path.is_dir() and not (path.suffix == ".toml" and path.is_file()):
            message = f"'targets': '{text}' is neither a suite (*.toml) nor a folder"
            raise self.source.error(message, self.source.span(-1, "targets"), f"it is looked for beside {FILE}")
        return os.path.relpath(path)


def find_project(base: Settings) -> Project | None:
    """Return what the nearest pyproject.toml says of gradcli, from the current folder upwards; None if nothing.

    Raises InputError for a file that is not TOML, and for a key or a value that a suite may not have.
    """
    path = _nearest()
    if path is None:
        return None
    source, data = read_source(os.path.relpath(path), base.timeout, TABLE)
    tools = data.get("tool")
    if not isinstance(tools, Mapping) or "gradcli" not in tools:
        return None
    project = Project(_validated(tools["gradcli"], source), source, path.parent)
    _resolve_values(project)
    _try(project, base)
    return project


def _nearest() -> Path | None:
    with suppress(OSError):  # a current folder that is gone has no parents
        folder = Path.cwd()
        return next((one / FILE for one in (folder, *folder.parents) if (one / FILE).is_file()), None)
    return None


def _validated(table: Any, source: SuiteText) -> Any:
    from pydantic import ValidationError

    from gradcli.suite.model import ProjectDefaults, ProjectModel
    from gradcli.suite.refusal import refusal

    if not isinstance(table, Mapping):
        raise source.error(f"'{TABLE}' is not a table", source.span(-1), f"write [{TABLE}]")
    try:
        return ProjectModel.model_validate({"defaults": table}).defaults
    except ValidationError as error:
        raise refusal(error, source, ProjectDefaults) from None


def _resolve_values(project: Project) -> None:
    """Let the name of a file of values stand for the file beside pyproject.toml, whatever suite it is used in."""
    if isinstance(project.defaults.values, str):
        project.defaults.values = str(project.folder / project.defaults.values)


def _try(project: Project, base: Settings) -> None:
    """Refuse a value that is wrong here, where its line is known."""
    from gradcli.suite.wording import about_key

    said = {name: getattr(project.defaults, name) for name in project.defaults.model_fields_set}
    try:
        list(variants(said, base, project.folder))
    except GradcliError as error:
        key, message, hint = about_key(error)
        raise project.source.error(message, project.source.span(-1, key), hint) from None
