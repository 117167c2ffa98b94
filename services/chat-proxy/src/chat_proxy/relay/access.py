"""From a sandbox's token to the provider that is called for it, and the key."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol
from urllib.parse import urlsplit

from common.contracts.keys import OwnerSettings
from common.contracts.sandbox import RelayGrant
from common.errors import AppError, ForbiddenError, NotFoundError, UnauthenticatedError
from common.providers import PROVIDERS, Provider
from pydantic import SecretStr

from chat_proxy.relay.cache import Cache
from chat_proxy.relay.errors import missing_key, no_token, not_configured, platform_unavailable

KEY_S = 30.0
DEMO = "demo"

Purpose = Literal["relay", "key_check"]
"""What a key is asked for; it stands in the audit."""


@dataclass(frozen=True)
class Target:
    """Where a sandbox's call goes; `is_ours` says that the operator, not a user, named the
    address.
    """

    owner_id: str
    sandbox_id: str
    provider: Provider
    model: str
    base_url: str
    is_ours: bool = False
    key: SecretStr | None = field(default=None, repr=False)

    @property
    def title(self) -> str:
        """What to call it in a sentence; an endpoint of the owner's own by its host."""
        if self.provider.base_url is not None or self.is_ours:
            return self.provider.title
        return f"The endpoint at {urlsplit(self.base_url).netloc.rpartition('@')[2]}"

    def headers(self) -> Mapping[str, str]:
        if self.key is None:
            return {}
        return {"Authorization": f"Bearer {self.key.get_secret_value()}"}


class Directory(Protocol):
    """What other services know."""

    async def grant(self, token_sha256: str) -> RelayGrant: ...

    async def settings(self, owner_id: str) -> OwnerSettings: ...

    async def key(self, owner_id: str, name: str, *, purpose: Purpose) -> SecretStr: ...


class Access:
    """Whose token it is, and what the agent was last told to call, is asked for at every call: a
    deleted sandbox's token is worth nothing at once, and a changed model counts from the turn on
    that is told of it. Keys are kept for seconds, and dropped when they change.
    """

    def __init__(self, directory: Directory, *, demo_url: str | None) -> None:
        self._directory = directory
        self._demo_url = demo_url
        self._keys = Cache[tuple[str, str], SecretStr](KEY_S)

    async def grant(self, token: str) -> RelayGrant:
        """Whose token it is. Raises RefusedError."""
        try:
            return await self._directory.grant(hashlib.sha256(token.encode()).hexdigest())
        except (NotFoundError, UnauthenticatedError, ForbiddenError) as exc:
            raise no_token() from exc
        except AppError as exc:
            raise platform_unavailable(exc) from exc

    async def target(self, grant: RelayGrant) -> Target:
        """Raises RefusedError."""
        try:
            choice = await self._choice(grant)
            provider = PROVIDERS[choice.provider]
            base_url = self._base_url(provider, choice)
            key = await self._key(grant.owner_id, provider)
        except AppError as exc:
            raise platform_unavailable(exc) from exc
        return Target(
            owner_id=grant.owner_id,
            sandbox_id=grant.sandbox_id,
            provider=provider,
            model=choice.model,
            base_url=base_url.rstrip("/"),
            is_ours=provider.name == DEMO,
            key=key,
        )

    def forget_keys(self, owner_id: str) -> None:
        self._keys.drop(lambda key, _: key[0] == owner_id)

    async def _choice(self, grant: RelayGrant) -> OwnerSettings:
        if grant.provider is None or grant.model is None:
            return await self._directory.settings(grant.owner_id)
        return OwnerSettings(provider=grant.provider, model=grant.model, base_url=grant.base_url)

    def _base_url(self, provider: Provider, settings: OwnerSettings) -> str:
        theirs = provider.base_url or settings.base_url
        found = self._demo_url if provider.name == DEMO else theirs
        if not found:
            raise not_configured(provider)
        return found

    async def _key(self, owner_id: str, provider: Provider) -> SecretStr | None:
        name = provider.key_name
        if name is None:
            return None
        try:
            return await self._keys.get(
                (owner_id, name), lambda: self._directory.key(owner_id, name, purpose="relay")
            )
        except NotFoundError as exc:
            if provider.is_key_required:
                raise missing_key(provider) from exc
            return None
