"""Any text is read, or refused with a message that is safe to print, in linear time and bounded memory."""

from __future__ import annotations

import gc
import time
import tracemalloc
from random import Random

import pytest
import texts
from hypothesis import given
from hypothesis import strategies as st
from profiles import RANDOMS, examples
from properties import reads

from gradcli.errors import GradcliError
from gradcli.inputs.programs import read
from gradcli.limits import Limits
from gradcli.render.errors import format_error
from gradcli.settings import Settings

SEEDS = texts.seeds()
# Limits that stop nothing of the texts that are timed.
RAISED = Settings(limits=Limits(program_size=10**7, operations=10**6, nesting=10**6))
SHORT, LONG = 4_000, 32_000
# A text of LONG characters may take twice as long as one of SHORT does for each character, and this many seconds more.
SLACK, SECONDS = 2.0, 0.5
BYTES = 4_000  # for each character of a text, and this many more
BYTES_MORE = 8_000_000


@pytest.mark.parametrize("name", texts.files())
def test_a_seed_is_read_or_refused(name: str) -> None:
    reads(texts.files()[name])


@examples(1000)
@given(RANDOMS)
def test_a_changed_text_is_read_or_refused(random: Random) -> None:
    reads(texts.text(random, SEEDS))


@examples(300)
@given(
    st.one_of(st.text(max_size=200), st.binary(max_size=200).map(lambda data: data.decode("utf-8", "surrogateescape")))
)
def test_a_text_of_any_characters_is_read_or_refused(text: str) -> None:
    reads(text)


def unit(random: Random) -> str:
    """Return a short piece of text that is repeated."""
    made = texts.text(random, SEEDS)
    start = random.randint(0, max(0, len(made) - 1))
    return made[start : start + random.choice((1, 2, 3, 8, 30))] or "x"


def seconds_to_read(text: str) -> float:
    """Return how long a text keeps the processor busy until it is read, or refused with a message.

    Python's collector looks at all that other tests have loaded, and is paused.
    """
    gc.disable()
    started = time.process_time()
    try:
        read(text, RAISED)
    except GradcliError as error:
        format_error(error)
    finally:
        seconds = time.process_time() - started
        gc.enable()
    return seconds


@examples(60, shrink=False)
@given(RANDOMS)
def test_reading_takes_linear_time(random: Random) -> None:
    piece, before, after = (
        unit(random),
        random.choice(("", "x + ", "f(", "'", "# ")),
        random.choice(("", "\nx", ")", "$")),
    )
    short, long = (before + piece * (size // len(piece)) + after for size in (SHORT, LONG))
    allowed = SLACK * LONG / SHORT * seconds_to_read(short) + SECONDS
    assert seconds_to_read(long) <= allowed, (before, piece, after)


@examples(40)
@given(RANDOMS)
def test_reading_takes_bounded_memory(random: Random) -> None:
    text = texts.text(random, SEEDS) if random.randrange(2) else unit(random) * 500
    tracemalloc.start()
    try:
        reads(text)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= BYTES * len(text) + BYTES_MORE, (peak, text[:200])


@pytest.mark.parametrize("line", ["x + y\n", "x = x + 1\n", "y.append(x)\n"])
def test_reading_many_statements_takes_linear_time(line: str) -> None:
    short, long = (line * (size // len(line)) for size in (SHORT, LONG))
    assert seconds_to_read(long) <= SLACK * LONG / SHORT * seconds_to_read(short) + SECONDS
