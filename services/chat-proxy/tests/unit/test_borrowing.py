"""A turn's sandbox is fetched while its message is stored; what is not used is given back."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from chat_proxy.model.agent import AgentStatus, Finished, Tokens
from common.contracts.chat import ContextMessage, Session, SessionContext
from common.errors import ConflictError, NotFoundError, RateLimitedError, UnavailableError

OWNER = "own_" + "1" * 20
DONE = Finished(AgentStatus.COMPLETE, "Hello.", Tokens(total=7, calls=1))


async def talked(world: Any, process: Any, session: Session) -> None:
    """A whole turn, run by `process`."""
    before = len(world.agents.opened)
    await process.start(session, "go")
    runner = process.runners.of(session.id)
    await world.until(lambda: len(world.agents.opened) > before and world.agents.last.prompts)
    world.agents.last.tell(DONE)
    async with asyncio.timeout(5):
        await runner.done.wait()


def leases_left(world: Any) -> set[str]:
    given = {f"use_{number}" for number in range(1, len(world.sandboxes.acquired) + 1)}
    return given - set(world.sandboxes.released)


class TestNotRun:
    async def test_a_second_turn_of_a_session_gives_it_back(self, world: Any) -> None:
        session = await world.session()
        await world.say(session)

        with pytest.raises(ConflictError):
            await world.me.start(session, "more")

        await world.until(lambda: leases_left(world) == {"use_1"})
        assert len(world.agents.opened) == 1

    async def test_so_does_one_that_a_limit_refuses(self, world: Any) -> None:
        for _ in range(world.limits.turns_per_owner):
            await world.say(await world.session())
        running = leases_left(world)

        with pytest.raises(RateLimitedError):
            await world.me.start(await world.session(), "go")

        await world.until(lambda: leases_left(world) == running)

    async def test_so_does_the_same_request_again(self, world: Any) -> None:
        session = await world.session()
        first = await world.me.start(session, "go", key="k")

        assert (await world.me.start(session, "go", key="k")).id == first.id

        await world.until(lambda: len(leases_left(world)) == 1)

    async def test_a_sandbox_that_is_not_there_refuses_no_message(self, world: Any) -> None:
        session = await world.session()
        world.sandboxes.failure = UnavailableError("no sandbox")

        turn = await world.me.start(session, "keep this")

        assert world.turns.by_id[turn.id].text == "keep this"


class TestKnown:
    """A session whose turns ran here before is not waited for."""

    async def test_what_another_process_did_meanwhile_counts(self, world: Any) -> None:
        session, other = await world.session(), world.process("prc_other")
        await talked(world, world.me, session)
        await talked(world, other, session)
        before = world.sessions.by_id[session.id].last_seq

        await world.say(session)

        started = next(e for e in world.live.entries if e.seq == before + 1)
        assert started.type == "turn.started"
        await other.runners.hand_over()

    async def test_a_turn_is_stored_in_the_conversation_that_another_process_began(
        self, world: Any
    ) -> None:
        session = await world.session()
        await talked(world, world.me, session)
        await world.sessions.keep_agent_session(session.id, "another")

        turn = await world.me.start(session, "go")

        assert world.turns.by_id[turn.id].agent_session == "another"

    async def test_one_that_was_deleted_elsewhere_is_not_found(self, world: Any) -> None:
        session, other = await world.session(), world.process("prc_other")
        await talked(world, world.me, session)
        await other.sessions.delete(OWNER, session.id)

        with pytest.raises(NotFoundError):
            await world.me.start(session, "go")

        await world.until(lambda: not leases_left(world))
        assert len(world.turns.by_id) == 1

    async def test_what_was_said_is_not_kept_with_it(self, world: Any) -> None:
        said = [ContextMessage(role="user", text="a secret")]
        session = await world.me.create(SessionContext(history=said))
        await talked(world, world.me, session)

        assert "a secret" in repr(world.sessions.by_id[session.id])
        assert "a secret" not in repr(world.me.runners.known(OWNER, session.id))

    async def test_it_is_not_for_another_owner(self, world: Any) -> None:
        session = await world.session()
        await talked(world, world.me, session)

        assert world.me.runners.known(OWNER, session.id) is not None
        assert world.me.runners.known("own_" + "2" * 20, session.id) is None


class TestPlaceInTheList:
    async def test_a_session_that_answers_for_long_is_among_the_newest(self, world: Any) -> None:
        session = await world.session()
        await talked(world, world.me, session)
        world.clock.advance(timedelta(seconds=60))
        runner = await world.say(session)
        before = world.sessions.by_id[session.id].updated_at

        await runner.tick()

        assert before < world.sessions.by_id[session.id].updated_at == runner.turn.created_at
