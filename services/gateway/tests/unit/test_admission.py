"""Too much is refused early, with a time to come back, and not at the cost of others."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from common.contracts.sandbox import GET_SANDBOX, OwnerRequest, Retention, Sandbox, SandboxState
from common.errors import RateLimitedError, UnavailableError
from common.testing.bus import FakeJournals, FakeServices
from fastapi import FastAPI
from gateway.adapters.rates import LeakyBuckets
from gateway.endpoints.dependencies import Edge
from gateway.main import application
from gateway.service.admission import Admission
from gateway.service.viewing import Page, Source, Viewers
from gateway.settings import Settings

ANSWER = Sandbox(
    state=SandboxState.ABSENT,
    retention=Retention(stop_minutes=30, archive_minutes=1, delete_minutes=1),
)


def admission(**limits: int) -> Admission:
    chosen = {"address": 1000, "owner": 1000, "at_once": 100, "of_owner": 100} | limits
    return Admission(
        addresses=LeakyBuckets(chosen["address"]),
        owners=LeakyBuckets(chosen["owner"]),
        most_at_once=chosen["at_once"],
        most_of_owner=chosen["of_owner"],
    )


class Site:
    """The gateway with limits; requests come from addresses and users that a test names."""

    def __init__(self, site: FastAPI, edge: Edge, settings: Settings, limits: Admission) -> None:
        edge = Edge(**{**edge.__dict__, "admission": limits})
        self.app: Any = application(site, edge, settings)

    async def get(
        self, path: str = "/api/sandbox", *, address: str = "10.0.0.1"
    ) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, client=(address, 1))
        url = "http://127.0.0.1:8000"
        async with httpx.AsyncClient(transport=transport, base_url=url) as client:
            return await client.get(path)


@pytest.fixture
def build(site: FastAPI, edge: Edge, settings: Settings, services: FakeServices) -> Any:
    services.answer(GET_SANDBOX, ANSWER)
    return lambda **limits: Site(site, edge, settings, admission(**limits))


class TestRates:
    async def test_an_address_is_told_when_to_come_back(self, build: Any) -> None:
        site = build(address=3)

        answers = [await site.get() for _ in range(5)]
        other = await site.get(address="10.0.0.2")

        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        assert answers[-1].json()["code"] == "rate_limited"
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 20
        assert answers[-1].json()["retry_at"]
        assert other.status_code == 200

    async def test_an_owner_is_told_when_to_come_back(self, build: Any) -> None:
        site = build(owner=3)

        answers = [await site.get(address=f"10.0.0.{number}") for number in range(5)]

        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        assert "for you" in answers[-1].json()["detail"]

    async def test_health_is_always_answered(self, build: Any) -> None:
        site = build(address=1)

        answers = [await site.get("/healthz") for _ in range(5)]

        assert {answer.status_code for answer in answers} == {200}


class TestAtOnce:
    @pytest.mark.parametrize(
        ("limit", "status", "code"),
        [({"of_owner": 2}, 429, "rate_limited"), ({"at_once": 2}, 503, "unavailable")],
    )
    async def test_more_than_fit_are_refused_and_the_places_are_given_back(
        self,
        build: Any,
        services: FakeServices,
        limit: dict[str, int],
        status: int,
        code: str,
    ) -> None:
        site, go_on = build(**limit), asyncio.Event()
        call = services.call

        async def slow(rpc: Any, request: Any, **more: Any) -> Any:
            if isinstance(request, OwnerRequest):
                await go_on.wait()
            return await call(rpc, request, **more)

        services.call = slow  # type: ignore[method-assign]  # a service that takes its time
        under_way = [asyncio.ensure_future(site.get()) for _ in range(2)]
        await asyncio.sleep(0.05)

        refused = await site.get()
        go_on.set()
        done = await asyncio.gather(*under_way)
        after = await site.get()

        assert (refused.status_code, refused.json()["code"]) == (status, code)
        assert int(refused.headers["retry-after"]) >= 1
        assert [answer.status_code for answer in done] == [200, 200]
        assert after.status_code == 200


class TestOwners:
    async def test_a_flood_of_one_leaves_the_other_alone(self) -> None:
        limits = admission(owner=5, of_owner=3)
        for _ in range(3):
            await limits.owner("alice")
        with pytest.raises(RateLimitedError, match="under way"):
            await limits.owner("alice")

        await limits.owner("bob")
        limits.done("alice")
        for _ in range(2):
            await limits.owner("alice")
            limits.done("alice")
        with pytest.raises(RateLimitedError, match="a minute"):
            await limits.owner("alice")
        await limits.owner("bob")


class TestStreams:
    async def test_an_owners_streams_and_all_streams_are_bounded(self) -> None:
        async def history(_: int) -> Page:
            return Page([])

        viewers = Viewers(FakeJournals(), limit_bytes=1000, most=3, most_of_owner=2)

        def of(owner: str) -> Source:
            return Source("journal.session.x", history, owner_id=owner)

        first = await viewers.open(of("alice"), after=0)
        await viewers.open(of("alice"), after=0)
        with pytest.raises(RateLimitedError, match="event streams of yours"):
            await viewers.open(of("alice"), after=0)
        await viewers.open(of("bob"), after=0)
        with pytest.raises(UnavailableError, match="too many event streams"):
            await viewers.open(of("carol"), after=0)
        await viewers.close(first)
        await viewers.close(first)
        await viewers.open(of("alice"), after=0)

        assert len(viewers) == 3


class TestBuckets:
    async def test_there_is_room_again_after_a_while(self) -> None:
        buckets = LeakyBuckets(6000)
        while await buckets.hit("a") is None:
            pass

        wait_s = await buckets.hit("a")
        assert wait_s is not None
        await asyncio.sleep(wait_s * 2)

        assert await buckets.hit("a") is None
        assert timedelta(seconds=wait_s) < timedelta(seconds=1)
