"""What a service's code names of the bus is what its NATS user may do: no more, no less."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from common.contracts import access, chat, events, keys, operating, relay, sandbox, skills
from common.contracts.access import CALLERS, CONSUMERS, LISTENERS, USERS
from common.contracts.base import Rpc
from common.contracts.events import Event

ROOT = Path(__file__).parents[2]
CONSTANTS: dict[str, Rpc[Any, Any] | Event[Any]] = {
    name: value
    for module in (chat, events, keys, operating, relay, sandbox, skills)
    for name, value in vars(module).items()
    if isinstance(value, Rpc | Event)
}
RELAY = "services/chat-proxy/src/chat_proxy/relay"


def sources(user: str) -> Iterator[Path]:
    """The code that runs as that user; the relay is a process of chat-proxy's package."""
    folder = ROOT / (RELAY if user == "relay" else f"services/{user}/src")
    for path in folder.rglob("*.py"):
        is_relay = path.is_relative_to(ROOT / RELAY)
        if is_relay == (user == "relay") and path.name != "testing.py":
            yield path


def named(user: str) -> set[str]:
    """The constants of the contracts that the code mentions, imported by name or by module."""
    found: set[str] = set()
    for path in sources(user):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                found.add(node.attr)
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                "common.contracts"
            ):
                found |= {alias.name for alias in node.names}
    return found & set(CONSTANTS)


@pytest.mark.parametrize("user", USERS)
class TestUser:
    def test_it_may_call_what_it_calls(self, user: str) -> None:
        mentioned = [CONSTANTS[name] for name in named(user)]
        called = {r.subject for r in mentioned if isinstance(r, Rpc) and r.service != user}
        permitted = {r.subject for r, users in CALLERS.items() if user in users}

        assert called == {s for s in permitted if not s.startswith(f"rpc.{user}.")}, (
            "a line of CALLERS in common/contracts/access.py, then `make docs`"
        )

    def test_it_may_hear_what_it_hears(self, user: str) -> None:
        mentioned = [CONSTANTS[name] for name in named(user)]
        heard = {e.subject for e in mentioned if isinstance(e, Event) and e.service != user}
        permitted = {
            event.subject
            for table in (LISTENERS, CONSUMERS)
            for event, users in table.items()
            if user in users
        }

        assert heard == permitted, "a line of LISTENERS or CONSUMERS, then `make docs`"


class TestTable:
    def test_it_has_every_rpc(self) -> None:
        assert set(CALLERS) == set(access.rpcs())
