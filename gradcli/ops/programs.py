"""A program's text, parsed, with every function in it one of the op table's."""

from __future__ import annotations

from functools import lru_cache

from gradcli.language.parser import parse
from gradcli.language.program import Program
from gradcli.language.resolve import resolve
from gradcli.limits import Limits
from gradcli.ops.table import fields, find, names


@lru_cache(maxsize=128)
def parse_program(source: str, limits: Limits) -> Program:
    """Return the parsed program, which may have no leaf; the same text is parsed once.

    Raises ProgramError for a text that is not a program or calls a function that the op table does not have, and
    LimitError for one that is larger than the limits.
    """
    program = parse(source, limits, is_function=find)
    resolve(program, find, names, fields)
    return program
