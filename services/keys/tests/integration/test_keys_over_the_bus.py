"""On the real store and the real bus: every RPC, and what a thief of the store finds."""

import asyncio
import base64
import hashlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from bson import json_util
from common import mongo
from common.clock import utc_now
from common.contracts import keys as contract
from common.errors import (
    ErrorCode,
    InternalError,
    InvalidError,
    NotFoundError,
    UnauthenticatedError,
)
from common.ids import new_id
from common.messaging.loops import Hint
from common.messaging.rpc import RpcClient, RpcServer
from common.mongo import Database
from common.outbox import OutboxRelay
from common.running import Backbone
from keys.adapters.master_key import LocalMasterKey
from keys.adapters.mongo.indexes import indexes
from keys.main import outbox_relay, serve, stores_in
from keys.service.owners import PURGE_AFTER, OwnersService
from keys.service.rotation import rotate
from keys.settings import Settings
from nats.aio.client import Client
from pydantic import SecretStr

ISSUER = "https://issuer.example"
MARK = "sk-MARKED-0123456789-secret"
OLD, NEW = os.urandom(32), os.urandom(32)


@dataclass
class Running:
    rpc: RpcClient
    database: Database
    relay: OutboxRelay
    owners: OwnersService

    async def owner(self, subject: str) -> str:
        asked = contract.ResolveOwner(issuer=ISSUER, subject=subject)
        return (await self.rpc.call(contract.RESOLVE_OWNER, asked)).owner_id

    async def put(self, owner: str, value: str = MARK, **more: str) -> contract.SecretMetadata:
        asked = contract.PutSecret.model_validate(
            {"owner_id": owner, "name": "OPENAI_API_KEY", "value": value, **more}
        )
        return await self.rpc.call(contract.PUT_SECRET, asked)

    async def reveal(self, owner: str) -> contract.Revealed:
        asked = contract.Reveal(owner_id=owner, name="OPENAI_API_KEY", purpose="relay")
        return await self.rpc.call(contract.REVEAL, asked)

    async def dump(self) -> str:
        """Everything the database holds, as text and with its binary fields as they are."""
        parts = []
        for name in await self.database.list_collection_names():
            async for document in self.database[name].find():
                raw = [bytes(v) for v in document.values() if isinstance(v, bytes)]
                parts.append(json_util.dumps(document) + repr(raw))
        return "\n".join(parts)


@pytest.fixture
async def running(
    nats_connection: Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Running]:
    for name, value in {
        "NATS_URL": "nats://unused",
        "MONGODB_URI": "mongodb://unused",
        "DEPLOYMENT_ID": "test",
        "KEYS_MASTER_KEY": base64.b64encode(OLD).decode(),
    }.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    await mongo.ensure_indexes(database, indexes(audit_retention=settings.audit_retention))
    rpc = RpcClient(nats_connection)
    async with RpcServer(nats_connection, service="keys") as server:
        jetstream = nats_connection.jetstream()
        connections = Backbone(nats_connection, jetstream, rpc, server, database)
        owners = await serve(connections, settings, LocalMasterKey(OLD), Hint())
        yield Running(rpc, database, outbox_relay(connections), owners)


class TestOwners:
    async def test_many_first_calls_mint_one_owner(self, running: Running) -> None:
        found = await asyncio.gather(*(running.owner("alice") for _ in range(40)))

        assert len(set(found)) == 1
        assert await running.database["owners"].count_documents({}) == 1
        assert await running.relay.run_once() == 1


