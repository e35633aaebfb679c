"""Texts that may be no programs: seeds cut, spliced, repeated, garbled, nested and pasted, by a source of numbers.

The source is a `random.Random`, or what Hypothesis gives for one, so that every run of these tests draws from the same
texts.
"""

from __future__ import annotations

import json
import string
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from random import Random

from gradcli.ops.table import OPS, names

HERE = Path(__file__).parent
FOLDERS = (HERE / "corpus", HERE.parent / "language" / "pasted")
LONGEST = 20_000  # a little more than a program may have
MOST_CHANGES = 5

VOCABULARY = (
    "x w1 _ 1 2.5 1e9 9 pi torch F math nn , ; : = == < > ** * / // % @ + - ( ) [ ] { } if else elif for in range "
    "while not and or is None True lambda 'a' \" ''' ... -> := += -= *= \n \t # \\ ! $ ? ` ~ & | ^ 1j inf \n\n \r \r\n "
    "\x0c f'{x}' b'' r'\\' x.T x.grad .sum() .backward() .data .shape[0] [:, None] x[...] torch.no_grad() "
    "requires_grad=True import from as class def return yield await async with try except del global raise assert "
    "__import__('os') __class__ eval exec open range(9) tensor([1.]) print(x)"
)
WORDS = VOCABULARY.split(" ")
CHARACTERS = "\x00\x07\x1b\x7f\x85\x9b\u00a0\u00ad\u00b7\u0301\u0435\u0660\u200b\u200d\u202e\u2066\u2028\u2029\u3000"
CHARACTERS += "\ufeff\uff08\uff11\u2212\u00d7\u03c0\u00b2\u2032\u201c\ufffd\U0001d465\U000e0041\ud800\udcff\U0010ffff"
OPENINGS = (
    "(",
    "[",
    "{",
    "f(",
    "x[",
    "-",
    "+",
    "~",
    "not ",
    "2**",
    "x if y else ",
    "lambda: ",
    "f(a=",
    "(-",
    "*",
    "'",
    '"',
)
CLOSINGS = {"(": ")", "[": "]", "{": "}"}
COUNTS = ((1, 2, 3, 10), (1, 2, 3, 10), (50, 99, 100, 101), (300, 1000, 5000))
LITERALS = ("9", "0", "1_0", "0x1", "0b1", "1e", "1.", ".1", "1e-", "1_", "9j", "0_0", "'a'", "\\", "'\\''")
PASTED = (
    ">>> ", "... ", "In [3]: ", "   ...: ", "Out[3]: ", "    ", "\t", "# ", "%timeit ", "!pip ", "$ ", "> ", "```",
)  # fmt: skip
LINES = (
    "import torch",
    "import torch.nn.functional as F, numpy as np",
    "from torch import *",
    "from math import (pi,",
    "%matplotlib inline",
    "!pip install torch",
    "x = torch.randn(2, 3, requires_grad=True)",
    "with torch.no_grad():",
    "for epoch in range(100):",
    "if __name__ == '__main__':",
    "loss.backward(retain_graph=True)",
    "print(f'{loss.item():.4f}', x.grad)",
    "optimizer.zero_grad()",
    "x.grad.zero_()",
    "x.requires_grad_(True)",
    "y = x.clone().detach().to(device)",
    "tensor([[1., 2.],",
    "        [3., 4.]], grad_fn=<AddBackward0>)",
    "losses.append(loss.item())",
    "loss = nn.MSELoss()(x, y)",
    "x -= lr*x.grad",
    "a, (b, c) = x",
    "x[0] = 1",
    "'''text",
    "assert x.shape == (2,)",
)

Change = Callable[[Random, str, Sequence[str]], str]


@cache
def files() -> dict[str, str]:
    """Return the seeds that are files, by name: the corpus and the pasted snippets."""
    paths = [path for folder in FOLDERS for path in sorted(folder.glob("*.txt"))]
    return {path.stem: path.read_bytes().decode("utf-8", "surrogateescape") for path in paths}


def seeds() -> list[str]:
    """Return all seeds, the examples of the op table too, in a fixed order."""
    return [*files().values(), *(example.partition(" | ")[0].strip() for op in OPS for example in op.examples)]


def dictionary() -> str:
    """Return the words and the functions as libFuzzer reads them: a quoted string a line."""
    words = {*WORDS, *LINES, *PASTED, *names()} - {""}
    return "".join(f"{json.dumps(word)}\n" for word in sorted(words) if word.isascii() and word.isprintable())


