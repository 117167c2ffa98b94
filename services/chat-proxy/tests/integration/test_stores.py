"""The stores' contracts, on MongoDB and on the fakes that the unit tests trust."""

import asyncio
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from chat_proxy.adapters.mongo import collections
from chat_proxy.adapters.mongo.answers import MongoAnswers
from chat_proxy.adapters.mongo.approvals import MongoApprovals
from chat_proxy.adapters.mongo.sessions import MongoSessions
from chat_proxy.adapters.mongo.shares import MongoShares
from chat_proxy.adapters.mongo.turns import MongoTurns
from chat_proxy.model.approval import Approval
from chat_proxy.model.journal import Answer, Entry
from chat_proxy.model.session import ChatSession, SessionState
from chat_proxy.model.share import Share
from chat_proxy.model.turn import Turn
from common import mongo
from common.contracts.chat import (
    ApprovalChoice,
    ApprovalState,
    ContextMessage,
    SessionContext,
    TurnState,
)
from common.contracts.events import OutgoingEvent
from common.contracts.sandbox import LaunchSkill
from common.errors import NotFoundError, StaleFenceError
from common.ids import new_id
from common.testing.fakes import START

OWNER = "own_" + "1" * 20
LATER = START + timedelta(seconds=31)


def event() -> OutgoingEvent:
    return OutgoingEvent(id=new_id("evt"), subject="evt.test.happened.v1", body={})


@dataclass
class MongoStores:
    sessions: MongoSessions
    turns: MongoTurns
    answers: MongoAnswers
    approvals: MongoApprovals
    shares: MongoShares


@pytest.fixture
async def mongo_stores(database: mongo.Database) -> MongoStores:
    await mongo.ensure_indexes(database, collections.INDEXES)
    return MongoStores(
        MongoSessions(database),
        MongoTurns(database),
        MongoAnswers(database),
        MongoApprovals(database),
        MongoShares(database),
    )


@pytest.fixture(params=["fake", "mongo"])
def store(request: pytest.FixtureRequest, stores: Any, mongo_stores: MongoStores) -> Any:
    return stores if request.param == "fake" else mongo_stores


@pytest.fixture
def session(skill: LaunchSkill, turn: Turn) -> ChatSession:
    return ChatSession(
        id=turn.session_id,
        owner_id=turn.owner_id,
        launch_id="lau_1",
        skill=skill,
        title="count-words",
        created_at=START,
        updated_at=START,
    )


@pytest.fixture
def share(session: ChatSession) -> Share:
    return Share(
        id=new_id("shr"),
        owner_id=session.owner_id,
        session_id=session.id,
        token_sha256="a" * 64,
        last_seq=7,
        with_tools=True,
        with_reasoning=False,
        receipt=None,
        created_at=START,
        expires_at=START + timedelta(days=30),
    )


@pytest.fixture
def approval(turn: Turn, skill: LaunchSkill) -> Approval:
    return Approval(
        id=new_id("apr"),
        session_id=turn.session_id,
        turn_id=turn.id,
        owner_id=turn.owner_id,
        skill_digest=skill.digest,
        command="rm -rf x",
        rules=("recursive delete",),
        choices=tuple(ApprovalChoice),
        asked_at=START,
        expires_at=LATER,
        call_id="c1",
    )


def entry(seq: int, text: str, type_: str = "text", **fields: Any) -> Entry:
    return Entry(seq, START, "tur_" + "1" * 20, type_, {"text": text, **fields})


