"""The HTTP API as one FastAPI application; the pages are added by the composition root."""

from fastapi import FastAPI

from gateway.endpoints import (
    caller,
    documents,
    files,
    health,
    hermes,
    launches,
    openai,
    owner_settings,
    problems,
    sandbox,
    sessions,
    sharing,
    skills,
    tokens,
    usage,
)

_ABOUT = """Try any AI agent skill in seconds, safely.

Resolve a ref, launch the skill in your sandbox, open a session, say something, follow its events.
What happens is told to other teams as events: `/asyncapi.json`.
Errors are `application/problem+json` with a `code`. Requests that change something take an
`Idempotency-Key`: the same key, the same result.
"""


def create_api() -> FastAPI:
    api = FastAPI(
        title="tryskills",
        version="1.0.0",
        description=_ABOUT,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # Its spans hold paths and queries: what somebody typed, and the token of a share.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    problems.install(api)
    modules = (
        *(health, caller, tokens, skills, launches, sandbox, sessions, files, sharing, usage),
        *(owner_settings, hermes, openai, documents),
    )
    for module in modules:
        api.include_router(module.router)
    api.include_router(sharing.shared_router)
    return api
