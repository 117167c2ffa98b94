"""API tokens for programs: made, listed, revoked, recognised."""

from datetime import datetime, timedelta

from common.clock import Clock
from common.errors import (
    ConflictError,
    ErrorCode,
    InvalidError,
    NotFoundError,
    UnauthenticatedError,
)
from common.ids import new_id

from keys.model.token import Token, new_value, sha256_of
from keys.ports import Owners, Tokens
from keys.service.owners import require

MOST_TOKENS = 50
# A token in use would otherwise cost a write for each request.
_USE_NOTED_EVERY = timedelta(minutes=5)


class TokensService:
    def __init__(self, tokens: Tokens, owners: Owners, clock: Clock) -> None:
        self._tokens = tokens
        self._owners = owners
        self._clock = clock

    async def create(
        self, owner_id: str, *, name: str, scope: str, expires_at: datetime | None
    ) -> tuple[Token, str]:
        """The token's record, and its value, which nobody can read again."""
        now = self._clock()
        if expires_at is not None and expires_at <= now:
            message = "the token would have expired already"
            raise InvalidError(message)
        await require(self._owners, owner_id)
        if len(await self._tokens.list(owner_id)) >= MOST_TOKENS:
            raise ConflictError(f"{MOST_TOKENS} tokens are the most: revoke one first")
        value = new_value()
        token = Token(
            id=new_id("tok"),
            owner_id=owner_id,
            name=name,
            scope=scope,
            sha256=sha256_of(value),
            last_four=value[-4:],
            created_at=now,
            expires_at=expires_at,
        )
        await self._tokens.add(token)
        return token, value

    async def list(self, owner_id: str) -> list[Token]:
        return await self._tokens.list(owner_id)

    async def revoke(self, owner_id: str, token_id: str) -> None:
        if not await self._tokens.delete(owner_id, token_id):
            message = "there is no such token"
            raise NotFoundError(message)

    async def authorize(self, sha256: str) -> Token:
        """Raises UnauthenticatedError for a token that is unknown, revoked or expired."""
        token = await self._tokens.by_hash(sha256)
        now = self._clock()
        if token is None:
            message = "the API token is not valid"
            raise UnauthenticatedError(message, code=ErrorCode.TOKEN_INVALID)
        if token.is_expired(now):
            message = "the API token has expired"
            raise UnauthenticatedError(message, code=ErrorCode.TOKEN_EXPIRED)
        if token.last_used_at is None or now - token.last_used_at > _USE_NOTED_EVERY:
            await self._tokens.used(token.id, now)
        return token
