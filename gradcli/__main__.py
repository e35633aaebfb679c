"""`python -m gradcli`."""

from gradcli.cli.app import run_and_leave

if __name__ == "__main__":
    run_and_leave()
