"""OpenAI's official client against the gateway, with services that keep the contracts."""

from typing import Any

import openai
import pytest
from common.contracts import chat, sandbox
from common.errors import ConflictError, ErrorCode, NotFoundError
from common.testing.bus import FakeBodies
from gateway_fakes.openai_platform import (
    ANSWER,
    AT,
    MESSAGES,
    PAGE,
    SESSION_ID,
    SKILL,
    TURN_ID,
    Platform,
    extensions,
    of,
    streamed,
    text_of,
)


@pytest.fixture
def platform(openai_platform: Platform) -> Platform:
    return openai_platform


class TestWhole:
    async def test_the_answer_comes_with_usage_and_the_commit_that_ran(
        self, ai: openai.AsyncOpenAI, platform: Platform
    ) -> None:
        done = await ai.chat.completions.create(model="acme/tools/pdf", messages=MESSAGES)

        [choice] = done.choices
        assert (choice.message.role, choice.finish_reason) == ("assistant", "stop")
        assert choice.message.content == "Let me see.\n\nOne file."
        assert done.usage is not None
        assert (done.usage.prompt_tokens, done.usage.completion_tokens) == (11, 3)
        assert done.usage.total_tokens == 14
        assert done.model == f"acme/tools/skills/pdf@{'c' * 40}"
        assert (done.id, done.object) == (f"chatcmpl-{TURN_ID}", "chat.completion")
        extension: Any = done.tryskills  # type: ignore[attr-defined]  # the extension
        assert extension["session_url"] == PAGE
        assert [one["type"] for one in extension["activity"]] == ["tool.completed"]
        assert choice.message.reasoning_content == "hmm"  # type: ignore[attr-defined]  # as above
        assert platform.asked(chat.TurnRequest) == []

    async def test_the_skill_is_launched_and_its_gate_asked(
        self, ai: openai.AsyncOpenAI, platform: Platform
    ) -> None:
        await ai.chat.completions.create(model="acme/tools/pdf@abc1234", messages=MESSAGES)

        [launch] = platform.asked(sandbox.StartLaunch)
        assert (launch.ref, launch.digest) == ("acme/tools/pdf@abc1234", None)

    async def test_a_failed_turn_is_an_error_that_is_not_tried_again(
        self, ai: openai.AsyncOpenAI, platform: Platform
    ) -> None:
        failure = sandbox.Failure(
            code=ErrorCode.PROVIDER_CREDIT, detail="No credit left.", link="https://x/credits"
        )
        platform.entries = [ANSWER[0], of(2, chat.TurnEnded, state="failed", error=failure)]

        with pytest.raises(openai.APIStatusError) as failed:
            await ai.chat.completions.create(model="acme/tools/pdf", messages=MESSAGES)

        assert (failed.value.status_code, failed.value.code) == (402, "provider_credit")
        assert failed.value.type == "insufficient_quota"
        body: Any = failed.value.body
        assert body["tryskills"] == {"link": "https://x/credits"}
        assert len(platform.asked(chat.StartTurn)) == 1


