"""The script that fuzzes the reader runs without atheris, and fails if a text does."""

from __future__ import annotations

from pathlib import Path

import properties
import pytest
import target
import texts


@pytest.mark.parametrize("chosen", [[], ["--plain"]])
def test_texts_are_read_without_atheris(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, chosen: list[str]
) -> None:
    monkeypatch.setattr(target.importlib.util, "find_spec", lambda _: None)
    assert target.main([*chosen, "--executions", "50", "--kept", str(tmp_path)]) == 0
    written = capsys.readouterr().out
    assert ("atheris is not installed" in written) == (chosen == [])
    assert "50 texts" in written
    assert not list(tmp_path.iterdir())


def test_a_text_that_fails_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def reads(text: str) -> None:
        if "torch" in text:
            raise ValueError(text)

    monkeypatch.setattr(properties, "reads", reads)
    assert target.main(["--plain", "--executions", "50", "--kept", str(tmp_path)]) == 1
    kept = [file.read_bytes() for file in tmp_path.glob("crash-*")]
    assert kept
    assert all(b"torch" in data for data in kept)
    assert "ValueError" in capsys.readouterr().out


def test_the_words_for_libfuzzer_are_quoted() -> None:
    lines = texts.dictionary().splitlines()
    assert '"softmax"' in lines
    assert all(line[0] == line[-1] == '"' for line in lines)