class TestTurns:
    async def test_of_many_at_once_one_starts(self, store: Any, turn: Turn) -> None:
        turns = [replace(turn, id=new_id("tur")) for _ in range(10)]

        started = await asyncio.gather(
            *(store.turns.start(one, idempotency_key=None, emit=event()) for one in turns)
        )

        assert await store.turns.active(turn.session_id) in turns
        assert await store.turns.has_active(turn.owner_id, 1)
        assert not await store.turns.has_active(turn.owner_id, 2)
        [running] = [one for one in started if one is not None]
        others = [turn.session_id, new_id("ses")]
        assert await store.turns.running(others) == {turn.session_id: running.id}

    async def test_a_key_gives_the_turn_it_made(self, store: Any, turn: Turn) -> None:
        turn = replace(turn, attachments=("a.txt", "b/c.png"))
        await store.turns.start(turn, idempotency_key="k", emit=event())
        again = replace(turn, id=new_id("tur"))

        assert await store.turns.start(again, idempotency_key="k", emit=event()) == turn

    async def test_after_the_end_another_may_start(self, store: Any, turn: Turn) -> None:
        await store.turns.start(turn, idempotency_key=None, emit=event())
        ended = turn.ended(TurnState.COMPLETED, at=START)
        await store.turns.save(ended, emit=event())
        following = replace(turn, id=new_id("tur"))

        assert await store.turns.start(following, idempotency_key=None, emit=event())
        assert await store.turns.get(turn.owner_id, turn.session_id, turn.id) == ended
        with pytest.raises(StaleFenceError):
            await store.turns.save(turn)

    async def test_a_claim_that_ran_out_is_taken_once(self, store: Any, turn: Turn) -> None:
        await store.turns.start(turn, idempotency_key=None, emit=event())

        assert await store.turns.claim_due("prc_2", START, here=(), limit=9) == []
        [taken] = await store.turns.claim_due("prc_2", LATER, here=(), limit=9)
        assert await store.turns.claim_due("prc_3", LATER, here=(), limit=9) == []

        assert (taken.claim.holder, taken.claim.fence) == ("prc_2", 2)
        for write in (store.turns.save(turn), store.turns.renew(turn, LATER)):
            with pytest.raises(StaleFenceError):
                await write

    async def test_what_runs_here_is_not_taken_over(self, store: Any, turn: Turn) -> None:
        await store.turns.start(turn, idempotency_key=None, emit=event())

        assert await store.turns.claim_due("prc_2", LATER, here={turn.id}, limit=9) == []

    async def test_renewing_reads_that_a_stop_was_asked(self, store: Any, turn: Turn) -> None:
        await store.turns.start(turn, idempotency_key=None, emit=event())
        await store.turns.request_stop(turn)

        renewed = await store.turns.renew(turn, LATER)

        assert renewed.stop_requested
        assert renewed.claim.covers(LATER)

    async def test_a_claim_given_back_is_due(self, store: Any, turn: Turn) -> None:
        await store.turns.start(turn, idempotency_key=None, emit=event())
        await store.turns.give_back(turn, START)

        assert len(await store.turns.claim_due("prc_2", START, here=(), limit=9)) == 1

    async def test_a_stranger_sees_none(self, store: Any, turn: Turn) -> None:
        await store.turns.start(turn, idempotency_key=None, emit=event())

        with pytest.raises(NotFoundError):
            await store.turns.get("own_" + "2" * 20, turn.session_id, turn.id)


class TestAnswers:
    async def test_it_grows_and_is_read_back_exactly(self, store: Any, turn: Turn) -> None:
        answer = Answer(turn.id)
        steps = [
            [entry(1, "go", "turn.started"), entry(2, "Hel")],
            [entry(3, "lo, ")],
            [entry(4, "", "tool.started", call_id="c", arguments={"a.b": {"$x": 2**70}})],
            [entry(5, "Welt ✓"), entry(6, "!")],
        ]
        for step in steps:
            for one in step:
                answer.add(one)
            await store.answers.save(turn, answer)

        [stored] = [one async for one in store.answers.after(turn.session_id, 0)]
        for number in range(7):
            assert stored.after(number) == answer.after(number)
        assert stored.is_stored

    async def test_only_answers_with_more_are_given(self, store: Any, turn: Turn) -> None:
        answer = Answer(turn.id)
        answer.add(entry(1, "go", "turn.started"))
        await store.answers.save(turn, answer)

        assert len([one async for one in store.answers.after(turn.session_id, 0)]) == 1
        assert [one async for one in store.answers.after(turn.session_id, 1)] == []

    async def test_an_end_is_seen(self, store: Any, turn: Turn) -> None:
        answer = Answer(turn.id)
        answer.add(entry(1, "", "turn.ended"))

        assert not await store.answers.is_ended(turn.id)
        await store.answers.save(turn, answer)
        assert await store.answers.is_ended(turn.id)


