"""One trace leads through everything that a launch and a turn pass, and every service tells what
it measured.
"""

import json
import secrets
from collections.abc import Callable

import pytest
from common.metrics.table import EVERY_SERVICE, TABLE
from local_platform.collector.app import Line
from local_platform.collector.testing import Collected
from local_platform.instance import Instance
from local_platform.visitor import Visitor

HELLO = "examples/skills/hello"
SERVICES = ("gateway", "keys", "skill-resolver", "sandbox-manager", "chat-proxy", "relay")
ARRIVES_S = 20
ATTRIBUTES = {
    *("launch_id", "turn_id", "claim", "resumed", "provider", "error.type"),
    "http.response.status_code",
    # Of the store: which database, collection and command, never what was asked for.
    *("db.system", "db.name", "db.statement", "db.mongodb.collection"),
    *("net.peer.name", "net.peer.port"),
    # Of the provider's SDK.
    *("component", "method"),
}


class Traced:
    """A user whose requests all belong to one trace that began in their browser."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self.trace_id = secrets.token_hex(16)
        visitor.http.headers["traceparent"] = f"00-{self.trace_id}-{secrets.token_hex(8)}-01"


@pytest.fixture(scope="module")
def launched(new_visitor: Callable[[], Visitor]) -> Traced:
    user = Traced(new_visitor())
    launch = user.visitor.launched(HELLO)
    assert (launch["state"], launch["path"]) == ("ready", "create")
    return user


@pytest.fixture(scope="module")
def answered(launched: Traced) -> Traced:
    """The same user with an answer, in another trace."""
    launch = launched.visitor.launched(HELLO)
    user = Traced(launched.visitor)
    session = user.visitor.post("/api/sessions", launch_id=launch["id"])
    path = f"/api/sessions/{session['id']}"
    user.visitor.post(f"{path}/turns", text="hello")
    *_, end = user.visitor.entries(f"{path}/events", until="turn.ended")
    assert end["state"] == "completed"
    return user


class Tree:
    """The spans of one trace."""

    def __init__(self, spans: list[Line]) -> None:
        self.names = {(span["service"], span["name"]) for span in spans}
        self._by_id = {span["span_id"]: span for span in spans}

    @property
    def services(self) -> set[str]:
        return {service for service, _ in self.names}

    def above(self, service: str, name: str) -> list[str]:
        """From the span's parent to the root, the names."""
        span = next(
            one for one in self._by_id.values() if (one["service"], one["name"]) == (service, name)
        )
        names = []
        while (span := self._by_id.get(span["parent_id"], {})) != {}:
            names.append(span["name"])
        return names


def tree(collected: Collected, user: Traced, *wanted: tuple[str, str]) -> Tree:
    """The trace, once the wanted spans have arrived."""

    def is_there() -> bool:
        return set(wanted) <= Tree(collected.spans(user.trace_id)).names

    collected.once(is_there, ARRIVES_S)
    found = Tree(collected.spans(user.trace_id))
    assert set(wanted) <= found.names, sorted(found.names)
    return found


class TestTraceOfALaunch:
    def test_it_leads_from_the_front_door_to_the_provider_and_the_store(
        self, collected: Collected, launched: Traced
    ) -> None:
        trace = tree(
            collected,
            launched,
            ("gateway", "POST /api/launches"),
            ("gateway", "rpc.sandbox-manager.start_launch.v1"),
            ("sandbox-manager", "rpc.sandbox-manager.start_launch.v1"),
            ("sandbox-manager", "rpc.skill-resolver.resolve.v1"),
            ("skill-resolver", "rpc.skill-resolver.resolve.v1"),
            ("keys", "rpc.keys.get_settings.v1"),
            ("sandbox-manager", "launch"),
            ("sandbox-manager", "launch phase create"),
            ("sandbox-manager", "launch step provide"),
            ("sandbox-manager", "AsyncDaytona.create"),
            ("sandbox-manager", "tryskills_sandbox_manager.insert"),
        )

        assert trace.services >= {"gateway", "keys", "skill-resolver", "sandbox-manager"}
        above = trace.above("sandbox-manager", "AsyncDaytona.create")
        assert above[-1] == "POST /api/launches"
        assert above.count("rpc.sandbox-manager.start_launch.v1") == 2


