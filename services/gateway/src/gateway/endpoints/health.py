"""`/healthz`, `/readyz` and `/metrics` on the gateway's own port; a cluster's ingress keeps the
last to itself.
"""

from collections.abc import Mapping

from common.health import Check, failing
from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import JSONResponse, Response


def health_router(checks: Mapping[str, Check]) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @router.get("/readyz")
    async def readyz() -> Response:
        waiting_for = await failing(checks)
        body = {"status": "waiting" if waiting_for else "ready", "waiting_for": waiting_for}
        return JSONResponse(body, status_code=503 if waiting_for else 200)

    @router.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return router
