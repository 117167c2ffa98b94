"""Write what is derived from the code: event schemas, the OpenAPI document, the diagram of pool
states, the rules of the safety report, the permissions of NATS.

`python docs/generate.py` writes; a test fails when what is committed is not what the code says.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from common.contracts.events import EVENTS
from common.contracts.skills import Severity
from common.messaging.permissions import users_config
from gateway.main import openapi_document
from sandbox_manager.model.pool import TRANSITIONS
from skill_resolver.model.report.meanings import MEANINGS
from skill_resolver.model.report.rules import RULES

ROOT = Path(__file__).parents[1]
OPENS = "<!-- states: written by `make docs` from the transition table -->"
CLOSES = "<!-- /states -->"
POLICY = ROOT / "docs/how-to/weigh-skills.md"
RULES_OPEN = "<!-- rules: written by `make docs` from the tables of the report -->"
RULES_CLOSE = "<!-- /rules -->"


def event_schemas() -> dict[Path, str]:
    """One JSON Schema a type of event: of its `data`."""
    folder = ROOT / "docs/schemas"
    return {
        folder / f"{event.type}.json": as_json(event.data.model_json_schema()) for event in EVENTS
    }


def states_diagram() -> str:
    """ARCHITECTURE.md with the pool states drawn from the table."""
    arrows = [
        f"    {state} --> {following}"
        for state, targets in TRANSITIONS.items()
        for following in sorted(targets)
    ]
    drawn = "\n".join([OPENS, "```mermaid", "stateDiagram-v2", *arrows, "```", CLOSES])
    text = (ROOT / "ARCHITECTURE.md").read_text()
    before, rest = text.split(OPENS)
    return before + drawn + rest.split(CLOSES)[1]


def safety_rules() -> str:
    """The how-to on policies with the table of rules: what each finds, and how much it weighs at
    most in code and in text.
    """
    rows = [
        RULES_OPEN,
        "| rule | finds a skill that | in code | in text |",
        "| --- | --- | --- | --- |",
    ]
    for name, meaning in MEANINGS.items():
        rules = [rule for rule in RULES if rule.id == name]
        code = _gravest(rule.severity for rule in rules)
        text = _gravest(rule.in_prose or rule.severity for rule in rules)
        rows.append(f"| `{name}` | {meaning} | {code} | {text} |")
    before, rest = POLICY.read_text().split(RULES_OPEN)
    return before + "\n".join([*rows, RULES_CLOSE]) + rest.split(RULES_CLOSE)[1]


def _gravest(severities: Iterable[Severity]) -> str:
    """Those of the last rules depend on what is found, not on where."""
    order = list(Severity)
    return str(max(severities, key=order.index, default="as shown"))


def generated() -> dict[Path, str]:
    """Every derived file with the text it should have."""
    return {
        **event_schemas(),
        ROOT / "docs/openapi.json": as_json(openapi_document()),
        ROOT / "ARCHITECTURE.md": states_diagram(),
        POLICY: safety_rules(),
        ROOT / "deploy/nats/users.conf": users_config(),
    }


def as_json(document: object) -> str:
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for path, text in generated().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