class TestFencedAnswers:
    async def test_who_was_fenced_out_writes_no_more(
        self, mongo_stores: MongoStores, turn: Turn
    ) -> None:
        former = Answer(turn.id)
        former.add(entry(1, "go", "turn.started"))
        await mongo_stores.answers.save(turn, former)
        successor = replace(turn, claim=replace(turn.claim, fence=2))

        taken = await mongo_stores.answers.take(successor)
        former.add(entry(2, "late"))

        assert taken.seq == 1
        with pytest.raises(StaleFenceError):
            await mongo_stores.answers.save(turn, former)

    async def test_a_former_writers_first_words_are_overwritten(
        self, mongo_stores: MongoStores, turn: Turn
    ) -> None:
        successor = replace(turn, claim=replace(turn.claim, fence=2))
        taken = await mongo_stores.answers.take(successor)
        former = Answer(turn.id)
        former.add(entry(1, "go", "turn.started"))
        former.add(entry(2, "and more"))
        await mongo_stores.answers.save(turn, former)

        taken.add(entry(1, "go on", "turn.started"))
        await mongo_stores.answers.save(successor, taken)

        [stored] = await mongo_stores.answers.of_session(turn.session_id)
        assert stored.segments[0].fields["text"] == "go on"

    async def test_a_write_that_is_cancelled_leaves_no_hole(
        self, mongo_stores: MongoStores, turn: Turn
    ) -> None:
        answer = Answer(turn.id)
        for number, kind in enumerate(("turn.started", "text", "tool.started", "text"), start=1):
            answer.add(entry(number, "x", kind))
            writing = asyncio.ensure_future(mongo_stores.answers.save(turn, answer))
            await asyncio.sleep(0)
            writing.cancel()
            await asyncio.wait({writing})
        answer.add(entry(5, "", "tool.completed"))

        await mongo_stores.answers.save(turn, answer)

        [stored] = await mongo_stores.answers.of_session(turn.session_id)
        assert stored.after(0) == answer.after(0)

    async def test_an_older_write_that_arrives_late_changes_nothing(
        self, mongo_stores: MongoStores, turn: Turn
    ) -> None:
        answer = Answer(turn.id)
        answer.add(entry(1, "go", "turn.started"))
        answer.add(entry(2, "Hel"))
        await mongo_stores.answers.save(turn, answer)
        late = deepcopy(answer)
        late.changed = 1
        answer.add(entry(3, "lo"))
        await mongo_stores.answers.save(turn, answer)

        with pytest.raises(StaleFenceError):
            await mongo_stores.answers.save(turn, late)

        [stored] = await mongo_stores.answers.of_session(turn.session_id)
        assert stored.after(0) == answer.after(0)


