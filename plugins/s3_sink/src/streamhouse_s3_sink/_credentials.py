"""Credentials: where they come from, and that those of a role are renewed before they expire.

aiobotocore does both; here the options are put in its terms. Nothing is sent before the first request needs to be signed.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
from aiobotocore.config import AioConfig
from aiobotocore.credentials import AioAssumeRoleCredentialFetcher, AioCredentials, AioDeferredRefreshableCredentials
from aiobotocore.session import AioSession
from botocore.exceptions import NoCredentialsError

if TYPE_CHECKING:
    from streamhouse_s3_sink._config import Limits, S3Config

__all__ = ["are_fixed", "make_session"]


async def make_session(config: S3Config, limits: Limits) -> Any:
    """Make a session of aiobotocore that signs as the options say.

    :raises Exception: whatever botocore raises if the profile, or credentials to assume the role with, can't be found.
    """
    session = AioSession(profile=config.profile)
    credentials = _given(config)

    if config.role_arn is not None:
        credentials = await _assumed(config, limits, credentials)

    if credentials is not None:
        session.register_component("credential_provider", _Provider(credentials))

    return session


def are_fixed(config: S3Config) -> bool:
    """Whether there is nowhere to get other credentials from than the options."""
    return config.access_key is not None and config.role_arn is None


@attrs.frozen
class _Provider:
    credentials: Any

    async def load_credentials(self) -> Any:
        return self.credentials


def _given(config: S3Config) -> Any:
    if config.access_key is None or config.secret_key is None:
        return None

    token = config.session_token.reveal() if config.session_token else None
    return AioCredentials(config.access_key.reveal(), config.secret_key.reveal(), token, method="explicit")


async def _assumed(config: S3Config, limits: Limits, given: Any) -> Any:
    session = AioSession(profile=config.profile)
    source = given or await session.get_credentials()

    if source is None:
        raise NoCredentialsError

    arguments = {"RoleSessionName": config.role_session_name, "ExternalId": config.role_external_id}
    settings = AioConfig(
        connect_timeout=limits.connect_s,
        read_timeout=limits.silence_s,
        retries={"total_max_attempts": 1, "mode": "standard"},
        user_agent_extra="streamhouse-connect",
    )
    endpoint = config.sts_endpoint.reveal() if config.sts_endpoint else None
    fetcher = AioAssumeRoleCredentialFetcher(
        partial(session.create_client, region_name=config.region, endpoint_url=endpoint, config=settings),
        source,
        config.role_arn,
        extra_args={name: value for name, value in arguments.items() if value is not None},
    )
    return AioDeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")