class TestSecrets:
    async def test_a_value_goes_in_and_only_its_metadata_comes_out(self, running: Running) -> None:
        owner = await running.owner("alice")

        stored = await running.put(owner)
        listed = await running.rpc.call(
            contract.LIST_SECRETS, contract.ListSecrets(owner_id=owner)
        )

        assert listed.secrets == [stored]
        assert stored.last_four == "cret"
        assert MARK not in listed.model_dump_json()
        assert (await running.reveal(owner)).value.get_secret_value() == MARK

    async def test_concurrent_puts_each_get_a_version(self, running: Running) -> None:
        owner = await running.owner("alice")

        stored = await asyncio.gather(*(running.put(owner, f"{MARK}-{n}") for n in range(5)))

        assert sorted(secret.version for secret in stored) == [1, 2, 3, 4, 5]
        last = max(stored, key=lambda secret: secret.version)
        revealed = await running.reveal(owner)
        assert revealed.version == 5
        assert revealed.value.get_secret_value().endswith(last.last_four)

    async def test_a_deleted_value_is_gone(self, running: Running) -> None:
        owner = await running.owner("alice")
        await running.put(owner)
        asked = contract.DeleteSecret(owner_id=owner, name="OPENAI_API_KEY")

        await running.rpc.call(contract.DELETE_SECRET, asked)
        await running.rpc.call(contract.DELETE_SECRET, asked)

        with pytest.raises(NotFoundError) as error:
            await running.reveal(owner)
        assert error.value.code is ErrorCode.SECRET_NOT_FOUND

    async def test_a_variable_belongs_to_its_skill_and_digest(self, running: Running) -> None:
        owner = await running.owner("alice")
        await running.put(owner, "of-the-agent")
        stored = await running.put(owner, "of-the-skill", skill="a/b/c", digest="sha256:1")
        asked = contract.Reveal(
            owner_id=owner, name="OPENAI_API_KEY", skill="a/b/c", purpose="skill_variable"
        )

        revealed = await running.rpc.call(contract.REVEAL, asked)

        assert (stored.skill, stored.digest) == ("a/b/c", "sha256:1")
        assert revealed.value.get_secret_value() == "of-the-skill"

    async def test_a_refused_name_says_so(self, running: Running) -> None:
        owner = await running.owner("alice")

        with pytest.raises(InvalidError) as error:
            await running.put(owner, name="LD_PRELOAD", skill="a/b/c")

        assert error.value.code is ErrorCode.VARIABLE_REFUSED

    async def test_every_reveal_leaves_a_line_and_an_event(self, running: Running) -> None:
        owner = await running.owner("alice")
        await running.put(owner)
        await running.reveal(owner)
        await running.reveal(owner)

        lines = [line async for line in running.database["audit"].find({"owner_id": owner})]
        await running.relay.run_once()
        events = [event async for event in running.database["events"].find()]

        assert [(line["purpose"], line["version"]) for line in lines] == [("relay", 1)] * 2
        assert sorted(event["subject"] for event in events) == [
            "evt.owner.created.v1",
            "evt.secret.put.v1",
            "evt.secret.revealed.v1",
            "evt.secret.revealed.v1",
        ]


class TestStolenStore:
    async def test_a_dump_holds_no_value_in_any_form(self, running: Running) -> None:
        owner = await running.owner("alice")
        await running.put(owner)
        await running.put(owner, MARK + "-newer")
        await running.put(owner, MARK, skill="a/b/c", digest="sha256:1")
        await running.reveal(owner)
        await running.relay.run_once()

        dump = await running.dump()

        assert owner in dump
        for form in (MARK.encode(), base64.b64encode(MARK.encode()), MARK.encode().hex().encode()):
            assert form[:20].decode() not in dump

    async def test_a_row_copied_over_another_does_not_open(self, running: Running) -> None:
        alice, bob = await running.owner("alice"), await running.owner("bob")
        await running.put(alice)
        await running.put(bob, "the-value-of-bob")
        secrets = running.database["secrets"]
        stolen = await secrets.find_one({"owner_id": alice}, {"nonce": 1, "ciphertext": 1})
        assert stolen is not None
        del stolen["_id"]

        await secrets.update_one({"owner_id": bob}, {"$set": stolen})

        with pytest.raises(InternalError, match="does not open"):
            await running.reveal(bob)

    async def test_the_stream_holds_no_value(
        self, running: Running, nats_connection: Client
    ) -> None:
        owner = await running.owner("alice")
        await running.put(owner)
        await running.reveal(owner)
        await running.relay.run_once()

        jetstream = nats_connection.jetstream()
        subscription = await jetstream.pull_subscribe("evt.>", stream="EVENTS")
        messages = await subscription.fetch(500, timeout=2)
        await subscription.unsubscribe()

        texts = [message.data.decode() for message in messages]
        assert any(owner in text for text in texts)
        assert not any(MARK in text or "alice" in text for text in texts)


class TestRotation:
    async def test_all_values_open_with_the_new_key_alone(self, running: Running) -> None:
        owners = [await running.owner(f"user {n}") for n in range(3)]
        for owner in owners:
            await running.put(owner)
        data_keys = stores_in(running.database).data_keys

        done = await rotate(data_keys, LocalMasterKey(NEW, [OLD]))

        assert done == 3
        assert await rotate(data_keys, LocalMasterKey(NEW)) == 0
        for owner in owners:
            wrapped = await data_keys.get(owner)
            assert wrapped is not None
            assert len(await LocalMasterKey(NEW).unwrap(wrapped)) == 32


