"""The registry: which sinks, formatters and partitioners there are, and what a configuration of theirs makes.

Plugins are found once, when a registry is made. One that can't be imported, or that breaks a hook, is listed as broken
and harms no other. Pluggy is used here and in `specs` only: what is found is chosen by name, not called by hook.
"""

from __future__ import annotations

import difflib
import importlib
import reprlib
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final, Literal

import attrs
import pluggy

from streamhouse_connect.config import OptionInfo, describe
from streamhouse_connect.errors import NotFoundError, PluginError
from streamhouse_connect.objects import ObjectConfig, ObjectSink
from streamhouse_connect.options import ConnectorOptions
from streamhouse_connect.plugins import builtins, specs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from streamhouse_connect.formatters import Formatter
    from streamhouse_connect.partitioners import Partitioner
    from streamhouse_connect.sinks import Sink

__all__ = ["BrokenPlugin", "PluginInfo", "Registry"]

Kind = Literal["sink", "formatter", "partitioner"]

_HOOKS: Final[dict[Kind, str]] = {
    "sink": "streamhouse_register_sinks",
    "formatter": "streamhouse_register_formatters",
    "partitioner": "streamhouse_register_partitioners",
}
_CORE: Final = "streamhouse-connect"
_COMPARED: Final = 100
"""Characters of an unknown name that are compared with the known ones."""


@attrs.frozen
class PluginInfo:
    """One plugin as a user sees it. The options of a sink are all that a connector of it may be given."""

    kind: Kind
    name: str
    aliases: tuple[str, ...]
    distribution: str
    version: str
    doc: str
    options: tuple[OptionInfo, ...]


@attrs.frozen
class BrokenPlugin:
    """A plugin that is installed and of no use, and why."""

    entry_point: str
    distribution: str
    error: str


@attrs.frozen
class _Entry:
    plugin: Any
    distribution: str
    version: str


