"""The list of sandboxes: filters, order, cursor."""

import base64
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from aiohttp import web

from local_platform.daytona.bodies import number
from local_platform.daytona.errors import BadRequestError
from local_platform.daytona.model import Sandbox, State
from local_platform.daytona.sandboxes import Sandboxes
from local_platform.daytona.wire import list_body

DEFAULT_LIMIT, MAX_LIMIT = 100, 200
ORDERS: dict[str, Callable[[Sandbox], Any]] = {
    "id": lambda sandbox: sandbox.id,
    "name": lambda sandbox: sandbox.name,
    "state": lambda sandbox: sandbox.state.value,
    "snapshot": lambda sandbox: sandbox.snapshot,
    "region": lambda sandbox: sandbox.target,
    "cpu": lambda sandbox: sandbox.cpu,
    "cpuCount": lambda sandbox: sandbox.cpu,
    "memory": lambda sandbox: sandbox.memory,
    "memoryGib": lambda sandbox: sandbox.memory,
    "disk": lambda sandbox: sandbox.disk,
    "diskGib": lambda sandbox: sandbox.disk,
    "createdAt": lambda sandbox: sandbox.created_at,
    "updatedAt": lambda sandbox: sandbox.updated_at,
    "lastActivityAt": lambda sandbox: sandbox.last_activity_at,
}
BOUNDS: dict[str, Callable[[Sandbox], int]] = {
    "Cpu": lambda sandbox: sandbox.cpu,
    "MemoryGiB": lambda sandbox: sandbox.memory,
    "DiskGiB": lambda sandbox: sandbox.disk,
    "Gpu": lambda _sandbox: 0,
}
MOMENTS: dict[str, Callable[[Sandbox], datetime | None]] = {
    "createdAt": lambda sandbox: sandbox.created_at,
    "lastEvent": lambda sandbox: sandbox.last_activity_at,
    "autoDestroyAt": lambda sandbox: sandbox.destroy_at,
}


def wanted_labels(request: web.Request) -> dict[str, str]:
    try:
        labels = json.loads(request.query.get("labels") or "{}")
    except ValueError as error:
        msg = "labels is not a JSON object"
        raise BadRequestError(msg) from error
    if not isinstance(labels, dict):
        msg = "labels is not a JSON object"
        raise BadRequestError(msg)
    return labels


def many(request: web.Request, name: str) -> set[str]:
    return {part for value in request.query.getall(name, []) for part in value.split(",") if part}


def is_prefix(prefix: str | None, value: str) -> bool:
    return not prefix or value.lower().startswith(prefix.lower())


def filters(request: web.Request) -> list[Callable[[Sandbox], bool]]:
    labels = wanted_labels(request)
    states, snapshots, regions = (
        many(request, name) for name in ("states", "snapshots", "regionIds")
    )
    query = request.query
    public = query.get("isPublic", "").lower()
    return [
        lambda sandbox: labels.items() <= sandbox.labels.items(),
        lambda sandbox: not states or sandbox.state.value in states,
        lambda sandbox: not snapshots or sandbox.snapshot in snapshots,
        lambda sandbox: not regions or sandbox.target in regions,
        lambda sandbox: is_prefix(query.get("id"), sandbox.id),
        lambda sandbox: is_prefix(query.get("name"), sandbox.name),
        lambda sandbox: not public or sandbox.public == (public == "true"),
        lambda sandbox: sandbox.state != State.DESTROYED,
        *size_filters(request),
        *time_filters(request),
    ]


def size_filters(request: web.Request) -> list[Callable[[Sandbox], bool]]:
    found = []
    for name, value in BOUNDS.items():
        for side in ("min", "max"):
            text = request.query.get(f"{side}{name}")
            if text is not None:
                limit = number(text, lowest=0, name=f"{side}{name}")
                found.append(in_size(value, limit, is_least=side == "min"))
    return found


def in_size(
    value: Callable[[Sandbox], int], limit: int, *, is_least: bool
) -> Callable[[Sandbox], bool]:
    def keeps(sandbox: Sandbox) -> bool:
        return value(sandbox) >= limit if is_least else value(sandbox) <= limit

    return keeps


def moment(text: str, name: str) -> datetime:
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00").replace(" ", "+"))
    except ValueError as error:
        raise BadRequestError(f"{name} is no time") from error


def time_filters(request: web.Request) -> list[Callable[[Sandbox], bool]]:
    found: list[Callable[[Sandbox], bool]] = []
    for name, value in MOMENTS.items():
        for side in ("After", "Before"):
            text = request.query.get(f"{name}{side}")
            if text is not None:
                limit = moment(text, f"{name}{side}").astimezone()
                found.append(in_time(value, limit, is_after=side == "After"))
    return found


def in_time(
    value: Callable[[Sandbox], datetime | None], limit: datetime, *, is_after: bool
) -> Callable[[Sandbox], bool]:
    def keeps(sandbox: Sandbox) -> bool:
        found = value(sandbox)
        return found is not None and (found >= limit if is_after else found <= limit)

    return keeps


def encoded(place: str) -> str:
    return base64.urlsafe_b64encode(place.encode()).decode()


def decoded(cursor: str | None) -> str | None:
    if not cursor:
        return None
    try:
        return base64.b64decode(cursor, altchars=b"-_", validate=True).decode()
    except ValueError as error:
        msg = "cursor is not one of ours"
        raise BadRequestError(msg) from error


def page(
    ordered: list[Sandbox], after: str | None, limit: int
) -> tuple[list[Sandbox], str | None]:
    """The sandboxes behind `after`; one that went meanwhile ends the list early."""
    ids = [sandbox.id for sandbox in ordered]
    start = ids.index(after) + 1 if after in ids else (0 if after is None else len(ids))
    chosen = ordered[start : start + limit]
    return chosen, encoded(chosen[-1].id) if start + limit < len(ordered) and chosen else None


class ListRoutes:
    def __init__(self, sandboxes: Sandboxes, toolbox_url: str) -> None:
        self._sandboxes = sandboxes
        self._toolbox_url = toolbox_url

    def table(self) -> list[web.RouteDef]:
        return [web.get("/api/sandbox", self.list_all)]

    async def list_all(self, request: web.Request) -> web.Response:
        limit = number(
            request.query.get("limit", str(DEFAULT_LIMIT)),
            lowest=1,
            highest=MAX_LIMIT,
            name="limit",
        )
        key = ORDERS.get(request.query.get("sort", "createdAt"), ORDERS["createdAt"])
        tests = filters(request)
        found = [
            sandbox for sandbox in self._sandboxes.all() if all(test(sandbox) for test in tests)
        ]
        newest_first = request.query.get("order", "desc").lower() != "asc"
        ordered = sorted(
            found, key=lambda sandbox: (key(sandbox), sandbox.id), reverse=newest_first
        )
        chosen, cursor = page(ordered, decoded(request.query.get("cursor")), limit)
        items = [list_body(sandbox, self._toolbox_url) for sandbox in chosen]
        return web.json_response({"items": items, "nextCursor": cursor})
