"""Two accounts at two hosts: each sandbox is found by its id alone, and only where it is."""

import asyncio
import gc
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from common.ids import new_id
from common.mongo import Database
from common.preview import PreviewGuard
from common.testing.fakes import START
from local_platform.daytona.testing import HostProcess
from sandbox_manager.adapters.daytona.accounts import AccountsProvider
from sandbox_manager.adapters.daytona.provider import DaytonaProvider, open_daytona
from sandbox_manager.adapters.daytona.toolbox import Toolbox
from sandbox_manager.adapters.mongo.accounts import MongoAccounts
from sandbox_manager.errors import AccountRefusedError
from sandbox_manager.model.account import Account, place, placed
from sandbox_manager.model.provided import ProvidedState
from sandbox_manager.ports.provider import Retention, SandboxOrder, Source
from sandbox_manager.ports.stores import Accounts
from sandbox_manager.settings import Settings

RETENTION = Retention(timedelta(minutes=30), timedelta(days=2), timedelta(days=7))
SNAPSHOT = Settings.model_fields["snapshot"].default
OWN, TWIN, CLOSED = "acc_own", "acc_twin", "acc_closed"


@pytest.fixture(scope="module")
def elsewhere(host: HostProcess) -> Iterator[HostProcess]:
    """Where the owner's own key is good."""
    with tempfile.TemporaryDirectory(prefix="host-") as folder:
        made = HostProcess(Path(folder), key="key-of-an-owner", settings=host.settings)
        made.start()
        yield made
        made.stop()


@dataclass
class Place:
    provider: AccountsProvider
    labels: dict[str, str]

    def order(self, account: str) -> SandboxOrder:
        name = placed(account, new_id("box"))
        return SandboxOrder(name, Source.SNAPSHOT, SNAPSHOT, self.labels, RETENTION)


@contextmanager
def refused_sockets_forgotten() -> Iterator[None]:
    """The SDK opens an event socket beside each call. Closed while a refusal of it is on the way,
    it leaves the refusal unretrieved in a task, which the test runner takes for a failure.
    """
    loop = asyncio.get_running_loop()
    usual = loop.get_exception_handler()

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if type(error).__module__ == "socketio.exceptions":
            return
        if usual is not None:
            usual(loop, context)

    loop.set_exception_handler(handle)
    try:
        yield
    finally:
        gc.collect()
        loop.set_exception_handler(usual)


@pytest.fixture
async def both(
    host: HostProcess, elsewhere: HostProcess, database: Database
) -> AsyncIterator[Place]:
    keys = {OWN: elsewhere.key, TWIN: elsewhere.key, CLOSED: "a-key-that-is-not-good"}
    accounts = MongoAccounts(database["accounts"])
    for name in keys:
        await accounts.put(account(name))

    async def key_of(account_id: str) -> str:
        return keys[account_id]

    guard = PreviewGuard([f"proxy.localhost:{one.port}" for one in (host, elsewhere)])
    with refused_sockets_forgotten():
        async with (
            open_daytona(host.api_url, host.key) as sdk,
            AccountsProvider(
                DaytonaProvider(sdk, guard),
                accounts=accounts,
                key_of=key_of,
                api_url=elsewhere.api_url,
                guard=guard,
            ) as provider,
        ):
            labels = {"suite": new_id("set")}
            yield Place(provider, labels)
            for machine in await provider.list(labels):
                await provider.delete(machine.id)


def account(name: str, owner: str = "own_a") -> Account:
    return Account(id=name, owner_id=owner, sealed_key="sealed", used_at=START)


class TestAccounts:
    async def test_a_life_in_an_own_account(self, both: Place, host: HostProcess) -> None:
        order = both.order(OWN)
        made = await both.provider.create(order)
        assert (place(made.id)[0], made.name) == (OWN, order.name)

        await both.provider.stop(made.id)
        await both.provider.start(made.id)
        await both.provider.refresh_activity(made.id)
        url = await both.provider.sign_preview(made.id, 9119, timedelta(hours=1))
        status, output = await Toolbox(both.provider).run(made.id, "echo here")
        found = await both.provider.find(order.name)

        assert str(host.port) not in url
        assert (status, output.strip()) == (0, "here")
        assert found is not None
        assert (found.id, found.state) == (made.id, ProvidedState.STARTED)
        await both.provider.delete(made.id)
        assert await both.provider.find(made.id) is None

    async def test_all_are_listed_once_though_two_keys_open_one_account(self, both: Place) -> None:
        ours = await both.provider.create(both.order(""))
        theirs = await both.provider.create(both.order(OWN))

        listed = await both.provider.list(both.labels)

        assert sorted(place(one.id)[1] for one in listed) == sorted(
            place(one)[1] for one in (ours.id, theirs.id)
        )
        assert {place(one.id)[0] for one in listed} <= {"", OWN, TWIN}

    async def test_one_is_not_found_in_another_account(self, both: Place) -> None:
        ours = await both.provider.create(both.order(""))

        assert await both.provider.find(placed(OWN, ours.id)) is None

    async def test_a_key_that_is_not_good_is_its_owners_to_mend(self, both: Place) -> None:
        with pytest.raises(AccountRefusedError) as error:
            await both.provider.create(both.order(CLOSED))

        assert "your own key" in error.value.detail


@pytest.fixture(params=["memory", "mongo"])
def accounts(request: pytest.FixtureRequest, database: Database, world: Any) -> Accounts:
    made: Accounts = world.accounts
    return made if request.param == "memory" else MongoAccounts(database["accounts"])


class TestStore:
    async def test_one_account_of_two_owners_is_one(self, accounts: Accounts) -> None:
        await accounts.put(account("acc_1", "own_a"))
        await accounts.put(account("acc_1", "own_b"))
        await accounts.forget("own_a")

        found = await accounts.get("acc_1")

        assert found == account("acc_1", "own_b")
        assert await accounts.all() == [found]

    async def test_an_unused_one_is_forgotten_in_its_time(self, accounts: Accounts) -> None:
        for name in ("acc_1", "acc_2"):
            await accounts.put(account(name))

        await accounts.forget_unused(["acc_1"], START)
        assert len(await accounts.all()) == 2
        await accounts.forget_unused(["acc_1"], START + timedelta(seconds=1))

        assert [one.id for one in await accounts.all()] == ["acc_1"]
        assert await accounts.get("acc_2") is None
