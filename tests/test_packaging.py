"""The distributions as strangers get them: what a wheel holds, and that each declared dependency has a user."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from importlib.metadata import distribution, packages_distributions
from pathlib import Path
from typing import Any, Final

import attrs
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).parent.parent
NEVER_IMPORTED: Final = {"psycopg-binary": "psycopg picks it up by itself"}


@attrs.frozen
class Source:
    """The directory of one distribution."""

    directory: Path

    @property
    def project(self) -> dict[str, Any]:
        project: dict[str, Any] = tomllib.loads((self.directory / "pyproject.toml").read_text("utf-8"))["project"]
        return project

    @property
    def name(self) -> str:
        return str(self.project["name"])

    @property
    def package(self) -> Path:
        (package,) = (path for path in (self.directory / "src").iterdir() if path.is_dir())
        return package

    def requirements(self) -> Iterator[Requirement]:
        """What it declares, required and extra; not its own extras."""
        optional = self.project.get("optional-dependencies", {}).values()

        for text in (*self.project["dependencies"], *(text for extra in optional for text in extra)):
            requirement = Requirement(text)

            if canonicalize_name(requirement.name) != self.name:
                yield requirement

    def declared(self) -> set[str]:
        """The names of the distributions it declares, those behind the extras of a requirement included."""
        names: set[str] = set()

        for requirement in self.requirements():
            names.add(canonicalize_name(requirement.name))
            names |= _behind_extras(requirement)

        return names

    def imported(self) -> set[str]:
        """The names of the third-party distributions that its modules import, lazily or not."""
        providers = {**packages_distributions(), **{source.package.name: [source.name] for source in SOURCES}}
        names: set[str] = set()

        for path in self.package.rglob("*.py"):
            for package in _imported_packages(path):
                names |= {canonicalize_name(provider) for provider in providers.get(package, ())}

        return names - {self.name}


SOURCES: Final = [
    Source(path.parent)
    for path in sorted(
        [ROOT / "core/pyproject.toml", ROOT / "server/pyproject.toml", *ROOT.glob("plugins/*/pyproject.toml")]
    )
]


def _behind_extras(requirement: Requirement) -> set[str]:
    needed = (Requirement(text) for text in distribution(requirement.name).requires or ())
    return {
        canonicalize_name(inner.name)
        for inner in needed
        for extra in requirement.extras
        if inner.marker is not None
        and inner.marker.evaluate({"extra": extra})
        and not inner.marker.evaluate({"extra": ""})
    }


def _imported_packages(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    names = set()

    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}

        if isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])

    if "importlib" in names:  # by name, at run time: import_module("streamhouse_connect_server")
        strings = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
        names |= {text for text in strings if isinstance(text, str) and re.fullmatch(r"[a-z_]+", text)}

    return names


@attrs.frozen
class Wheel:
    """A built wheel, read."""

    files: dict[str, bytes]

    def of_dist_info(self, name: str) -> str:
        (content,) = (data for path, data in self.files.items() if re.fullmatch(rf"[^/]+\.dist-info/{name}", path))
        return content.decode()

    @property
    def metadata(self) -> Message:
        return Parser().parsestr(self.of_dist_info("METADATA"))


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Wheel]:
    """Every distribution, built."""
    built = {}

    for source in SOURCES:
        out = tmp_path_factory.mktemp("wheels")
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
        done = subprocess.run(command, cwd=source.directory, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        (path,) = out.glob("*.whl")

        with zipfile.ZipFile(path) as archive:
            built[source.name] = Wheel({name: archive.read(name) for name in archive.namelist()})

    return built


@pytest.fixture(params=SOURCES, ids=lambda source: source.name)
def source(request: pytest.FixtureRequest) -> Source:
    """Each distribution in turn."""
    found: Source = request.param
    return found


def test_a_wheel_holds_the_package_and_nothing_else(source: Source, wheels: dict[str, Wheel]) -> None:
    """Every file of the package is in the wheel, py.typed among them, and only its metadata besides."""
    held = {path for path in wheels[source.name].files if ".dist-info/" not in path}
    paths = (path for path in source.package.rglob("*") if path.is_file() and "cache" not in str(path.parent.name))
    expected = {str(path.relative_to(source.package.parent)) for path in paths}
    assert held == {path for path in expected if "cache__/" not in path and "_cache/" not in path}
    assert f"{source.package.name}/py.typed" in held


def test_a_wheel_carries_the_licence(source: Source, wheels: dict[str, Wheel]) -> None:
    """The text of the licence is in the wheel, and its name in the metadata."""
    assert wheels[source.name].of_dist_info("licenses/LICENSE") == (ROOT / "LICENSE").read_text("utf-8")
    assert wheels[source.name].metadata["License-Expression"] == "Apache-2.0"


def test_a_wheel_says_what_it_needs(source: Source, wheels: dict[str, Wheel]) -> None:
    """The metadata has a description, the oldest Python, and the version that all five share."""
    metadata = wheels[source.name].metadata
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Summary"]
    assert str(metadata.get_payload()).startswith("# ")
    assert {wheel.metadata["Version"] for wheel in wheels.values()} == {metadata["Version"]}


@pytest.mark.parametrize(
    ("name", "entry_point"),
    [
        ("streamhouse-connect", "streamhouse-connect = streamhouse_connect.cli:main"),
        ("streamhouse-s3-sink", "s3 = streamhouse_s3_sink"),
        ("streamhouse-postgres-sink", "postgres = streamhouse_postgres_sink"),
        ("streamhouse-elasticsearch-sink", "elasticsearch = streamhouse_elasticsearch_sink"),
    ],
)
def test_a_wheel_registers_itself(name: str, entry_point: str, wheels: dict[str, Wheel]) -> None:
    """The entry point by which the command or the plugin is found is in the wheel."""
    assert entry_point in wheels[name].of_dist_info(r"entry_points\.txt").splitlines()


def test_every_dependency_has_a_user(source: Source) -> None:
    """What a distribution declares, one of its modules imports."""
    assert source.declared() - source.imported() - set(NEVER_IMPORTED) == set()


def test_every_import_is_declared(source: Source) -> None:
    """What a distribution's modules import, it declares, rather than rely on what others bring along."""
    assert source.imported() - source.declared() == set()
