"""The command `gradcli`, and `python -m gradcli`."""

import os
import signal

INTERRUPTED = 130


def main() -> None:
    """Run the command line; Ctrl-C while it is being loaded ends the process at once."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    from gradcli.cli.app import run_and_leave

    run_and_leave()


if __name__ == "__main__":
    main()
