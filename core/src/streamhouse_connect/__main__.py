"""`python -m streamhouse_connect` is the command `streamhouse-connect`."""

import sys

from streamhouse_connect.cli import main

if __name__ == "__main__":
    sys.exit(main())
