"""The operator's policy file, read again when it changes: a mistake in it leaves the last good one
in force.
"""

import logging
import tomllib
from pathlib import Path

from skill_resolver.model.report import Policy, parse_policy

logger = logging.getLogger(__name__)


class PolicyFile:
    """Raises ValueError at once for a file that is wrong at the start."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._seen = _state(path)
        self._policy = _read(path) if path is not None else Policy()

    def __call__(self) -> Policy:
        return self._policy

    async def run_once(self) -> int:
        """Read the file again if it is another one; how many were taken over."""
        state = _state(self._path)
        if self._path is None or state == self._seen:
            return 0
        self._seen = state
        try:
            self._policy = _read(self._path)
        except ValueError as exc:
            logger.error("the policy file is not taken over: %s", exc)  # noqa: TRY400 (its text says it all)
            return 0
        logger.info("the policy file was taken over")
        return 1


def _read(path: Path) -> Policy:
    try:
        return parse_policy(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as exc:
        raise ValueError(f"{path.name} cannot be read: {exc.strerror}") from exc


def _state(path: Path | None) -> tuple[int, int, int]:
    try:
        status = path.stat() if path is not None else None
    except OSError:
        status = None
    return (status.st_mtime_ns, status.st_size, status.st_ino) if status else (0, 0, 0)
