"""The command `gradcli`, and `python -m gradcli`."""

# What `signal` is made of is built into Python: that module loads others, which a Ctrl-C might interrupt.
import _signal as signal  # type: ignore[import-not-found]
import os

INTERRUPTED = 130


def main() -> None:
    """Run the command line; Ctrl-C while it is being loaded ends the process at once."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    from gradcli.cli.app import run_and_leave

    run_and_leave()


if __name__ == "__main__":
    main()
