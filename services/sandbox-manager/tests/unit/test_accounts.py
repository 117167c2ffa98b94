"""An owner's own account at the provider: used, changed, closed; and never more than asked."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from common.errors import ErrorCode
from sandbox_fakes.world import World as FakeWorld
from sandbox_manager.model.account import account_id, place, placed, plain
from sandbox_manager.model.balance import Remedy
from sandbox_manager.model.provided import ProvidedSandbox, ProvidedState
from sandbox_manager.settings import Settings

World = Any
PDF = "acme/tools/pdf"
FIRST = account_id(b"k" * 32, "first")
SECOND = account_id(b"k" * 32, "second")


class TestNames:
    @pytest.mark.parametrize("account", ["", FIRST])
    def test_a_name_leads_back_to_its_account(self, account: str) -> None:
        assert place(placed(account, "box-1")) == (account, "box-1")
        assert plain(placed(account, "box-1")) == "box-1"

    def test_an_account_is_known_by_its_key_and_does_not_show_it(self) -> None:
        assert account_id(b"k" * 32, "first") == FIRST != SECOND
        assert account_id(b"x" * 32, "first") != FIRST


class TestOwnKey:
    async def test_a_sandbox_is_made_in_the_owners_account(self, world: World) -> None:
        world.keys.enter_account("first", world.clock())

        await world.ready(PDF)
        second = await world.launch(PDF)

        assert list(world.provider.machines) == [f"{FIRST}/box-1"]
        assert (second.path, world.sandbox.account) == ("instant", FIRST)
        assert world.keys.revealed == ["DAYTONA_API_KEY"]

    async def test_without_one_it_is_the_operators(self, world: World) -> None:
        await world.ready(PDF)

        assert list(world.provider.machines) == ["box-1"]
        assert (world.sandbox.account, world.accounts.stored) == ("", {})

    async def test_a_relay_that_it_could_not_reach_is_said_before_anything_is_made(self) -> None:
        world = FakeWorld(is_relay_public=False)
        world.skills.add(PDF)
        world.keys.enter_account("first", world.clock())

        launch = await world.launch(PDF)

        assert launch.error is not None
        assert launch.error.code == ErrorCode.RELAY_UNREACHABLE
        assert "RELAY_PUBLIC_URL" in launch.error.detail
        assert (world.provider.machines, world.provider.made) == ({}, 0)

    async def test_it_fills_no_place_of_the_deployment(self, world: World) -> None:
        world.skills.add(PDF)
        for number in range(10):
            world.owner = f"own_{number:020d}"
            await world.ready()
        world.owner = "own_" + "z" * 20
        world.keys.enter_account("first", world.clock())

        assert (await world.launch(PDF)).state == "ready"


class TestChangedKey:
    async def test_another_account_gets_a_new_sandbox_and_the_old_one_is_deleted(
        self, world: World
    ) -> None:
        await world.ready(PDF)
        world.keys.enter_account("first", world.clock())

        launch = await world.launch(PDF)

        assert (launch.state, launch.path) == ("ready", "create")
        assert list(world.provider.machines) == [f"{FIRST}/box-2"]
        assert any("another Daytona account" in getattr(e, "text", "") for e in launch.entries)

    async def test_another_key_of_the_same_account_takes_it_over(self, world: World) -> None:
        world.keys.enter_account("first", world.clock())
        await world.ready(PDF)
        box = world.provider.machines[f"{FIRST}/box-1"]
        world.keys.enter_account("second", world.clock() + timedelta(seconds=1))
        world.provider.machines[f"{SECOND}/box-1"] = replace(
            box, id=f"{SECOND}/box-1", name=placed(SECOND, plain(box.name))
        )
        world.inside.agents[f"{SECOND}/box-1"] = world.inside.agents.pop(f"{FIRST}/box-1")

        launch = await world.launch(PDF)

        assert (launch.state, world.provider.made) == ("ready", 1)
        assert world.sandbox.provider_id == f"{SECOND}/box-1"
        assert launch.path != "create"

    async def test_the_same_key_entered_again_changes_nothing(self, world: World) -> None:
        world.keys.enter_account("first", world.clock())
        await world.ready(PDF)
        world.keys.enter_account("first", world.clock() + timedelta(seconds=1))

        await world.launch(PDF)

        assert (await world.launch(PDF)).path == "instant"
        assert world.provider.made == 1

    async def test_a_deleted_key_brings_it_back_to_the_operators(self, world: World) -> None:
        world.keys.enter_account("first", world.clock())
        await world.ready(PDF)
        world.keys.account = None

        await world.launch(PDF)

        assert list(world.provider.machines) == ["box-2"]

    async def test_never_while_a_turn_runs(self, world: World) -> None:
        launch = await world.ready(PDF)
        await world.sandboxes.apply(
            world.owner,
            lambda box: box.granted(world.lease(timedelta(hours=1)), world.clock()),
        )
        world.keys.enter_account("first", world.clock())

        refused = await world.launch(PDF)

        assert refused.error.code == ErrorCode.SANDBOX_IN_USE
        assert list(world.provider.machines) == ["box-1"]
        assert launch.state == "ready"


class TestClosedAccount:
    async def test_a_refused_key_is_said(self, world: World) -> None:
        world.skills.add(PDF)
        world.keys.enter_account("first", world.clock())
        world.provider.closed = {FIRST}

        launch = await world.launch(PDF)

        assert launch.error.code == ErrorCode.ACCOUNT_REFUSED
        assert world.sandbox.state == "absent"

    async def test_what_is_left_in_it_is_its_owners(self, world: World) -> None:
        world.keys.enter_account("first", world.clock())
        await world.ready(PDF)
        world.provider.closed = {FIRST}
        world.keys.account = None

        launch = await world.launch(PDF)

        assert (launch.state, world.sandbox.account) == ("ready", "")
        deleted = [e for e in world.sandboxes.events if e.subject == "evt.sandbox.deleted.v1"]
        assert deleted[-1].body["data"]["reason"] == "left_in_own_account"

    async def test_it_does_not_keep_the_others_from_being_looked_at(self, world: World) -> None:
        world.keys.enter_account("first", world.clock())
        await world.ready(PDF)
        world.provider.closed, world.keys.account = {FIRST}, None
        world.provider.hidden = {f"{FIRST}/box-1"}
        world.owner = "own_" + "b" * 20
        await world.ready(PDF)

        survey = await world.surveying.run()

        assert [finding.remedy for finding in survey.findings] == [Remedy.WAIT]
        assert survey.balance.unexplained == 0


class TestStrangers:
    def stranger(self, world: World, owner: str) -> None:
        labels = {"tryskills-deployment": "test", "tryskills-owner": owner}
        name = f"{FIRST}/box-9"
        world.provider.machines[name] = ProvidedSandbox(
            name, f"{FIRST}/x", ProvidedState.STARTED, labels
        )

    async def test_one_of_an_unknown_owner_is_left_alone(self, world: World) -> None:
        self.stranger(world, "own_" + "x" * 20)

        for _ in range(2):
            survey = await world.surveying.run()
            [_ async for _ in world.reconciliation.act(survey)]
            world.clock.advance(timedelta(hours=1))

        assert list(world.provider.machines) == [f"{FIRST}/box-9"]

    async def test_one_that_another_key_shows_is_the_recorded_one(self, world: World) -> None:
        await world.ready(PDF)
        box = world.provider.machines["box-1"]
        world.provider.machines = {f"{FIRST}/box-1": replace(box, id=f"{FIRST}/box-1")}

        survey = await world.surveying.run()

        assert survey.strangers == ()

    async def test_an_account_is_forgotten_when_nothing_can_be_in_it(self, world: World) -> None:
        world.keys.enter_account("first", world.clock())
        await world.ready(PDF)
        world.keys.account = None
        await world.launch(PDF)
        kept = len(world.accounts.stored)
        world.clock.advance(timedelta(days=15))

        survey = await world.surveying.run()
        [_ async for _ in world.reconciliation.act(survey)]

        assert (kept, world.accounts.stored) == (1, {})


class TestSettings:
    @pytest.mark.parametrize(
        ("url", "is_public"),
        [
            ("https://relay.example.org", True),
            ("https://relay.example.org:8443/x", True),
            ("https://8.8.8.8", True),
            ("http://127.0.0.1:8090", False),
            ("http://10.0.0.7:8090", False),
            ("http://model-relay.internal:8090", False),
            ("http://relay:8090", False),
            ("http://localhost:8090", False),
        ],
    )
    def test_which_relays_a_sandbox_elsewhere_can_reach(self, url: str, is_public: bool) -> None:  # noqa: FBT001 (a column of the table)
        settings = Settings.model_validate(
            {
                "NATS_URL": "nats://x",
                "MONGODB_URI": "mongodb://x",
                "DEPLOYMENT_ID": "test",
                "DAYTONA_API_URL": "http://x/api",
                "DAYTONA_API_KEY": "k",
                "RELAY_PUBLIC_URL": url,
                "seal_key": "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=",
            }
        )

        assert settings.is_relay_public is is_public
