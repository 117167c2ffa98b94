"""API tokens: shown once, hashed, scoped, revocable."""

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from common.errors import (
    ConflictError,
    ErrorCode,
    InvalidError,
    NotFoundError,
    UnauthenticatedError,
)
from keys.model.token import sha256_of
from keys.service.tokens import MOST_TOKENS

if TYPE_CHECKING:
    from conftest import World


class TestTokens:
    async def test_a_token_names_its_owner_and_scope(self, world: "World") -> None:
        owner = await world.owner()
        token, value = await world.tokens.create(
            owner, name="cli", scope="openai", expires_at=None
        )

        found = await world.tokens.authorize(sha256_of(value))

        assert (found.owner_id, found.id, found.scope) == (owner, token.id, "openai")

    async def test_its_value_is_not_kept(self, world: "World") -> None:
        _, value = await world.tokens.create(
            await world.owner(), name="cli", scope="api", expires_at=None
        )

        assert value not in str(world.token_store)

    async def test_a_revoked_token_is_refused(self, world: "World") -> None:
        owner = await world.owner()
        token, value = await world.tokens.create(owner, name="x", scope="api", expires_at=None)
        await world.tokens.revoke(owner, token.id)

        with pytest.raises(UnauthenticatedError) as error:
            await world.tokens.authorize(sha256_of(value))
        assert error.value.code is ErrorCode.TOKEN_INVALID

    async def test_an_expired_token_is_refused(self, world: "World") -> None:
        _, value = await world.tokens.create(
            await world.owner(),
            name="x",
            scope="api",
            expires_at=world.clock() + timedelta(minutes=1),
        )
        world.clock.advance(timedelta(minutes=1))

        with pytest.raises(UnauthenticatedError) as error:
            await world.tokens.authorize(sha256_of(value))
        assert error.value.code is ErrorCode.TOKEN_EXPIRED

    async def test_nobody_revokes_anothers_token(self, world: "World") -> None:
        token, _ = await world.tokens.create(
            await world.owner(), name="x", scope="api", expires_at=None
        )

        with pytest.raises(NotFoundError):
            await world.tokens.revoke(await world.owner("bob"), token.id)

    async def test_use_is_noted_now_and_then(self, world: "World") -> None:
        token, value = await world.tokens.create(
            await world.owner(), name="x", scope="api", expires_at=None
        )
        first = world.clock()
        await world.tokens.authorize(sha256_of(value))
        world.clock.advance(timedelta(minutes=1))
        await world.tokens.authorize(sha256_of(value))

        assert world.token_store.tokens[token.id].last_used_at == first

    async def test_one_that_has_expired_already_is_refused(self, world: "World") -> None:
        with pytest.raises(InvalidError):
            await world.tokens.create(
                await world.owner(), name="x", scope="api", expires_at=world.clock()
            )

    async def test_there_is_a_limit(self, world: "World") -> None:
        owner = await world.owner()
        for _ in range(MOST_TOKENS):
            await world.tokens.create(owner, name="x", scope="api", expires_at=None)

        with pytest.raises(ConflictError):
            await world.tokens.create(owner, name="x", scope="api", expires_at=None)