class TestSettings:
    async def test_they_are_the_platforms_until_chosen(self, running: Running) -> None:
        owner = await running.owner("alice")
        asked = contract.GetSettings(owner_id=owner)

        before = await running.rpc.call(contract.GET_SETTINGS, asked)
        chosen = contract.PutSettings(
            owner_id=owner, provider="custom", model="m", base_url="http://127.0.0.1:11434/v1/"
        )
        await running.rpc.call(contract.PUT_SETTINGS, chosen)
        after = await running.rpc.call(contract.GET_SETTINGS, asked)

        assert (before.provider, before.model, before.version) == ("demo", "demo", 0)
        assert (after.provider, after.base_url) == ("custom", "http://127.0.0.1:11434/v1")
        assert after.version == 1

    async def test_nonsense_is_refused(self, running: Running) -> None:
        asked = contract.PutSettings(
            owner_id=await running.owner("alice"), provider="nobody", model="m"
        )

        with pytest.raises(InvalidError, match="openrouter"):
            await running.rpc.call(contract.PUT_SETTINGS, asked)


class TestTokens:
    async def test_a_token_is_shown_once_and_works_until_revoked(self, running: Running) -> None:
        owner = await running.owner("alice")
        made = await running.rpc.call(
            contract.CREATE_TOKEN, contract.CreateToken(owner_id=owner, name="cli")
        )
        sha256 = _sha256(made.value)

        grant = await running.rpc.call(
            contract.AUTHORIZE_TOKEN, contract.AuthorizeToken(token_sha256=sha256)
        )
        listed = await running.rpc.call(contract.LIST_TOKENS, contract.ListTokens(owner_id=owner))
        await running.rpc.call(
            contract.REVOKE_TOKEN, contract.RevokeToken(owner_id=owner, token_id=made.id)
        )

        assert (grant.owner_id, grant.scope) == (owner, "api")
        assert [token.last_used_at is not None for token in listed.tokens] == [True]
        assert made.value.get_secret_value() not in await running.dump()
        with pytest.raises(UnauthenticatedError):
            await running.rpc.call(
                contract.AUTHORIZE_TOKEN, contract.AuthorizeToken(token_sha256=sha256)
            )


class TestErase:
    async def test_a_scan_finds_nobody_afterwards(self, running: Running) -> None:
        alice, bob = await running.owner("alice@example.org"), await running.owner("bob")
        for owner in (alice, bob):
            await running.put(owner)
            await running.reveal(owner)
        await running.relay.run_once()

        erased = await running.rpc.call(contract.ERASE_OWNER, contract.EraseOwner(owner_id=alice))
        dump = await running.dump()

        assert erased.counts == {
            "owners": 1,
            "data_keys": 1,
            "secrets": 1,
            "settings": 0,
            "api_tokens": 0,
            "audit": 1,
        }
        assert "alice" not in dump
        assert (await running.reveal(bob)).value.get_secret_value() == MARK
        assert await running.owner("alice@example.org") != alice

    async def test_the_record_itself_goes_after_its_event(self, running: Running) -> None:
        alice = await running.owner("alice")
        await running.put(alice)
        await running.rpc.call(contract.ERASE_OWNER, contract.EraseOwner(owner_id=alice))
        long_ago = {"$set": {"erased_at": utc_now() - 2 * PURGE_AFTER}}
        await running.database["owners"].update_one({"_id": alice}, long_ago)

        before_the_event = await running.owners.purge()
        await running.relay.run_once()
        after = await running.owners.purge()

        assert (before_the_event, after) == (0, 1)
        for name in ("owners", "secrets", "data_keys", "audit"):
            assert await running.database[name].count_documents({}) == 0

    async def test_an_unknown_owner_has_nothing(self, running: Running) -> None:
        erased = await running.rpc.call(
            contract.ERASE_OWNER, contract.EraseOwner(owner_id=new_id("own"))
        )

        assert set(erased.counts.values()) == {0}


def _sha256(value: SecretStr) -> str:
    return hashlib.sha256(value.get_secret_value().encode()).hexdigest()
