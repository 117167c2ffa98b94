"""The routes of the API as its own document lists them, and requests for each."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Document = Mapping[str, Any]

OBJECTS = ("launch_id", "session_id", "turn_id", "approval_id", "token_id")
"""What belongs to somebody, by the name of its id in paths and bodies."""

PUBLIC = ("owner", "repo", "digest", "path", "name", "token")
"""Other words in paths: of skills, which belong to nobody, of files, of one's own keys, and the
token of a shared link, which is what opens it.
"""

METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    operation: Document

    @property
    def words(self) -> list[str]:
        return re.findall(r"{(\w+)", self.path)

    @property
    def objects(self) -> list[str]:
        return [word for word in self.words if word in OBJECTS]

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"


def routes_of(document: Document) -> Iterator[Route]:
    for path, operations in document["paths"].items():
        for method in METHODS:
            if method in operations:
                yield Route(method, path, operations[method])


class Requests:
    """Requests that pass a route's validation; `known` are the ids to use by name."""

    def __init__(self, document: Document, known: Mapping[str, str]) -> None:
        self._document = document
        self._known = known

    def options(self, route: Route) -> dict[str, Any]:
        """What httpx needs besides the path."""
        found: dict[str, Any] = {}
        query = {
            parameter["name"]: self._value(parameter["name"], parameter["schema"])
            for parameter in route.operation.get("parameters", [])
            if parameter["in"] == "query" and parameter.get("required")
        }
        if query:
            found["params"] = query
        content = route.operation.get("requestBody", {}).get("content", {})
        if "application/json" in content:
            found["json"] = self._value("body", content["application/json"]["schema"])
        elif "multipart/form-data" in content:
            found["files"] = {"file": ("x.txt", b"x", "text/plain")}
        return found

    def path(self, route: Route) -> str:
        schemas = {one["name"]: one["schema"] for one in route.operation.get("parameters", [])}
        path = route.path
        for word in route.words:
            value = str(self._value(word, schemas.get(word, {})))
            path = path.replace(f"{{{word}}}", value).replace(f"{{{word}:path}}", value)
        return path

    def _value(self, name: str, schema: Document) -> Any:
        schema = self._resolved(schema)
        if name in self._known:
            return self._known[name]
        if "const" in schema or "enum" in schema:
            return schema.get("const", schema.get("enum", [None])[0])
        if schema.get("type") == "object":
            return {
                required: self._value(required, schema["properties"][required])
                for required in schema.get("required", [])
            }
        simple = {"array": [], "boolean": False, "integer": schema.get("minimum", 1)}
        return simple.get(schema.get("type", ""), "X" * max(int(schema.get("minLength", 1)), 1))

    def _resolved(self, schema: Document) -> Document:
        if "$ref" in schema:
            found = self._document
            for part in schema["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            return self._resolved(found)
        for several in ("anyOf", "oneOf", "allOf"):
            if several in schema:
                return self._resolved(schema[several][0])
        return schema
