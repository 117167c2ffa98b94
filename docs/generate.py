"""Write what is derived from the code: event schemas and their catalogue, the AsyncAPI and OpenAPI
documents, the diagram of pool states, the rules of the safety report, the permissions of NATS, the
table of promises.

`python docs/generate.py` writes; a test fails when what is committed is not what the code says. A
published schema is never overwritten by one that would break its readers.
"""

import ast
import importlib.util
import inspect
import json
import sys
from collections.abc import Iterable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import yaml
from chat_proxy.relay.settings import Settings as RelaySettings
from chat_proxy.settings import Settings as ChatSettings
from common.contracts import __main__ as contract_kit
from common.contracts.asyncapi import asyncapi_document
from common.contracts.events import EVENTS
from common.contracts.skills import Severity
from common.messaging.permissions import users_config
from common.metrics.table import TABLE
from common.settings import BusSettings, SharedSettings
from gateway.main import openapi_document
from gateway.settings import Settings as GatewaySettings
from keys.settings import Settings as KeysSettings
from operate.settings import Settings as OperateSettings
from pydantic import SecretStr, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings
from sandbox_manager.model.pool import TRANSITIONS
from sandbox_manager.settings import Settings as ManagerSettings
from skill_resolver.model.report.meanings import MEANINGS
from skill_resolver.model.report.rules import RULES
from skill_resolver.settings import Settings as ResolverSettings

ROOT = Path(__file__).parents[1]
SCHEMAS = ROOT / "docs/schemas"
SETTINGS: dict[str, tuple[type[BaseSettings], str]] = {
    "All services": (
        SharedSettings,
        "The gateway has no store, so it reads those of the bus only.",
    ),
    "gateway": (GatewaySettings, "The HTTP edge and the pages."),
    "keys": (KeysSettings, "Owners, secrets, settings, tokens."),
    "skill-resolver": (ResolverSettings, "From what a user pasted to a pinned skill."),
    "sandbox-manager": (ManagerSettings, "Sandboxes and launches."),
    "chat-proxy": (ChatSettings, "Sessions and turns."),
    "relay": (RelaySettings, "The way from an agent to its model."),
    "operate": (OperateSettings, "What operators run by hand."),
}
SETTINGS_TABLES = (
    "<!-- settings: written by `make docs` from the settings classes -->",
    "<!-- /settings -->",
)
CATALOGUE = (
    "<!-- events: written by `make docs` from common/contracts/events.py -->",
    "<!-- /events -->",
)
POLICY = ROOT / "docs/how-to/weigh-skills.md"
RULES_TABLE = (
    "<!-- rules: written by `make docs` from the tables of the report -->",
    "<!-- /rules -->",
)
METRICS = (
    "<!-- metrics: written by `make docs` from libs/common/src/common/metrics/table.py -->",
    "<!-- /metrics -->",
)
STATES = (
    "<!-- states: written by `make docs` from the transition table -->",
    "<!-- /states -->",
)
PROMISES = (
    "<!-- promises: written by `make docs` from tests/security/promises.py -->",
    "<!-- /promises -->",
)


def event_schemas() -> dict[Path, str]:
    """One JSON Schema a type of event: of its `data`."""
    return {SCHEMAS / f"{event.type}.json": as_json(event.schema()) for event in EVENTS}


def asyncapi() -> str:
    head = "# Written by `make docs` from libs/common/src/common/contracts.\n"
    return head + yaml.safe_dump(
        asyncapi_document(), sort_keys=False, allow_unicode=True, width=110
    )


def catalogue() -> str:
    """docs/events.md with its table of events and what the data of each hold."""
    rows = ["| event | told when | of | by | data |", "| --- | --- | --- | --- | --- |"]
    for event in EVENTS:
        fields = ", ".join(
            f"`{name}`" if field.is_required() else f"`{name}`?"
            for name, field in event.data.model_fields.items()
        )
        schema = f"[`{event.type}`](schemas/{event.type}.json)"
        rows.append(f"| {schema} | {event.told} | {event.entity} | {event.service} | {fields} |")
    return between((ROOT / "docs/events.md").read_text(), CATALOGUE, rows)


def settings() -> str:
    """docs/settings.md: what the environment decides, from the settings classes and the docstrings
    of their fields.
    """
    lines = []
    shared = (SharedSettings, BusSettings)
    for title, (settings_class, about) in SETTINGS.items():
        lines += [f"## {title}", "", about, "", "| variable | default | |", "| --- | --- | --- |"]
        told = documented(settings_class)
        for name, field in settings_class.model_fields.items():
            is_shared = any(name in one.model_fields for one in shared)
            if is_shared and settings_class not in shared:
                continue
            variable = str(field.validation_alias or "") or (
                f"{settings_class.model_config['env_prefix']}{name}".upper()
            )
            lines.append(f"| `{variable}` | {default_of(field)} | {told.get(name, '')} |")
        lines.append("")
    return between((ROOT / "docs/settings.md").read_text(), SETTINGS_TABLES, lines[:-1])


