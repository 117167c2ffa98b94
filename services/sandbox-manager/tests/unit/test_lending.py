"""The agent's endpoint and the use-lease: given together, respected by everything else."""

import asyncio
import hashlib
from datetime import timedelta
from typing import Any

import pytest
from common.contracts.keys import OwnerSettings
from common.contracts.sandbox import AcquireAgent
from common.errors import AppError, ErrorCode, GoneError, NotFoundError, UnauthenticatedError
from common.ids import new_id
from sandbox_manager.errors import (
    AgentLostError,
    InstallFailedError,
    QuotaExceededError,
    SandboxGoneError,
    SandboxInUseError,
    SandboxStoppedError,
)
from sandbox_manager.model.config import HERMES_HOME
from sandbox_manager.model.record import UseLease

World = Any
PDF = "acme/tools/pdf"
DOCX = "acme/tools/docx"
CONFIG = f"{HERMES_HOME}/config.yaml"


def ask(
    world: World,
    launch: Any,
    *,
    session: str = "ses_1",
    verify: bool = False,
    turn: str | None = None,
) -> Any:
    request = AcquireAgent(
        owner_id=world.owner,
        session_id=session,
        turn_id=turn or new_id("tur"),
        skill_directory=launch.skill.directory,
        digest=launch.skill.digest,
        verify=verify,
    )
    return world.lending.acquire(request)


