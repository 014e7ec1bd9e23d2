"""Certificates of our own making, and an end of TLS in front of a server that has none."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from integration.postgres_sink.listening import Listening

__all__ = ["PASSWORD", "Certificates", "TlsProxy"]

PASSWORD = "key-hunter2"
"""The password of the key that has one."""

_ACCEPTED = b"S"
_TLS_REQUEST = bytes.fromhex("00000008 04d2162f")


class Certificates:
    """An authority, a server at 127.0.0.1 and a client called postgres; and another authority that signed neither."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._authority("ca")
        self._authority("other")
        self._signed("server", "/CN=127.0.0.1", "subjectAltName=IP:127.0.0.1")
        self._signed("client", "/CN=postgres", "extendedKeyUsage=clientAuth")
        self._run("ec", "-in", "client.key", "-out", "locked.key", "-aes256", "-passout", f"pass:{PASSWORD}")

        for key in directory.glob("*.key"):
            key.chmod(0o600)

    def context(self) -> ssl.SSLContext:
        """What the server's end of TLS needs: it lets nobody in without a certificate."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.directory / "ca.crt"))
        context.load_cert_chain(self.directory / "server.crt", self.directory / "server.key")
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _authority(self, name: str) -> None:
        self._request(name, f"/CN={name}", "-x509", "-days", "2", "-out", f"{name}.crt")

    def _signed(self, name: str, subject: str, extension: str) -> None:
        self._request(name, subject, "-out", f"{name}.csr")
        (self.directory / f"{name}.ext").write_text(f"{extension}\n")
        signer = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2")
        self._run("x509", "-req", "-in", f"{name}.csr", *signer, "-extfile", f"{name}.ext", "-out", f"{name}.crt")

    def _request(self, name: str, subject: str, *more: str) -> None:
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key")
        self._run("req", "-subj", subject, *key, *more)

    def _run(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.directory, check=True, capture_output=True)


class TlsProxy(Listening):
    """Speaks TLS with clients as PostgreSQL does, and in the clear with the server."""

    def __init__(self, url: str, context: ssl.SSLContext) -> None:
        super().__init__()
        place = urlsplit(url)
        self._server = (place.hostname, place.port)
        self._context = context

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.readexactly(8) != _TLS_REQUEST:
            return  # nothing is said in the clear

        writer.write(_ACCEPTED)
        await writer.start_tls(self._context)
        from_server, to_server = await asyncio.open_connection(*self._server)

        try:
            up = asyncio.create_task(_pump(reader, to_server))
            await _pump(from_server, writer)
            await up
        finally:
            to_server.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()

    writer.transport.abort()
