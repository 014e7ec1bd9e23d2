"""Every command there is; ./dev runs them. What follows "--" is handed on to the tool that the session runs."""

import os
import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
nox.options.error_on_external_run = True
nox.options.error_on_missing_interpreters = True

CONSTRAINTS = Path("constraints.txt").resolve()
PLUGINS = ("plugins/s3_sink", "plugins/postgres_sink", "plugins/elasticsearch_sink")
WORKSPACE = ("core[all]", "server", *PLUGINS)


def install(session: nox.Session, *groups: str, editable: tuple[str, ...] = WORKSPACE) -> None:
    """Install members of the workspace, editable, and dependency groups, in the pinned versions."""
    session.env["UV_BUILD_CONSTRAINT"] = str(CONSTRAINTS)
    arguments = ["--constraints", str(CONSTRAINTS)]

    for member in editable:
        arguments += ["--editable", member]

    for group in groups:
        arguments += ["--group", group]

    session.install(*arguments)


@nox.session
def demo(session: nox.Session) -> None:
    """Move 336,776 flights through the embedded broker into Parquet files, and check the sums."""
    install(session, "data", editable=("core[parquet]",))
    session.run("streamhouse-connect", "demo", "--source", "nycflights13", *session.posargs)


def keep_bytecode(session: nox.Session) -> None:
    """Have what is imported compiled once: tests start so many processes that they would do little else.

    Neither does uv compile what it installs, nor may the environment let Python keep what it has compiled.
    """
    session.env["PYTHONDONTWRITEBYTECODE"] = ""


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests, all of them in several processes; with CI set, a server that does not start is a failure rather than a skip."""
    install(session, "test")
    keep_bytecode(session)
    required = ["--require-services"] if os.environ.get("CI") else []
    chosen = session.posargs or [
        "--numprocesses",
        "auto",
        "--dist",
        "loadfile",
        "--no-loadscope-reorder",
        "--durations",
        "15",
    ]
    session.run("python", "-m", "pytest", *required, *chosen)


@nox.session
def faults(session: nox.Session) -> None:
    """Repeat the faults of tests/faults often: FAULT_ROUNDS times, 50 if it is not set; takes an hour or more."""
    install(session, "test")
    keep_bytecode(session)
    session.env.setdefault("FAULT_ROUNDS", os.environ.get("FAULT_ROUNDS", "50"))
    session.run("python", "-m", "pytest", "--require-services", "-s", "tests/faults", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check with ruff: rules and format (-- --fix mends what it can)."""
    install(session, "lint", editable=())
    session.run("ruff", "check", *session.posargs, ".")
    session.run("ruff", "format", *(() if "--fix" in session.posargs else ("--check",)), ".")


@nox.session
def typing(session: nox.Session) -> None:
    """Check the types with mypy --strict."""
    install(session, "typing")
    session.run("mypy", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure the speed of each path."""
    install(session, "bench")
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Build the distributions into dist/, install the wheels and start the command from them."""
    install(session, "build", editable=())
    shutil.rmtree("dist", ignore_errors=True)
    session.run(
        "uv", "build", "--quiet", "--all-packages", "--build-constraints", str(CONSTRAINTS), "--out-dir", "dist"
    )
    wheels = sorted(str(path) for path in Path("dist").glob("*.whl"))
    session.install("--constraints", str(CONSTRAINTS), "--reinstall", *wheels)
    session.run("streamhouse-connect", "plugins", "list")

    for path in sorted(Path("dist").glob("streamhouse*")):
        session.log("%s, %d bytes", path, path.stat().st_size)
