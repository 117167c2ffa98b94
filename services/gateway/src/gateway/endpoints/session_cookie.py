"""The cookies of a browser that logs in: unreadable for scripts, sent to this site alone."""

from dataclasses import dataclass
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

_SESSION = "session"
_ATTEMPT = "login"


@dataclass(frozen=True)
class Cookies:
    """`is_https`: named `__Host-`, which a browser takes from https and for this host only."""

    is_https: bool = False

    def session_of(self, request: Request) -> str | None:
        return request.cookies.get(self._name(_SESSION))

    def attempt_of(self, request: Request) -> str | None:
        return request.cookies.get(self._name(_ATTEMPT))

    def keep_session(self, response: Response, session: str, ttl: timedelta) -> None:
        self._keep(response, _SESSION, session, ttl)
        self._drop(response, _ATTEMPT)

    def keep_attempt(self, response: Response, attempt: str, ttl: timedelta) -> None:
        self._keep(response, _ATTEMPT, attempt, ttl)

    def drop(self, response: Response) -> None:
        self._drop(response, _SESSION)
        self._drop(response, _ATTEMPT)

    def _keep(self, response: Response, name: str, value: str, ttl: timedelta) -> None:
        # Lax: the issuer sends the browser back here, and the page it arrives at knows who it is.
        response.set_cookie(
            self._name(name),
            value,
            max_age=int(ttl.total_seconds()),
            path="/",
            secure=self.is_https,
            httponly=True,
            samesite="lax",
        )

    def _drop(self, response: Response, name: str) -> None:
        response.delete_cookie(
            self._name(name), path="/", secure=self.is_https, httponly=True, samesite="lax"
        )

    def _name(self, name: str) -> str:
        return f"__Host-{name}" if self.is_https else name
