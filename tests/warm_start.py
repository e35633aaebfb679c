"""`gradcli` for tests that run many commands and are not about its start: forked where PyTorch is loaded already.

`command()` is an executable that stands for gradcli's: what it is called with, its environment, its folder and its open
files go to a server, which forks a process that does all that gradcli does from its first line on. One server, of one
thread, serves one process of pytest's, and ends with it.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

NAME = "gradcli"
CACHE = "GRADCLI_TESTS_CACHE"  # the variable with the folder where one run of the tests keeps derivatives
# Runs without Python's own site: it is there in a hundredth of a second.
CLIENT = """#!{python} -IS
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
said = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode("utf-8", "surrogateescape")
socket.send_fds(server, [len(said).to_bytes(8, "big")], [0, 1, 2])
server.sendall(said)
os._exit(int(server.recv(8) or b"99"))
"""


@cache
def command() -> str:
    """Return the executable; its folder has nothing else, and can be put first in PATH."""
    if CACHE not in os.environ:
        os.environ[CACHE] = tempfile.mkdtemp(prefix="gradcli-tests-")
    folder = Path(tempfile.mkdtemp(dir=os.environ[CACHE]))
    address, executable = str(folder / "socket"), folder / "bin" / NAME
    executable.parent.mkdir()
    executable.write_text(CLIENT.format(python=sys.executable, address=address), encoding="utf-8")
    executable.chmod(0o755)
    # Its standard input ends with this process, however that ends, and then it ends too.
    server = subprocess.Popen([sys.executable, __file__, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    atexit.register(server.communicate)
    if server.stdout is None or server.stdout.readline() != b"ready\n":
        raise RuntimeError("the server of commands did not start")
    return str(executable)


def environment() -> dict[str, str]:
    """Return an environment in which `gradcli` is that command, and derivatives are kept from one to the next."""
    path = os.pathsep.join([str(Path(command()).parent), sysconfig.get_path("scripts"), os.environ["PATH"]])
    return {**os.environ, "GRADCLI_NO_CACHE": "", "XDG_CACHE_HOME": os.environ[CACHE], "PATH": path}


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run one command, and return its exit code and what it wrote."""
    options = {"capture_output": True, "encoding": "utf-8", "timeout": 120, "env": environment(), **options}
    return subprocess.run([command(), *arguments], check=False, **options)


def serve(address: str) -> None:
    """Fork a process for each command, until standard input ends."""
    import select

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    _load()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that serve
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        ready, _, _ = select.select([listener, 0], [], [])
        if 0 in ready:
            os._exit(0)
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _serve(connection)
        connection.close()


def _load() -> None:
    """Load what a command loads, sympy's process left out; nothing is computed yet, and so no thread started."""
    import gradcli.cli.group
    import gradcli.cli.running
    import gradcli.engine
    import gradcli.execution.commands.dispatch
    import gradcli.render.formats.plain
    import gradcli.render.formats.table

    gradcli.cli.group.application()


def _serve(connection: socket.socket) -> NoReturn:
    """Run one command in a child, and send its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size, files, _, _ = socket.recv_fds(connection, 8, 3)
    said = connection.makefile("rb").read(int.from_bytes(size, "big"))
    child = os.fork()
    if child == 0:
        connection.close()
        _become(files, *json.loads(said.decode("utf-8", "surrogateescape")))
    for number in files:
        os.close(number)
    _, status = os.waitpid(child, 0)
    connection.sendall(str(os.waitstatus_to_exitcode(status) & 255).encode())
    os._exit(0)


def _become(files: list[int], arguments: list[str], folder: str, environment: dict[str, str]) -> NoReturn:
    """Become a process that was started so, up to the first line of gradcli's."""
    for place, number in enumerate(files):
        os.dup2(number, place)
        os.close(number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[:] = [NAME, *arguments]
    sys.path[:] = [entry for entry in sys.path if entry != str(Path(__file__).parent)]
    encoding = environment.get("PYTHONIOENCODING", "utf-8").partition(":")[0]
    sys.stdin = open(0, encoding=encoding, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding=encoding, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding=encoding, closefd=False, errors="backslashreplace", buffering=1)  # noqa: SIM115
    from gradcli.__main__ import main

    main()
    os._exit(99)


if __name__ == "__main__":
    serve(sys.argv[1])
