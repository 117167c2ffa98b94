"""What OpenAI's official client is refused, what happens when it leaves, which models it sees."""

import asyncio
from typing import Any

import httpx
import openai
import pytest
from common.contracts import chat, keys, sandbox, skills
from common.errors import (
    ConflictError,
    ErrorCode,
    NotFoundError,
    RateLimitedError,
    UnauthenticatedError,
)
from gateway_fakes.asgi import Visit
from gateway_fakes.openai_platform import (
    ANSWER,
    AT,
    MESSAGES,
    SKILL,
    TURN_ID,
    Platform,
)

OWNER = "own_" + "t" * 20


@pytest.fixture
def platform(openai_platform: Platform) -> Platform:
    return openai_platform


class TestErrors:
    @pytest.mark.parametrize(
        ("error", "expected", "param"),
        [
            (
                NotFoundError("no such skill", code=ErrorCode.SKILL_NOT_FOUND),
                openai.NotFoundError,
                "model",
            ),
            (
                ConflictError("look first", code=ErrorCode.REPORT_NOT_ACKNOWLEDGED),
                openai.ConflictError,
                "model",
            ),
            (
                RateLimitedError("too many", code=ErrorCode.QUOTA_EXCEEDED),
                openai.RateLimitError,
                None,
            ),
        ],
    )
    @pytest.mark.parametrize("stream", [True, False])
    async def test_a_refused_launch_has_its_status_and_is_not_tried_again(
        self,
        ai: openai.AsyncOpenAI,
        platform: Platform,
        error: Any,
        expected: type[openai.APIStatusError],
        param: str | None,
        *,
        stream: bool,
    ) -> None:
        platform.services.answer(sandbox.START_LAUNCH, error)

        with pytest.raises(expected) as refused:
            await ai.chat.completions.create(
                model="acme/tools/pdf", messages=MESSAGES, stream=stream
            )

        assert (refused.value.code, refused.value.param) == (str(error.code), param)
        assert len(platform.asked(sandbox.StartLaunch)) == 1

    @pytest.mark.parametrize(
        ("fields", "param"), [({"n": 2}, "n"), ({"messages": []}, None), ({"model": ""}, None)]
    )
    async def test_a_bad_request_is_one(
        self, ai: openai.AsyncOpenAI, platform: Platform, fields: Any, param: str | None
    ) -> None:
        with pytest.raises(openai.BadRequestError) as refused:
            await ai.chat.completions.create(
                **{"model": "acme/tools/pdf", "messages": MESSAGES, **fields}
            )

        assert refused.value.type == "invalid_request_error"
        assert refused.value.param == param

    async def test_without_a_token_that_holds_nobody_is_let_in(
        self, client: httpx.AsyncClient, platform: Platform
    ) -> None:
        ai = openai.AsyncOpenAI(
            api_key="wrong",
            base_url="http://127.0.0.1:8000/v1",
            http_client=client,  # type: ignore[arg-type]  # it is typed for a fork of httpx
        )

        with pytest.raises(openai.AuthenticationError):
            await ai.chat.completions.create(model="a/b/c", messages=MESSAGES)

    async def test_other_paths_are_refused_in_the_same_shape(
        self, client: httpx.AsyncClient
    ) -> None:
        response = await client.post("/v1/embeddings", json={})

        assert response.status_code == 404
        assert set(response.json()["error"]) == {"message", "type", "param", "code"}


class TestToken:
    @pytest.mark.parametrize("scope", ["openai", "api"])
    async def test_an_api_token_is_the_clients_key(
        self, ai: openai.AsyncOpenAI, platform: Platform, scope: Any
    ) -> None:
        grant = keys.TokenGrant(owner_id=OWNER, token_id="tok_" + "1" * 20, scope=scope)
        platform.services.answer(keys.AUTHORIZE_TOKEN, grant)
        with_token = ai.with_options(api_key="tsk_" + "v" * 43)

        done = await with_token.chat.completions.create(model="acme/tools/pdf", messages=MESSAGES)

        assert done.choices[0].message.content == "Let me see.\n\nOne file."
        assert {one.owner_id for one in platform.asked(sandbox.StartLaunch)} == {OWNER}

    async def test_one_that_does_not_hold_is_refused_in_the_clients_own_words(
        self, ai: openai.AsyncOpenAI, platform: Platform
    ) -> None:
        error = UnauthenticatedError("it is not valid", code=ErrorCode.TOKEN_INVALID)
        platform.services.answer(keys.AUTHORIZE_TOKEN, error)

        with pytest.raises(openai.AuthenticationError) as refused:
            await ai.with_options(api_key="tsk_" + "v" * 43).models.list()

        assert (refused.value.code, refused.value.type) == (
            "token_invalid",
            "authentication_error",
        )


class TestLeaving:
    @pytest.mark.parametrize("stream", [True, False])
    async def test_a_client_that_goes_stops_its_turn(
        self, app: Any, platform: Platform, *, stream: bool
    ) -> None:
        platform.entries = ANSWER[:3]
        body = {"model": "acme/tools/pdf", "messages": MESSAGES, "stream": stream}
        visit = Visit("/v1/chat/completions", body)
        visiting = asyncio.ensure_future(visit.to(app))
        async with asyncio.timeout(5):
            while not platform.asked(chat.StartTurn) or not platform.journals.count():
                await asyncio.sleep(0)

        visit.gone.set()
        await visiting

        assert [one.turn_id for one in platform.asked(chat.TurnRequest)] == [TURN_ID]
        assert platform.journals.count() == 0


class TestModels:
    async def test_used_skills_and_examples_are_listed(
        self, ai: openai.AsyncOpenAI, platform: Platform
    ) -> None:
        own = sandbox.Sandbox(
            state=sandbox.SandboxState.ACTIVE,
            skills=[sandbox.InstalledSkill(skill=SKILL, installed_at=AT)],
            retention=sandbox.Retention(stop_minutes=1, archive_minutes=1, delete_minutes=1),
        )
        platform.services.answer(sandbox.GET_SANDBOX, own)
        platform.services.answer(sandbox.LIST_TRIALS, sandbox.TrialList(trials=[]))

        models = [model async for model in ai.models.list()]

        assert [(one.id, one.owned_by) for one in models] == [("acme/tools/skills/pdf", "acme")]

    async def test_any_skill_is_a_model(
        self, ai: openai.AsyncOpenAI, platform: Platform, skill: skills.ResolvedSkill
    ) -> None:
        platform.services.answer(skills.RESOLVE, skill)

        model = await ai.models.retrieve("acme/tools/pdf")

        assert (model.id, model.owned_by) == ("acme/tools/pdf", "acme")
        assert model.tryskills["digest"] == skill.digest  # type: ignore[attr-defined]  # the extension
