"""The snapshot: built under a new name, checked before it is used, the old one deleted after."""

import base64
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sandbox_manager.model.recipe import Recipe, recipe
from sandbox_manager.ports.provider import SnapshotBuilder
from sandbox_manager.service.snapshots import SnapshotCare

World = Any
PDF = "acme/tools/pdf"
GOOD = {
    "id -u": "1000",
    "stat -c": "0\n0",
    "test -w": "1",
    "hermes --version": "Hermes Agent v0.19.0",
    "python3 -c": "True",
}


@dataclass
class FakeBuilder(SnapshotBuilder):
    built: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)

    async def build(self, name: str, recipe: Recipe, tell: Any) -> None:
        self.built.append(name)

    async def delete(self, name: str) -> None:
        self.deleted.append(name)


@pytest.fixture
def care(world: World) -> SnapshotCare:
    world.inside.outputs = dict(GOOD)
    return SnapshotCare(
        deployment_id="test",
        configured="hermes-snapshot",
        hermes="hermes-agent==0.19.0",
        recipe=recipe("hermes-agent==0.19.0", {}),
        builder=FakeBuilder(),
        provider=world.provider,
        inside=world.inside,
        agents=world.agents,
        pointer=world.pointer,
        agent_start=timedelta(seconds=5),
        clock=world.clock,
        sleep=world.sleep,
    )


class TestBuild:
    async def test_new_sandboxes_are_made_from_the_new_one(self, care: Any, world: World) -> None:
        assert await care.build(lambda _: None)

        world.skills.add(PDF)
        await world.launch(PDF)
        assert world.provider.orders[-1].image == care.builder.built[0]
        assert world.sandbox.image == "hermes-snapshot-20260101120000"
        assert care.builder.deleted == []

    async def test_the_one_before_it_is_deleted(self, care: Any, world: World) -> None:
        await care.build(lambda _: None)
        world.clock.advance(timedelta(seconds=1))
        await care.build(lambda _: None)

        assert care.builder.deleted == care.builder.built[:1]
        assert await care.current() == care.builder.built[1]

    async def test_one_that_is_not_right_is_not_used(self, care: Any, world: World) -> None:
        world.inside.outputs["id -u"] = "0"
        said: list[str] = []

        assert not await care.build(said.append)

        assert await care.current() == "hermes-snapshot"
        assert care.builder.deleted == care.builder.built
        assert "FAIL the agent is not root" in said


class TestCheck:
    async def test_nothing_is_left_behind(self, care: Any, world: World) -> None:
        assert await care.check(lambda _: None)

        assert world.provider.machines == {}

    @pytest.mark.parametrize(
        ("command", "output"),
        [
            ("id -u", "0"),
            ("stat -c", "1000\n0"),
            ("test -w", "0"),
            ("hermes --version", "Hermes Agent v0.20.0"),
            ("python3 -c", "False"),
        ],
    )
    async def test_each_fact_counts(
        self, care: Any, world: World, command: str, output: str
    ) -> None:
        world.inside.outputs[command] = output

        assert not await care.check(lambda _: None)

    async def test_an_agent_that_does_not_start_counts(self, care: Any, world: World) -> None:
        world.agents.is_frozen = True

        assert not await care.check(lambda _: None)
        assert world.provider.machines == {}


class TestRecipe:
    def test_what_a_tenant_must_not_change_is_roots(self) -> None:
        made = recipe("hermes-agent==1", {"config.yaml": b"a: 'b'\n"})
        text = "\n".join(made.as_root)

        assert base64.b64encode(b"a: 'b'\n").decode() in text
        assert "chown -R root:root /etc/hermes /opt/hermes" in text
        assert made.user == "daytona"

    def test_a_version_is_pinned(self) -> None:
        assert "hermes-agent==1" in "\n".join(recipe("hermes-agent==1", {}).as_root)

    def test_the_cloud_and_the_local_host_manage_the_same(self) -> None:
        root = Path(__file__).parents[4]
        ours = root / "services/sandbox-manager/src/sandbox_manager/adapters/daytona/managed"
        local = root / "deploy/local/src/local_platform/daytona/root/managed"

        for name in ("config.yaml", "env"):
            assert (ours / name).read_text() == (local / name).read_text()
