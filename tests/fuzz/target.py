"""The reader of programs under a fuzzer: atheris, led by coverage, or else random changes of the corpus.

python tests/fuzz/target.py                    ten minutes
python tests/fuzz/target.py --seconds 60       no longer than that
python tests/fuzz/target.py --executions 1000  no more than that
python tests/fuzz/target.py --plain            random changes even where atheris is installed

atheris (`pip install atheris`) is not there for every version of Python. What it finds is kept in `.hypothesis/fuzz`:
the corpus that it grows, and each text that fails. Exits 1 if a text fails.
"""

from __future__ import annotations

import argparse
import importlib.util
import resource
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from random import Random

HERE = Path(__file__).parent
KEPT = HERE.parents[1] / ".hypothesis" / "fuzz"
REPORTED = 20_000  # executions between two lines


def main(arguments: list[str] | None = None) -> int:
    """Run the fuzzer; return 1 if a text failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--executions", type=int, default=10**9)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--kept", type=Path, default=KEPT)
    options = parser.parse_args(arguments)
    if not options.plain and importlib.util.find_spec("atheris") is not None:
        return by_coverage(options)
    say("random changes of the corpus" + ("" if options.plain else ": atheris is not installed"))
    return by_chance(options)


def by_chance(options: argparse.Namespace) -> int:
    """Read random changes of the seeds; each text that fails is kept, and shown."""
    import texts
    from properties import reads

    seeds, started, failed, done = texts.seeds(), time.monotonic(), 0, 0
    while done < options.executions and time.monotonic() - started < options.seconds:
        text = texts.text(Random(options.seed * 1_000_003 + done), seeds)
        failed += fails(reads, text, options.kept)
        done += 1
        if done % REPORTED == 0:
            say(f"{done:,} texts, {failed} failed")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    say(f"{done:,} texts in {time.monotonic() - started:.0f} s, {failed} failed, at most {peak} MiB")
    return int(failed > 0)


def fails(reads: Callable[[str], None], text: str, kept: Path) -> bool:
    """Return whether a text makes the reader fail; then keep it."""
    try:
        reads(text)
    except Exception as error:  # noqa: BLE001 (what this looks for)
        data = text.encode("utf-8", "surrogatepass")
        file = kept / f"crash-{sha256(data).hexdigest()[:16]}"
        kept.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        say(f"{type(error).__name__}: {str(error)[:200]!r} of the text in {file}")
        return True
    return False


def by_coverage(options: argparse.Namespace) -> int:
    """Let atheris change the seeds; it ends the process by itself, at the first text that fails."""
    import atheris

    with atheris.instrument_imports(include=["gradcli"]):
        import texts
        from properties import reads
    corpus, dictionary = options.kept / "corpus", options.kept / "dictionary.txt"
    corpus.mkdir(parents=True, exist_ok=True)
    dictionary.write_text(texts.dictionary(), encoding="ascii")
    bounds = [f"-max_total_time={options.seconds}", f"-runs={options.executions}", f"-seed={options.seed + 1}"]
    limits = [f"-max_len={texts.LONGEST}", "-timeout=10", "-rss_limit_mb=1024", f"-dict={dictionary}"]
    folders = [f"-artifact_prefix={options.kept}/", str(corpus), *map(str, texts.FOLDERS)]
    say("atheris, led by coverage")
    atheris.Setup(
        [sys.argv[0], *bounds, *limits, *folders], lambda data: reads(data.decode("utf-8", "surrogateescape"))
    )
    atheris.Fuzz()
    return 0


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    for folder in (HERE, HERE.parent / "independence", HERE.parents[1] / "benchmarks"):
        sys.path.insert(0, str(folder))
    sys.exit(main())
