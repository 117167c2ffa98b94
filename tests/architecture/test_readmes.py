"""A service's README says what it serves and emits, all of it."""

import re
from pathlib import Path
from typing import Any

import pytest
from common.contracts import chat, keys, operating, sandbox, skills
from common.contracts.base import Rpc
from common.contracts.events import EVENTS

ROOT = Path(__file__).parents[2]
SERVICES = ("gateway", "sandbox-manager", "skill-resolver", "chat-proxy", "keys")
RPCS: list[Rpc[Any, Any]] = [
    value
    for module in (chat, keys, operating, sandbox, skills)
    for value in vars(module).values()
    if isinstance(value, Rpc)
]


def named(service: str) -> set[str]:
    """The last parts of the dotted names in the README: `created` of `evt.sandbox.created.v1`."""
    text = (ROOT / "services" / service / "README.md").read_text()
    dotted = re.findall(r"[a-z][a-z0-9_.-]*", text)
    return {name.removesuffix(".v1").rpartition(".")[2] for name in dotted}


@pytest.mark.parametrize("service", SERVICES)
class TestReadme:
    def test_it_names_every_rpc_that_is_served(self, service: str) -> None:
        assert {rpc.verb for rpc in RPCS if rpc.service == service} <= named(service)

    def test_it_names_every_event_that_is_emitted(self, service: str) -> None:
        emitted = {event.type for event in EVENTS if event.service == service}

        assert {event.removesuffix(".v1").rpartition(".")[2] for event in emitted} <= named(
            service
        )