def text(random: Random, given: Sequence[str]) -> str:
    """Return a text: some changes of a seed, or words or characters in a row."""
    if random.randrange(8) == 0:
        words = [random.choice(WORDS) for _ in range(random.randrange(25))]
        return random.choice(("", " ")).join(words)
    made = random.choice(given)
    for _ in range(random.randint(1, MOST_CHANGES)):
        made = random.choice(CHANGES)(random, made, given)[:LONGEST]
    return made


def _count(random: Random) -> int:
    return random.choice(random.choice(COUNTS))


def _place(random: Random, made: str) -> tuple[int, int]:
    start = random.randint(0, len(made))
    return start, min(len(made), start + random.choice((0, 1, 2, 8, 80)))


def _instead(random: Random, made: str, part: str) -> str:
    """Return the text with a part put in place of a few of its characters, or between two."""
    start, end = _place(random, made)
    return made[:start] + part + made[end:]


def _cut(random: Random, made: str, _: Sequence[str]) -> str:
    return _instead(random, made, "")


def _splice(random: Random, made: str, given: Sequence[str]) -> str:
    other = random.choice(given)
    start, end = _place(random, other)
    return _instead(random, made, other[start:] if random.randrange(2) else other[start:end])


def _repeat(random: Random, made: str, _: Sequence[str]) -> str:
    start, end = _place(random, made)
    return made[:start] + made[start:end] * _count(random) + made[end:]


def _word(random: Random, made: str, _: Sequence[str]) -> str:
    return _instead(random, made, random.choice(WORDS))


def _function(random: Random, made: str, _: Sequence[str]) -> str:
    name = random.choice(list(names()))
    return _instead(random, made, random.choice((f"{name}(", f".{name}(", f"torch.{name}", name[:-1] + "(x)")))


def _character(random: Random, made: str, _: Sequence[str]) -> str:
    one = random.choice((random.choice(CHARACTERS), chr(random.randrange(0x110000)), random.choice(string.printable)))
    return _instead(random, made, one * random.choice((1, 1, 1, 3)))


def _bytes(random: Random, made: str, _: Sequence[str]) -> str:
    """Return the text with some of its bytes changed: what is no UTF-8 then is what a command line holds of it."""
    data = bytearray(made.encode("utf-8", "surrogatepass"))
    for _number in range(random.randint(1, 4)):
        if data:
            data[random.randrange(len(data))] = random.randrange(256)
    return bytes(data).decode("utf-8", "surrogateescape")


def _nest(random: Random, made: str, _: Sequence[str]) -> str:
    opening, count = random.choice(OPENINGS), _count(random)
    closing = "".join(CLOSINGS.get(character, "") for character in reversed(opening))
    start, end = _place(random, made)
    closed = closing * (count if random.randrange(4) else random.randrange(count + 1))
    return made[:start] + opening * count + made[start:end] + closed + made[end:]


def _literal(random: Random, made: str, _: Sequence[str]) -> str:
    return _instead(random, made, random.choice(LITERALS) * _count(random))


def _pasted(random: Random, made: str, _: Sequence[str]) -> str:
    """Return the text with a prompt, a mark or an indentation before its lines, or some of them."""
    mark, share = random.choice(PASTED), random.randint(1, 3)
    return "\n".join(mark + line if random.randrange(share) == 0 else line for line in made.split("\n"))


def _line(random: Random, made: str, _: Sequence[str]) -> str:
    lines = made.split(random.choice(("\n", ";")))
    lines.insert(random.randint(0, len(lines)), random.choice(PASTED[:8] + ("",) * 8) + random.choice(LINES))
    return "\n".join(lines)


def _lines(random: Random, made: str, _: Sequence[str]) -> str:
    lines = made.split("\n")
    random.shuffle(lines)
    return random.choice(("\n", "\r\n", "\r", ";")).join(lines)


def _block(random: Random, made: str, _: Sequence[str]) -> str:
    """Return the text as the body of a block, or of blocks within each other."""
    head = random.choice(("if x > 0:", "while x < 3:", "for i in range(3):", "with torch.no_grad():", "else:"))
    for _number in range(random.choice((1, 2, 5, 40))):
        made = f"{head}\n" + "\n".join(f" {line}" for line in made.split("\n"))
        if len(made) > LONGEST:
            break
    return made


CHANGES: tuple[Change, ...] = (
    _cut, _splice, _repeat, _word, _function, _character, _bytes, _nest, _literal, _pasted, _line, _lines, _block,
)  # fmt: skip
