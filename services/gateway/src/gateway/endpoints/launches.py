"""Launches: a skill made ready in the caller's sandbox, followed phase by phase."""

from datetime import timedelta

from common.contracts.sandbox import (
    CANCEL_LAUNCH,
    GET_LAUNCH,
    GET_RECEIPT,
    GET_RECEIPT_KEY,
    LIST_TRIALS,
    START_LAUNCH,
    CancelLaunch,
    GetLaunch,
    GetReceiptKey,
    Launch,
    OwnerRequest,
    Receipt,
    ReceiptKey,
    StartLaunch,
    TrialList,
)
from common.contracts.skills import Digest
from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.endpoints.dependencies import (
    ERRORS,
    EdgeDep,
    IdempotencyKey,
    OwnerDep,
    PlaceDep,
    ServicesDep,
)
from gateway.endpoints.event_stream import EventStream
from gateway.service.sources import launch_source

router = APIRouter(tags=["launches"], responses=ERRORS)

# A ref without a digest is resolved first, which may fetch a repository.
START = timedelta(seconds=60)


class LaunchBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    ref: str = Field(min_length=1, max_length=2000)
    digest: Digest | None = None
    report_ack: Digest | None = None


@router.post("/api/launches", status_code=202)
async def start(
    services: ServicesDep,
    owner_id: OwnerDep,
    body: LaunchBody,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> Launch:
    """Make a skill ready: exactly `digest`, or what `ref` means now."""
    request = StartLaunch(
        owner_id=owner_id,
        ref=body.ref,
        digest=body.digest,
        report_ack=body.report_ack,
        idempotency_key=idempotency_key,
    )
    launch = await services.call(START_LAUNCH, request, within=START)
    response.headers["Location"] = f"/api/launches/{launch.id}"
    return launch


@router.get("/api/launches/{launch_id}")
async def get(services: ServicesDep, owner_id: OwnerDep, launch_id: str) -> Launch:
    request = GetLaunch(owner_id=owner_id, launch_id=launch_id)
    return await services.call(GET_LAUNCH, request)


@router.delete("/api/launches/{launch_id}", status_code=202)
async def cancel(services: ServicesDep, owner_id: OwnerDep, launch_id: str) -> Launch:
    """Ask the launch to stop; it has ended when its state says so."""
    request = CancelLaunch(owner_id=owner_id, launch_id=launch_id)
    return await services.call(CANCEL_LAUNCH, request)


@router.get("/api/launches/{launch_id}/receipt")
async def receipt(services: ServicesDep, owner_id: OwnerDep, launch_id: str) -> Receipt:
    """What exactly the launch put where."""
    request = GetLaunch(owner_id=owner_id, launch_id=launch_id)
    return await services.call(GET_RECEIPT, request)


@router.get("/api/receipt-key")
async def receipt_key(services: ServicesDep) -> ReceiptKey:
    """The public key that every genuine receipt of this deployment is signed by."""
    return await services.call(GET_RECEIPT_KEY, GetReceiptKey())


@router.get("/api/launches/{launch_id}/events", response_class=Response)
async def events(edge: EdgeDep, owner_id: OwnerDep, launch_id: str, after: PlaceDep) -> Response:
    """The launch's entries as server-sent events, numbered; ends after `launch.ended`."""
    source = launch_source(edge.services, owner_id, launch_id)
    viewer = await edge.viewers.open(source, after=after)
    return EventStream(edge.viewers, viewer, keepalive=edge.keepalive)


@router.get("/api/trials")
async def trials(services: ServicesDep, owner_id: OwnerDep) -> TrialList:
    """Your last 50 launches, newest first."""
    return await services.call(LIST_TRIALS, OwnerRequest(owner_id=owner_id))
