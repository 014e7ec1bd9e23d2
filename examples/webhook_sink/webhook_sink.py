"""A sink of your own: posts each batch of JSON records to a URL, one record a line."""

import attrs
import httpx

from streamhouse_connect import Batch, RetriableError, SecretUrl, Sink, SinkContext, hookimpl, option


@attrs.frozen(kw_only=True)
class WebhookConfig:
    """The options of webhook-sink."""

    url: SecretUrl = option("webhook.url", doc="Where each batch is posted.")


class WebhookSink(Sink[WebhookConfig]):
    """Posts batches of records to a URL."""

    name = "webhook-sink"
    config_class = WebhookConfig

    async def open(self, context: SinkContext) -> None:
        self.client = httpx.AsyncClient(timeout=10)

    async def write(self, batch: Batch) -> None:
        try:
            answer = await self.client.post(self.config.url.reveal(), content=b"\n".join(batch.values))
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise RetriableError(f"the webhook does not answer well: {type(error).__name__}") from error

    async def close(self) -> None:
        if hasattr(self, "client"):
            await self.client.aclose()


@hookimpl
def streamhouse_register_sinks() -> list[type[Sink]]:
    return [WebhookSink]