class TestAcquire:
    async def test_it_gives_address_token_and_workspace(self, world: World) -> None:
        launch = await world.ready()

        lent = await ask(world, launch)

        assert lent.url == "http://9119-box-1.proxy.localhost:1"
        assert lent.token in world.inside.agents["box-1"]
        assert lent.workspace == "/home/daytona/work/ses_1"
        assert ("box-1", lent.workspace) in world.inside.workspaces
        assert lent.skill_directory == "/home/daytona/skills/acme--tools--pdf"
        assert [lease.id for lease in world.sandbox.leases] == [lent.lease.id]

    async def test_a_known_session_costs_no_call_inside(self, world: World) -> None:
        launch = await world.ready()
        await ask(world, launch)
        world.provider.calls.clear()

        await ask(world, launch)

        assert "look" not in world.provider.calls

    async def test_an_agent_that_answered_a_moment_ago_is_taken_at_its_word(
        self, world: World
    ) -> None:
        launch = await world.ready()
        lent = await ask(world, launch)
        await world.lending.release(world.owner, lent.lease.id)
        world.inside.agents.clear()

        await ask(world, launch)

        assert not world.inside.agents

    async def test_after_a_while_it_is_asked_again(self, world: World) -> None:
        launch = await world.ready()
        lent = await ask(world, launch)
        await world.lending.release(world.owner, lent.lease.id)
        world.inside.agents.clear()
        world.clock.advance(timedelta(seconds=31))

        await ask(world, launch)

        assert "box-1" in world.inside.agents

    async def test_a_turn_that_did_not_reach_it_gets_one_that_answers(self, world: World) -> None:
        launch, turn = await world.ready(), new_id("tur")
        lent = await ask(world, launch)
        await world.lending.release(world.owner, lent.lease.id)
        world.inside.agents.clear()
        await ask(world, launch, turn=turn)

        await ask(world, launch, turn=turn)

        assert "box-1" in world.inside.agents

    async def test_files_changed_on_disk_are_refused_and_put_back_by_the_next_launch(
        self, world: World
    ) -> None:
        launch = await world.ready()
        world.inside.skills["box-1", launch.skill.directory] = "sha256:" + "1" * 64

        with pytest.raises(InstallFailedError):
            await ask(world, launch, verify=True)

        assert world.sandbox.leases == ()
        await world.launch(PDF)
        assert (await ask(world, launch, verify=True)).lease

    async def test_a_skill_that_is_not_there_wants_a_launch(self, world: World) -> None:
        launch = await world.ready()
        await world.pool.remove_skill(world.owner, launch.skill.directory)

        with pytest.raises(AppError) as error:
            await ask(world, launch)

        assert error.value.code == ErrorCode.LAUNCH_NOT_READY

    async def test_no_sandbox_wants_a_launch(self, world: World) -> None:
        launch = await world.ready()
        await world.pool.delete(world.owner)
        await world.background.idle()

        with pytest.raises(NotFoundError):
            await ask(world, launch)

    async def test_a_stopped_sandbox_is_woken(self, world: World) -> None:
        launch = await world.ready()
        await world.pool.stop(world.owner)

        await ask(world, launch)

        assert world.sandbox.state == "active"
        assert "box-1" in world.inside.agents
        assert world.sandbox.holds == {}

    async def test_turns_that_find_it_asleep_wake_it_once(self, world: World) -> None:
        launch = await world.ready()
        await world.pool.stop(world.owner)
        before = world.inside.starts

        await asyncio.gather(*(ask(world, launch, session=f"ses_{n}") for n in range(3)))

        assert world.inside.starts == before + 1
        assert len(world.sandbox.leases) == 3

    async def test_a_dead_agent_is_started_again(self, world: World) -> None:
        launch = await world.ready()
        world.inside.died("box-1")

        await ask(world, launch)

        assert "box-1" in world.inside.agents

    async def test_a_busy_agent_is_left_alone_while_another_turn_runs(self, world: World) -> None:
        launch = await world.ready()
        await ask(world, launch)
        world.agents.is_frozen = True
        world.clock.advance(timedelta(seconds=31))

        with pytest.raises(AgentLostError):
            await ask(world, launch)

        assert world.inside.starts == 1

    async def test_the_turn_that_did_not_reach_it_has_a_silent_agent_started_again(
        self, world: World
    ) -> None:
        launch = await world.ready()
        await ask(world, launch, turn="tur_1")
        world.agents.frozen_starts = world.inside.starts

        await ask(world, launch, turn="tur_1")

        assert world.inside.starts == 2

    async def test_a_sandbox_gone_at_the_provider_is_said(self, world: World) -> None:
        launch = await world.ready()
        await world.provider.delete("box-1")

        with pytest.raises(SandboxGoneError):
            await ask(world, launch)

        assert world.sandbox.state == "deleting"

    async def test_more_turns_than_allowed_are_refused_with_the_limit(self, world: World) -> None:
        launch = await world.ready()
        for _ in range(3):
            await ask(world, launch)

        with pytest.raises(QuotaExceededError, match="at most 3 turns"):
            await ask(world, launch)

    async def test_it_waits_while_a_launch_changes_the_agent(self, world: World) -> None:
        launch = await world.ready()
        right = launch.right
        until = world.clock() + timedelta(seconds=5)
        await world.sandboxes.apply(
            world.owner, lambda box: box.held("agent", right, now=world.clock(), until=until)
        )

        lent = await ask(world, launch)

        assert lent.lease.until > until


class TestRestart:
    async def variables(self, world: World) -> Any:
        """A second skill with a variable, launched while a turn of the first runs."""
        launch = await world.ready()
        lent = await ask(world, launch)
        world.skills.add(DOCX, env_vars=[world.variable("KEY")])
        world.keys.enter("KEY", DOCX, "v", world.clock())
        return lent, await world.launch(DOCX)

    async def test_variables_wait_for_the_answer_in_progress(self, world: World) -> None:
        _, second = await self.variables(world)

        assert second.state == "ready"
        assert world.inside.starts == 1
        assert any("as soon as the answer" in getattr(e, "text", "") for e in second.entries)

    async def test_new_turns_are_held_for_a_bounded_time_and_told(self, world: World) -> None:
        lent, second = await self.variables(world)
        await world.lending.renew(world.owner, lent.lease.id)
        before = world.clock()

        other = await ask(world, second)

        assert timedelta(seconds=20) <= world.clock() - before < timedelta(seconds=30)
        assert "wait for the answer" in other.notices[0]
        assert world.inside.starts == 1

    async def test_the_restart_comes_before_the_next_turn(self, world: World) -> None:
        lent, second = await self.variables(world)
        await world.lending.release(world.owner, lent.lease.id)

        await ask(world, second)

        assert world.inside.starts == 2
        assert "KEY=v" in world.inside.agents["box-1"]
        assert world.sandbox.staged_hash is None


