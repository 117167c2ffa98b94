"""What the platform adds to a turn: from the POST to the first text entry at a viewer, less what
the agent itself took.

The real Hermes answers with a model that answers at once; a tap on its wire notes when it was
asked and when it answered. Then the same with an agent that costs nothing, which shows the
platform's part without Hermes on the same processors.
"""

import http.client
import json
import socket
import threading
import time
from contextlib import closing
from dataclasses import dataclass

from bench.chatpath.ground import Ground, Session
from bench.figures import Figure, percentile

TURNS, FIRST_TURNS = 40, 10
GOAL_MS = 10.0
_PROMPT = "[[say:ready]][[rate:0]]"
_WITHIN_S = 60.0
_PAUSE_S = 0.2


@dataclass(frozen=True)
class Took:
    """Milliseconds: all of it, and the agent's part."""

    total_ms: float
    agent_ms: float

    @property
    def added_ms(self) -> float:
        return self.total_ms - self.agent_ms


def measure(ground: Ground) -> list[Figure]:
    instant = _turns(ground, ground.new_session(), TURNS)[1:]
    ground.agent.ask("tap", on=True)
    firsts = [_turns(ground, ground.new_session(), 1)[0] for _ in range(FIRST_TURNS)]
    later = _turns(ground, ground.new_session(), TURNS)[1:]
    ground.agent.ask("tap", on=False)
    return [
        *_figures("turn overhead", later, is_goal=True),
        *_figures("turn overhead, first turn of a session", firsts),
        *_figures("turn overhead, agent that costs nothing", instant),
    ]


def _figures(name: str, took: list[Took], *, is_goal: bool = False) -> list[Figure]:
    agent = percentile([one.agent_ms for one in took], 50)
    figures = []
    for percent in (50, 95):
        value = percentile([one.added_ms for one in took], percent)
        goal = "under 10 ms" if is_goal and percent == 50 else None
        ok = value < GOAL_MS if goal else None
        ratio = value / agent if agent > 1 else None
        baseline = agent if agent > 1 else None
        figures.append(Figure(f"{name}, p{percent}", value, "ms", baseline, ratio, goal, ok))
    return figures


def _turns(ground: Ground, session: Session, count: int) -> list[Took]:
    host, port = "127.0.0.1", ground.port()
    with closing(Watcher(host, port, session)) as watcher:
        connection = http.client.HTTPConnection(host, port)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with closing(connection):
            return [_turn(ground, connection, session, watcher) for _ in range(count)]


def _turn(
    ground: Ground, connection: http.client.HTTPConnection, session: Session, watcher: "Watcher"
) -> Took:
    headers = session.headers | {"Content-Type": "application/json"}
    # Nobody answers before the turn before was filed.
    time.sleep(_PAUSE_S)
    watcher.expect()
    ground.agent.ask("forget")
    started = time.monotonic_ns()
    connection.request(
        "POST", f"/api/sessions/{session.id}/turns", json.dumps({"text": _PROMPT}), headers
    )
    answer = connection.getresponse()
    answer.read()
    if answer.status != http.HTTPStatus.ACCEPTED:
        message = f"a turn was not taken: {answer.status}"
        raise RuntimeError(message)
    seen = watcher.first_text()
    tapped = ground.agent.ask("tapped")
    agent = max(0, tapped["answered_ns"] - tapped["asked_ns"]) if tapped["asked_ns"] else 0
    return Took((seen - started) / 1e6, agent / 1e6)


class Watcher:
    """A viewer in a thread of its own, so that what it sees is timed as it comes."""

    def __init__(self, host: str, port: int, session: Session) -> None:
        self._socket = socket.create_connection((host, port), timeout=_WITHIN_S)
        self._text_at = 0
        self._first, self._ended = threading.Event(), threading.Event()
        fields = {"Host": f"{host}:{port}", **session.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        request = f"GET {session.events} HTTP/1.1\r\n{lines}\r\n"
        self._socket.sendall(request.encode())
        self._socket.recv(65536)
        threading.Thread(target=self._read, daemon=True).start()

    def expect(self) -> None:
        self._first.clear()
        self._ended.clear()

    def first_text(self) -> int:
        """When the first text of the turn came, once the turn has ended."""
        if not (self._first.wait(_WITHIN_S) and self._ended.wait(_WITHIN_S)):
            message = "a turn did not end"
            raise TimeoutError(message)
        return self._text_at

    def close(self) -> None:
        self._socket.close()

    def _read(self) -> None:
        while True:
            try:
                data = self._socket.recv(65536)
            except OSError:
                return
            if not data:
                return
            if not self._first.is_set() and b"event: text\n" in data:
                self._text_at = time.monotonic_ns()
                self._first.set()
            if b"event: turn.ended" in data:
                self._ended.set()
