"""`tryskills try` against a platform that is scripted: what is shown, and how it ends."""

import io
import json
from dataclasses import replace
from typing import Any

import httpx
import pytest
from tryskills.client import Client
from tryskills.terminal import Terminal
from tryskills.trying import Trial, Wish

DIGEST = "sha256:" + "a" * 64
SKILL: dict[str, Any] = {
    "ref": "o/r/s",
    "owner": "o",
    "repo": "r",
    "path": "skills/s",
    "name": "s",
    "commit": "c" * 40,
    "digest": DIGEST,
    "report": {"verdict": "clear", "findings": []},
    "a_field_of_tomorrow": 1,
}
LAUNCH: list[tuple[str, dict[str, Any]]] = [
    ("launch.started", {"path": "create"}),
    ("phase.started", {"phase": "create"}),
    ("phase.completed", {"phase": "create", "duration_ms": 1200}),
    ("launch.ended", {"state": "ready", "path": "create"}),
]
TURN: list[tuple[str, dict[str, Any]]] = [
    ("turn.started", {"text": "hello"}),
    ("reasoning", {"text": "I think"}),
    ("tool.started", {"call_id": "1", "name": "terminal", "preview": "ls -1 /skills"}),
    ("tool.completed", {"call_id": "1", "duration_s": 0.25, "error": False}),
    ("text", {"text": "Ahoy, "}),
    ("text", {"text": "sailor."}),
    ("entry.of.tomorrow", {}),
    ("usage", {"input_tokens": 5, "output_tokens": 3}),
    ("turn.ended", {"state": "completed"}),
]
ASKS: tuple[str, dict[str, Any]] = (
    "approval.requested",
    {"approval_id": "a1", "command": "rm -rf x", "choices": ["once", "deny"]},
)


def sse(entries: list[tuple[str, dict[str, Any]]]) -> httpx.Response:
    lines = [
        f"id: {seq}\nevent: {kind}\ndata: {json.dumps({'seq': seq, 'type': kind, **data})}\n\n"
        for seq, (kind, data) in enumerate(entries, start=1)
    ]
    return httpx.Response(
        200, headers={"Content-Type": "text/event-stream"}, content="".join(lines).encode()
    )


class ScriptedPlatform:
    """Answers as the platform does; `posted` keeps what was sent to which path."""

    def __init__(self) -> None:
        self.skill = dict(SKILL)
        self.launch = list(LAUNCH)
        self.turn = list(TURN)
        self.refusals: dict[str, httpx.Response] = {}
        self.posted: dict[str, Any] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.endswith("/files"):
            self.posted[path] = request.content
        elif request.method != "GET":
            assert request.headers["Idempotency-Key"]
            self.posted[path] = json.loads(request.content or b"null")
        return self.refusals.get(path) or self._answers()[path]

    def _answers(self) -> dict[str, httpx.Response]:
        def answer(content: Any) -> httpx.Response:
            return httpx.Response(200, json=content)

        return {
            "/api/skills/resolve": answer(self.skill),
            "/api/keys/NAME": answer({}),
            "/api/launches": answer({"id": "lau_1", "state": "pending", "path": None}),
            "/api/launches/lau_1/events": sse(self.launch),
            "/api/sessions": answer({"id": "ses_1"}),
            "/api/sessions/ses_1/files": answer({"files": [{"path": "notes.txt"}]}),
            "/api/sessions/ses_1/turns": answer({"id": "tur_1", "state": "pending"}),
            "/api/sessions/ses_1/events": sse(self.turn),
            "/api/sessions/ses_1/approvals/a1": answer({}),
        }


@pytest.fixture
def platform() -> ScriptedPlatform:
    return ScriptedPlatform()


WISH = Wish(ref="o/r/s", prompt="hello")


async def attempt(platform: ScriptedPlatform, wish: Wish = WISH) -> tuple[int, str]:
    """The exit status and what the terminal shows, where nobody can be asked."""
    shown = io.StringIO()
    transport = httpx.MockTransport(platform)
    async with Client("http://x/", "token", transport) as client:
        status = await Trial(client, Terminal(shown, interactive=False), wish).run()
    return status, shown.getvalue()


class TestAttached:
    async def test_files_are_put_before_the_prompt_and_named_in_it(
        self, platform: ScriptedPlatform
    ) -> None:
        wish = replace(WISH, attached={"notes.txt": b"remember"})

        status, shown = await attempt(platform, wish)

        assert status == 0
        assert b"remember" in platform.posted["/api/sessions/ses_1/files"]
        turn = platform.posted["/api/sessions/ses_1/turns"]
        assert turn == {"text": "hello", "attachments": ["notes.txt"]}
        assert "Attached  notes.txt" in shown


