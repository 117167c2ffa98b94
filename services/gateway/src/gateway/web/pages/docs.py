"""The HTTP API for people, from the same document that programs read."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from gateway.web.pages.route import PageRoute
from gateway.web.rendering import page

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/docs")
async def docs(request: Request) -> Response:
    document = request.app.openapi()
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            tag = (operation.get("tags") or ["other"])[0]
            groups.setdefault(tag, []).append(_told(method, path, operation, document))
    return page("docs.html", groups=groups, about=document["info"]["description"])


def _told(
    method: str, path: str, operation: dict[str, Any], document: dict[str, Any]
) -> dict[str, Any]:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return {
        "method": method.upper(),
        "path": path,
        "summary": operation.get("description", "").partition("\n")[0],
        "parameters": operation.get("parameters", []),
        "body": _example(body.get("schema", {}), document) if body else None,
        "responses": {
            status: answer.get("description", "")
            for status, answer in operation["responses"].items()
        },
    }


def _example(schema: dict[str, Any], document: dict[str, Any]) -> Any:
    """The shape of a body: each field with its type."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    required = set(schema.get("required", []))
    return {
        name: _type(field) + ("" if name in required else ", optional")
        for name, field in schema.get("properties", {}).items()
    }


def _type(field: dict[str, Any]) -> str:
    kinds = [kind.get("type", "choice") for kind in field.get("anyOf", [field])]
    return " or ".join(kind for kind in kinds if kind != "null")