class TestTraceOfATurn:
    def test_it_leads_from_the_front_door_through_the_agent_to_the_model(
        self, collected: Collected, answered: Traced
    ) -> None:
        trace = tree(
            collected,
            answered,
            ("gateway", "POST /api/sessions/{session_id}/turns"),
            ("chat-proxy", "rpc.chat-proxy.start_turn.v1"),
            ("chat-proxy", "turn"),
            ("chat-proxy", "hermes open"),
            ("chat-proxy", "hermes turn"),
            ("sandbox-manager", "rpc.sandbox-manager.acquire_agent.v1"),
            ("relay", "relay chat/completions"),
            ("relay", "provider"),
            ("chat-proxy", "tryskills_chat_proxy.insert"),
        )

        assert trace.services >= {"gateway", "chat-proxy", "sandbox-manager", "relay"}
        assert trace.above("relay", "provider")[-1] == "POST /api/sessions/{session_id}/turns"

    def test_an_answer_of_any_length_is_a_few_spans(
        self, collected: Collected, launched: Traced, answered: Traced
    ) -> None:
        """No span for what streams, and none for the upkeep beside it."""
        user = Traced(answered.visitor)
        launch = user.visitor.launched(HELLO)
        session = user.visitor.post("/api/sessions", launch_id=launch["id"])
        path = f"/api/sessions/{session['id']}"
        user.visitor.post(f"{path}/turns", text="[[tokens:600]][[rate:150]][[chunk:1]]")
        entries = list(user.visitor.entries(f"{path}/events", until="turn.ended"))
        tree(collected, user, ("chat-proxy", "turn"), ("relay", "provider"))

        assert len(entries) > 100
        assert len(collected.spans(user.trace_id)) < 100


class TestDiscretion:
    def test_spans_hold_ids_and_codes_and_nothing_that_somebody_typed(
        self, collected: Collected, answered: Traced
    ) -> None:
        tree(collected, answered, ("chat-proxy", "turn"))
        told = {
            name for line in collected.lines if "span_id" in line for name in line["attributes"]
        }

        assert told <= ATTRIBUTES


class TestMetrics:
    @pytest.mark.parametrize("service", SERVICES)
    def test_every_service_sends_what_it_measures(
        self, collected: Collected, answered: Traced, service: str
    ) -> None:
        def sent() -> set[str]:
            return set(collected.metrics(service))

        assert collected.once(lambda: "bus_connected" in sent(), ARRIVES_S)
        known = {one.name for whose in (EVERY_SERVICE, service) for one in TABLE.get(whose, ())}
        assert sent() <= known

    def test_a_launch_and_a_turn_are_counted(self, collected: Collected, answered: Traced) -> None:
        wanted = {
            "sandbox-manager": {"launches", "launch_duration", "launch_phase", "create_lock_wait"},
            "chat-proxy": {"turns", "turn_duration", "first_text", "chunk_delay", "events_delay"},
            "relay": {"relay_calls", "relay_first_byte", "relay_tokens"},
            "gateway": {"gateway_requests", "gateway_request", "gateway_viewers", "rpc_asked"},
        }

        def missing() -> dict[str, set[str]]:
            gaps = {name: wanted[name] - set(collected.metrics(name)) for name in wanted}
            return {name: gap for name, gap in gaps.items() if gap}

        assert collected.once(lambda: not missing(), ARRIVES_S), missing()

    @pytest.mark.parametrize("service", SERVICES)
    def test_the_side_port_says_the_same(
        self, platform: Instance, answered: Traced, service: str
    ) -> None:
        port = platform.processes[service]["port"]
        text = answered.visitor.http.get(f"http://127.0.0.1:{port}/metrics").text

        assert "bus_connected 1.0" in text


class TestLogs:
    def test_every_line_of_a_service_is_json_and_names_its_trace(
        self, platform: Instance, answered: Traced
    ) -> None:
        log = platform.directory / "logs" / "relay.log"
        lines = [json.loads(line) for line in log.read_text().splitlines()]

        assert lines
        assert all(line["service"] == "relay" for line in lines)
        assert answered.trace_id in {line.get("trace_id") for line in lines}

    def test_the_front_door_logs_under_the_trace_it_was_given(
        self, platform: Instance, launched: Traced
    ) -> None:
        log = platform.directory / "logs" / "gateway.log"
        lines = [json.loads(line) for line in log.read_text().splitlines()]

        asked = [line for line in lines if line.get("route") == "/api/launches"]
        assert launched.trace_id in {line["trace_id"] for line in asked}
