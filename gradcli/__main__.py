"""`python -m gradcli`."""

import sys

from gradcli.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