class TestStream:
    async def test_words_tools_and_reasoning_come_as_they_happen(
        self, ai: openai.AsyncOpenAI, platform: Platform
    ) -> None:
        chunks = await streamed(ai, stream_options={"include_usage": True})

        assert text_of(chunks) == "Let me see.\n\nOne file."
        assert chunks[0].choices[0].delta.role == "assistant"
        assert chunks[-2].choices[0].finish_reason == "stop"
        assert (chunks[-1].choices, chunks[-1].usage and chunks[-1].usage.total_tokens) == ([], 14)
        assert {one.id for one in chunks} == {f"chatcmpl-{TURN_ID}"}
        kinds = [one["type"] for one in extensions(chunks)]
        assert kinds == ["session", "tool.started", "tool.completed"]
        assert extensions(chunks)[0]["session_url"] == PAGE
        thoughts = [getattr(c.choices[0].delta, "reasoning_content", "") for c in chunks[:-1]]
        assert "".join(filter(None, thoughts)) == "hmm"

    async def test_without_being_asked_it_sends_no_usage(
        self, ai: openai.AsyncOpenAI, platform: Platform
    ) -> None:
        assert all(chunk.usage is None for chunk in await streamed(ai))

    async def test_a_launch_that_takes_time_is_shown(
        self, ai: openai.AsyncOpenAI, platform: Platform
    ) -> None:
        platform.services.answer(sandbox.START_LAUNCH, platform.launch("running"))
        platform.services.answer(sandbox.GET_LAUNCH, platform.launch())
        entries = [
            sandbox.PhaseStarted(seq=1, at=AT, phase=sandbox.PhaseName.UPLOAD),
            sandbox.LaunchEnded(seq=2, at=AT, state=sandbox.LaunchState.READY, path=None),
        ]
        platform.services.answer(
            sandbox.GET_LAUNCH_ENTRIES, sandbox.LaunchEntries(entries=entries, ended=True)
        )

        chunks = await streamed(ai)

        kinds = [one["type"] for one in extensions(chunks)]
        assert kinds[:3] == ["phase.started", "launch.ended", "session"]
        assert text_of(chunks) == "Let me see.\n\nOne file."

    async def test_a_failure_in_the_middle_is_the_last_event(
        self, ai: openai.AsyncOpenAI, platform: Platform
    ) -> None:
        failure = sandbox.Failure(code=ErrorCode.AGENT_LOST, detail="The agent ended.")
        platform.entries = [
            *ANSWER[:3],
            of(4, chat.TurnEnded, state="failed", error=failure),
        ]
        heard: list[Any] = []

        with pytest.raises(openai.APIError) as failed:
            await streamed(ai, into=heard)

        assert text_of(heard) == "Let me see."
        assert failed.value.code == "agent_lost"
        assert len(platform.asked(chat.StartTurn)) == 1

    async def test_a_stop_sequence_stops_the_turn(
        self, ai: openai.AsyncOpenAI, platform: Platform
    ) -> None:
        chunks = await streamed(ai, stop=["see"], stream_options={"include_usage": True})

        assert text_of(chunks) == "Let me "
        assert chunks[-2].choices[0].finish_reason == "stop"
        assert chunks[-1].usage is not None
        assert chunks[-1].usage.total_tokens == 9
        assert {one.turn_id for one in platform.asked(chat.TurnRequest)} == {TURN_ID}

    async def test_other_turns_of_the_session_are_not_heard(
        self, ai: openai.AsyncOpenAI, platform: Platform
    ) -> None:
        platform.entries.insert(2, of(2, chat.Text, "tur_" + "9" * 20, text="not mine"))

        assert "not mine" not in text_of(await streamed(ai))


class TestApprovals:
    async def test_a_command_that_needs_one_is_denied_with_the_sessions_link(
        self, ai: openai.AsyncOpenAI, platform: Platform
    ) -> None:
        platform.entries = [
            ANSWER[0],
            of(
                2,
                chat.ApprovalRequested,
                approval_id="apr_1",
                command="rm -rf x",
                choices=list(chat.ApprovalChoice),
                expires_at=AT,
            ),
            of(
                3,
                chat.ApprovalResolved,
                approval_id="apr_1",
                choice=chat.ApprovalChoice.DENY,
                state=chat.ApprovalState.DELIVERED,
            ),
            of(4, chat.Text, text="I could not."),
            of(5, chat.TurnEnded, state="completed"),
        ]

        chunks = await streamed(ai)

        [answer] = platform.asked(chat.AnswerApproval)
        assert (answer.approval_id, answer.choice) == ("apr_1", chat.ApprovalChoice.DENY)
        text = text_of(chunks)
        assert text.startswith("I could not.\n\n> Not run, because")
        assert "`rm -rf x`" in text
        assert PAGE in text

    async def test_somebody_who_answered_first_is_heard(
        self, ai: openai.AsyncOpenAI, platform: Platform
    ) -> None:
        asked = of(
            2,
            chat.ApprovalRequested,
            approval_id="apr_1",
            command="rm -rf x",
            choices=list(chat.ApprovalChoice),
            expires_at=AT,
        )
        resolved = of(
            3,
            chat.ApprovalResolved,
            approval_id="apr_1",
            choice=chat.ApprovalChoice.ONCE,
            state=chat.ApprovalState.DELIVERED,
        )
        platform.entries = [ANSWER[0], asked, resolved, of(4, chat.TurnEnded, state="completed")]
        decided = ConflictError("answered before", code=ErrorCode.APPROVAL_DECIDED)
        platform.services.answer(chat.ANSWER_APPROVAL, decided)

        assert "Not run" not in text_of(await streamed(ai))


