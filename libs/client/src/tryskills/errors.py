"""What a caller of the API can meet."""

from collections.abc import Mapping
from typing import Any


class ApiError(Exception):
    """The platform refused: `code` for a program, `detail` for a person, `problem` in whole."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.problem = problem
        self.code = str(problem.get("code") or f"http_{status}")
        self.detail = str(problem.get("detail") or problem.get("title") or "no reason given")
        super().__init__(f"{self.code}: {self.detail}")


class UnreachableError(Exception):
    """The platform does not answer."""