class TestConfig:
    """A turn has the config it began with, whatever is changed meanwhile."""

    async def test_a_new_model_waits_for_the_answer_in_progress(self, world: World) -> None:
        launch = await world.ready()
        lent = await ask(world, launch)
        before = world.inside.files["box-1", CONFIG]
        world.keys.chosen = OwnerSettings(provider="openai", model="gpt")

        again = await world.launch(PDF)

        assert again.state == "ready"
        assert world.inside.files["box-1", CONFIG] == before
        assert world.sandbox.choice.model == lent.choice.model == "demo"

    async def test_the_next_turn_has_it_without_a_launch(self, world: World) -> None:
        launch = await world.ready()
        world.keys.chosen = OwnerSettings(provider="openai", model="gpt")

        lent = await ask(world, launch)

        assert (lent.choice.provider, lent.choice.model, lent.notices) == ("openai", "gpt", ())
        assert "default: gpt" in world.inside.files["box-1", CONFIG]
        assert world.inside.starts == 1

    async def test_an_agent_at_hand_gets_it_before_the_next_turn(self, world: World) -> None:
        """The use-lease that was taken while keys was asked does not hold the change up."""
        launch = await world.ready()
        first = await ask(world, launch)
        await world.lending.release(world.owner, first.lease.id)
        world.keys.chosen = OwnerSettings(provider="openai", model="gpt")
        before = world.clock()

        lent = await ask(world, launch)

        assert (lent.choice.provider, lent.choice.model, lent.notices) == ("openai", "gpt", ())
        assert world.clock() == before
        assert [lease.id for lease in world.sandbox.leases] == [lent.lease.id]

    async def test_a_change_taken_back_leaves_nothing_to_do(self, world: World) -> None:
        launch = await world.ready()
        lent = await ask(world, launch)
        chosen, before = world.keys.chosen, world.inside.files["box-1", CONFIG]
        world.keys.chosen = OwnerSettings(provider="openai", model="gpt")
        await world.launch(PDF)
        world.keys.chosen = chosen
        await world.launch(PDF)
        await world.lending.release(world.owner, lent.lease.id)

        await ask(world, launch)

        assert world.inside.files["box-1", CONFIG] == before
        assert world.sandbox.staged_hash is None

    async def test_variables_of_a_skill_taken_out_leave_the_agent(self, world: World) -> None:
        await world.ready()
        world.skills.add(DOCX, env_vars=[world.variable("KEY")])
        world.keys.enter("KEY", DOCX, "v", world.clock())
        second = await world.launch(DOCX)
        await world.pool.remove_skill(world.owner, second.skill.directory)

        await ask(world, await world.launch(PDF))

        assert "KEY=v" not in world.inside.agents["box-1"]


class TestNewVersion:
    """Another digest of a skill goes in when no turn runs."""

    async def test_it_waits_for_the_answer_in_progress(self, world: World) -> None:
        launch = await world.ready()
        lent = await ask(world, launch)
        world.skills.add(PDF, "another text")
        begun = await world.start(PDF)
        for _ in range(50):
            await asyncio.sleep(0)
            await world.lending.renew(world.owner, lent.lease.id)
        during = world.inside.skills["box-1", launch.skill.directory]

        await world.lending.release(world.owner, lent.lease.id)
        await world.background.idle()

        ended = world.launches.stored[begun.id]
        assert during == launch.skill.digest
        assert ended.state == "ready"
        assert world.inside.skills["box-1", launch.skill.directory] == ended.skill.digest
        assert any("Another version" in getattr(e, "text", "") for e in ended.entries)

    async def test_a_turn_of_the_old_version_wants_a_launch(self, world: World) -> None:
        launch = await world.ready()
        world.skills.add(PDF, "another text")
        await world.launch(PDF)

        with pytest.raises(AppError) as error:
            await ask(world, launch)

        assert error.value.code == ErrorCode.LAUNCH_NOT_READY