class TestSessions:
    async def test_a_key_gives_the_session_it_made(self, store: Any, session: ChatSession) -> None:
        await store.sessions.create(session, idempotency_key="k", emit=event())
        again = replace(session, id=new_id("ses"))

        created = await store.sessions.create(again, idempotency_key="k", emit=event())

        assert created == session

    async def test_the_first_title_stays(
        self, store: Any, session: ChatSession, turn: Turn
    ) -> None:
        await store.sessions.create(session, idempotency_key=None, emit=event())

        await store.sessions.entitle(session.id, "Go", LATER)
        await store.sessions.entitle(session.id, "No", LATER)
        await store.sessions.end_turn(turn, last_seq=7, words=["done"], at=LATER)

        ended = await store.sessions.get(session.owner_id, session.id)
        assert (ended.title, ended.titled, ended.last_seq) == ("Go", True, 7)

    async def test_one_that_is_touched_is_the_newest(
        self, store: Any, session: ChatSession
    ) -> None:
        await store.sessions.create(session, idempotency_key=None, emit=event())

        await store.sessions.touch(session.id, LATER)

        assert (await store.sessions.find(session.id)).updated_at == LATER

    async def test_a_thread_is_taken_once(self, store: Any, session: ChatSession) -> None:
        context = SessionContext(
            instructions="Be brief.", history=[ContextMessage(role="user", text="Hi")]
        )
        session = replace(session, context=context)
        await store.sessions.create(session, idempotency_key=None, emit=event())
        await store.sessions.keep_thread(session, "a" * 64)
        with pytest.raises(NotFoundError):
            await store.sessions.take_thread("own_" + "9" * 20, "a" * 64)
        kept = await store.sessions.with_thread(session.owner_id, "a" * 64)
        assert (kept.id, kept.context) == (session.id, context)

        taken = await store.sessions.take_thread(session.owner_id, "a" * 64)

        assert (taken.id, taken.context) == (session.id, context)
        with pytest.raises(NotFoundError):
            await store.sessions.take_thread(session.owner_id, "a" * 64)

    async def test_a_deleted_one_is_nobodys(self, store: Any, session: ChatSession) -> None:
        await store.sessions.create(session, idempotency_key=None, emit=event())
        await store.sessions.delete(session.owner_id, session.id, emit=event())

        with pytest.raises(NotFoundError):
            await store.sessions.get(session.owner_id, session.id)
        assert (await store.sessions.find(session.id)).state is SessionState.DELETED


class TestPurge:
    async def test_it_waits_for_events_and_turns_and_leaves_nothing(
        self,
        mongo_stores: MongoStores,
        database: mongo.Database,
        session: ChatSession,
        turn: Turn,
        share: Share,
    ) -> None:
        await mongo_stores.sessions.create(session, idempotency_key=None, emit=event())
        await mongo_stores.turns.start(turn, idempotency_key=None, emit=event())
        await mongo_stores.shares.add(share)
        await mongo_stores.sessions.delete(session.owner_id, session.id, emit=event())
        relayed: dict[str, Any] = {"$set": {"outbox": []}}

        assert await mongo_stores.sessions.purge(limit=9) == 0
        await database["chat_sessions"].update_many({}, relayed)
        assert await mongo_stores.sessions.purge(limit=9) == 0
        await mongo_stores.turns.save(turn.ended(TurnState.STOPPED, at=START))
        assert await mongo_stores.sessions.purge(limit=9) == 0
        await database["turns"].update_many({}, relayed)
        assert await mongo_stores.sessions.purge(limit=9) == 1

        for name in (
            "chat_sessions",
            "chat_messages",
            "turns",
            "approvals",
            "shares",
            "chat_words",
        ):
            assert await database[name].count_documents({}) == 0


class TestShares:
    async def test_it_is_found_by_its_token_and_by_its_session(
        self, store: Any, share: Share
    ) -> None:
        await store.shares.add(share)
        later = replace(share, id=new_id("shr"), token_sha256="b" * 64, created_at=LATER)
        await store.shares.add(later)

        assert await store.shares.with_token(share.token_sha256) == share
        assert await store.shares.with_token("c" * 64) is None
        found = await store.shares.of_session(share.owner_id, share.session_id, START)
        assert found == [later, share]
        assert await store.shares.of_session("own_9", share.session_id, START) == []

    async def test_one_that_has_ended_is_no_longer_the_sessions(
        self, store: Any, share: Share
    ) -> None:
        await store.shares.add(share)
        await store.shares.end("own_9", share.session_id, START)
        assert len(await store.shares.of_session(share.owner_id, share.session_id, START)) == 1

        await store.shares.end(share.owner_id, share.session_id, START)

        assert await store.shares.of_session(share.owner_id, share.session_id, START) == []
        ended = await store.shares.with_token(share.token_sha256)
        assert not ended.is_live(START)

    async def test_an_expired_one_is_not_live(self, store: Any, share: Share) -> None:
        await store.shares.add(share)

        found = await store.shares.of_session(share.owner_id, share.session_id, share.expires_at)

        assert found == []