class TestConversation:
    async def test_the_next_message_goes_on_in_the_same_session(
        self, ai: openai.AsyncOpenAI, platform: Platform
    ) -> None:
        first = await ai.chat.completions.create(model="acme/tools/pdf", messages=MESSAGES)
        answer = first.choices[0].message.content or ""
        more: Any = [
            *MESSAGES,
            {"role": "assistant", "content": answer},
            {"role": "user", "content": "and now?"},
        ]

        await ai.chat.completions.create(model="acme/tools/pdf", messages=more)

        assert len(platform.asked(chat.CreateSession)) == 1
        assert [one.text for one in platform.asked(chat.StartTurn)] == ["hi", "and now?"]
        # The session's own bytes are launched, not what the name means by now.
        assert platform.asked(sandbox.StartLaunch)[1].digest == SKILL.digest

    async def test_another_history_is_told_to_a_new_session(
        self, ai: openai.AsyncOpenAI, platform: Platform
    ) -> None:
        more: Any = [
            {"role": "system", "content": "Be brief."},
            *MESSAGES,
            {"role": "assistant", "content": "Elsewhere said."},
            {"role": "user", "content": "and now?"},
        ]

        await ai.chat.completions.create(model="acme/tools/pdf", messages=more)

        [created] = platform.asked(chat.CreateSession)
        assert created.context.instructions == "Be brief."
        assert [one.text for one in created.context.history] == ["hi", "Elsewhere said."]

    async def test_a_client_may_name_the_session(
        self, ai: openai.AsyncOpenAI, platform: Platform
    ) -> None:
        await ai.chat.completions.create(
            model="acme/tools/pdf", messages=MESSAGES, metadata={"session_id": SESSION_ID}
        )

        assert platform.asked(chat.CreateSession) == []
        assert platform.asked(chat.StartTurn)[0].session_id == SESSION_ID

    async def test_another_owners_session_is_not_there(
        self, ai: openai.AsyncOpenAI, platform: Platform
    ) -> None:
        missing = NotFoundError("no such session", code=ErrorCode.SESSION_NOT_FOUND)
        platform.services.answer(chat.FIND_SESSION, missing)

        with pytest.raises(openai.NotFoundError) as refused:
            await ai.chat.completions.create(
                model="acme/tools/pdf", messages=MESSAGES, metadata={"session_id": SESSION_ID}
            )

        assert refused.value.code == "session_not_found"
        assert platform.asked(sandbox.StartLaunch) == []

    async def test_images_are_put_into_the_workspace(
        self, ai: openai.AsyncOpenAI, platform: Platform, bodies: FakeBodies
    ) -> None:
        entry = sandbox.FileEntry(path="x", is_directory=False, size=1, modified_at=AT)
        platform.services.answer(sandbox.WRITE_FILE, entry)
        url = "data:image/png;base64,iVBORw=="
        messages: Any = [
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}
        ]

        await ai.chat.completions.create(model="acme/tools/pdf", messages=messages)

        [written] = platform.asked(sandbox.WriteFile)
        assert bodies.waiting[written.object_name] == b"\x89PNG"[:4]
        [turn] = platform.asked(chat.StartTurn)
        assert turn.attachments == [written.path]
        assert turn.text == "Look at what I attached."
