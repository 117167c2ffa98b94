"""What was spent, the cap that refuses the next turn, and the relay's word on failed calls."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from chat_proxy.model.agent import AgentStatus, Finished, TextDelta, Tokens
from chat_proxy.model.usage import CallFailure, SessionUsage, Spent, TurnUsage, day_of, next_day
from chat_proxy.service.outcome import explained, failed
from common.errors import ErrorCode, RateLimitedError
from common.testing.fakes import START

OWNER, OTHER = "own_" + "1" * 20, "own_" + "2" * 20
TODAY = day_of(START)
DONE = Finished(AgentStatus.COMPLETE, "Hello.", Tokens(total=7, calls=1))
ERROR = Finished(AgentStatus.ERROR, "API call failed after 3 retries", Tokens())


async def finished(world: Any, runner: Any) -> Any:
    async with asyncio.timeout(5):
        await runner.done.wait()
    return world.turns.by_id[runner.turn.id]


class TestCap:
    async def test_a_used_up_day_refuses_the_next_turn_and_says_until_when(
        self, world: Any
    ) -> None:
        session = await world.session()
        await world.me.spending.set_cap(OWNER, 100)
        world.usage.days[TODAY] = Spent(3, 60, 40)

        with pytest.raises(RateLimitedError) as refused:
            await world.me.start(session, "more")

        assert refused.value.code is ErrorCode.QUOTA_EXCEEDED
        assert refused.value.retry_at == next_day(START)
        assert refused.value.extra == {"limit": "tokens_per_day", "value": 100, "used": 100}
        assert "your own limit of 100 tokens a day" in refused.value.detail
        assert not world.turns.by_id

    async def test_below_it_turns_start(self, world: Any) -> None:
        session = await world.session()
        await world.me.spending.set_cap(OWNER, 100)
        world.usage.days[TODAY] = Spent(3, 60, 39)

        assert await world.say(session)

    async def test_it_never_cuts_a_running_turn(self, world: Any) -> None:
        runner = await world.say(await world.session())
        await world.me.spending.set_cap(OWNER, 1)
        world.usage.days[TODAY] = Spent(3, 60, 40)
        await runner.tick()

        world.agents.last.tell(TextDelta("Hello."), DONE)

        assert (await finished(world, runner)).state == "completed"

    async def test_a_turn_that_was_let_pass_is_found_again(self, world: Any) -> None:
        session = await world.session()
        first = await world.me.start(session, "go", key="k")
        await world.me.spending.set_cap(OWNER, 1)
        world.usage.days[TODAY] = Spent(1, 1, 0)

        again = await world.me.start(session, "go", key="k")

        assert again.id == first.id
        with pytest.raises(RateLimitedError):
            await world.me.start(session, "go", key="other")

    async def test_it_starts_anew_on_the_next_day(self, world: Any) -> None:
        session = await world.session()
        await world.me.spending.set_cap(OWNER, 100)
        world.usage.days[TODAY] = Spent(3, 60, 40)
        world.clock.advance(timedelta(hours=12))

        assert await world.say(session)

    async def test_anothers_cap_is_no_matter(self, world: Any) -> None:
        session = await world.session()
        await world.me.spending.set_cap(OTHER, 1)
        world.usage.days[TODAY] = Spent(3, 60, 40)

        assert await world.say(session)


class TestReport:
    async def test_it_sums_days_and_sessions_and_tells_the_cap(self, world: Any) -> None:
        session = await world.session()
        world.usage.days = {TODAY: Spent(2, 30, 4, 5), "2025-12-31": Spent(1, 1, 1)}
        gone = "ses_" + "9" * 20
        world.usage.sessions = [
            SessionUsage(session.id, Spent(2, 30, 4), START),
            SessionUsage(gone, Spent(1, 1, 1), START),
        ]
        await world.me.spending.set_cap(OWNER, 500)

        report = await world.me.spending.report(OWNER, days=30)

        assert [(day.day, day.total_tokens) for day in report.days] == [
            (TODAY, 34),
            ("2025-12-31", 2),
        ]
        assert report.days[0].estimated_tokens == 5
        assert [(one.session_id, one.title) for one in report.sessions] == [
            (session.id, "count-words"),
            (gone, None),
        ]
        assert (report.cap.daily_tokens, report.cap.own, report.cap.operator) == (500, 500, None)
        assert (report.cap.used, report.cap.resets_at) == (34, next_day(START))

    async def test_it_goes_back_as_many_days_as_asked(self, world: Any) -> None:
        world.usage.days = {TODAY: Spent(1, 1), "2025-12-31": Spent(1, 1), "2025-12-30": Spent()}

        report = await world.me.spending.report(OWNER, days=2)

        assert [day.day for day in report.days] == [TODAY, "2025-12-31"]

    async def test_a_cap_can_be_taken_away(self, world: Any) -> None:
        await world.me.spending.set_cap(OWNER, 5)

        assert (await world.me.spending.set_cap(OWNER, None)).daily_tokens is None


class TestMetered:
    async def test_a_turn_says_what_passed_the_relay(self, world: Any) -> None:
        runner = await world.say(await world.session())
        world.usage.turns[runner.turn.id] = TurnUsage(Spent(2, 30, 4))

        world.agents.last.tell(TextDelta("Hello."), DONE)
        turn = await finished(world, runner)

        [usage] = [entry.fields for entry in world.live.entries if entry.type == "usage"]
        assert usage == {"input_tokens": 30, "output_tokens": 4, "total_tokens": 34, "calls": 2}
        assert turn.total_tokens == 34
        told = await world.me.turns.get(OWNER, turn.session_id, turn.id)
        assert told.usage.total_tokens == 34

    async def test_how_its_last_call_failed_is_why_it_failed(self, world: Any) -> None:
        runner = await world.say(await world.session())
        until = START + timedelta(minutes=3)
        failure = CallFailure(ErrorCode.PROVIDER_CREDIT, "No credit left.", "openrouter", until)
        world.usage.turns[runner.turn.id] = TurnUsage(Spent(), failure)

        world.agents.last.tell(ERROR)
        turn = await finished(world, runner)

        assert turn.error.code is ErrorCode.PROVIDER_CREDIT
        assert (turn.error.detail, turn.error.retry_at) == ("No credit left.", until)
        assert turn.error.link == "https://openrouter.ai/credits"

    async def test_a_turn_that_was_answered_in_the_end_did_not_fail(self, world: Any) -> None:
        runner = await world.say(await world.session())
        failure = CallFailure(ErrorCode.PROVIDER_ERROR, "It was cut.")
        world.usage.turns[runner.turn.id] = TurnUsage(Spent(1, 1, 1), failure)

        world.agents.last.tell(TextDelta("Hello."), DONE)

        assert (await finished(world, runner)).error is None

    @pytest.mark.parametrize("code", [ErrorCode.AGENT_LOST, ErrorCode.SANDBOX_UNAVAILABLE])
    def test_what_is_not_the_models_fault_stays(self, code: ErrorCode) -> None:
        outcome = failed(code, "It has gone.")

        assert explained(outcome, CallFailure(ErrorCode.PROVIDER_ERROR, "x")) is outcome

    @pytest.mark.parametrize(
        ("code", "link"),
        [
            (ErrorCode.PROVIDER_AUTH, "/settings"),
            (ErrorCode.QUOTA_EXCEEDED, "/dashboard"),
            (ErrorCode.AGENT_ERROR, None),
        ],
    )
    def test_a_failure_links_to_what_can_be_done(self, code: ErrorCode, link: str | None) -> None:
        error = explained(failed(code, "x"), None).error

        assert error is not None
        assert error.link == link
