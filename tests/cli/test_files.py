"""A file holds the whole of what is written to it, or what it held before."""

import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pytest

from gradcli.cli import files
from gradcli.cli.output import write
from gradcli.errors import InternalError


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "report.txt"
    path.write_text("old", encoding="utf-8")
    return path


FDOPEN = os.fdopen


class Full:
    """Stands for a file on a disk that is full after some bytes."""

    def __init__(self, number: int, mode: str) -> None:
        self.file = FDOPEN(number, mode, buffering=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def write(self, data: bytes) -> None:
        self.file.write(data[:2])
        raise OSError(28, "No space left on device")


def listed(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.parametrize("text", ["", "n", "new\n", "x" * 100_000, "\udcff∂"])
def test_the_text_takes_the_place_of_the_old_one(old: Path, text: str) -> None:
    write(text, old)
    assert old.read_bytes() == text.encode("utf-8", "backslashreplace")
    assert listed(old.parent) == ["report.txt"]


@pytest.mark.parametrize("put", [files.replace, files.append])
def test_a_full_disk_leaves_the_old_file_alone(
    old: Path, monkeypatch: pytest.MonkeyPatch, put: Callable[[Path, bytes], None]
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("gradcli.cli.files.os.fdopen", Full)
        with pytest.raises(OSError, match="No space"):
            put(old, b"new and longer")
    assert old.read_bytes() == b"old"
    assert listed(old.parent) == ["report.txt"]


def test_ctrl_c_leaves_the_old_file_alone(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("gradcli.cli.files._write_all", interrupted)
        with pytest.raises(KeyboardInterrupt):
            files.replace(old, b"new")
    assert old.read_bytes() == b"old"
    assert listed(old.parent) == ["report.txt"]


def test_a_link_stays_one(old: Path) -> None:
    link = old.with_name("link")
    link.symlink_to(old.name)
    files.replace(link, b"new")
    assert link.is_symlink()
    assert old.read_bytes() == b"new"


def test_a_link_to_nothing_makes_the_file_that_it_names(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("target")
    files.replace(link, b"new")
    assert link.is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755])
def test_the_mode_of_a_file_stays(old: Path, mode: int) -> None:
    old.chmod(mode)
    files.replace(old, b"new")
    assert stat.S_IMODE(old.stat().st_mode) == mode


def test_a_new_file_has_the_mode_that_others_have(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    files.replace(tmp_path / "report", b"new")
    assert (tmp_path / "report").stat().st_mode == (tmp_path / "plain").stat().st_mode


def refuse(*_: object, **__: object) -> None:
    raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize("data", [b"", b"n", b"new and longer"])
def test_a_file_in_a_folder_that_takes_no_new_ones_is_overwritten(
    old: Path, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    monkeypatch.setattr("gradcli.cli.files.tempfile.mkstemp", refuse)
    files.replace(old, data)
    assert old.read_bytes() == data
    with pytest.raises(PermissionError):
        files.replace(old.with_name("other"), b"new")


def test_what_could_not_be_overwritten_is_put_back(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    true = files._fill

    def failing(file: Any, data: bytes) -> None:
        true(file, data)
        if data != b"old":
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("gradcli.cli.files.tempfile.mkstemp", refuse)
    monkeypatch.setattr("gradcli.cli.files._fill", failing)
    with pytest.raises(OSError, match="No space"):
        files.replace(old, b"new and longer")
    assert old.read_bytes() == b"old"


def test_a_file_of_two_names_keeps_both(old: Path) -> None:
    other = old.with_name("other")
    other.hardlink_to(old)
    files.replace(old, b"new")
    assert other.read_bytes() == b"new"


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    files.replace(pipe, b"new" * 100_000)
    reader.join(10)
    assert read == [b"new" * 100_000]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_device_is_written_to() -> None:
    files.replace(Path("/dev/null"), b"new")
    with pytest.raises(OSError, match="No space"):
        files.replace(Path("/dev/full"), b"new")


def test_an_open_stream_keeps_what_it_holds(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb", buffering=0) as stream:
        stream.write(b"before\n")
        files.replace(Path(f"/dev/fd/{stream.fileno()}"), b"report\n")
        stream.write(b"after\n")
    assert (tmp_path / "log").read_bytes() == b"before\nreport\nafter\n"


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("/dev/stdout", 1),
        ("/dev/stderr", 2),
        ("/dev/fd/7", 7),
        ("/proc/self/fd/1", 1),
        ("/dev/null", None),
        ("1", None),
    ],
)
def test_what_path_is_an_open_stream(path: str, number: int | None) -> None:
    assert files.descriptor(Path(path)) == number


def test_standard_output_by_its_path_is_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    write("text", Path("/dev/stdout"))
    assert capsys.readouterr().out == "text"


@pytest.mark.parametrize("path", ["", "none/report", "report.txt/x", "x" * 300, "\0"])
def test_a_path_that_cannot_be_written_is_named(old: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.chdir(old.parent)
    with pytest.raises(InternalError, match="cannot write to '"):
        write("new", Path(path))
    assert old.read_bytes() == b"old"
    assert listed(old.parent) == ["report.txt"]


def test_what_is_appended_follows_what_is_there(old: Path) -> None:
    write(" new", old, append=True)
    assert old.read_bytes() == b"old new"
