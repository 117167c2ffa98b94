"""Launches over fakes: which path, what is left behind, what is refused."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from common.contracts.keys import OwnerSettings
from common.contracts.sandbox import LaunchPath, LaunchState
from common.errors import ErrorCode
from sandbox_manager.errors import (
    AccountRefusedError,
    LostAnswerError,
    ProviderUnavailableError,
    SandboxBusyError,
)
from sandbox_manager.model.provided import ProvidedState
from sandbox_manager.ports.provider import Source

World = Any
"""The fixture `world`: every use case, its fakes, its clock."""

PDF = "acme/tools/pdf"
DOCX = "acme/tools/docx"


def kinds(launch: Any) -> list[str]:
    return [entry.type for entry in launch.entries]


class TestCreate:
    async def test_the_first_launch_makes_one_sandbox_with_the_skill_in_it(
        self, world: World
    ) -> None:
        skill = world.skills.add(PDF)

        launch = await world.launch(PDF)

        assert (launch.state, launch.path) == (LaunchState.READY, LaunchPath.CREATE)
        assert world.provider.made == 1
        assert world.inside.skills["box-1", "acme--tools--pdf"] == skill.digest
        assert world.sandbox.state == "active"
        assert world.sandbox.lock is None

    async def test_labels_say_whose_it_is_and_timers_end_it(self, world: World) -> None:
        world.skills.add(PDF)

        await world.launch(PDF)

        order = world.provider.orders[0]
        assert order.labels["tryskills-deployment"] == "test"
        assert order.labels["tryskills-owner"] == world.owner
        assert order.retention.stop == timedelta(minutes=30)

    async def test_a_missing_snapshot_falls_back_and_says_so(self, world: World) -> None:
        world.skills.add(PDF)
        world.sources += [(Source.IMAGE, "image"), (Source.BARE, "python:3.12")]
        world.provider.missing = {"hermes-snapshot", "image"}

        launch = await world.launch(PDF)

        assert launch.state == LaunchState.READY
        assert [order.source for order in world.provider.orders] == ["snapshot", "image", "bare"]
        assert "set_up" in world.provider.calls
        assert kinds(launch).count("notice") == 3

    async def test_nothing_to_make_it_from_is_a_clean_failure(self, world: World) -> None:
        world.skills.add(PDF)
        world.provider.missing = {"hermes-snapshot"}

        launch = await world.launch(PDF)

        assert launch.error.code == ErrorCode.SANDBOX_CREATE_FAILED
        assert world.sandbox.state == "absent"

    @pytest.mark.parametrize("times", [1, 2, 3])
    async def test_a_lost_answer_makes_no_second_sandbox(self, world: World, times: int) -> None:
        world.skills.add(PDF)
        world.provider.faults = [("after:create", LostAnswerError("lost"))] * times

        launch = await world.launch(PDF)

        assert launch.state == LaunchState.READY
        assert world.provider.made == 1

    async def test_what_a_failed_create_made_is_deleted(self, world: World) -> None:
        world.skills.add(PDF)
        world.inside.garbles = True

        launch = await world.launch(PDF)

        assert launch.error.code == ErrorCode.INSTALL_FAILED
        assert world.provider.machines == {}
        assert world.sandbox.state == "absent"

    async def test_a_deletion_refused_while_starting_is_asked_again(self, world: World) -> None:
        world.skills.add(PDF)
        world.inside.garbles = True
        world.provider.faults = [("delete", SandboxBusyError("starting"))] * 3

        await world.launch(PDF)

        assert world.provider.machines == {}

    async def test_an_account_the_provider_refuses_is_said(self, world: World) -> None:
        world.skills.add(PDF)
        world.provider.faults = [("create", AccountRefusedError("no"))]

        launch = await world.launch(PDF)

        assert (launch.state, launch.error.code) == (
            LaunchState.FAILED,
            ErrorCode.ACCOUNT_REFUSED,
        )
        assert world.sandbox.state == "absent"

    async def test_another_launch_waits_for_the_create_and_goes_on_by_itself(
        self, world: World
    ) -> None:
        world.skills.add(PDF)
        world.skills.add(DOCX)

        first, second = await asyncio.gather(world.start(PDF), world.start(DOCX))
        await world.background.idle()

        stored = world.launches.stored
        assert stored[first.id].state == stored[second.id].state == LaunchState.READY
        assert {stored[first.id].path, stored[second.id].path} == {"create", "install"}
        assert world.provider.made == 1

    async def test_fifty_at_once_make_one_sandbox(self, world: World) -> None:
        world.skills.add(PDF)

        begun = await asyncio.gather(*(world.start(PDF) for _ in range(50)))
        await world.background.idle()

        assert len({launch.id for launch in begun}) == 1
        assert world.provider.made == 1

    async def test_more_at_once_than_the_process_makes_wait_for_their_turn(
        self, world: World
    ) -> None:
        world.skills.add(PDF)
        world.provider.answers = asyncio.Event()
        begun = []
        for number in range(5):
            world.owner = f"own_{number:020d}"
            begun.append(await world.start(PDF))
        for _ in range(50):
            await asyncio.sleep(0)
        asked = len(world.provider.orders)
        world.provider.answers.set()
        await world.background.idle()

        ended = [world.launches.stored[launch.id] for launch in begun]

        assert asked == 2
        assert {launch.state for launch in ended} == {LaunchState.READY}
        assert [launch.phases[0].name for launch in ended] == ["create"] * 2 + ["wait"] * 3
        assert [order.labels["tryskills-owner"][-1] for order in world.provider.orders] == [
            *"01234"
        ]

    async def test_one_that_is_cancelled_while_it_waits_leaves_its_place(
        self, world: World
    ) -> None:
        world.skills.add(PDF)
        world.provider.answers = asyncio.Event()
        begun = []
        for number in range(3):
            world.owner = f"own_{number:020d}"
            begun.append(await world.start(PDF))
        await asyncio.sleep(0)

        await world.launching.cancel(world.owner, begun[-1].id)
        await asyncio.sleep(0.01)
        world.provider.answers.set()
        await world.background.idle()

        assert world.launches.stored[begun[-1].id].state == LaunchState.CANCELLED
        assert len(world.provider.orders) == 2

    async def test_a_full_deployment_refuses(self, world: World) -> None:
        world.skills.add(PDF)
        for number in range(10):
            world.owner = f"own_{number:020d}"
            await world.ready()
        world.owner = "own_" + "z" * 20

        launch = await world.launch(PDF)

        assert launch.error.code == ErrorCode.QUOTA_EXCEEDED
        assert "10 sandboxes" in launch.error.detail
        assert launch.error.retry_at is not None
        assert world.sandbox.state == "absent"

    async def test_of_many_that_want_the_last_place_exactly_one_gets_it(
        self, world: World
    ) -> None:
        world.skills.add(PDF)
        for number in range(9):
            world.owner = f"own_{number:020d}"
            await world.ready()
        begun = []
        for number in range(5):
            world.owner = f"own_{'z' * 19}{number}"
            begun.append(await world.start(PDF))
        await world.background.idle()

        states = [world.launches.stored[launch.id].state for launch in begun]

        assert sorted(states) == ["failed"] * 4 + ["ready"]
        assert len(world.provider.machines) == 10


class TestInstant:
    async def test_the_second_launch_does_nothing_outside(self, world: World) -> None:
        await world.ready()
        world.provider.calls.clear()

        launch = await world.start(PDF)

        assert (launch.state, launch.path) == (LaunchState.READY, LaunchPath.INSTANT)
        assert world.provider.calls == []
        assert kinds(launch) == ["launch.started", "launch.planned", "launch.ended"]

    async def test_an_agent_that_does_not_answer_is_started_again(self, world: World) -> None:
        await world.ready()
        world.inside.died("box-1")

        launch = await world.launch(PDF)

        assert (launch.state, launch.path) == (LaunchState.READY, LaunchPath.INSTALL)
        assert world.inside.starts == 2

    async def test_an_old_address_is_signed_again(self, world: World) -> None:
        await world.ready()
        world.clock.advance(timedelta(minutes=51))
        await world.pool.heartbeat(world.owner)

        launch = await world.launch(PDF)

        assert launch.path == LaunchPath.INSTALL
        assert world.provider.calls.count("sign_preview") == 2
        assert (await world.launch(PDF)).path == LaunchPath.INSTANT


class TestInstall:
    async def test_another_skill_goes_beside_the_first(self, world: World) -> None:
        await world.ready()
        world.skills.add(DOCX)

        launch = await world.launch(DOCX)

        assert (launch.state, launch.path) == (LaunchState.READY, LaunchPath.INSTALL)
        assert len(world.sandbox.skills) == 2
        assert world.provider.calls.count("configure") == 1

    async def test_two_skills_of_one_leaf_name_keep_apart(self, world: World) -> None:
        await world.ready("acme/tools/pdf")
        await world.ready("other/tools/pdf")

        assert {skill.skill.directory for skill in world.sandbox.skills.values()} == {
            "acme--tools--pdf",
            "other--tools--pdf",
        }

    async def test_a_new_version_takes_the_place_of_the_old(self, world: World) -> None:
        await world.ready()
        newer = world.skills.add(PDF, "newer")

        launch = await world.launch(PDF)

        assert launch.path == LaunchPath.INSTALL
        assert world.inside.skills["box-1", "acme--tools--pdf"] == newer.digest

    async def test_a_stopped_sandbox_is_woken(self, world: World) -> None:
        await world.ready()
        await world.pool.stop(world.owner)

        launch = await world.launch(PDF)

        assert (launch.state, launch.path) == (LaunchState.READY, LaunchPath.INSTALL)
        assert "wake" in [phase.name for phase in launch.phases]
        assert world.provider.machines["box-1"].state is ProvidedState.STARTED

    async def test_a_sandbox_stopped_behind_our_back_is_woken(self, world: World) -> None:
        await world.ready()
        await world.provider.stop("box-1")

        launch = await world.launch(PDF)

        assert launch.state == LaunchState.READY
        assert world.provider.made == 1

    async def test_a_sandbox_deleted_behind_our_back_is_made_again(self, world: World) -> None:
        await world.ready()
        await world.provider.delete("box-1")

        launch = await world.launch(PDF)

        assert (launch.state, launch.path) == (LaunchState.READY, LaunchPath.CREATE)
        assert world.provider.made == 2
        assert list(world.provider.machines) == ["box-2"]

    async def test_other_bytes_than_previewed_are_never_ready(self, world: World) -> None:
        await world.ready()
        world.skills.add(DOCX)
        world.inside.garbles = True

        launch = await world.launch(DOCX)

        assert launch.error.code == ErrorCode.INSTALL_FAILED
        assert world.sandbox.state == "active"
        assert world.sandbox.installed("acme--tools--docx") is None
        assert world.sandbox.holds == {}

    async def test_a_provider_that_stumbles_is_asked_again(self, world: World) -> None:
        await world.ready()
        world.skills.add(DOCX)
        world.inside.faults = [("install", ProviderUnavailableError("500"))] * 3

        launch = await world.launch(DOCX)

        assert launch.state == LaunchState.READY


class TestConfig:
    async def test_a_new_model_rewrites_the_config_and_restarts_nothing(
        self, world: World
    ) -> None:
        await world.ready()
        world.keys.chosen = OwnerSettings(provider="openai", model="gpt")

        launch = await world.launch(PDF)

        assert launch.path == LaunchPath.INSTALL
        assert "default: gpt" in world.inside.files["box-1", "/home/daytona/.hermes/config.yaml"]
        assert world.inside.starts == 1

    async def test_a_skills_variable_reaches_the_agent(self, world: World) -> None:
        world.skills.add(PDF, env_vars=[world.variable("PDF_KEY")])
        world.keys.enter("PDF_KEY", PDF, "it's a $value", world.clock())

        await world.launch(PDF)

        assert """PDF_KEY='it'"'"'s a $value'\n""" in world.inside.agents["box-1"]

    async def test_a_variable_of_another_skill_stays_out(self, world: World) -> None:
        world.skills.add(PDF, env_vars=[world.variable("PDF_KEY")])
        world.keys.enter("PDF_KEY", DOCX, "secret", world.clock())

        launch = await world.launch(PDF)

        assert "secret" not in world.inside.agents["box-1"]
        assert "The skill asks for PDF_KEY, which is not set." in [
            entry.text for entry in launch.entries if entry.type == "notice"
        ]

    async def test_new_variables_restart_the_agent(self, world: World) -> None:
        await world.ready()
        world.skills.add(DOCX, env_vars=[world.variable("DOCX_KEY")])
        world.keys.enter("DOCX_KEY", DOCX, "v", world.clock())

        await world.launch(DOCX)

        assert world.inside.starts == 2
        assert "DOCX_KEY=v" in world.inside.agents["box-1"]

    async def test_changing_between_skills_rewrites_nothing(self, world: World) -> None:
        for ref in (PDF, DOCX):
            world.skills.add(ref, env_vars=[world.variable("KEY")])
            world.keys.enter("KEY", ref, ref, world.clock())
        await world.launch(PDF)
        await world.launch(DOCX)

        paths = [(await world.launch(ref)).path for ref in (PDF, DOCX, PDF)]

        assert paths == [LaunchPath.INSTANT] * 3
