from __future__ import annotations

from typing import TYPE_CHECKING

from streamhouse_connect import BrokenPlugin, OptionInfo, PluginInfo

if TYPE_CHECKING:
    from .conftest import Api
    from .fakes import FakeWorker


def test_plugins_are_listed_with_their_options_and_the_broken_with_their_error(api: Api, worker: FakeWorker) -> None:
    """One array of all: whoever looks for a plugin finds it, or why it can't be used."""
    option = OptionInfo("webhook.url", "url", required=True, default=None, doc="Where to.", secret=True)
    worker.registry.working = [
        PluginInfo("sink", "webhook-sink", ("webhook",), "webhook", "1.0", "Posts batches.", (option,))
    ]
    worker.registry.not_working = [BrokenPlugin("other", "other-sink", "ModuleNotFoundError: No module named 'x'")]

    assert api.get("/api/v1/connector-plugins").json() == [
        {
            "kind": "sink",
            "name": "webhook-sink",
            "aliases": ["webhook"],
            "distribution": "webhook",
            "version": "1.0",
            "doc": "Posts batches.",
            "options": [
                {
                    "key": "webhook.url",
                    "type": "url",
                    "required": True,
                    "default": None,
                    "doc": "Where to.",
                    "choices": [],
                    "secret": True,
                }
            ],
            "error": None,
        },
        {
            "kind": None,
            "name": "other",
            "aliases": [],
            "distribution": "other-sink",
            "version": None,
            "doc": None,
            "options": [],
            "error": "ModuleNotFoundError: No module named 'x'",
        },
    ]