class TestAnswer:
    async def test_the_whole_way_is_shown(self, platform: ScriptedPlatform) -> None:
        status, shown = await attempt(platform)

        assert status == 0
        for part in (
            "s (o/r/skills/s at cccccccccccc)",
            DIGEST,
            "Launch    create",
            "create       1.20 s",
            "[reasoning] I think\n",
            "[tool] terminal: ls -1 /skills",
            "[tool] terminal done in 0.2 s",
            "Ahoy, sailor.\n",
            "[usage] 5 tokens in, 3 tokens out",
            "http://x/o/r/skills/s?session=ses_1",
        ):
            assert part in shown

    async def test_what_was_shown_is_what_is_launched(self, platform: ScriptedPlatform) -> None:
        await attempt(platform)

        assert platform.posted["/api/launches"] == {"ref": "o/r/s", "digest": DIGEST}
        assert platform.posted["/api/sessions/ses_1/turns"] == {"text": "hello"}

    async def test_variables_are_given_for_the_skill_before_it_is_launched(
        self, platform: ScriptedPlatform
    ) -> None:
        await attempt(platform, replace(WISH, variables={"NAME": "value"}))

        sent = {"value": "value", "skill": "o/r/skills/s", "digest": DIGEST}
        assert platform.posted["/api/keys/NAME"] == sent
        assert next(iter(platform.posted)) == "/api/keys/NAME"

    async def test_control_characters_do_not_reach_the_terminal(
        self, platform: ScriptedPlatform
    ) -> None:
        platform.turn.insert(4, ("text", {"text": "\x1b[2Jx\u202ey\r"}))

        _, shown = await attempt(platform)

        assert "[2Jxy" in shown
        assert "\x1b" not in shown

    async def test_an_answer_that_starts_over_says_so(self, platform: ScriptedPlatform) -> None:
        platform.turn.insert(5, ("text.replaced", {"text": "Hi, ", "reason": "retry"}))

        _, shown = await attempt(platform)

        assert "[started over: retry]\nHi, sailor." in shown


class TestFailure:
    async def test_a_failed_launch_gives_its_reason(self, platform: ScriptedPlatform) -> None:
        error = {"code": "sandbox_create_failed", "detail": "no room"}
        platform.launch[-1] = ("launch.ended", {"state": "failed", "error": error})

        status, shown = await attempt(platform)

        assert status == 1
        assert "error: sandbox_create_failed: no room" in shown
        assert "/api/sessions" not in platform.posted

    async def test_a_failed_turn_gives_its_reason(self, platform: ScriptedPlatform) -> None:
        error = {"code": "provider_auth", "detail": "the key is wrong"}
        platform.turn[-1] = ("turn.ended", {"state": "failed", "error": error})

        status, shown = await attempt(platform)

        assert status == 1
        assert "error: provider_auth: the key is wrong" in shown

    async def test_an_answer_without_a_word_is_none(self, platform: ScriptedPlatform) -> None:
        platform.turn = [platform.turn[0], ("turn.ended", {"state": "completed"})]

        status, shown = await attempt(platform)

        assert status == 1
        assert "empty_answer" in shown


class TestReport:
    async def test_a_blocked_skill_is_not_launched(self, platform: ScriptedPlatform) -> None:
        finding = {"rule": "curl-pipe-sh", "severity": "critical", "file": "a.sh", "line": 3}
        platform.skill["report"] = {"verdict": "block", "findings": [finding]}

        status, shown = await attempt(platform, replace(WISH, accept_report=True))

        assert status == 1
        assert "critical curl-pipe-sh in a.sh:3" in shown
        assert not platform.posted

    async def test_a_report_is_not_accepted_by_nobody(self, platform: ScriptedPlatform) -> None:
        platform.skill["report"] = {"verdict": "confirm"}

        status, shown = await attempt(platform)

        assert status == 1
        assert "--accept-report" in shown
        assert not platform.posted

    async def test_an_accepted_report_travels_with_the_launch(
        self, platform: ScriptedPlatform
    ) -> None:
        platform.skill["report"] = {"verdict": "confirm"}

        await attempt(platform, replace(WISH, accept_report=True))

        assert platform.posted["/api/launches"]["report_ack"] == DIGEST


class TestApproval:
    @pytest.mark.parametrize(("approve", "sent"), [("once", "once"), (None, "deny")])
    async def test_it_is_answered_as_told_and_denied_by_nobody(
        self, platform: ScriptedPlatform, approve: str | None, sent: str
    ) -> None:
        platform.turn.insert(3, ASKS)

        status, shown = await attempt(platform, replace(WISH, approve=approve))

        assert status == 0
        assert platform.posted["/api/sessions/ses_1/approvals/a1"] == {"choice": sent}
        assert "the agent asks to run: rm -rf x" in shown

    async def test_an_answer_that_is_not_taken_is_told(self, platform: ScriptedPlatform) -> None:
        platform.turn.insert(3, ASKS)
        body = {"code": "approval_decided", "detail": "denied before"}
        refusal = httpx.Response(409, json=body)
        platform.refusals["/api/sessions/ses_1/approvals/a1"] = refusal

        status, shown = await attempt(platform, replace(WISH, approve="once"))

        assert status == 0
        assert "not taken: approval_decided: denied before" in shown
