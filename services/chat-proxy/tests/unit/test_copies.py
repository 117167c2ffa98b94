"""Sessions that leave: exports for their owner, read-only links for others."""

import asyncio
import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest
from chat_proxy.model.agent import (
    AgentStatus,
    Finished,
    ReasoningDelta,
    TextDelta,
    ToolEnd,
    ToolStart,
)
from chat_proxy.model.credentials import HIDDEN
from chat_proxy.model.exporting import fenced
from common.contracts import chat as contract
from common.contracts.chat import ExportFormat
from common.errors import (
    ConflictError,
    ErrorCode,
    GoneError,
    NotFoundError,
    RateLimitedError,
    UnavailableError,
)

OWNER, STRANGER = "own_" + "1" * 20, "own_" + "2" * 20
KEY = "sk-" + "0123456789abcdefghij"


async def talked(world: Any, text: str = "Count <this>") -> contract.Session:
    """A session with a whole turn in it: reasoning, a tool that prints a key, an answer."""
    session: contract.Session = await world.session()
    runner = await world.say(session, text)
    world.agents.last.tell(
        ReasoningDelta("hmm"),
        TextDelta("Let me see."),
        ToolStart("c1", "terminal", "env"),
        ToolEnd("c1", "terminal", {"command": "env"}, 0.25, result=f"KEY={KEY}\n```"),
        TextDelta("Two **words**."),
        Finished(AgentStatus.COMPLETE, "Two **words**."),
    )
    async with asyncio.timeout(5):
        await runner.done.wait()
    return session


async def exported(world: Any, session: contract.Session, **options: Any) -> tuple[Any, str]:
    request = contract.ExportSession(owner_id=OWNER, session_id=session.id, **options)
    made = await world.me.exporting.export(request)
    return made, world.transfer.bodies[made.body.object_name].decode()


def hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class TestExport:
    async def test_markdown_is_what_a_reader_saw(self, world: Any) -> None:
        made, text = await exported(world, await talked(world))

        assert made.media_type == "text/markdown; charset=utf-8"
        assert made.file_name == "count-this-2026-01-01.md"
        assert text == (
            "# Count <this>\n\n"
            f"Skill `acme/tools/skills/count-words` at commit `{'c' * 40}` (`sha256:{'1' * 64}`)."
            " Begun 2026-01-01 12:00 UTC, exported 2026-01-01 12:00 UTC.\n\n"
            "## You\n\nCount <this>\n\n## Agent\n\n"
            "Let me see.\n\n"
            "<details><summary>terminal: done in 0.2 s</summary>\n\n"
            '```json\n{\n "command": "env"\n}\n```\n\n'
            f"````\nKEY={HIDDEN}\n```\n````\n\n</details>\n\n"
            "Two **words**.\n"
        )

    async def test_json_holds_every_entry(self, world: Any) -> None:
        session = await talked(world)

        made, text = await exported(world, session, format=ExportFormat.JSON, redact=False)

        document = json.loads(text)
        assert made.media_type == "application/json"
        assert document["format"] == "tryskills.session/1"
        assert document["session"]["id"] == session.id
        assert document["session"]["skill"]["digest"] == session.skill.digest
        [turn] = document["turns"]
        assert turn["state"] == "completed"
        assert [entry["type"] for entry in turn["entries"]] == [
            *("turn.started", "reasoning", "text", "tool.started", "tool.completed", "text"),
            "turn.ended",
        ]
        assert KEY in text

    async def test_a_key_in_the_first_message_is_not_in_the_title(self, world: Any) -> None:
        made, text = await exported(world, await talked(world, f"use {KEY}"))

        assert KEY not in text + made.file_name

    async def test_a_foreign_session_is_not_there(self, world: Any) -> None:
        session = await talked(world)

        with pytest.raises(NotFoundError):
            await world.me.exporting.export(
                contract.ExportSession(owner_id=STRANGER, session_id=session.id)
            )

    @pytest.mark.parametrize(
        ("text", "fence"), [("x", "```"), ("```", "````"), ("a`````b", "`" * 6)]
    )
    def test_a_code_block_is_not_ended_by_its_text(self, text: str, fence: str) -> None:
        assert fenced(text) == f"{fence}\n{text}\n{fence}"


