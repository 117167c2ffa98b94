"""Asking a provider which models it has: `GET /models`, as OpenAI documents it and all follow."""

import asyncio
import json

import aiohttp
from common.clock import Clock
from common.contracts.relay import ModelList
from common.errors import InvalidError, NotFoundError
from common.providers import PROVIDERS, Provider
from pydantic import SecretStr

from chat_proxy.relay.access import DEMO, Directory, Target
from chat_proxy.relay.checks import Allowance, auth_headers
from chat_proxy.relay.errors import RefusedError
from chat_proxy.relay.upstream import Call, Upstream

WITHIN_S = 8.0
MOST_MODELS = 1_000
_LONGEST_ANSWER = 8 * 1024 * 1024
_LONGEST_NAME = 200
# Google's names say what they are; its own chat endpoint takes them with and without.
_PREFIX = "models/"


class ModelLists:
    def __init__(self, directory: Directory, upstream: Upstream, clock: Clock) -> None:
        self._directory = directory
        self._upstream = upstream
        self._allowance = Allowance(clock)

    async def of(self, owner_id: str, provider_name: str, base_url: str | None) -> ModelList:
        """What the provider lists; none, with the reason, where it lists nothing to this owner.

        Raises:
            InvalidError: there is no such provider.
            RateLimitedError: asked too often.
        """
        provider = PROVIDERS.get(provider_name)
        if provider is None:
            raise InvalidError(f"there is no provider {provider_name!r}")
        if provider.name == DEMO:
            return _listed(provider, [provider.default_model])
        where = provider.base_url or base_url
        if not where:
            return _listed(provider, [], "Give the base URL first.")
        self._allowance.count(owner_id)
        key = await self._key(owner_id, provider)
        target = Target(owner_id, "", provider, "", where.rstrip("/"), key=key)
        try:
            async with asyncio.timeout(WITHIN_S):
                status, body = await self._ask(target)
        except (RefusedError, TimeoutError, aiohttp.ClientError) as exc:
            reason = exc.message if isinstance(exc, RefusedError) else "It did not answer."
            return _listed(provider, [], f"The models could not be listed. {reason}")
        if status != 200:
            why = "It wants a key first." if status in {401, 403} else f"It answered {status}."
            return _listed(provider, [], f"The models could not be listed. {why}")
        names = names_in(body)
        return _listed(provider, names, "" if names else "It lists no models.")

    async def _key(self, owner_id: str, provider: Provider) -> SecretStr | None:
        if provider.key_name is None:
            return None
        try:
            return await self._directory.key(owner_id, provider.key_name, purpose="key_check")
        except NotFoundError:
            return None

    async def _ask(self, target: Target) -> tuple[int, bytes]:
        headers = None
        if target.key is not None and target.provider.check is not None:
            headers = auth_headers(target.provider.check, target.key)
        async with self._upstream.send(target, Call("GET", "/models", headers=headers)) as answer:
            body = bytearray()
            while len(body) < _LONGEST_ANSWER and (chunk := await answer.content.readany()):
                body += chunk
            return answer.status, bytes(body)


def names_in(body: bytes) -> list[str]:
    """The ids in a list of models, whoever wrote it."""
    try:
        found = json.loads(body)
    except ValueError:
        return []
    listed = found.get("data") if isinstance(found, dict) else found
    entries = listed if isinstance(listed, list) else []
    ids = (entry.get("id") for entry in entries if isinstance(entry, dict))
    names = {
        name.removeprefix(_PREFIX)
        for name in ids
        if isinstance(name, str) and 0 < len(name) <= _LONGEST_NAME and name.isprintable()
    }
    return sorted(names)[:MOST_MODELS]


def _listed(provider: Provider, names: list[str], detail: str = "") -> ModelList:
    return ModelList(provider=provider.name, title=provider.title, models=names, detail=detail)
