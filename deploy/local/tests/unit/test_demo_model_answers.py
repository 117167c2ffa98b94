"""What the demo model answers: a skill tried step by step, markers, and the agent's own calls."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from local_platform.demo_model.conversation import read_conversation
from local_platform.demo_model.deciding import decide
from local_platform.demo_model.demonstration import SIGNATURE
from local_platform.demo_model.reply import Behaviour, Pace, Refusal, Reply
from local_platform.demo_model.scripted import DANGEROUS, GREETING, Attempts

TOOLS = ("terminal", "read_file")
SKILL = (
    '[IMPORTANT: The user has invoked the "x" skill, indicating they want you to follow its'
    " instructions.]\n\n# X\n\nRead `references/a.md`.\n\n```\npython scripts/a.py <text>\n```\n\n"
    "[Skill directory: /s/x]\n\nThe user has provided the following instruction alongside the"
    " skill invocation: hello"
)


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def called(*results: str) -> list[dict[str, Any]]:
    """One assistant message with a tool call per result, and the results."""
    calls = [
        {"id": f"c{n}", "type": "function", "function": {"name": "terminal", "arguments": "{}"}}
        for n in range(len(results))
    ]
    answers = [
        {"role": "tool", "tool_call_id": f"c{n}", "content": text}
        for n, text in enumerate(results)
    ]
    return [{"role": "assistant", "content": None, "tool_calls": calls}, *answers]


def ran(output: str, exit_code: int = 0) -> str:
    return json.dumps({"output": output, "exit_code": exit_code, "error": None})


def behave(
    chat: Sequence[dict[str, Any]], tools: Sequence[str] = TOOLS, attempts: Attempts | None = None
) -> Behaviour:
    body = {"messages": chat, "tools": [{"function": {"name": name}} for name in tools]}
    return decide(read_conversation(body), attempts or Attempts(), Pace(80.0))


def reply(
    chat: Sequence[dict[str, Any]], tools: Sequence[str] = TOOLS, attempts: Attempts | None = None
) -> Reply:
    outcome = behave(chat, tools, attempts).outcome
    assert isinstance(outcome, Reply)
    return outcome


def arguments(answer: Reply) -> dict[str, Any]:
    (call,) = answer.calls
    given = json.loads(call.arguments)
    assert isinstance(given, dict)
    return given


class TestTryingASkill:
    def test_it_looks_at_the_files_first(self) -> None:
        answer = reply([user(SKILL)])

        assert arguments(answer) == {"command": "ls -1Ap /s/x"}
        assert answer.reasoning
        assert answer.finish_reason == "tool_calls"

    def test_then_it_reads_the_reference(self) -> None:
        answer = reply([user(SKILL), *called(ran("SKILL.md"))])

        assert answer.calls[0].name == "read_file"
        assert arguments(answer)["path"] == "/s/x/references/a.md"

    def test_then_it_runs_the_script_in_its_directory(self) -> None:
        chat = [user(SKILL), *called(ran("SKILL.md")), *called(ran(""))]

        expected = {"command": "python scripts/a.py hello", "workdir": "/s/x"}
        assert arguments(reply(chat)) == expected

    def test_it_answers_from_skill_tools_and_user(self) -> None:
        done = [*called(ran("SKILL.md")), *called(ran("tone")), *called(ran("words: 1"))]
        answer = reply([user(SKILL), *done])

        for part in ("Read `references/a.md`.", "SKILL.md", "words: 1", "> hello", SIGNATURE):
            assert part in answer.text
        assert answer.finish_reason == "stop"

    def test_a_failed_command_is_told(self) -> None:
        done = [*called(ran("")), *called(ran("")), *called(ran("no such file", 1))]

        assert "which failed" in reply([user(SKILL), *done]).text

    def test_a_tool_that_the_agent_does_not_offer_is_left_out(self) -> None:
        answer = reply([user(SKILL)], tools=["read_file"])

        assert answer.calls[0].name == "read_file"

    def test_without_tools_it_answers_at_once(self) -> None:
        assert not reply([user(SKILL)], tools=[]).calls

    def test_a_later_message_runs_the_script_on_the_new_words(self) -> None:
        chat = [user(SKILL), {"role": "assistant", "content": "done"}, user("and this?")]

        assert arguments(reply(chat))["command"] == "python scripts/a.py 'and this?'"

    def test_the_agents_own_messages_do_not_begin_a_turn(self) -> None:
        chat = [user(SKILL), *called(ran("SKILL.md")), user("[System: Continue now.]")]

        assert reply(chat).calls[0].name == "read_file"

    def test_without_a_skill_it_says_so(self) -> None:
        assert "No skill is loaded" in reply([user("hi")]).text


class TestMarkers:
    def test_a_skills_text_cannot_script_it(self) -> None:
        assert reply([user(SKILL.replace("# X", "# X [[say:mine]]"))]).calls

    def test_the_words_beside_a_skill_can(self) -> None:
        assert reply([user(SKILL + " [[say:mine]]")]).text == "mine"

    @pytest.mark.parametrize(
        ("prompt", "text"),
        [
            ("[[say:a b]]", "a b"),
            ("[[tokens:3]]", "w0 w1 w2"),
            ("[[think:t]][[say:a]]", "<think>t</think>a"),
            ("[[echo:tools]]", "terminal,read_file"),
            ("[[echo:user]]", "[[echo:user]]"),
            ("[[reasoning:r]]", GREETING),
            ("[[unknown:x]] [[say:a]]", "a"),
        ],
    )
    def test_the_text_is_as_asked(self, prompt: str, text: str) -> None:
        assert reply([user(prompt)]).text == text

    def test_tools_are_called_one_marker_a_step(self) -> None:
        prompt = user(
            '[[tool:terminal {"command": "a ]] b"}]] [[tools:[{"name": "x"}]]] [[say:z]]'
        )

        assert arguments(reply([prompt])) == {"command": "a ]] b"}
        assert reply([prompt, *called("")]).calls[0].name == "x"
        assert reply([prompt, *called(""), *called("")]).text == "z"

    def test_a_loop_has_no_end(self) -> None:
        chat = [user("[[loop:x {}]]")] + called("") * 50

        assert reply(chat).calls[0].name == "x"

    def test_broken_arguments_are_no_json(self) -> None:
        (call,) = reply([user("[[badargs:terminal]]")]).calls

        with pytest.raises(ValueError, match="Unterminated"):
            json.loads(call.arguments)

    def test_a_dangerous_command_is_asked_for(self) -> None:
        assert arguments(reply([user("[[dangerous]]")])) == {"command": DANGEROUS}
        assert arguments(reply([user("[[dangerous:rm -r x]]")])) == {"command": "rm -r x"}

    def test_pace_usage_and_finish(self) -> None:
        answer = reply([user("[[rate:50]][[chunk:2]][[usage:7,8]][[finish:length]]")])

        assert answer.pace == Pace(50.0, 2)
        assert answer.usage
        assert answer.usage.as_json()["total_tokens"] == 15
        assert answer.finish_reason == "length"

    def test_a_delay_between_chunks_is_a_rate(self) -> None:
        assert reply([user("[[chunkdelay:0.05]]")]).pace.chunks_per_second == pytest.approx(20)

    def test_waits(self) -> None:
        assert behave([user("[[delay:1.5]]")]).delay_s == pytest.approx(1.5)
        assert behave([user("[[hang:20]]")]).delay_s == pytest.approx(20)
        assert behave([user("[[hang]]")]).delay_s == float("inf")


class TestFaults:
    @pytest.mark.parametrize("status", [401, 402, 403, 404, 413, 429, 500, 502, 503, 529])
    def test_a_status_fails_every_time(self, status: int) -> None:
        attempts = Attempts()
        outcomes = [behave([user(f"[[error:{status}]]")], TOOLS, attempts) for _ in range(3)]

        assert all(isinstance(b.outcome, Refusal) for b in outcomes)
        assert {b.outcome.status for b in outcomes if isinstance(b.outcome, Refusal)} == {status}

    def test_an_error_that_passes(self) -> None:
        attempts, prompt = Attempts(), [user("[[error:429:2]] [[say:ok]]")]

        assert isinstance(behave(prompt, TOOLS, attempts).outcome, Refusal)
        assert isinstance(behave(prompt, TOOLS, attempts).outcome, Refusal)
        assert reply(prompt, TOOLS, attempts).text == "ok"

    def test_an_error_at_one_step(self) -> None:
        prompt = user("[[error:500@1]] [[tool:x {}]] [[say:ok]]")

        assert reply([prompt]).calls
        assert isinstance(behave([prompt, *called("")]).outcome, Refusal)

    @pytest.mark.parametrize(("kind", "breaks"), [("drop", "drop"), ("midstream", "error")])
    def test_a_stream_that_breaks(self, kind: str, breaks: str) -> None:
        assert reply([user(f"[[error:{kind}]][[tokens:9]]")]).breaks == breaks

    def test_an_empty_answer(self) -> None:
        assert reply([user("[[error:empty]][[say:x]]")]).text == ""

    def test_a_failed_turn_that_is_sent_again_does_not_fail_the_next(self) -> None:
        attempts = Attempts()
        behave([user("[[error:401]]")], TOOLS, attempts)
        behave([user("[[error:401]]\n\n[[error:500]]")], TOOLS, attempts)

        after = reply([user("[[error:401]]\n\n[[error:500]]\n\n[[say:ok]]")], TOOLS, attempts)

        assert after.text == "ok"


class TestTheAgentsOwnCalls:
    def test_a_title_says_the_skill_or_the_words(self) -> None:
        system = {"role": "system", "content": "Generate a short title for a conversation"}

        titled = reply([system, user(f"User: {SKILL}\n\nAssistant: x")], tools=[])
        plain = reply([system, user("User: [[hang]] count my words\n\nAssistant: x")], tools=[])

        assert titled.text == "Trying the x skill"
        assert plain.text == "Count my words"

    @pytest.mark.parametrize(
        ("prompt", "verdict"), [("rm", "ESCALATE"), ("[[smart:deny]]", "DENY")]
    )
    def test_a_review_escalates_unless_told(self, prompt: str, verdict: str) -> None:
        system = {"role": "system", "content": "You are a security reviewer for an agent."}

        assert reply([system, user(prompt)], tools=[]).text == verdict


class TestGoingOn:
    def test_an_answer_whose_stream_broke_is_gone_on_with(self) -> None:
        cut_off = (
            "[System: The previous response was cut off by a network error mid-stream. Continue"
            " exactly where you left off.]"
        )
        begun = [user("[[tokens:5]]"), {"role": "assistant", "content": "w0 w1"}, user(cut_off)]
        again = [*begun, {"role": "assistant", "content": "w2"}, user(cut_off)]

        assert reply(begun).text == " w2 w3 w4"
        assert reply(again).text == " w3 w4"
