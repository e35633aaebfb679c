"""`%load_ext gradcli` in a notebook: `%%gradcli COMMAND [OPTION]...` carries out a command on its cell."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any, get_args

from gradcli.commands import Command

# What is carried out if the line names no command.
USUAL = "eval"


def load(shell: Any) -> None:
    """Register the magic with a shell of IPython."""
    shell.register_magic_function(gradcli, magic_kind="cell", magic_name="gradcli")


def gradcli(line: str, cell: str) -> None:
    """Carry out a command on the program of the cell, and show what it writes: `%%gradcli check --points 3`.

    Without a command it is `eval`. The options are those of the command line.
    """
    from gradcli.cli.app import main

    main(arguments(line, cell))


def arguments(line: str, cell: str) -> Sequence[str]:
    """Return the words of the command line: the program is the cell, and stands where no option can take it."""
    words = shlex.split(line)
    command, options = (words[0], words[1:]) if words and words[0] in get_args(Command) else (USUAL, words)
    return [command, *options, "--", cell]
