"""Formatters: how a batch becomes a file."""

from streamhouse_connect.formatters.interface import Formatter

__all__ = ["Formatter"]
