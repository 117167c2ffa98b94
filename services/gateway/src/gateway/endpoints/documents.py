"""What the platform tells other teams, as documents for programs: the events and their schemas."""

from functools import cache
from typing import Any

from common.contracts.asyncapi import asyncapi_document
from common.contracts.events import EVENTS
from common.errors import NotFoundError
from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

router = APIRouter(include_in_schema=False)

_CACHED = {"Cache-Control": "public, max-age=300"}


@router.get("/asyncapi.json")
async def asyncapi() -> Response:
    return JSONResponse(_events(), headers=_CACHED)


@router.get("/schemas/{event_type}.json")
async def schema(event_type: str) -> Response:
    """The JSON Schema of an event's data; its `$id` is what the event's `dataschema` says."""
    for event in EVENTS:
        if event.type == event_type:
            return JSONResponse(
                event.schema(), headers=_CACHED, media_type="application/schema+json"
            )
    message = "no such event"
    raise NotFoundError(message)


@cache
def _events() -> dict[str, Any]:
    return asyncapi_document()
