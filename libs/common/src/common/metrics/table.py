"""Every metric there is. `make docs` writes docs/metrics.md from it; the dashboard, the alerts and
the chart's autoscaling may name these and no others.
"""

from collections.abc import Mapping

from common.metrics.kinds import SLOW, Counter, Gauge, Histogram, Level, Metric

OK = "ok"
"""The `code` of what ended well, where that of a failure is its error's."""

RPC_RUNNING = Level(
    "rpc_running", "{request}", "Requests of other services that are being answered"
)
RPC_ANSWERED = Histogram(
    "rpc_answered", "From a request's arrival to its answer, by how it ended", "subject", "code"
)
RPC_ASKED = Histogram(
    "rpc_asked", "From a request to its answer as the asking service saw it", "subject", "code"
)
EVENTS_DELAY = Histogram(
    "events_delay", "From an event's cause to its place in the stream", "type", bounds=SLOW
)
EVENTS_HANDLED = Counter(
    "events_handled", "{event}", "Events of other services, by what became of them", "type", "end"
)
LOOP_FAILURES = Counter(
    "loop_failures", "{failure}", "Turns of a loop that failed and are tried again", "loop"
)
BUS_CONNECTED = Gauge("bus_connected", "{connection}", "1 while NATS is connected, else 0")
BUS_LOST = Counter("bus_lost", "{loss}", "Connections to NATS that broke")
CLAIMS_TAKEN_OVER = Counter(
    "claims_taken_over", "{claim}", "Launches and turns gone on with after their worker", "kind"
)

LAUNCHES = Counter("launches", "{launch}", "Launches that ended", "path", "outcome", "code")
LAUNCH_DURATION = Histogram(
    "launch_duration", "From the request to the launch's end", "path", "outcome", bounds=SLOW
)
LAUNCH_PHASE = Histogram("launch_phase", "One phase of a launch", "phase", "outcome", bounds=SLOW)
CREATE_LOCK_WAIT = Histogram(
    "create_lock_wait",
    "What a launch waited before a create: for its turn in this process, for the create that"
    " another launch has begun",
    "reason",
    bounds=SLOW,
)
DRIVEN = Gauge("sandbox_manager_launches_driven", "{launch}", "Launches that this process drives")
CLAIMS_WAITING = Gauge(
    "sandbox_manager_claims_waiting",
    "{launch}",
    "Launches whose claim ran out and that nobody drives, as this process saw it last",
)
POOL = Gauge("pool_sandboxes", "{sandbox}", "Recorded sandboxes, told by the leader", "state")
BALANCE = Gauge(
    "tryskills_sandboxes",
    "{sandbox}",
    "Sandboxes at the provider by what explains them, told by the leader",
    "kind",
)
RECONCILED = Counter(
    "reconciled", "{sandbox}", "Records and sandboxes brought together again", "remedy"
)
PROVIDER_ERRORS = Counter(
    "provider_errors", "{error}", "Calls to the sandbox provider that failed", "code"
)

TURNS = Counter("turns", "{turn}", "Turns that ended", "state", "code")
TURN_DURATION = Histogram(
    "turn_duration", "From the message to the turn's end", "state", bounds=SLOW
)
FIRST_TEXT = Histogram(
    "first_text", "From the message to the first word of the answer", bounds=SLOW
)
CHUNK_DELAY = Histogram(
    "chunk_delay",
    "From what the agent sent to its place on the bus; one read of its socket in 64",
)
TURNS_HELD = Gauge("chat_proxy_turns_held", "{turn}", "Turns that this process runs")
JOURNAL_LAG = Gauge(
    "journal_lag", "s", "Age of the oldest entry that is told but not yet in the store"
)

ANSWERS_OPEN = Level(
    "relay_answers_open", "{answer}", "Answers of providers that are being passed on"
)
RELAY_CALLS = Counter(
    "relay_calls", "{call}", "Calls of models, by how they ended", "provider", "code"
)
RELAY_FIRST_BYTE = Histogram(
    "relay_first_byte",
    "From a call to the head of the provider's answer",
    "provider",
    bounds=SLOW,
)
RELAY_TOKENS = Counter("relay_tokens", "{token}", "Tokens that passed", "provider", "direction")

REQUESTS = Counter(
    "gateway_requests", "{request}", "Requests answered", "method", "route", "status"
)
REQUEST_DURATION = Histogram(
    "gateway_request", "To the whole answer; of a stream, to its end", "method", "route"
)
VIEWERS = Gauge("gateway_viewers", "{stream}", "Event streams that are open")
BACKLOG = Gauge("gateway_backlog", "By", "Entries that wait for viewers who read slowly")

EVERY_SERVICE = "every service"
TABLE: Mapping[str, tuple[Metric, ...]] = {
    EVERY_SERVICE: (
        RPC_RUNNING,
        RPC_ANSWERED,
        RPC_ASKED,
        EVENTS_DELAY,
        EVENTS_HANDLED,
        LOOP_FAILURES,
        BUS_CONNECTED,
        BUS_LOST,
        CLAIMS_TAKEN_OVER,
    ),
    "sandbox-manager": (
        LAUNCHES,
        LAUNCH_DURATION,
        LAUNCH_PHASE,
        CREATE_LOCK_WAIT,
        DRIVEN,
        CLAIMS_WAITING,
        POOL,
        BALANCE,
        RECONCILED,
        PROVIDER_ERRORS,
    ),
    "chat-proxy": (TURNS, TURN_DURATION, FIRST_TEXT, CHUNK_DELAY, TURNS_HELD, JOURNAL_LAG),
    "relay": (ANSWERS_OPEN, RELAY_CALLS, RELAY_FIRST_BYTE, RELAY_TOKENS),
    "gateway": (REQUESTS, REQUEST_DURATION, VIEWERS, BACKLOG),
}
"""Whose `/metrics` has what."""

ALL = tuple(metric for metrics in TABLE.values() for metric in metrics)