def documented(settings_class: type[BaseSettings]) -> dict[str, str]:
    """What stands below each field, in the class and those that it is made of."""
    found: dict[str, str] = {}
    for one in reversed(settings_class.__mro__):
        if issubclass(one, BaseSettings) and one is not BaseSettings:
            body = ast.parse(inspect.getsource(one)).body[0]
            assert isinstance(body, ast.ClassDef)
            for field, below in pairwise(body.body):
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                    found[field.target.id] = _docstring(below)
    return {name: text for name, text in found.items() if text}


def _docstring(statement: ast.stmt) -> str:
    match statement:
        case ast.Expr(value=ast.Constant(value=str() as text)):
            return " ".join(text.split())
        case _:
            return ""


def default_of(field: FieldInfo) -> str:
    """As the variable would be written."""
    value = field.get_default(call_default_factory=True, validated_data={})
    if field.is_required():
        return "**required**"
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, timedelta):
        return f"`{TypeAdapter(timedelta).dump_python(value, mode='json')}`"
    if isinstance(value, tuple):
        value = ",".join(map(str, value))
    return "" if value in (None, "") else f"`{value}`"


def unpublished() -> int:
    """The status of comparing the contracts with what is published: a break is not written."""
    return contract_kit.check(SCHEMAS)


def states_diagram() -> str:
    """ARCHITECTURE.md with the pool states drawn from the table."""
    arrows = [
        f"    {state} --> {following}"
        for state, targets in TRANSITIONS.items()
        for following in sorted(targets)
    ]
    drawn = ["```mermaid", "stateDiagram-v2", *arrows, "```"]
    return between((ROOT / "ARCHITECTURE.md").read_text(), STATES, drawn)


def promises() -> str:
    """docs/security.md with its table of promises and what shows each."""
    spec = importlib.util.spec_from_file_location("promises", ROOT / "tests/security/promises.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    rows = [
        f"| **{promise.text}.** {promise.how} | {', '.join(map(linked, promise.checks))} |"
        for promise in module.PROMISES
    ]
    table = ["| promise | shown by |", "| --- | --- |", *rows]
    return between((ROOT / "docs/security.md").read_text(), PROMISES, table)


def metrics() -> str:
    """docs/metrics.md: every metric, with where it is found and what its labels are."""
    parts: list[str] = []
    for whose, table in TABLE.items():
        parts += ["", f"## {whose[0].upper()}{whose[1:]}", ""]
        parts += ["| metric | kind | unit | labels | meaning |", "| --- | --- | --- | --- | --- |"]
        parts += [
            f"| `{metric.exported}` | {metric.kind} | {metric.unit.strip('{}')} |"
            f" {', '.join(f'`{label}`' for label in metric.labels)} | {metric.meaning} |"
            for metric in table
        ]
    return between((ROOT / "docs/metrics.md").read_text(), METRICS, parts)


def linked(check: str) -> str:
    """A check as a link to its file; a make target as it is typed."""
    if check.startswith("make "):
        return f"`{check}`"
    file, _, group = check.partition("::")
    name = Path(file).stem.removeprefix("test_") + (
        f" {group.removeprefix('Test')}" if group else ""
    )
    return f"[{name}](../{file})"


def between(text: str, marks: tuple[str, str], lines: list[str]) -> str:
    """`text` with `lines` in the place of what stands between two marks."""
    opens, closes = marks
    before, rest = text.split(opens)
    return "\n".join([before + opens, *lines, closes + rest.split(closes)[1]])


def safety_rules() -> str:
    """The how-to on policies with the table of rules: what each finds, and how much it weighs at
    most in code and in text.
    """
    rows = [
        "| rule | finds a skill that | in code | in text |",
        "| --- | --- | --- | --- |",
    ]
    for name, meaning in MEANINGS.items():
        rules = [rule for rule in RULES if rule.id == name]
        code = _gravest(rule.severity for rule in rules)
        text = _gravest(rule.in_prose or rule.severity for rule in rules)
        rows.append(f"| `{name}` | {meaning} | {code} | {text} |")
    return between(POLICY.read_text(), RULES_TABLE, rows)


def _gravest(severities: Iterable[Severity]) -> str:
    """Those of the last rules depend on what is found, not on where."""
    order = list(Severity)
    return str(max(severities, key=order.index, default="as shown"))


def generated() -> dict[Path, str]:
    """Every derived file with the text it should have."""
    return {
        **event_schemas(),
        ROOT / "docs/settings.md": settings(),
        ROOT / "docs/asyncapi.yaml": asyncapi(),
        ROOT / "docs/events.md": catalogue(),
        ROOT / "docs/openapi.json": as_json(openapi_document()),
        ROOT / "ARCHITECTURE.md": states_diagram(),
        POLICY: safety_rules(),
        ROOT / "deploy/nats/users.conf": users_config(),
        ROOT / "docs/security.md": promises(),
        ROOT / "docs/metrics.md": metrics(),
    }


def as_json(document: object) -> str:
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    if unpublished():
        sys.exit(1)
    for path, text in generated().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
