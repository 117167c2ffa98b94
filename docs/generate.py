"""Write what is derived from the code: event schemas, the OpenAPI document, the diagram of pool
states.

`python docs/generate.py` writes; a test fails when what is committed is not what the code says.
"""

import json
from pathlib import Path

from common.contracts.events import EVENTS
from gateway.main import openapi_document
from sandbox_manager.model.pool import TRANSITIONS

ROOT = Path(__file__).parents[1]
OPENS = "<!-- states: written by `make docs` from the transition table -->"
CLOSES = "<!-- /states -->"


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


def generated() -> dict[Path, str]:
    """Every derived file with the text it should have."""
    return {
        **event_schemas(),
        ROOT / "docs/openapi.json": as_json(openapi_document()),
        ROOT / "ARCHITECTURE.md": states_diagram(),
    }


def as_json(document: object) -> str:
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for path, text in generated().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
