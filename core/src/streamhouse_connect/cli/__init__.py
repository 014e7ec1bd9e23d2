"""The command line: `streamhouse-connect`."""

from streamhouse_connect.cli.app import main

__all__ = ["main"]
