"""The REST server of StreamHouse Connect: an ASGI app over a worker, and a process that serves it."""

from streamhouse_connect_server.app import create_app
from streamhouse_connect_server.serving import serve
from streamhouse_connect_server.settings import Limits, Settings

__all__ = ["Limits", "Settings", "create_app", "serve"]
