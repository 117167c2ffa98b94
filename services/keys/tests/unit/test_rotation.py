"""A new master key: everything opens before, during and after."""

import os
from typing import TYPE_CHECKING

import pytest
from keys.adapters.master_key import LocalMasterKey
from keys.errors import SealBrokenError
from keys.model.secret import SecretKey
from keys.service.rotation import rotate
from keys.service.secrets import SecretsService, Vault

if TYPE_CHECKING:
    from conftest import World

OLD, NEW = os.urandom(32), os.urandom(32)


def secrets(world: "World", master: LocalMasterKey) -> SecretsService:
    return SecretsService(
        secrets=world.secret_store,
        vault=Vault(world.data_keys, master),
        owners=world.owner_store,
        audit=world.audit,
        clock=world.clock,
    )


class TestRotate:
    async def test_every_value_opens_before_and_after(self, world: "World") -> None:
        keys = [SecretKey(await world.owner(f"user {n}"), "OPENAI_API_KEY") for n in range(5)]
        for key in keys:
            await secrets(world, LocalMasterKey(OLD)).put(key, key.owner_id, digest=None)
        both = LocalMasterKey(NEW, [OLD])
        before = [await secrets(world, both).reveal(key, purpose="relay") for key in keys]

        done = await rotate(world.data_keys, both)

        only_new = secrets(world, LocalMasterKey(NEW))
        after = [await only_new.reveal(key, purpose="relay") for key in keys]
        assert done == 5
        assert before == after == [(key.owner_id, 1) for key in keys]

    async def test_the_old_key_opens_nothing_afterwards(self, world: "World") -> None:
        key = SecretKey(await world.owner(), "OPENAI_API_KEY")
        await secrets(world, LocalMasterKey(OLD)).put(key, "value-value-value", digest=None)
        await rotate(world.data_keys, LocalMasterKey(NEW, [OLD]))

        with pytest.raises(SealBrokenError):
            await secrets(world, LocalMasterKey(OLD)).reveal(key, purpose="relay")

    async def test_rotating_again_does_nothing(self, world: "World") -> None:
        key = SecretKey(await world.owner(), "OPENAI_API_KEY")
        await secrets(world, LocalMasterKey(NEW)).put(key, "value-value-value", digest=None)

        assert await rotate(world.data_keys, LocalMasterKey(NEW, [OLD])) == 0

    async def test_a_key_of_a_lost_master_stops_it(self, world: "World") -> None:
        key = SecretKey(await world.owner(), "OPENAI_API_KEY")
        await secrets(world, LocalMasterKey(OLD)).put(key, "value-value-value", digest=None)

        with pytest.raises(SealBrokenError):
            await rotate(world.data_keys, LocalMasterKey(NEW))
