"""Owner ids, and forgetting an owner."""

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from common.errors import NotFoundError
from keys.model.secret import SecretKey
from keys.service.owners import PURGE_AFTER

if TYPE_CHECKING:
    from conftest import World


async def furnish(world: "World", owner: str) -> SecretKey:
    key = SecretKey(owner, "OPENAI_API_KEY")
    await world.secrets.put(key, "value-value-value", digest=None)
    await world.secrets.reveal(key, purpose="relay")
    await world.choices.put(owner, provider="openai", model="gpt-5.1", base_url=None)
    await world.tokens.create(owner, name="cli", scope="api", expires_at=None)
    return key


class TestResolve:
    async def test_an_identity_keeps_its_owner(self, world: "World") -> None:
        first = await world.owners.resolve("https://issuer.example", "alice")

        assert await world.owners.resolve("https://issuer.example", "alice") == first
        subjects = [event.subject for event in world.owner_store.emitted]
        assert subjects == ["evt.owner.created.v1"]

    async def test_the_same_subject_of_another_issuer_is_somebody_else(
        self, world: "World"
    ) -> None:
        first = await world.owners.resolve("https://issuer.example", "alice")

        assert (await world.owners.resolve("https://other.example", "alice")).id != first.id

    async def test_no_event_names_the_person(self, world: "World") -> None:
        await world.owners.resolve("https://issuer.example", "alice@example.org")

        assert "alice" not in str(world.owner_store.emitted)


class TestErase:
    async def test_it_counts_what_was_there(self, world: "World") -> None:
        owner = await world.owner()
        await furnish(world, owner)

        counts = await world.owners.erase(owner)

        assert counts == dict.fromkeys(
            ("owners", "data_keys", "secrets", "settings", "api_tokens", "audit"), 1
        )
        assert set((await world.owners.erase(owner)).values()) == {0}

    async def test_nothing_opens_any_more(self, world: "World") -> None:
        owner = await world.owner()
        key = await furnish(world, owner)
        stolen = world.secret_store.secrets[key]

        await world.owners.erase(owner)
        world.secret_store.secrets[key] = stolen

        with pytest.raises(NotFoundError):
            await world.secrets.reveal(key, purpose="relay")

    async def test_a_call_under_way_cannot_bring_a_key_back(self, world: "World") -> None:
        owner = await world.owner()
        wrapped = await world.master.wrap(b"k" * 32, owner_id=owner)

        await world.owners.erase(owner)

        with pytest.raises(NotFoundError):
            await world.data_keys.add(wrapped)

    async def test_nothing_new_is_accepted(self, world: "World") -> None:
        owner = await world.owner()
        await world.owners.erase(owner)

        with pytest.raises(NotFoundError):
            await furnish(world, owner)

    async def test_the_same_person_comes_back_as_somebody_new(self, world: "World") -> None:
        owner = await world.owner()
        await world.owners.erase(owner)

        assert await world.owner() != owner

    async def test_others_keep_what_they_have(self, world: "World") -> None:
        bob = await world.owner("bob")
        key = await furnish(world, bob)

        await world.owners.erase(await world.owner())

        assert (await world.secrets.reveal(key, purpose="relay"))[0] == "value-value-value"

    async def test_what_is_left_is_purged_later(self, world: "World") -> None:
        owner = await world.owner()
        await furnish(world, owner)
        await world.owners.erase(owner)

        at_once = await world.owners.purge()
        world.clock.advance(PURGE_AFTER + timedelta(seconds=1))
        later = await world.owners.purge()

        assert (at_once, later) == (0, 1)
        assert (world.secret_store.secrets, world.data_keys.keys) == ({}, {})
        assert world.owner_store.erased == {}
