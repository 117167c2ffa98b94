"""A whole trial with marked secrets, and then a search of everything that was kept or said."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from local_platform.instance import Instance
from local_platform.visitor import Visitor
from security_kit.provider import Provider
from security_kit.scanning import Stores, forms, search, search_bytes

PROVIDER_KEY = "sk-marked+provider/key=8c1f5d7a2b9e4f60"
VARIABLE = "mk-marked&variable%value=93b7d1a6c2f8e405"
API_KEY_NAME, VARIABLE_NAME = "CUSTOM_API_KEY", "MARKED_TOKEN"
QUOTE = "import os,urllib.parse as u;print(u.quote(os.environ['MARKED_TOKEN'],safe=''))"
SAY_IT = [
    "printenv MARKED_TOKEN",
    "printf 'user:%s' \"$MARKED_TOKEN\" | base64 -w0",
    "printf '%s' \"$MARKED_TOKEN\" | base64 -w0; printf 'x%s' \"$MARKED_TOKEN\" | base64 -w0",
    f'python3 -c "{QUOTE}"',
    "printf '%s' \"$MARKED_TOKEN\" | od -An -v -tx1 | tr -d ' \\n'",
    'echo "{\\"key\\": \\"$MARKED_TOKEN\\"}" | tee kept.json',
]
DANGEROUS = "rm -rf ./doomed-$MARKED_TOKEN && echo $MARKED_TOKEN"
PORTS = ("nats", "store", "gateway", "daytona", "keys", "chat-proxy", "demo-model", "relay")
FIND_IT = "grep -rlsa sk-marked / --exclude-dir=proc --exclude-dir=sys | head; env | grep -c sk-"


def tool(command: str) -> str:
    """What makes the demo model run a command."""
    return f"[[tool:terminal {json.dumps({'command': command})}]]"


@dataclass
class Trial:
    """What one person did, with every answer that the platform gave."""

    user: Visitor
    session_id: str
    answers: list[tuple[str, str]] = field(default_factory=list)
    last_seq: int = 0

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        answer = self.user.http.request(method, path, **options)
        self.answers.append((f"{method} {path}", f"{answer.headers} {answer.text}"))
        return answer

    def say(self, text: str) -> list[dict[str, Any]]:
        path = f"/api/sessions/{self.session_id}"
        self.ask("POST", f"{path}/turns", json={"text": text})
        entries = []
        for entry in self.user.entries(f"{path}/events", until="turn.ended", after=self.last_seq):
            entries.append(entry)
            self.last_seq = entry["seq"]
            if entry["type"] == "approval.requested":
                self.ask(
                    "POST", f"{path}/approvals/{entry['approval_id']}", json={"choice": "once"}
                )
        self.answers.append((f"events of {text[:30]}", json.dumps(entries, ensure_ascii=False)))
        return entries


@pytest.fixture(scope="module")
def trial(new_visitor: Callable[[], Visitor], llm: Provider, marked_skill: Path) -> Trial:
    """Keys entered, the skill launched, the variable said in every way, a provider that fails."""
    user = new_visitor()
    ref = str(marked_skill / "marked")
    key = {"value": PROVIDER_KEY}
    user.http.put(f"/api/keys/{API_KEY_NAME}", json=key).raise_for_status()
    chosen = {"provider": "custom", "model": "demo", "base_url": llm.url}
    user.http.put("/api/settings", json=chosen).raise_for_status()
    skill = user.http.get("/api/skills/resolve", params={"ref": ref}).raise_for_status().json()
    scope = "/".join(part for part in (skill["owner"], skill["repo"], skill["path"]) if part)
    variable = {"value": VARIABLE, "skill": scope, "digest": skill["digest"]}
    user.http.put(f"/api/keys/{VARIABLE_NAME}", json=variable).raise_for_status()
    started = (
        user.http.post("/api/launches", json={"ref": ref, "report_ack": skill["digest"]})
        .raise_for_status()
        .json()
    )
    events = f"/api/launches/{started['id']}/events"
    *_, ended = user.entries(events, until="launch.ended")
    assert ended["state"] == "ready", ended
    session = user.post("/api/sessions", launch_id=started["id"])
    trial = Trial(user, session["id"])
    for command in SAY_IT:
        call = json.dumps({"command": command})
        trial.say(f"[[tool:terminal {call}]] [[echo:tool]]")
    trial.say(
        '[[tool:terminal {"command": "rm -rf ./doomed-$MARKED_TOKEN && echo $MARKED_TOKEN"}]]'
    )
    llm.refuse = True
    trial.say("what now?")
    trial.ask("POST", f"/api/keys/{API_KEY_NAME}/check")
    llm.refuse = False
    for path in (
        *("/api/me", "/api/keys", "/api/settings", "/api/sandbox", "/api/sessions", "/api/trials"),
        *(f"/api/sessions/{session['id']}", f"/api/launches/{started['id']}"),
        *(f"/api/launches/{started['id']}/receipt", "/settings", "/dashboard"),
        f"/{scope}?session={session['id']}",
    ):
        trial.ask("GET", path)
    # What is told in the background (usage, events) is written by then.
    time.sleep(2)
    return trial


SECRETS = forms("the provider's key", PROVIDER_KEY) | forms("the variable", VARIABLE)


class TestTrial:
    def test_the_provider_was_called_with_the_key_and_the_skill_had_its_variable(
        self, trial: Trial, llm: Provider
    ) -> None:
        said = "".join(text for _, text in trial.answers)

        assert PROVIDER_KEY in llm.keys
        assert said.count(f"[secret {VARIABLE_NAME}]") >= len(SAY_IT)
        assert "gone-for-good" not in said

    def test_no_answer_holds_a_value(self, trial: Trial) -> None:
        assert search(trial.answers, SECRETS) == []

    def test_no_document_no_message_and_no_log_holds_a_value(
        self, trial: Trial, stores: Stores
    ) -> None:
        places = list(stores.kept())

        assert search(places, {"the session": trial.session_id}), "nothing was searched"
        assert search(places, SECRETS) == []

    def test_no_file_of_the_bus_and_the_database_holds_a_value(
        self, trial: Trial, stores: Stores
    ) -> None:
        assert search_bytes(stores.data_files(), SECRETS) == []

    def test_nothing_was_refused_on_the_bus(self, trial: Trial, stores: Stores) -> None:
        assert search(stores.logs(), {"a refusal": "ermissions violation"}) == []


class TestSandbox:
    """Item by item, what the agent could read."""

    def test_no_file_of_it_holds_the_providers_key(self, trial: Trial, stores: Stores) -> None:
        files = list(stores.sandbox_files())

        assert any("state.db" in name for name, _ in files), "Hermes' database was not looked at"
        assert any(b"hermes" in content.lower() for name, content in files if ".log" in name)
        assert search_bytes(files, forms("the provider's key", PROVIDER_KEY)) == []

    def test_no_environment_and_no_command_line_holds_it(
        self, trial: Trial, stores: Stores
    ) -> None:
        processes = list(stores.sandbox_processes())

        assert search(processes, {"the variable": VARIABLE}), "no agent was looked at"
        assert search(processes, forms("the provider's key", PROVIDER_KEY)) == []

    def test_the_agent_finds_it_nowhere(self, trial: Trial) -> None:
        entries = trial.say(tool(FIND_IT))

        results = [entry["result"] for entry in entries if entry["type"] == "tool.completed"]
        assert results
        assert PROVIDER_KEY not in "".join(results)

    def test_the_platforms_own_ports_are_out_of_reach(self, trial: Trial, stores: Stores) -> None:
        names = (
            "nats",
            "store",
            "gateway",
            "daytona",
            "keys",
            "chat-proxy",
            "demo-model",
            "relay",
        )
        ports = " ".join(str(stores.port(name)) for name in names)
        probe = (
            f"for p in {ports}; do (echo > /dev/tcp/127.0.0.1/$p) 2>/dev/null && echo reached $p;"
            " curl -s -m 3 -o /dev/null -w %{http_code}_ -x http://127.0.0.1:3128 --noproxy none"
            " http://127.0.0.1:$p/; done"
        )

        entries = trial.say(tool(probe))

        [result] = [entry["result"] for entry in entries if entry["type"] == "tool.completed"]
        assert "reached" not in result
        assert result.count("403") == len(PORTS)


class TestRelayToken:
    @pytest.fixture
    def relay(self, stores: Stores) -> Iterator[httpx.Client]:
        url = f"http://127.0.0.1:{stores.port('relay')}/llm/v1"
        with httpx.Client(base_url=url, timeout=30) as client:
            yield client

    def token(self, stores: Stores, owner: Visitor) -> str:
        """What the agent of that owner has in its config, as the sandbox's disk tells it."""
        sandbox_id = owner.get("/api/sandbox")["sandbox_id"]
        for name, content in stores.sandbox_files():
            if sandbox_id in name and name.endswith("config.yaml"):
                for line in content.decode().splitlines():
                    if "api_key" in line:
                        return line.split(":", 1)[1].strip().strip("'\"")
        raise AssertionError("no relay token in the sandbox")

    def test_it_opens_the_owners_model_and_no_other(
        self,
        trial: Trial,
        stores: Stores,
        relay: httpx.Client,
        llm: Provider,
        new_visitor: Callable[[], Visitor],
    ) -> None:
        other = new_visitor()
        assert other.launched("examples/skills/hello")["state"] == "ready"
        theirs = {"Authorization": f"Bearer {self.token(stores, other)}"}
        question = {"model": "gpt-5.1", "messages": [{"role": "user", "content": "[[say:hi]]"}]}
        before = len(llm.keys)

        answer = relay.post("/chat/completions", json=question, headers=theirs)

        # Another sandbox's token is answered by that owner's own model: nobody else's key is used.
        assert answer.status_code == 200
        assert len(llm.keys) == before

    def test_it_is_nothing_to_the_api_and_dies_with_the_sandbox(
        self,
        stores: Stores,
        relay: httpx.Client,
        anonymous: httpx.Client,
        new_visitor: Callable[[], Visitor],
    ) -> None:
        user = new_visitor()
        assert user.launched("examples/skills/hello")["state"] == "ready"
        headers = {"Authorization": f"Bearer {self.token(stores, user)}"}
        question = {"model": "demo", "messages": [{"role": "user", "content": "[[say:hi]]"}]}

        before = relay.post("/chat/completions", json=question, headers=headers)
        at_the_api = anonymous.get("/api/me", headers=headers)
        user.http.delete("/api/sandbox").raise_for_status()
        deadline = time.monotonic() + 30
        while user.get("/api/sandbox")["state"] != "absent" and time.monotonic() < deadline:
            time.sleep(0.2)
        # A grant is remembered for five seconds where the event of the end was missed.
        time.sleep(1)
        after = relay.post("/chat/completions", json=question, headers=headers)

        assert before.status_code == 200
        assert at_the_api.status_code == 401
        assert (after.status_code, after.json()["error"]["code"]) == (401, "invalid_relay_token")


class TestMasterKey:
    def test_it_is_nowhere_but_in_its_file(self, platform: Instance, stores: Stores) -> None:
        names = ("keys-master-key", "sandbox-manager-seal-key", "daytona-api-key")
        texts = {name: stores.secret(name) for name in names}

        assert search(stores.kept(), texts) == []
        assert search_bytes(stores.sandbox_files(), texts) == []
