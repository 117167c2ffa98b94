"""Asking a provider whether a stored key is good, and what it may still spend.

Only calls that a provider documents are made; without one, or without a clear answer, the state is
`unknown`. They go out under the same egress policy as every call of the relay.
"""

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import aiohttp
from common.clock import Clock
from common.contracts.relay import CheckedKey, CreditLeft, KeyState
from common.errors import InvalidError, RateLimitedError
from common.providers import PROVIDERS, Credit, KeyCheck, Provider
from pydantic import SecretStr

from chat_proxy.relay.access import Directory, Target
from chat_proxy.relay.errors import RefusedError
from chat_proxy.relay.upstream import Call, Upstream

WITHIN_S = 8.0
MOST_A_MINUTE = 10
_MOST_OWNERS = 10_000
_MINUTE = timedelta(minutes=1)
_LONGEST_ANSWER = 1024 * 1024
_ANTHROPIC_VERSION = "2023-06-01"

_NOTHING = object()

Answer = tuple[int, bytes]


class Allowance:
    """How often an owner may have providers asked. Raises RateLimitedError."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._recent: dict[str, deque[datetime]] = {}

    def count(self, owner_id: str) -> None:
        now = self._clock()
        if len(self._recent) > _MOST_OWNERS:
            self._recent.clear()
        recent = self._recent.setdefault(owner_id, deque())
        while recent and now - recent[0] >= _MINUTE:
            recent.popleft()
        if len(recent) >= MOST_A_MINUTE:
            message = f"a provider is asked {MOST_A_MINUTE} times a minute at the most"
            raise RateLimitedError(message, retry_at=recent[0] + _MINUTE)
        recent.append(now)


class KeyChecks:
    def __init__(self, directory: Directory, upstream: Upstream, clock: Clock) -> None:
        self._directory = directory
        self._upstream = upstream
        self._clock = clock
        self._allowance = Allowance(clock)

    async def check(self, owner_id: str, name: str) -> CheckedKey:
        """What the provider says of the owner's key.

        Raises:
            InvalidError: no provider has a key of that name.
            NotFoundError: the owner has stored none.
            RateLimitedError: asked too often.
        """
        provider = provider_of(name)
        self._allowance.count(owner_id)
        key = await self._directory.key(owner_id, name, purpose="key_check")
        base_url = provider.base_url or (await self._directory.settings(owner_id)).base_url
        if provider.check is None:
            detail = f"{provider.title} documents no way to check a key: just try it."
            return self._said(provider, KeyState.UNKNOWN, detail)
        if not base_url:
            detail = "There is no base URL in the settings to check it against."
            return self._said(provider, KeyState.UNKNOWN, detail)
        target = Target(owner_id, "", provider, "", base_url.rstrip("/"))
        try:
            async with asyncio.timeout(WITHIN_S):
                answer = await self._ask(target, provider.check, key)
        except (RefusedError, TimeoutError, aiohttp.ClientError) as exc:
            reason = exc.message if isinstance(exc, RefusedError) else "It did not answer."
            return self._said(provider, KeyState.UNKNOWN, f"Could not tell. {reason}")
        return self._judged(provider, provider.check, answer)

    async def _ask(self, target: Target, check: KeyCheck, key: SecretStr) -> Answer:
        call = Call("GET", check.path, headers=auth_headers(check, key))
        async with self._upstream.send(target, call) as answer:
            body = bytearray()
            while len(body) < _LONGEST_ANSWER and (chunk := await answer.content.readany()):
                body += chunk
            return answer.status, bytes(body)

    def _judged(self, provider: Provider, check: KeyCheck, answer: Answer) -> CheckedKey:
        status, body = answer
        if status == 200:
            credit = credit_in(body, check.credit)
            detail = f"{provider.title} accepts this key.{_about(credit)}"
            return self._said(provider, KeyState.GOOD, detail, credit)
        if is_refused(check, status, body):
            where = f" Get one at {provider.key_url}." if provider.key_url else ""
            detail = f"{provider.title} does not accept this key.{where}"
            return self._said(provider, KeyState.REFUSED, detail)
        detail = f"Could not tell. {provider.title} answered with status {status}."
        return self._said(provider, KeyState.UNKNOWN, detail)

    def _said(
        self, provider: Provider, state: KeyState, detail: str, credit: CreditLeft | None = None
    ) -> CheckedKey:
        return CheckedKey(
            name=provider.key_name or "",
            provider=provider.name,
            state=state,
            detail=detail,
            credit=credit,
            checked_at=self._clock(),
        )


def provider_of(name: str) -> Provider:
    """The provider whose key has that name. Raises InvalidError."""
    for provider in PROVIDERS.values():
        if provider.key_name == name:
            return provider
    raise InvalidError(f"{name} is the key of no LLM provider")


def auth_headers(check: KeyCheck, key: SecretStr) -> Mapping[str, str]:
    value = key.get_secret_value()
    if check.header == "x-api-key":
        return {"x-api-key": value, "anthropic-version": _ANTHROPIC_VERSION}
    return {"Authorization": f"Bearer {value}"}


def is_refused(check: KeyCheck, status: int, body: bytes) -> bool:
    if status in check.refused_by:
        return True
    return status == 400 and bool(check.refused_words) and check.refused_words.encode() in body


def credit_in(body: bytes, credit: Credit | None) -> CreditLeft | None:
    """What is left, where the answer has it in the documented place."""
    if credit is None:
        return None
    found = _at(body, credit.field)
    if found is None and credit.none_is_unlimited:
        return CreditLeft(remaining=None, unit=credit.unit)
    if isinstance(found, int | float) and not isinstance(found, bool):
        return CreditLeft(remaining=float(found), unit=credit.unit)
    return None


def _at(body: bytes, field: tuple[str, ...]) -> object:
    """What stands there; an object where nothing does, which is no number and not null."""
    try:
        found: Any = json.loads(body)
    except ValueError:
        return _NOTHING
    for name in field:
        if not isinstance(found, dict):
            return _NOTHING
        found = found.get(name, _NOTHING)
    return found


def _about(credit: CreditLeft | None) -> str:
    if credit is None:
        return ""
    if credit.remaining is None:
        return " It has no spending limit of its own."
    return f" It may still spend {credit.remaining:.2f} {credit.unit}."
