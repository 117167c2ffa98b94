"""What Hermes sends is heard once and in order, whoever has to wait meanwhile."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from chat_proxy.adapters.hermes.conversation import HermesConversation
from chat_proxy.errors import AgentLostError
from chat_proxy.model.agent import AgentEvent, AgentStatus, Finished, TextDelta
from chat_proxy.ports import Listener

LIVE = "live-1"


def delta(text: str) -> dict[str, Any]:
    return {"type": "message.delta", "session_id": LIVE, "payload": {"text": text}}


async def unasked(*_: Any) -> Any:
    raise AssertionError


@pytest.fixture
def conversation() -> HermesConversation:
    made = HermesConversation(unasked, unasked)
    socket: Any = object()
    made.begin(socket, {"session_id": LIVE, "stored_session_id": "stored"}, fresh=True)
    return made


class Hears(Listener):
    """Texts; has enough after those it is told to stop at."""

    def __init__(self, *stops: str) -> None:
        self.texts: list[str] = []
        self._stops = stops

    def on_events(self, events: Sequence[AgentEvent]) -> bool:
        said = [event.text for event in events if isinstance(event, TextDelta)]
        self.texts += said
        return not any(stop in said for stop in self._stops)


async def listening(conversation: HermesConversation, listener: Listener) -> "asyncio.Task[None]":
    task = asyncio.create_task(conversation.listen(listener))
    await asyncio.sleep(0)
    return task


class TestListen:
    async def test_what_comes_is_heard_before_the_read_is_over(
        self, conversation: HermesConversation
    ) -> None:
        heard = Hears()
        task = await listening(conversation, heard)

        conversation.on_batch([delta("a"), delta("b")], 10)

        assert heard.texts == ["a", "b"]
        task.cancel()

    async def test_what_comes_after_enough_is_kept_for_the_next_time(
        self, conversation: HermesConversation
    ) -> None:
        heard = Hears("a", "c")
        first = await listening(conversation, heard)
        for text in "abc":
            conversation.on_batch([delta(text)], 10)
        await asyncio.wait_for(first, 1)
        assert heard.texts == ["a"]

        await asyncio.wait_for(conversation.listen(heard), 1)

        assert heard.texts == ["a", "b", "c"]

    async def test_what_the_listener_fails_with_is_raised_where_it_listens(
        self, conversation: HermesConversation
    ) -> None:
        class Fails(Hears):
            def on_events(self, events: Sequence[AgentEvent]) -> bool:
                raise ValueError(events)

        task = await listening(conversation, Fails())
        conversation.on_batch([delta("a")], 10)

        with pytest.raises(ValueError, match="a"):
            await asyncio.wait_for(task, 1)

    async def test_what_came_before_the_connection_broke_is_heard(
        self, conversation: HermesConversation
    ) -> None:
        heard = Hears()
        conversation.on_batch([delta("a")], 10)
        conversation.on_batch(None, 0)

        with pytest.raises(AgentLostError):
            await asyncio.wait_for(conversation.listen(heard), 1)
        assert heard.texts == ["a"]

    async def test_nobody_hears_after_having_been_cut_off(
        self, conversation: HermesConversation
    ) -> None:
        heard = Hears()
        task = await listening(conversation, heard)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

        conversation.on_batch([delta("a")], 10)

        assert heard.texts == []


class TestSlowBus:
    async def test_the_agent_is_heard_again_when_the_bus_has_room(self, world: Any) -> None:
        session = await world.session()
        runner = await world.say(session)
        world.live.has_room = False
        world.agents.last.tell(TextDelta("one "))
        await world.until(lambda: "text" in world.live.kinds)
        told = len(world.live.entries)
        world.agents.last.tell(TextDelta("two"))
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(world.live.entries) == told

        world.live.has_room = True
        world.agents.last.tell(Finished(AgentStatus.COMPLETE, "one two"))
        async with asyncio.timeout(5):
            await runner.done.wait()

        texts = [one.fields["text"] for one in world.live.entries if one.type == "text"]
        assert texts == ["one ", "two"]
