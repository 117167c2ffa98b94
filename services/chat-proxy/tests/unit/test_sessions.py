"""The list of an owner's sessions, page by page."""

from datetime import timedelta
from typing import Any

import pytest
from common.contracts import chat as contract
from common.errors import InvalidError

OWNER, STRANGER = "own_" + "1" * 20, "own_" + "2" * 20


async def listed(world: Any, owner_id: str = OWNER, cursor: str | None = None) -> Any:
    return await world.me.sessions.list(contract.ListSessions(owner_id=owner_id, cursor=cursor))


class TestList:
    async def test_a_hundred_at_once_and_the_rest_by_cursor(self, world: Any) -> None:
        made = []
        for number in range(203):
            world.clock.advance(timedelta(seconds=number % 2))
            made.append((await world.session()).id)

        pages = [await listed(world)]
        while pages[-1].next_cursor:
            pages.append(await listed(world, cursor=pages[-1].next_cursor))

        assert [len(page.sessions) for page in pages] == [100, 100, 3]
        ids = [session.id for page in pages for session in page.sessions]
        assert sorted(ids) == sorted(made)
        times = [session.updated_at for page in pages for session in page.sessions]
        assert times == sorted(times, reverse=True)

    async def test_a_whole_last_page_has_no_cursor(self, world: Any) -> None:
        for _ in range(100):
            await world.session()

        page = await listed(world)

        assert (len(page.sessions), page.next_cursor) == (100, None)

    async def test_a_strangers_cursor_shows_nothing_of_mine(self, world: Any) -> None:
        for _ in range(101):
            await world.session()
        cursor = (await listed(world)).next_cursor

        assert (await listed(world, STRANGER, cursor)).sessions == []

    @pytest.mark.parametrize(
        "cursor", ["x", "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00~ses_1", "~", "now~ses_1"]
    )
    async def test_what_no_list_gave_is_refused(self, world: Any, cursor: str) -> None:
        with pytest.raises(InvalidError, match="next_cursor"):
            await listed(world, cursor=cursor)
