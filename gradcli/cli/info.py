"""`gradcli info`."""

from __future__ import annotations

from gradcli.cli.options import ColourOption

PACKAGES = ("torch", "sympy", "typer", "rich", "pydantic")


def info(color: ColourOption = "auto") -> int:  # noqa: ARG001  # every command takes it; this has no colour
    """Print the versions that a bug report needs.

    Please add its output to the report of a defect.

    Examples:
      gradcli info
    """
    import platform

    from gradcli._version import __version__
    from gradcli.cli.output import write

    versions = {"gradcli": __version__, "python": platform.python_version()}
    versions |= {package: _version(package) for package in PACKAGES}
    versions["platform"] = platform.platform()
    write("".join(f"{name:<10}{version}\n" for name, version in versions.items()), None)
    return 0


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
