"""An owner's sandbox: kept, stopped, deleted, emptied; and an owner who leaves."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from common.errors import NotFoundError
from sandbox_manager.errors import SandboxBusyError

World = Any
PDF = "acme/tools/pdf"


class TestHeartbeat:
    async def test_it_is_noted_and_passed_on_at_most_once_a_minute(self, world: World) -> None:
        await world.ready()
        for _ in range(5):
            world.clock.advance(timedelta(seconds=30))
            await world.pool.heartbeat(world.owner)
            await world.background.idle()

        assert world.sandbox.last_heartbeat == world.clock()
        assert world.provider.calls.count("refresh_activity") == 3

    async def test_a_forgotten_tab_does_not_keep_it_for_ever(self, world: World) -> None:
        await world.ready()
        world.clock.advance(timedelta(hours=4))
        world.provider.calls.clear()

        await world.pool.heartbeat(world.owner)
        await world.background.idle()

        assert "refresh_activity" not in world.provider.calls

    async def test_without_a_sandbox_nothing_happens(self, world: World) -> None:
        sandbox = await world.pool.heartbeat(world.owner)

        assert (sandbox.state, world.sandboxes.stored) == ("absent", {})


class TestStop:
    async def test_it_is_stopped_at_the_provider_and_told(self, world: World) -> None:
        await world.ready()

        sandbox = await world.pool.stop(world.owner)

        assert sandbox.state == world.provider.machines["box-1"].state == "stopped"
        assert world.sandboxes.events[-1].subject == "evt.sandbox.stopped.v1"
        assert sandbox.previews == {}

    async def test_a_second_time_changes_nothing(self, world: World) -> None:
        await world.ready()
        await world.pool.stop(world.owner)

        assert (await world.pool.stop(world.owner)).state == "stopped"

    async def test_not_while_a_launch_changes_it(self, world: World) -> None:
        launch = await world.ready()
        until = world.clock() + timedelta(seconds=30)
        await world.sandboxes.apply(
            world.owner,
            lambda box: box.held("skill:x", launch.right, now=world.clock(), until=until),
        )

        with pytest.raises(SandboxBusyError):
            await world.pool.stop(world.owner)

    async def test_nothing_to_stop_is_said(self, world: World) -> None:
        with pytest.raises(NotFoundError):
            await world.pool.stop(world.owner)


class TestDelete:
    async def test_nothing_is_left_but_the_record_and_its_count(self, world: World) -> None:
        await world.ready()
        before = world.sandbox.revision

        assert (await world.pool.delete(world.owner)).state == "deleting"
        await world.background.idle()

        assert world.provider.machines == {}
        assert (world.sandbox.state, world.sandbox.skills) == ("absent", {})
        assert world.sandbox.revision > before
        assert world.sandboxes.events[-1].subject == "evt.sandbox.deleted.v1"

    async def test_a_second_time_and_without_a_sandbox_it_is_no_error(self, world: World) -> None:
        await world.pool.delete(world.owner)
        await world.ready()
        await world.pool.delete(world.owner)
        await world.pool.delete(world.owner)
        await world.background.idle()

        assert world.sandbox.state == "absent"


class TestRemoveSkill:
    async def test_files_and_record_go(self, world: World) -> None:
        launch = await world.ready()

        sandbox = await world.pool.remove_skill(world.owner, launch.skill.directory)

        assert (sandbox.skills, sandbox.holds) == ({}, {})
        assert world.inside.skills == {}

    async def test_it_is_known_by_its_path_too_and_a_sleeping_sandbox_is_woken_for_it(
        self, world: World
    ) -> None:
        await world.ready()
        await world.pool.stop(world.owner)

        sandbox = await world.pool.remove_skill(world.owner, PDF)

        assert (sandbox.skills, world.inside.skills) == ({}, {})
        assert world.provider.machines["box-1"].state == "started"

    async def test_one_that_is_not_there_is_said(self, world: World) -> None:
        await world.ready()

        with pytest.raises(NotFoundError):
            await world.pool.remove_skill(world.owner, "no--such--skill")


class TestErasing:
    async def test_a_person_who_leaves_leaves_nothing(self, world: World) -> None:
        await world.ready()

        await world.erasing.erase(world.owner)
        await world.erasing.erase(world.owner)

        assert world.provider.machines == {}
        assert (world.launches.stored, world.sandboxes.stored) == ({}, {})

    async def test_it_says_what_there_was(self, world: World) -> None:
        await world.ready()

        first = await world.erasing.begin(world.owner)
        second = await world.erasing.begin(world.owner)

        assert first == ({"sandboxes": 1, "launches": 1, "acknowledgements": 0}, True)
        assert second == ({"sandboxes": 0, "launches": 0, "acknowledgements": 0}, True)

    async def test_a_launch_under_way_is_ended_first(self, world: World) -> None:
        world.skills.add(PDF)
        world.provider.answers = asyncio.Event()
        launch = await world.start(PDF)
        await asyncio.sleep(0)

        with pytest.raises(SandboxBusyError):
            await world.erasing.erase(world.owner)
        world.provider.answers.set()
        await world.background.idle()

        assert world.launches.stored[launch.id].state == "cancelled"
        await world.erasing.erase(world.owner)
        assert world.provider.machines == {}
