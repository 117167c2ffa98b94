"""A key check over a real connection, under the egress policy."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from aiohttp import web
from chat_proxy.relay.checks import MOST_A_MINUTE, KeyChecks
from chat_proxy.relay.directory import BusDirectory
from chat_proxy.relay.egress import EgressPolicy
from chat_proxy.relay.listing import ModelLists
from chat_proxy.relay.upstream import Timeouts, Upstream
from common.contracts.keys import GET_SETTINGS, REVEAL, OwnerSettings, Reveal, Revealed
from common.contracts.relay import KeyState
from common.errors import ErrorCode, InvalidError, NotFoundError, RateLimitedError
from common.ids import new_id
from common.testing.bus import FakeServices
from common.testing.fakes import StoppedClock
from pydantic import SecretStr

OWNER, NAME, KEY = new_id("own"), "CUSTOM_API_KEY", "sk-checked-0123456789"


class World:
    """A provider that answers what a test says, and the checks in front of it."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self.stack = stack
        self.services = FakeServices()
        self.clock = StoppedClock()
        self.status, self.body = 200, b"{}"
        self.seen: list[web.Request] = []

    async def start(self, *, allow_private: bool = True) -> KeyChecks:
        app = web.Application()
        app.router.add_get("/v1/models", self.handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        self.stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        self.services.answer(
            GET_SETTINGS, OwnerSettings(provider="custom", model="m", base_url=url)
        )
        self.services.answer(REVEAL, Revealed(value=SecretStr(KEY), version=1))
        upstream = Upstream(EgressPolicy(allow_private=allow_private), Timeouts(5, 5, 5, 5))
        self.stack.push_async_callback(upstream.close)
        self.url, self.upstream = url, upstream
        return KeyChecks(BusDirectory(self.services), upstream, self.clock)

    async def lists(self, *, allow_private: bool = True) -> ModelLists:
        await self.start(allow_private=allow_private)
        return ModelLists(BusDirectory(self.services), self.upstream, self.clock)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        return web.Response(status=self.status, body=self.body)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        yield World(stack)


class TestCheck:
    async def test_a_good_key_is_good(self, world: World) -> None:
        checks = await world.start()

        checked = await checks.check(OWNER, NAME)

        assert (checked.state, checked.provider) == (KeyState.GOOD, "custom")
        assert world.seen[0].headers["Authorization"] == f"Bearer {KEY}"
        assert world.services.asked[0] == Reveal(owner_id=OWNER, name=NAME, purpose="key_check")
        assert KEY not in checked.model_dump_json()

    @pytest.mark.parametrize(
        ("status", "state"),
        [(401, "refused"), (403, "refused"), (404, "unknown"), (429, "unknown"), (302, "unknown")],
    )
    async def test_other_answers_are_refusals_or_nothing(
        self, world: World, status: int, state: str
    ) -> None:
        checks = await world.start()
        world.status, world.body = status, KEY.encode()

        checked = await checks.check(OWNER, NAME)

        assert checked.state == state
        assert KEY not in checked.detail

    async def test_a_provider_that_is_not_there_tells_nothing(self, world: World) -> None:
        checks = await world.start()
        away = OwnerSettings(provider="custom", model="m", base_url="http://127.0.0.1:1/v1")
        world.services.answer(GET_SETTINGS, away)

        checked = await checks.check(OWNER, NAME)

        assert checked.state is KeyState.UNKNOWN
        assert checked.detail.startswith("Could not tell.")

    async def test_a_private_address_is_not_asked(self, world: World) -> None:
        checks = await world.start(allow_private=False)

        assert (await checks.check(OWNER, NAME)).state is KeyState.UNKNOWN
        assert world.seen == []

    async def test_without_a_documented_call_nobody_is_asked(self, world: World) -> None:
        checks = await world.start()

        assert (await checks.check(OWNER, "NOUS_API_KEY")).state is KeyState.UNKNOWN
        assert world.seen == []

    async def test_a_key_that_is_not_stored_is_not_found(self, world: World) -> None:
        checks = await world.start()
        missing = NotFoundError("not set", code=ErrorCode.SECRET_NOT_FOUND)
        world.services.answer(REVEAL, missing)

        with pytest.raises(NotFoundError):
            await checks.check(OWNER, NAME)

    async def test_the_key_of_no_provider_is_refused(self, world: World) -> None:
        checks = await world.start()

        with pytest.raises(InvalidError):
            await checks.check(OWNER, "NOTION_API_KEY")

    async def test_asking_on_and_on_is_limited_for_that_owner(self, world: World) -> None:
        checks = await world.start()
        await asyncio.gather(*(checks.check(OWNER, NAME) for _ in range(MOST_A_MINUTE)))

        with pytest.raises(RateLimitedError) as error:
            await checks.check(OWNER, NAME)

        assert error.value.retry_at == world.clock() + timedelta(minutes=1)
        assert (await checks.check(new_id("own"), NAME)).state is KeyState.GOOD
        world.clock.advance(timedelta(minutes=1))
        assert (await checks.check(OWNER, NAME)).state is KeyState.GOOD


class TestModels:
    async def test_they_are_what_the_provider_lists(self, world: World) -> None:
        lists = await world.lists()
        world.body = b'{"data": [{"id": "small"}, {"id": "large"}]}'

        listed = await lists.of(OWNER, "custom", world.url)

        assert listed.models == ["large", "small"]
        assert world.seen[0].headers["Authorization"] == f"Bearer {KEY}"

    async def test_without_a_key_it_is_asked_all_the_same(self, world: World) -> None:
        lists = await world.lists()
        world.services.answer(REVEAL, NotFoundError("none"))
        world.body = b'{"data": [{"id": "local"}]}'

        listed = await lists.of(OWNER, "custom", world.url)

        assert listed.models == ["local"]
        assert "Authorization" not in world.seen[0].headers

    async def test_a_refusal_says_why_and_repeats_nothing(self, world: World) -> None:
        lists = await world.lists()
        world.status, world.body = 401, KEY.encode()

        listed = await lists.of(OWNER, "custom", world.url)

        assert listed.models == []
        assert "key" in listed.detail
        assert KEY not in listed.detail

    async def test_a_private_address_is_not_asked_where_that_is_refused(
        self, world: World
    ) -> None:
        lists = await world.lists(allow_private=False)

        listed = await lists.of(OWNER, "custom", world.url)

        assert listed.models == []
        assert world.seen == []
