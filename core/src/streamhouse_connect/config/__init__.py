"""Options: declared once as attrs fields, read from strings or JSON values, described for people.

    @attrs.frozen(kw_only=True)
    class WebhookConfig:
        url: SecretUrl = option("webhook.url", doc="Where each batch is posted.")
        retries: int = option("webhook.retries", default=3, minimum=0, doc="…")

`load` reads every problem at once; nothing else in the code base structures user input. This package alone imports
cattrs, and knows nothing of sinks.
"""

from streamhouse_connect.config.declarations import Fields, Size, bare_type, declared, find, is_prefix, option
from streamhouse_connect.config.descriptions import OptionInfo, describe
from streamhouse_connect.config.excerpts import excerpt, unknown
from streamhouse_connect.config.loading import Loaded, load

__all__ = [
    "Fields",
    "Loaded",
    "OptionInfo",
    "Size",
    "bare_type",
    "declared",
    "describe",
    "excerpt",
    "find",
    "is_prefix",
    "load",
    "option",
    "unknown",
]