class TestApprovals:
    async def test_the_first_decision_is_kept(self, store: Any, approval: Approval) -> None:
        await store.approvals.ask(approval, emit=event())
        once = approval.decided(ApprovalChoice.ONCE, at=START)
        deny = approval.decided(ApprovalChoice.DENY, at=START)

        await store.approvals.save(once, expected=approval)

        with pytest.raises(StaleFenceError):
            await store.approvals.save(deny, expected=approval)
        stored = await store.approvals.get(approval.owner_id, approval.session_id, approval.id)
        assert stored == once

    async def test_two_that_say_the_same_are_two(self, store: Any, approval: Approval) -> None:
        await store.approvals.ask(approval, emit=event())
        one = approval.decided(ApprovalChoice.ONCE, at=START, decision="dec_1")
        other = approval.decided(ApprovalChoice.ONCE, at=START, decision="dec_2")

        await store.approvals.save(one, expected=approval)

        await store.approvals.save(one, expected=approval)
        with pytest.raises(StaleFenceError):
            await store.approvals.save(other, expected=approval)

    async def test_a_turns_own_are_found_and_what_they_allow(
        self, store: Any, approval: Approval
    ) -> None:
        await store.approvals.ask(approval, emit=event())
        decided = approval.decided(ApprovalChoice.SESSION, at=START)
        await store.approvals.save(decided, expected=approval)
        delivering = decided.delivering()
        await store.approvals.save(delivering, expected=decided)
        assert await store.approvals.of_turn(approval.turn_id) == [delivering]

        await store.approvals.save(delivering.delivered(), expected=delivering, emit=event())

        assert await store.approvals.of_turn("tur_" + "9" * 20) == []
        [scoped] = await store.approvals.with_scope(
            approval.owner_id, approval.session_id, approval.skill_digest
        )
        assert scoped.state is ApprovalState.DELIVERED


class TestScopes:
    async def test_always_reaches_other_sessions_of_the_same_bytes_only(
        self, mongo_stores: MongoStores, approval: Approval
    ) -> None:
        for choice in (ApprovalChoice.SESSION, ApprovalChoice.ALWAYS):
            asked = replace(approval, id=new_id("apr"))
            await mongo_stores.approvals.ask(asked, emit=event())
            decided = asked.decided(choice, at=START)
            delivered = decided.delivering().delivered()
            await mongo_stores.approvals.save(decided, expected=asked)
            await mongo_stores.approvals.save(decided.delivering(), expected=decided)
            await mongo_stores.approvals.save(delivered, expected=decided.delivering())

        scope = mongo_stores.approvals.with_scope
        here = await scope(approval.owner_id, approval.session_id, approval.skill_digest)
        elsewhere = await scope(approval.owner_id, "ses_other", approval.skill_digest)
        changed = await scope(approval.owner_id, "ses_other", "sha256:2")

        assert {one.choice for one in here} == {ApprovalChoice.SESSION, ApprovalChoice.ALWAYS}
        assert {one.choice for one in elsewhere} == {ApprovalChoice.ALWAYS}
        assert changed == []

    async def test_saving_again_after_a_lost_reply_is_no_error(
        self, mongo_stores: MongoStores, approval: Approval
    ) -> None:
        await mongo_stores.approvals.ask(approval, emit=event())
        await mongo_stores.approvals.ask(approval, emit=event())
        decided = approval.decided(ApprovalChoice.ONCE, at=START)
        await mongo_stores.approvals.save(decided, expected=approval)

        await mongo_stores.approvals.save(decided, expected=approval)