class TestShare:
    async def test_anybody_with_the_link_reads_what_was_said(self, world: Any) -> None:
        session = await talked(world)
        share = await shared(world, session)

        page = await world.me.sharing.shown(hashed(token_of(share)), 0)

        assert [entry.type for entry in page.entries] == [
            *("turn.started", "text", "tool.started", "tool.completed", "text", "turn.ended"),
        ]
        assert (page.title, page.skill, page.more) == ("Count <this>", session.skill, False)
        assert page.receipt.launch_id == session.launch_id
        assert KEY not in page.model_dump_json()

    async def test_a_turn_that_was_just_told_to_be_over_is_in_it(
        self, world: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        session = await world.session()
        runner = await world.say(session)
        filing, filed = asyncio.Event(), asyncio.Event()
        usual = world.sessions.end_turn

        async def slow(*arguments: Any, **options: Any) -> None:
            filing.set()
            await filed.wait()
            await usual(*arguments, **options)

        monkeypatch.setattr(world.sessions, "end_turn", slow)
        world.agents.last.tell(TextDelta("Two."), Finished(AgentStatus.COMPLETE, "Two."))
        async with asyncio.timeout(5):
            await filing.wait()
            sharing = asyncio.ensure_future(shared(world, session))
            await asyncio.sleep(0)
            filed.set()
            share = await sharing

        page = await world.me.sharing.shown(hashed(token_of(share)), 0)
        assert page.entries[-1].type == "turn.ended"
        assert runner.done.is_set()
        assert OWNER not in page.model_dump_json()

    @pytest.mark.parametrize(
        ("options", "gone"),
        [
            ({"with_tools": False}, {"tool.started", "tool.completed", "reasoning"}),
            ({"with_reasoning": True}, set()),
        ],
    )
    async def test_the_owner_says_how_much(
        self, world: Any, options: dict[str, bool], gone: set[str]
    ) -> None:
        share = await shared(world, await talked(world), **options)

        page = await world.me.sharing.shown(hashed(token_of(share)), 0)

        everything = {"reasoning", "tool.started", "tool.completed"}
        assert everything - {entry.type for entry in page.entries} == gone

    async def test_what_is_said_later_is_not_in_it(self, world: Any) -> None:
        session = await talked(world)
        share = await shared(world, session)
        runner = await world.say(session, "a secret")
        world.agents.last.tell(TextDelta("yes"), Finished(AgentStatus.COMPLETE, "yes"))
        await runner.done.wait()

        page = await world.me.sharing.shown(hashed(token_of(share)), 0)

        assert "a secret" not in page.model_dump_json()
        assert page.last_seq == share.last_seq

    async def test_a_long_one_comes_in_pages(self, world: Any) -> None:
        session = await world.session()
        for number in range(3):
            runner = await world.say(session, f"turn {number}")
            words = f"{number}" * 300_000
            world.agents.last.tell(TextDelta(words), Finished(AgentStatus.COMPLETE, words))
            await runner.done.wait()
        token = hashed(token_of(await shared(world, session)))

        pages: list[contract.SharedPage] = []
        after = 0
        while not pages or pages[-1].more:
            pages.append(await world.me.sharing.shown(token, after))
            after = pages[-1].last_seq

        seen = [entry.seq for page in pages for entry in page.entries]
        assert len(pages) == 3
        assert seen == sorted(set(seen))
        assert sum(entry.type == "turn.started" for page in pages for entry in page.entries) == 3

    async def test_it_expires(self, world: Any) -> None:
        share = await shared(world, await talked(world), expires_in_days=1)
        world.clock.advance(timedelta(days=1))

        with pytest.raises(GoneError) as gone:
            await world.me.sharing.shown(hashed(token_of(share)), 0)

        assert gone.value.code is ErrorCode.SHARE_ENDED

    async def test_it_can_be_ended(self, world: Any) -> None:
        session = await talked(world)
        share = await shared(world, session)
        assert len((await world.me.sharing.live(OWNER, session.id)).shares) == 1

        await world.me.sharing.end(OWNER, session.id)

        assert (await world.me.sharing.live(OWNER, session.id)).shares == []
        with pytest.raises(GoneError):
            await world.me.sharing.shown(hashed(token_of(share)), 0)
        await world.me.sharing.end(OWNER, session.id)

    async def test_it_ends_with_its_session(self, world: Any) -> None:
        session = await talked(world)
        share = await shared(world, session)

        await world.me.sessions.delete(OWNER, session.id)

        with pytest.raises(GoneError):
            await world.me.sharing.shown(hashed(token_of(share)), 0)

    async def test_only_its_hash_is_kept(self, world: Any) -> None:
        share = await shared(world, await talked(world))

        [stored] = world.shares.by_id.values()

        assert token_of(share) not in repr(stored)
        assert token_of(share) not in repr(share)

    async def test_an_unknown_link_leads_nowhere(self, world: Any) -> None:
        with pytest.raises(NotFoundError) as refused:
            await world.me.sharing.shown("0" * 64, 0)

        assert refused.value.code is ErrorCode.SHARE_NOT_FOUND

    async def test_another_owner_cannot_share_list_or_end(self, world: Any) -> None:
        session = await talked(world)
        share = await shared(world, session)

        for attempt in (
            world.me.sharing.share(
                contract.ShareSession(owner_id=STRANGER, session_id=session.id)
            ),
            world.me.sharing.live(STRANGER, session.id),
            world.me.sharing.end(STRANGER, session.id),
        ):
            with pytest.raises(NotFoundError):
                await attempt

        assert await world.me.sharing.shown(hashed(token_of(share)), 0)

    async def test_before_a_turn_has_ended_there_is_nothing_to_share(self, world: Any) -> None:
        session = await world.session()
        await world.say(session)

        with pytest.raises(ConflictError):
            await shared(world, session)

    async def test_there_are_only_so_many_links(self, world: Any) -> None:
        session = await talked(world)
        for _ in range(20):
            await shared(world, session)

        with pytest.raises(RateLimitedError) as refused:
            await shared(world, session)

        assert refused.value.extra["limit"] == "shares_per_session"

    async def test_without_a_receipt_it_is_shared_all_the_same(self, world: Any) -> None:
        session = await talked(world)
        world.sandboxes.failure = UnavailableError("not now")

        share = await shared(world, session)

        assert (await world.me.sharing.shown(hashed(token_of(share)), 0)).receipt is None


async def shared(world: Any, session: contract.Session, **options: Any) -> contract.CreatedShare:
    request = contract.ShareSession(owner_id=OWNER, session_id=session.id, **options)
    made: contract.CreatedShare = await world.me.sharing.share(request)
    return made


def token_of(share: contract.CreatedShare) -> str:
    return share.token.get_secret_value()
