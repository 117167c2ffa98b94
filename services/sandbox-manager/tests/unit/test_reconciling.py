"""Records and provider brought together: recorded, adopted or deleted; nothing in use touched."""

from datetime import timedelta
from typing import Any

from common.contracts.sandbox import LaunchPath, LaunchState
from sandbox_manager.model.balance import Balance, Remedy
from sandbox_manager.model.provided import ProvidedSandbox, ProvidedState
from sandbox_manager.model.record import UseLease

World = Any
PDF = "acme/tools/pdf"
LABELS = {"tryskills-deployment": "test", "tryskills-owner": "own_" + "a" * 20}


async def reconcile(world: World) -> Any:
    survey = await world.reconciliation.survey()
    for finding in survey.findings:
        await world.reconciliation.act(finding)
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
        world.clock.advance(timedelta(days=1))

        survey = await reconcile(world)

        assert survey.findings == ()
        assert "box-9" in world.provider.machines

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

    async def test_a_list_that_is_late_proves_nothing(self, world: World) -> None:
        await world.ready()
        world.provider.hidden = {"box-1"}

        survey = await reconcile(world)

        assert survey.findings == ()
        assert world.sandbox.state == "active"


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
        survey = await world.reconciliation.survey()
        await world.launch(PDF)

        for finding in survey.findings:
            await world.reconciliation.act(finding)

        assert (world.sandbox.state, world.sandbox.provider_id) == ("active", "box-2")
