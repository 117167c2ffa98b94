"""Finding sessions: by words, and page by page."""

from dataclasses import replace
from datetime import timedelta

import pytest
from chat_proxy.adapters.mongo import collections
from chat_proxy.adapters.mongo.sessions import MongoSessions
from chat_proxy.model.session import ChatSession
from chat_proxy.model.turn import Turn
from common import mongo
from common.contracts.events import OutgoingEvent
from common.contracts.sandbox import LaunchSkill
from common.ids import new_id
from common.testing.fakes import START

LATER = START + timedelta(seconds=31)


def event() -> OutgoingEvent:
    return OutgoingEvent(id=new_id("evt"), subject="evt.test.happened.v1", body={})


@pytest.fixture
async def sessions(database: mongo.Database) -> MongoSessions:
    await mongo.ensure_indexes(database, collections.INDEXES)
    return MongoSessions(database)


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


class TestSearch:
    async def test_every_word_must_be_there_and_the_last_may_be_begun(
        self, sessions: MongoSessions, session: ChatSession, turn: Turn
    ) -> None:
        await sessions.create(session, idempotency_key=None, emit=event())
        await sessions.end_turn(turn, last_seq=1, words=["hello", "world"], at=LATER)

        for words, found in (
            (["hello", "wor"], 1),
            (["wor", "hello"], 0),
            (["count"], 1),
            (["nothing"], 0),
        ):
            listed = await sessions.list(session.owner_id, words=words, limit=9)
            assert len(listed) == found, words

    async def test_another_owner_finds_nothing(
        self, sessions: MongoSessions, session: ChatSession
    ) -> None:
        await sessions.create(session, idempotency_key=None, emit=event())

        found = await sessions.list("own_" + "9" * 20, words=["count"], limit=9)

        assert found == []

    async def test_words_of_different_turns_and_the_title_are_found_together(
        self, sessions: MongoSessions, session: ChatSession, turn: Turn
    ) -> None:
        await sessions.create(session, idempotency_key=None, emit=event())
        for name, words in (("1", ["apple"]), ("2", ["pear"]), ("2", ["pear", "plum"])):
            one = replace(turn, id=f"tur_{name}")
            await sessions.end_turn(one, last_seq=1, words=words, at=LATER)
        other = replace(session, id=new_id("ses"))
        await sessions.create(other, idempotency_key=None, emit=event())

        listed = await sessions.list(session.owner_id, words=["apple", "plum", "count"], limit=9)

        assert [one.id for one in listed] == [session.id]

    async def test_after_renaming_the_new_title_is_found(
        self, sessions: MongoSessions, session: ChatSession
    ) -> None:
        await sessions.create(session, idempotency_key=None, emit=event())
        await sessions.rename(session.renamed("Zebra", at=LATER))

        assert len(await sessions.list(session.owner_id, words=["zebra"], limit=9)) == 1


class TestList:
    async def test_the_newest_come_first(
        self, sessions: MongoSessions, session: ChatSession
    ) -> None:
        for minutes in (1, 3, 2):
            at = START + timedelta(minutes=minutes)
            one = replace(session, id=new_id("ses"), title=str(minutes), updated_at=at)
            await sessions.create(one, idempotency_key=None, emit=event())

        listed = await sessions.list(session.owner_id, words=[], limit=2)

        assert [one.title for one in listed] == ["3", "2"]

    async def test_a_list_goes_on_where_another_ended_also_among_equal_times(
        self, sessions: MongoSessions, session: ChatSession
    ) -> None:
        for number in range(7):
            at = START + timedelta(minutes=number // 3)
            one = replace(session, id=new_id("ses"), title=str(number), updated_at=at)
            await sessions.create(one, idempotency_key=None, emit=event())

        seen: list[ChatSession] = []
        while page := await sessions.list(
            session.owner_id, words=[], limit=2, after=seen[-1].place if seen else None
        ):
            seen += page

        assert sorted(one.title for one in seen) == list("0123456")
        assert [one.updated_at for one in seen] == sorted(
            (one.updated_at for one in seen), reverse=True
        )
