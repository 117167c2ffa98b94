"""What survives when a process dies: chat-proxy in mid-answer, the agent, the connection."""

import asyncio
from typing import Any

from common.contracts import chat
from common.contracts.chat import ApprovalChoice, ApprovalState, TurnState
from common.errors import ErrorCode

OWNER = "own_" + "a" * 20
WORDS = 80
SLOW = f"[[tokens:{WORDS}]][[chunkdelay:0.05]]"
WHOLE = " ".join(f"w{number}" for number in range(WORDS))
DANGEROUS = '[[tool:terminal {"command":"rm -rf gone"}]][[say:done]]'


def text_of(entries: list[Any]) -> str:
    parts = [""]
    for entry in entries:
        if entry.type == "tool.started":
            parts.append("")
        elif entry.type == "text.replaced":
            parts[-1] = entry.text
        elif entry.type == "text":
            parts[-1] += entry.text
    return "".join(parts).strip()


class Viewer:
    """Follows the live journal from the start and keeps what it was told, by number."""

    def __init__(self) -> None:
        self.told: dict[int, bytes] = {}
        self.conflicts: list[int] = []

    def __call__(self, body: bytes) -> None:
        from chat_proxy.model.journal import entry_from_line

        for line in body.split(b"\n"):
            seq = entry_from_line(line).seq
            if self.told.setdefault(seq, line) != line:
                self.conflicts.append(seq)


async def killed_while(platform: Any, prompt: str, until: str) -> tuple[Any, Any, Viewer]:
    """A turn whose process is killed when the first entry of type `until` is there."""
    process = await platform.spawn()
    session = await platform.session()
    viewer = Viewer()
    await platform.journal.follow(chat.session_journal(session.id), viewer)
    turn = await platform.say(session, prompt)
    await platform.entry(session.id, until)
    process.kill()
    await process.wait()
    return session, turn, viewer


async def taken_over(platform: Any) -> Any:
    successor = await platform.start()
    await platform.let_claims_run_out()
    assert await successor.takeover.run_once() == 1
    return successor


def assert_gap_free(entries: list[Any]) -> None:
    numbers = [n for e in entries for n in range(e.seq_from or e.seq, e.seq + 1)]
    assert numbers == list(range(1, len(numbers) + 1))


class TestChatProxyKilled:
    async def test_in_mid_answer_the_text_is_whole(self, platform: Any) -> None:
        session, turn, viewer = await killed_while(platform, SLOW, "text")

        await taken_over(platform)

        ended = await platform.ended(turn)
        entries = await platform.entries(session.id)
        assert ended.state is TurnState.COMPLETED
        assert text_of(entries) == WHOLE
        assert_gap_free(entries)
        assert viewer.conflicts == []
        assert sorted(viewer.told) == list(range(1, entries[-1].seq + 1))
        assert [e.code for e in entries if e.type == "notice"] == ["reattached"]

    async def test_what_ended_meanwhile_is_put_back_from_the_agents_record(
        self, platform: Any
    ) -> None:
        prompt = (
            '[[pre:first]][[tool:terminal {"command":"sleep 1; echo one"}]]'
            '[[tool:terminal {"command":"echo two"}]][[say:the end]]'
        )
        session, turn, _ = await killed_while(platform, prompt, "tool.started")
        await asyncio.sleep(5)

        await taken_over(platform)

        ended = await platform.ended(turn)
        entries = await platform.entries(session.id)
        tools = [entry for entry in entries if entry.type == "tool.completed"]
        assert ended.state is TurnState.COMPLETED
        assert [(tool.result, tool.recovered) for tool in tools] == [("one", True), ("two", True)]
        assert text_of(entries).endswith("the end")
        assert_gap_free(entries)

    async def test_in_mid_tool_the_card_is_completed(self, platform: Any) -> None:
        prompt = '[[tool:terminal {"command":"sleep 4; echo slow"}]][[say:after]]'
        session, turn, _ = await killed_while(platform, prompt, "tool.started")

        await taken_over(platform)

        assert (await platform.ended(turn)).state is TurnState.COMPLETED
        entries = await platform.entries(session.id)
        assert [e.type for e in entries].count("tool.started") == 1
        tool = next(entry for entry in entries if entry.type == "tool.completed")
        assert tool.result == "slow"

    async def test_in_mid_approval_the_answer_is_still_taken(self, platform: Any) -> None:
        session, turn, _ = await killed_while(platform, DANGEROUS, "approval.requested")
        asked = await platform_entry(platform, session, "approval.requested")
        await taken_over(platform)

        approval = await platform.rpc.call(
            chat.ANSWER_APPROVAL,
            chat.AnswerApproval(
                owner_id=OWNER,
                session_id=session.id,
                approval_id=asked.approval_id,
                choice=ApprovalChoice.ONCE,
            ),
        )

        assert (await platform.ended(turn)).state is TurnState.COMPLETED
        assert approval.choice is ApprovalChoice.ONCE
        tool = await platform.entry(session.id, "tool.completed")
        assert not tool.error

    async def test_what_was_asked_while_nobody_listened_is_refused_and_said(
        self, platform: Any
    ) -> None:
        prompt = (
            '[[tool:terminal {"command":"sleep 2"}]][[tool:terminal {"command":"rm -rf gone"}]]'
            "[[say:done]]"
        )
        session, turn, _ = await killed_while(platform, prompt, "tool.started")
        await asyncio.sleep(4)

        await taken_over(platform)

        ended = await platform.ended(turn)
        entries = await platform.entries(session.id)
        codes = [entry.code for entry in entries if entry.type == "notice"]
        tools = [entry for entry in entries if entry.type == "tool.completed"]
        assert ended.state is TurnState.COMPLETED
        assert codes == ["reattached", "approval_missed"]
        assert [tool.error for tool in tools] == [False, True]
        assert_gap_free(entries)

    async def test_white_space_before_a_tool_loses_nothing(self, platform: Any) -> None:
        prompt = (
            '[[pre:one two three four \n]][[chunkdelay:0.3]][[tool:terminal {"command":"echo x"}]]'
            "[[say:the end]]"
        )
        session, turn, _ = await killed_while(platform, prompt, "text")
        await asyncio.sleep(5)

        await taken_over(platform)

        await platform.ended(turn)
        entries = await platform.entries(session.id)
        assert text_of(entries).split() == ["one", "two", "three", "four", "the", "end"]
        assert "text.replaced" not in [entry.type for entry in entries]

    async def test_an_answer_on_its_way_is_unknown_and_never_sent_again(
        self, platform: Any
    ) -> None:
        session, turn, _ = await killed_while(platform, DANGEROUS, "approval.requested")
        await platform.database["approvals"].update_many(
            {}, {"$set": {"state": "delivering", "choice": "once"}}
        )

        successor = await taken_over(platform)

        resolved = await platform.entry(session.id, "approval.resolved")
        assert resolved.state is ApprovalState.UNKNOWN
        request = chat.TurnRequest(owner_id=OWNER, session_id=session.id, turn_id=turn.id)
        await platform.rpc.call(chat.STOP_TURN, request)
        await platform.ended(turn)
        tool = await platform.entry(session.id, "tool.completed")
        assert tool.error
        assert successor.runners.of(session.id) is None

    async def test_what_was_told_and_not_stored_comes_from_the_stream(self, platform: Any) -> None:
        process = await platform.spawn()
        session = await platform.session()
        viewer = Viewer()
        await platform.journal.follow(chat.session_journal(session.id), viewer)
        turn = await platform.say(session, "[[say:short]][[delay:0]]")
        await platform.ended(turn)
        process.kill()
        await process.wait()
        await platform.database["turns"].update_one(
            {"_id": turn.id}, {"$set": {"active": True, "state": "running", "ended_at": None}}
        )
        await platform.database["chat_messages"].delete_many({})

        await taken_over(platform)

        ended = await platform.ended(turn)
        entries = await platform.entries(session.id)
        assert ended.state is TurnState.COMPLETED
        assert text_of(entries) == "short"
        assert viewer.conflicts == []