class Registry:
    """Knows every plugin by name.

    `plugins` adds modules or objects with hooks of their own to those that are installed; `entry_points=False` leaves
    out the installed ones.
    """

    def __init__(self, *, entry_points: bool = True, plugins: Sequence[object] = ()) -> None:
        self._found: dict[Kind, dict[str, _Entry]] = {kind: {} for kind in _HOOKS}
        self._broken: list[BrokenPlugin] = []
        self._clashes: dict[str, str] = {}
        self._register(builtins, "built-in", _CORE, _version(_CORE))

        for extra in builtins.EXTRA_FORMATTERS:
            self._found["formatter"][extra.name] = _Entry(extra, _CORE, _version(_CORE))

        for plugin in plugins:
            self._register(plugin, getattr(plugin, "__name__", type(plugin).__name__), "embedded", "")

        for entry_point in metadata.entry_points(group=specs.ENTRY_POINT_GROUP) if entry_points else ():
            self._load(entry_point)

    def sink(self, name: str) -> type[Sink[Any]]:
        """Return the sink class of this name or alias.

        :raises NotFoundError: with the code `unknown_plugin` and what was probably meant.
        :raises PluginError: if two distributions claim the name.
        """
        sink_class: type[Sink[Any]] = self._find("sink", name).plugin
        return sink_class

    def partitioner(self, name: str) -> type[Partitioner[Any]]:
        """Return the partitioner class of this name; raises like `sink`."""
        partitioner_class: type[Partitioner[Any]] = self._find("partitioner", name).plugin
        return partitioner_class

    def formatter(self, name: str) -> type[Formatter[Any]]:
        """Return the formatter class of this name; raises like `sink`.

        :raises PluginError: if a library that it needs is not installed, with the remedy.
        """
        formatter_class: type[Formatter[Any]] = _imported(self._find("formatter", name).plugin)
        return formatter_class

    def plugins(self) -> list[PluginInfo]:
        """Return every usable plugin, by kind and name."""
        return sorted(self._infos(), key=lambda info: (info.kind, info.name))

    def broken(self) -> list[BrokenPlugin]:
        """Return every plugin that is installed and of no use."""
        return list(self._broken)

    def describe(self, name: str) -> PluginInfo:
        """Return the plugin of this name or alias; raises like `sink`."""
        kinds = [kind for kind in _HOOKS if name in self._found[kind]] or ["sink"]
        kind: Kind = kinds[0]
        return self._info(kind, self._find(kind, name))

    def _infos(self) -> Iterator[PluginInfo]:
        for kind, found in self._found.items():
            for entry in {id(entry.plugin): entry for entry in found.values()}.values():
                try:
                    yield self._info(kind, entry)
                except PluginError:
                    continue

    def _info(self, kind: Kind, entry: _Entry) -> PluginInfo:
        plugin = _imported(entry.plugin)

        return PluginInfo(
            kind=kind,
            name=plugin.name,
            aliases=tuple(getattr(plugin, "aliases", ())),
            distribution=entry.distribution,
            version=entry.version,
            doc=(plugin.__doc__ or "").strip().partition("\n")[0],
            options=tuple(self._options(plugin)),
        )

    def _options(self, plugin: Any) -> list[OptionInfo]:
        if not hasattr(plugin, "batching"):
            return describe([plugin.config_class])

        options = describe([plugin.config_class])

        if issubclass(plugin, ObjectSink):
            options += describe([ObjectConfig])
            options += dict.fromkeys(  # some formats share options
                option
                for kind in ("formatter", "partitioner")
                for entry in self._found[kind].values()
                for option in _options_of(entry)
            )

        options += describe([ConnectorOptions], defaults=plugin.defaults)
        return list({option.key: option for option in options}.values())  # several partitioners may share one

    def _find(self, kind: Kind, name: str) -> _Entry:
        if name in self._clashes:
            raise PluginError(self._clashes[name])

        found = self._found[kind]

        if name in found:
            return found[name]

        near = difflib.get_close_matches(name[:_COMPARED], found, n=1, cutoff=0.5)
        installed = ", ".join(sorted({entry.plugin.name for entry in found.values()}))
        hint = f"did you mean {near[0]}?" if near else f"there are: {installed}"
        message = f"{reprlib.repr(name)} names no {kind}; {hint}"
        raise NotFoundError(message, code="unknown_plugin")

    def _load(self, entry_point: metadata.EntryPoint) -> None:
        distribution = entry_point.dist.name if entry_point.dist else "unknown"
        version = entry_point.dist.version if entry_point.dist else ""

        try:
            plugin = entry_point.load()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a stranger's import does is reported
            self._report(entry_point.name, distribution, error)
        else:
            self._register(plugin, entry_point.name, distribution, version)

    def _register(self, plugin: object, name: str, distribution: str, version: str) -> None:
        manager = pluggy.PluginManager(specs.ENTRY_POINT_GROUP)
        manager.add_hookspecs(specs)

        try:
            manager.register(plugin, name)
            manager.check_pending()
            offered = [(kind, _offered(manager, hook)) for kind, hook in _HOOKS.items()]

            if not any(classes for _, classes in offered):
                message = "it implements no streamhouse_register_… hook; mark its functions with hookimpl"
                raise PluginError(message)  # noqa: TRY301 - reported like every other fault of the plugin

            for kind, classes in offered:
                for offer in classes:
                    _check(kind, offer)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a stranger's hook does is reported
            self._report(name, distribution, error)
            return

        for kind, classes in offered:
            for offer in classes:
                self._add(kind, offer, _Entry(offer, distribution, version))

    def _add(self, kind: Kind, offer: Any, entry: _Entry) -> None:
        found = self._found[kind]

        for name in (offer.name, *getattr(offer, "aliases", ())):
            other = found.get(name)

            if other is None:
                found[name] = entry
                continue

            self._clashes[name] = (
                f"{name!r} names two {kind}s, of the distributions {other.distribution} and {entry.distribution}; "
                "uninstall one of them"
            )
            self._broken.append(BrokenPlugin(name, entry.distribution, self._clashes[name]))

    def _report(self, name: str, distribution: str, error: BaseException) -> None:
        text = str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"
        self._broken.append(BrokenPlugin(name, distribution, text))


def _offered(manager: pluggy.PluginManager, hook: str) -> list[Any]:
    answers: Iterable[Iterable[Any]] = getattr(manager.hook, hook)()
    return [offer for answer in answers for offer in answer]


def _check(kind: Kind, offer: Any) -> None:
    lacking = [attribute for attribute in ("name", "config_class") if not hasattr(offer, attribute)]

    if not isinstance(offer, type) or lacking:
        message = f"its hook {_HOOKS[kind]} offers {offer!r}, which is not a {kind} class with name and config_class"
        raise PluginError(message)

    abstract = sorted(getattr(offer, "__abstractmethods__", ()))

    if abstract:
        message = f"its {kind} {offer.__qualname__} lacks {', '.join(abstract)}"
        raise PluginError(message)

    config_class: Any = offer.config_class  # type: ignore[attr-defined]  # looked for above

    if not attrs.has(config_class):
        message = f"the config_class of its {kind} {offer.__qualname__} is not an attrs class"
        raise PluginError(message)

    describe([config_class])


def _options_of(entry: _Entry) -> list[OptionInfo]:
    try:
        return describe([_imported(entry.plugin).config_class])
    except PluginError:
        return []


def _imported(plugin: Any) -> Any:
    if not isinstance(plugin, builtins.ExtraFormatter):
        return plugin

    try:
        return getattr(importlib.import_module(plugin.module), plugin.class_name)
    except ImportError as error:
        raise PluginError(plugin.remedy) from error


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""
