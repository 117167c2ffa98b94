"""`/healthz`, `/readyz` and `/metrics` on the gateway's own port; a cluster's ingress keeps the
last to itself.
"""

from common.health import failing
from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import JSONResponse, Response

from gateway.endpoints.dependencies import EdgeDep

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(edge: EdgeDep) -> Response:
    waiting_for = await failing(edge.checks)
    body = {"status": "waiting" if waiting_for else "ready", "waiting_for": waiting_for}
    return JSONResponse(body, status_code=503 if waiting_for else 200)


@router.get("/metrics")
async def metrics() -> Response:
    return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
