"""Records and provider brought together: recorded, adopted or deleted; nothing in use touched."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from common.contracts.sandbox import LaunchPath, LaunchState
from common.errors import ErrorCode
from sandbox_manager.model.balance import Balance, Remedy
from sandbox_manager.model.provided import ProvidedSandbox, ProvidedState
from sandbox_manager.model.record import STALE_LOCK, UseLease
from sandbox_manager.ports.inside import Found

World = Any
PDF = "acme/tools/pdf"
LABELS = {"tryskills-deployment": "test", "tryskills-owner": "own_" + "a" * 20}


async def reconcile(world: World) -> Any:
    """Look, act, and say what was seen."""
    survey = await world.surveying.run()
    [_ async for _ in world.reconciliation.act(survey)]
    return survey


def stranger(world: World, **labels: str) -> None:
    world.provider.machines["box-9"] = ProvidedSandbox(
        "box-9", "left-over", ProvidedState.STARTED, {**LABELS, **labels}
    )


class TestBalance:
    async def test_what_agrees_is_left_alone(self, world: World) -> None:
        await world.ready()

        survey = await reconcile(world)

        assert (survey.findings, survey.balance) == ((), Balance(1, 1, 0))

    async def test_a_create_under_way_is_recorded_by_its_name(self, world: World) -> None:
        world.skills.add(PDF)
        world.probe.at_step = ("provide", "after")
        await world.start(PDF)
        await world.background.idle()
        assert world.sandbox.provider_id is None

        survey = await reconcile(world)

        assert survey.balance == Balance(1, 1, 0)
        assert len(world.provider.machines) == 1

    async def test_two_sandboxes_that_one_record_claims_do_not_balance(self, world: World) -> None:
        await world.ready()
        twin = world.provider.machines["box-1"]
        await world.sandboxes.apply(
            world.owner, lambda box: box.with_changes(provider_id=None, provider_name=twin.name)
        )
        world.provider.machines["box-2"] = replace(twin, id="box-2")

        survey = await world.surveying.run()

        assert (survey.balance, survey.balance.unexplained) == (Balance(2, 1, 0), 1)

    async def test_it_counts_what_the_list_does_not_show(self, world: World) -> None:
        await world.ready()
        world.provider.hidden = {"box-1"}

        survey = await world.surveying.run()

        assert survey.balance == Balance(1, 1, 0)


class TestOrphans:
    async def test_one_is_deleted_after_its_grace(self, world: World) -> None:
        await world.ready()
        stranger(world)

        first = await reconcile(world)
        world.clock.advance(timedelta(minutes=5))
        await reconcile(world)

        assert [finding.remedy for finding in first.findings] == [Remedy.WAIT]
        assert first.balance == Balance(2, 1, 1)
        assert list(world.provider.machines) == ["box-1"]

    async def test_another_deployments_is_never_touched(self, world: World) -> None:
        await world.ready()
        stranger(world, **{"tryskills-deployment": "other"})
        survey = await reconcile(world)

        assert (survey.findings, survey.strangers) == ((), ())
        assert "box-9" in world.provider.machines

    async def test_one_that_names_no_owner_is_nobodys_to_adopt(self, world: World) -> None:
        stranger(world, **{"tryskills-owner": ""})

        first = await reconcile(world)
        world.clock.advance(timedelta(minutes=5))
        await reconcile(world)

        assert [finding.remedy for finding in first.findings] == [Remedy.WAIT]
        assert (world.provider.machines, world.sandboxes.stored) == ({}, {})

    async def test_looking_changes_nothing(self, world: World) -> None:
        await world.ready()
        stranger(world)
        await world.surveying.run()
        world.clock.advance(timedelta(minutes=5))

        survey = await world.surveying.run()

        assert [finding.remedy for finding in survey.findings] == [Remedy.WAIT]
        assert world.orphans.known == {}

    async def test_one_whose_owner_has_no_record_is_adopted_and_used_again(
        self, world: World
    ) -> None:
        stranger(world)

        await reconcile(world)
        world.skills.add(PDF)
        launch = await world.launch(PDF)

        assert (launch.state, launch.path) == (LaunchState.READY, LaunchPath.INSTALL)
        assert world.sandbox.provider_id == "box-9"
        assert world.provider.made == 0

    async def test_an_adopted_one_brings_its_skills_along(self, world: World) -> None:
        launch = await world.ready("acme/tools/docx")
        world.inside.manifests["box-9"] = [Found(launch.skill, world.clock())]
        world.sandboxes.stored.clear()
        world.provider.machines.clear()
        stranger(world)
        await reconcile(world)
        world.skills.add(PDF)

        await world.launch(PDF)

        assert {skill.skill.path for skill in world.sandbox.skills.values()} == {"docx", "pdf"}

    async def test_a_list_that_is_late_proves_nothing(self, world: World) -> None:
        await world.ready()
        world.provider.hidden = {"box-1"}

        survey = await reconcile(world)

        assert survey.findings == ()
        assert world.sandbox.state == "active"


class TestIdle:
    async def test_one_that_nobody_uses_is_stopped_and_told(self, world: World) -> None:
        await world.ready()
        world.clock.advance(timedelta(minutes=30))

        survey = await reconcile(world)

        assert [finding.remedy for finding in survey.findings] == [Remedy.STOP_IDLE]
        assert world.provider.machines["box-1"].state == world.sandbox.state == "stopped"
        assert world.sandbox.holds == {}
        assert world.sandboxes.events[-1].body["data"]["reason"] == "idle"

    async def test_a_turn_keeps_it_however_long_it_takes(self, world: World) -> None:
        await world.ready()
        world.clock.advance(timedelta(hours=9))
        lease = UseLease(id="use_1", until=world.clock() + timedelta(seconds=60))
        await world.sandboxes.apply(world.owner, lambda box: box.granted(lease, world.clock()))

        assert (await reconcile(world)).findings == ()

    async def test_an_open_tab_keeps_it_for_some_hours_and_no_longer(self, world: World) -> None:
        await world.ready()
        stopped_after = timedelta(0)
        while world.sandbox.state == "active":
            world.clock.advance(timedelta(minutes=10))
            stopped_after += timedelta(minutes=10)
            await world.pool.heartbeat(world.owner)
            await reconcile(world)

        assert stopped_after == timedelta(hours=4, minutes=30)

    async def test_one_used_since_the_look_goes_on(self, world: World) -> None:
        await world.ready()
        world.clock.advance(timedelta(minutes=30))
        survey = await world.surveying.run()
        await world.pool.heartbeat(world.owner)

        done = [is_done async for _, is_done in world.reconciliation.act(survey)]

        assert (done, world.sandbox.state) == ([False], "active")


class TestOverdue:
    async def test_a_stale_lock_and_a_deletion_begun_are_found(self, world: World) -> None:
        world.skills.add(PDF)
        world.probe.at_step = ("configure", "before")
        await world.start(PDF)
        await world.background.idle()
        world.clock.advance(STALE_LOCK)

        survey = await reconcile(world)

        assert [finding.remedy for finding in survey.findings] == [Remedy.FREE_LOCK]
        assert (world.sandbox.state, world.provider.machines) == ("absent", {})


class TestRecords:
    async def test_one_gone_at_the_provider_becomes_absent(self, world: World) -> None:
        await world.ready()
        await world.provider.delete("box-1")

        await reconcile(world)

        assert world.sandbox.state == "absent"

    async def test_one_stopped_when_idle_is_noted_and_told(self, world: World) -> None:
        await world.ready()
        await world.provider.stop("box-1")

        await reconcile(world)

        assert world.sandbox.state == "stopped"
        assert world.sandboxes.events[-1].body["data"]["reason"] == "idle"

    async def test_one_that_runs_although_stopped_is_stopped(self, world: World) -> None:
        await world.ready()
        await world.pool.stop(world.owner)
        await world.provider.start("box-1")

        await reconcile(world)

        assert world.provider.machines["box-1"].state == "stopped"

    async def test_one_that_failed_is_left_to_its_owner(self, world: World) -> None:
        await world.ready()
        world.provider.put("box-1", ProvidedState.FAILED)
        world.inside.died("box-1")

        survey = await reconcile(world)
        launch = await world.launch("acme/tools/pdf")

        assert [finding.remedy for finding in survey.findings] == [Remedy.WAIT]
        assert launch.error.code == ErrorCode.SANDBOX_UNAVAILABLE
        assert "delete it" in launch.error.detail
        assert list(world.provider.machines) == ["box-1"]

    async def test_one_that_is_being_woken_is_left_alone(self, world: World) -> None:
        launch = await world.ready()
        await world.pool.stop(world.owner)
        await world.provider.start("box-1")
        until = world.clock() + timedelta(seconds=30)
        await world.sandboxes.apply(
            world.owner,
            lambda box: box.held("agent", launch.right, now=world.clock(), until=until),
        )

        await reconcile(world)

        assert world.provider.machines["box-1"].state == "started"

    async def test_one_in_use_is_never_touched(self, world: World) -> None:
        await world.ready()
        lease = UseLease(id="use_1", until=world.clock() + timedelta(seconds=60))
        await world.sandboxes.apply(world.owner, lambda box: box.granted(lease, world.clock()))
        before = world.sandbox

        await reconcile(world)

        assert world.sandbox == before
        assert world.provider.machines["box-1"].state == "started"

    async def test_a_record_that_changed_since_it_was_looked_at_wins(self, world: World) -> None:
        await world.ready()
        await world.provider.delete("box-1")
        survey = await world.surveying.run()
        await world.launch(PDF)

        done = [is_done async for _, is_done in world.reconciliation.act(survey)]

        assert (world.sandbox.state, world.sandbox.provider_id) == ("active", "box-2")
        assert done == [False]