class TestLease:
    async def test_while_it_lives_nobody_stops_deletes_or_takes_out(self, world: World) -> None:
        launch = await world.ready()
        await ask(world, launch)

        for attempt in (world.pool.stop, world.pool.delete):
            with pytest.raises(SandboxInUseError):
                await attempt(world.owner)
        with pytest.raises(SandboxInUseError):
            await world.pool.remove_skill(world.owner, launch.skill.directory)

    async def test_released_it_stands_in_nobodys_way(self, world: World) -> None:
        launch = await world.ready()
        lent = await ask(world, launch)

        await world.lending.release(world.owner, lent.lease.id)
        await world.lending.release(world.owner, lent.lease.id)

        assert (await world.pool.stop(world.owner)).state == "stopped"

    async def test_one_that_ran_out_is_ignored(self, world: World) -> None:
        launch = await world.ready()
        lent = await ask(world, launch)
        world.clock.advance(timedelta(seconds=61))

        assert (await world.pool.stop(world.owner)).state == "stopped"
        with pytest.raises(GoneError):
            await world.lending.renew(world.owner, lent.lease.id)

    async def test_renewing_keeps_it_and_tells_the_providers_idle_timer(
        self, world: World
    ) -> None:
        launch = await world.ready()
        lent = await ask(world, launch)
        await world.background.idle()
        world.provider.calls.clear()
        for _ in range(4):
            world.clock.advance(timedelta(seconds=40))
            renewed = await world.lending.renew(world.owner, lent.lease.id)
            await world.background.idle()

        assert renewed.until == world.clock() + timedelta(seconds=60)
        assert world.provider.calls.count("refresh_activity") == 2


class TestRaw:
    async def test_the_api_server_starts_on_demand_once(self, world: World) -> None:
        await world.ready()

        first = await world.lending.acquire_raw(world.owner)
        second = await world.lending.acquire_raw(world.owner)

        assert first[1] == "http://8642-box-1.proxy.localhost:1"
        assert first[2] == second[2]
        assert len(world.sandbox.leases) == 2
        assert world.inside.starts == 2


class TestRelayToken:
    async def token(self, world: World) -> str:
        config = world.inside.files["box-1", CONFIG]
        line = next(line for line in config.splitlines() if "api_key" in line)
        return str(line.split()[-1])

    async def test_it_names_its_owner_and_only_its_hash_is_kept(self, world: World) -> None:
        await world.ready()
        token = await self.token(world)

        sandbox = await world.lending.authorize_relay(hashlib.sha256(token.encode()).hexdigest())

        assert sandbox.owner_id == world.owner
        assert token not in str(world.sandboxes.stored)

    async def test_an_older_one_is_good_while_the_sandbox_lives(self, world: World) -> None:
        await world.ready()
        old = await self.token(world)
        world.keys.chosen = OwnerSettings(provider="openai", model="gpt")
        await world.launch(PDF)

        assert await self.token(world) != old
        await world.lending.authorize_relay(hashlib.sha256(old.encode()).hexdigest())

    async def test_it_ends_with_the_sandbox(self, world: World) -> None:
        await world.ready()
        token = await self.token(world)
        await world.pool.delete(world.owner)

        with pytest.raises(UnauthenticatedError):
            await world.lending.authorize_relay(hashlib.sha256(token.encode()).hexdigest())

    async def test_a_guess_is_refused(self, world: World) -> None:
        await world.ready()

        with pytest.raises(UnauthenticatedError):
            await world.lending.authorize_relay("0" * 64)


class TestStopped:
    async def test_one_stopped_behind_our_back_is_woken(self, world: World) -> None:
        launch = await world.ready()
        await world.provider.stop("box-1")

        assert (await ask(world, launch)).lease
        assert world.provider.machines["box-1"].state == "started"

    async def test_one_that_is_stopped_meanwhile_grants_nothing(self, world: World) -> None:
        launch = await world.ready()
        stopped = world.sandbox.found_stopped()

        with pytest.raises(SandboxStoppedError):
            stopped.granted(UseLease(id="use_1", until=world.clock()), world.clock())
        assert launch.state == "ready"