class TestHandOver:
    async def test_another_process_goes_on_at_once(self, platform: Any) -> None:
        first = await platform.start()
        session = await platform.session()
        turn = await platform.say(session, SLOW)
        await platform.entry(session.id, "text")
        second = await platform.start()

        await first.runners.hand_over()

        assert await second.takeover.run_once() == 1
        assert (await platform.ended(turn)).state is TurnState.COMPLETED
        entries = await platform.entries(session.id)
        assert text_of(entries) == WHOLE
        assert_gap_free(entries)


class TestAgent:
    async def test_an_agent_that_dies_leaves_what_it_said(
        self, platform: Any, own_hermes: Any
    ) -> None:
        platform.neighbours.hermes = own_hermes
        await platform.start(reattach=_soon())
        session = await platform.session()
        turn = await platform.say(session, SLOW)
        await platform.entry(session.id, "text")

        await own_hermes.kill()

        ended = await platform.ended(turn)
        assert ended.state is TurnState.FAILED
        assert ended.error.code is ErrorCode.AGENT_LOST
        assert text_of(await platform.entries(session.id)).startswith("w0")

    async def test_an_agent_started_again_ends_the_turn_truthfully(
        self, platform: Any, own_hermes: Any
    ) -> None:
        platform.neighbours.hermes = own_hermes
        await platform.start()
        session = await platform.session()
        turn = await platform.say(session, SLOW)
        await platform.entry(session.id, "text")

        await own_hermes.kill()
        await own_hermes.start()

        ended = await platform.ended(turn)
        assert ended.error.code is ErrorCode.AGENT_LOST
        following = await platform.ended(await platform.say(session, "[[say:here again]]"))
        assert following.state is TurnState.COMPLETED

    async def test_a_fresh_agent_is_told_the_history(
        self, platform: Any, own_hermes: Any, hermes: Any
    ) -> None:
        platform.neighbours.hermes = own_hermes
        await platform.start()
        session = await platform.session()
        await platform.ended(await platform.say(session, "[[say:my name is Ada]] hello"))

        await own_hermes.kill()
        own_hermes.forget()
        await own_hermes.start()

        turn = await platform.ended(await platform.say(session, "[[say:still here]]"))
        entries = [e for e in await platform.entries(session.id) if e.turn_id == turn.id]
        assert turn.state is TurnState.COMPLETED
        assert "history_replayed" in [e.code for e in entries if e.type == "notice"]
        assert platform.neighbours.acquired[-1].verify is False


def _soon() -> Any:
    from datetime import timedelta

    return timedelta(seconds=1)


async def platform_entry(platform: Any, session: Any, type_: str) -> Any:
    """From the stream: at this moment no process answers."""
    from chat_proxy.model.journal import entry_from_line
    from chat_proxy.service.wire import to_entry

    async for line in platform.journal.captured(chat.session_journal(session.id)):
        entry = to_entry(entry_from_line(line))
        if entry.type == type_:
            return entry
    raise AssertionError(type_)
