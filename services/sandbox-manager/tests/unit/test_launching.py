"""Launches over fakes: which path, what is left behind, what is refused."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from common.contracts.keys import OwnerSettings
from common.contracts.sandbox import LaunchPath, LaunchState
from common.contracts.skills import Verdict
from common.errors import AppError, ErrorCode, NotFoundError
from sandbox_manager.errors import (
    AccountRefusedError,
    LostAnswerError,
    ProviderUnavailableError,
    QuotaExceededError,
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

        assert (launch.state, launch.error.code) == (LaunchState.FAILED, ErrorCode.FORBIDDEN)
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


class TestCollapse:
    async def test_a_repeated_request_is_the_same_launch(self, world: World) -> None:
        world.skills.add(PDF)

        first = await world.launch(PDF, idempotency_key="k")
        second = await world.launch(PDF, idempotency_key="k")

        assert first.id == second.id

    async def test_a_key_used_for_something_else_is_refused(self, world: World) -> None:
        await world.ready(DOCX)
        world.skills.add(PDF)
        await world.launch(PDF, idempotency_key="k")

        with pytest.raises(AppError) as error:
            await world.start(DOCX, idempotency_key="k")

        assert error.value.code == ErrorCode.IDEMPOTENCY_MISMATCH

    async def test_a_key_that_joined_a_running_launch_finds_it_later(self, world: World) -> None:
        world.skills.add(PDF)
        first = await world.start(PDF)
        joined = await world.start(PDF, idempotency_key="k")
        await world.background.idle()

        again = await world.start(PDF, idempotency_key="k")

        assert first.id == joined.id == again.id

    async def test_too_many_at_once_are_refused_with_the_limit(self, world: World) -> None:
        world.provider.answers = asyncio.Event()
        for name in "abcd":
            world.skills.add(f"acme/tools/{name}")
        for name in "abc":
            await world.start(f"acme/tools/{name}")

        with pytest.raises(QuotaExceededError, match="at most 3 launches") as error:
            await world.start("acme/tools/d")

        assert error.value.retry_at is not None
        world.provider.answers.set()
        await world.background.idle()


class TestDigest:
    async def test_what_was_previewed_runs_although_the_repository_moved_on(
        self, world: World
    ) -> None:
        previewed = world.skills.add(PDF, "as previewed")
        world.skills.add(PDF, "newer")

        launch = await world.launch(PDF, digest=previewed.digest)

        assert launch.skill.digest == previewed.digest
        assert world.inside.skills["box-1", "acme--tools--pdf"] == previewed.digest

    async def test_the_digest_of_another_skill_is_refused(self, world: World) -> None:
        world.skills.add(PDF)
        other = world.skills.add(DOCX)

        with pytest.raises(AppError) as error:
            await world.start(PDF, digest=other.digest)

        assert error.value.code == ErrorCode.INVALID_REQUEST


class TestGate:
    async def test_findings_must_be_accepted_first(self, world: World) -> None:
        skill = world.skills.add(PDF, verdict=Verdict.CONFIRM)

        with pytest.raises(AppError) as error:
            await world.start(PDF)

        assert error.value.code == ErrorCode.REPORT_NOT_ACKNOWLEDGED
        assert error.value.extra["digest"] == skill.digest
        assert error.value.extra["findings"]
        assert world.launches.stored == {}

    async def test_an_acknowledgement_is_kept_for_that_digest(self, world: World) -> None:
        skill = world.skills.add(PDF, verdict=Verdict.CONFIRM)

        assert (await world.launch(PDF, report_ack=skill.digest)).state == LaunchState.READY
        assert (await world.launch(PDF)).state == LaunchState.READY
        world.skills.add(PDF, "changed", verdict=Verdict.CONFIRM)
        with pytest.raises(AppError):
            await world.start(PDF)

    async def test_an_acknowledgement_of_another_digest_opens_nothing(self, world: World) -> None:
        world.skills.add(PDF, verdict=Verdict.CONFIRM)
        other = world.skills.add(DOCX)

        with pytest.raises(AppError):
            await world.start(PDF, report_ack=other.digest)

    async def test_a_blocked_skill_never_runs(self, world: World) -> None:
        skill = world.skills.add(PDF, verdict=Verdict.BLOCK)

        with pytest.raises(AppError) as error:
            await world.start(PDF, report_ack=skill.digest)

        assert error.value.code == ErrorCode.SKILL_BLOCKED


class TestCancel:
    async def test_a_cancelled_create_leaves_nothing(self, world: World) -> None:
        world.skills.add(PDF)
        launch = await world.start(PDF)

        await world.launching.cancel(world.owner, launch.id)
        await world.background.idle()

        assert world.launches.stored[launch.id].state == LaunchState.CANCELLED
        assert world.provider.machines == {}
        assert world.sandbox.state == "absent"

    async def test_an_ended_launch_stays_as_it_is(self, world: World) -> None:
        launch = await world.ready()

        again = await world.launching.cancel(world.owner, launch.id)

        assert again.state == LaunchState.READY


class TestReading:
    async def test_another_owner_sees_nothing(self, world: World) -> None:
        launch = await world.ready()

        with pytest.raises(NotFoundError):
            await world.launching.get("own_" + "z" * 20, launch.id)

    async def test_entries_are_numbered_without_gaps_and_all_told(self, world: World) -> None:
        launch = await world.ready()

        assert [entry.seq for entry in launch.entries] == list(range(1, len(launch.entries) + 1))
        told = {entry.seq for entry in world.journal.told[launch.id]}
        assert told == {entry.seq for entry in launch.entries}

    async def test_a_receipt_says_what_ran(self, world: World) -> None:
        launch = await world.ready()

        receipt = await world.launching.receipt(world.owner, launch.id)

        assert (receipt.sandbox_id, receipt.image) == ("box-1", "hermes-snapshot")
        assert receipt.skill.digest == launch.skill.digest

    async def test_trials_are_newest_first_and_at_most_fifty(self, world: World) -> None:
        await world.ready()
        for _ in range(60):
            world.clock.advance(timedelta(seconds=1))
            last = await world.launch(PDF)

        trials = await world.launching.trials(world.owner)

        assert len(trials) == 50
        assert trials[0].id == last.id

    async def test_each_launch_tells_its_beginning_its_end_and_the_trial(
        self, world: World
    ) -> None:
        await world.ready()

        assert [event.subject for event in world.launches.events] == [
            "evt.launch.requested.v1",
            "evt.launch.ended.v1",
            "evt.trial.recorded.v1",
        ]
        assert [event.subject for event in world.sandboxes.events] == ["evt.sandbox.created.v1"]
