"""Which part of the source may import which, and how a package looks: read from the sources, nothing is imported."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import attrs
import pytest

ROOT: Final = Path(__file__).parent.parent
CORE: Final = "streamhouse_connect"
PEERS: Final = sorted(path.name for path in ROOT.glob("*/src/*") if path.is_dir() and path.name != CORE)
PLUGINS: Final = sorted(path.name for path in ROOT.glob("plugins/*/src/*") if path.is_dir())
LINES_PER_MODULE: Final = 300

# What a part of the core may import of the others. A new module needs a line: that is the moment to ask where it belongs.
INTERFACES: Final = (
    "records errors secrets config options values partitioners formatters brokers definitions sinks objects rotation"
)
MAY_IMPORT: Final = {
    "columns": "",
    "records": "columns",
    "secrets": "",
    "parsing": "",
    "directories": "",
    "metrics": "",
    "errors": "records",
    "config": "errors secrets parsing",
    "options": "config",
    "masking": "config errors secrets",
    "values": "errors",
    "databases": "errors",
    "librdkafka": "errors",
    "partitioners": "records errors config",
    "formatters": "records errors config values",
    "brokers": "records columns errors config databases librdkafka",
    "definitions": "records errors config databases librdkafka",
    "sinks": "records errors config partitioners formatters brokers definitions",
    "learning": "records errors formatters sinks",
    "objects": "records errors config partitioners formatters rotation sinks learning",
    "rotation": "records",
    "excess": "records errors sinks",
    "files": "records errors config partitioners formatters sinks objects directories excess",
    "plugins": f"{INTERFACES} files",  # files: builtins.py only, see CONCRETE
    "runtime": f"{INTERFACES} plugins masking metrics",
    # cli, testing and the other distributions: public names only, see test_outsiders_…
}
ONLY_IMPORTED_BY: Final = {"cattrs": "config", "pluggy": "plugins"}
CONCRETE: Final = re.compile(r"files|formatters\.(json|parquet|avro)|brokers\.(memory|sqlite|embedded|kafka)")
MAY_NAME_CONCRETE: Final = {"plugins.builtins", "files", "brokers", "formatters", "__init__"}
SLOW_TO_IMPORT: Final = {"click", "fastavro", "httpx", "pyarrow", "rich", "s3fs", "starlette"}


@attrs.frozen
class Import:
    """One imported name: `from base import name`, or `import base` with an empty name."""

    base: str
    name: str
    line: int


@attrs.frozen
class Module:
    """One source file under its dotted name; a package is named like its __init__.py."""

    name: str
    path: Path
    is_package: bool

    @property
    def tree(self) -> ast.Module:
        return _parse(self.path)

    @property
    def part(self) -> str:
        """The part of its distribution that it belongs to: the first name below the package."""
        return self.name.partition(".")[2].partition(".")[0] or "__init__"

    def imports(self) -> Iterator[Import]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (Import(alias.name, "", node.lineno) for alias in node.names)

            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.name}:{node.lineno} is a relative import"
                yield from (Import(node.module or "", alias.name, node.lineno) for alias in node.names)


@cache
def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def _modules() -> dict[str, Module]:
    found = {}

    for source in (ROOT / "core/src", ROOT / "server/src", *ROOT.glob("plugins/*/src")):
        for path in sorted(source.rglob("*.py")):
            parts = path.relative_to(source).with_suffix("").parts
            is_package = parts[-1] == "__init__"
            name = ".".join(parts[:-1] if is_package else parts)
            found[name] = Module(name, path, is_package)

    return found


MODULES: Final = _modules()
PACKAGES: Final = [module for module in MODULES.values() if module.is_package]


def _all_of(package: Module) -> list[str] | None:
    for node in package.tree.body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]:
            names: list[str] = ast.literal_eval(node.value)
            return names

    return None


def _origin(imported: Import) -> str:
    """The module that defines what is imported, through any number of packages that pass it on."""
    if f"{imported.base}.{imported.name}" in MODULES:
        return f"{imported.base}.{imported.name}"

    package = MODULES.get(imported.base)

    if package is not None and package.is_package:
        for passed_on in package.imports():
            if passed_on.name == imported.name:
                return _origin(passed_on)

    return imported.base


def _edges() -> Iterator[tuple[Module, Import, str]]:
    """Every import of a module of the core by a module of the core, with the dotted path below the core."""
    for module in MODULES.values():
        if module.name.partition(".")[0] != CORE:
            continue

        for imported in module.imports():
            origin = _origin(imported)

            if origin.partition(".")[0] == CORE:
                yield module, imported, origin.partition(".")[2]


def test_every_part_of_the_core_has_its_place() -> None:
    """The table above names every module and package of the core, and nothing that is gone."""
    parts = {module.part for module in MODULES.values() if module.name.partition(".")[0] == CORE}
    assert parts - {"__init__", "__main__", "cli", "testing"} == set(MAY_IMPORT)


def test_parts_of_the_core_import_only_what_the_table_allows() -> None:
    """An import between two parts of the core is one that the table allows."""
    assert [
        f"{module.name}:{imported.line} imports {origin}"
        for module, imported, origin in _edges()
        if module.part in MAY_IMPORT
        and (part := origin.partition(".")[0]) != module.part
        and part not in MAY_IMPORT[module.part].split()
    ] == []


def test_only_the_built_ins_name_concrete_classes() -> None:
    """The runtime, the registry and the interfaces know no concrete sink, formatter or broker."""
    assert [
        f"{module.name}:{imported.line} imports {origin}"
        for module, imported, origin in _edges()
        if CONCRETE.match(origin)
        and module.part not in {*MAY_NAME_CONCRETE, "cli", "testing"}
        and module.name.partition(".")[2] not in MAY_NAME_CONCRETE
    ] == []


def test_nothing_imports_the_outer_parts() -> None:
    """Only tests import streamhouse_connect.testing, and only __main__ the command line."""
    assert [
        f"{module.name}:{imported.line} imports {origin}"
        for module, imported, origin in _edges()
        if (part := origin.partition(".")[0]) in {"cli", "testing"} and module.part not in {part, "__main__"}
    ] == []


@pytest.mark.parametrize(("library", "part"), ONLY_IMPORTED_BY.items())
def test_a_library_stays_at_its_edge(library: str, part: str) -> None:
    """One part of the core hides the library from all others."""
    users = {
        module.name if module.name.partition(".")[0] != CORE else module.part
        for module in MODULES.values()
        for imported in module.imports()
        if imported.base.partition(".")[0] == library
    }
    assert users == {part}


def _outsiders() -> list[Module]:
    return [
        module
        for module in MODULES.values()
        if module.name.partition(".")[0] != CORE or module.part in {"cli", "testing"}
    ]


def test_outsiders_import_public_names_only() -> None:
    """The command line, the conformance suites, the server and the plugins use what any application could."""
    public = set(_all_of(MODULES[CORE]) or ())
    offences = []

    for module in _outsiders():
        own = f"{CORE}.{module.part}" if module.name.partition(".")[0] == CORE else module.name.partition(".")[0]

        for imported in module.imports():
            if imported.base.partition(".")[0] not in {CORE, *PEERS} or f"{imported.base}.".startswith(f"{own}."):
                continue

            is_own_package = f"{imported.base}.{imported.name}" == own
            is_public = imported.base == CORE and imported.name in public
            is_for_tests = imported.base == f"{CORE}.testing"

            if not (is_own_package or is_public or is_for_tests):
                offences.append(f"{module.name}:{imported.line} imports {imported.name} from {imported.base}")

    assert offences == []


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_a_package_only_passes_names_on(package: Module) -> None:
    """An __init__.py is a docstring, imports, and a sorted __all__ that names each of them."""
    body = package.tree.body
    assert ast.get_docstring(package.tree), "no docstring"
    others = [node for node in body[1:] if not isinstance(node, ast.Import | ast.ImportFrom | ast.Assign)]
    assert [ast.unparse(node) for node in others] == []
    imported = {alias.asname or alias.name for node in body if isinstance(node, ast.ImportFrom) for alias in node.names}
    names = _all_of(package) or []
    assert sum(isinstance(node, ast.Assign) for node in body) == bool(imported)
    assert set(names) == imported
    assert names == sorted(names, key=lambda name: (not name.isupper(), not name[:1].isupper(), name))
    assert len(names) == len(set(names))


def test_modules_hold_one_noun() -> None:
    """A module over 300 lines has a second noun in it: split it."""
    lengths = {name: len(module.path.read_text(encoding="utf-8").splitlines()) for name, module in MODULES.items()}
    assert {name: length for name, length in lengths.items() if length > LINES_PER_MODULE} == {}


@pytest.mark.parametrize("module", MODULES.values(), ids=lambda module: module.name)
def test_a_module_says_what_it_is_for(module: Module) -> None:
    """Every module has a docstring."""
    assert ast.get_docstring(module.tree)


def test_importing_the_public_api_is_cheap() -> None:
    """`import streamhouse_connect` leaves the libraries of formats, terminals and servers alone."""
    script = f"import sys, {CORE}; print(*(name.partition('.')[0] for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & SLOW_TO_IMPORT == set()
