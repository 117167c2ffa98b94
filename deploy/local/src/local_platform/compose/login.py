"""Log in as a browser does, at an issuer that asks for no password, and make an API token."""

from contextlib import closing
from urllib.parse import urljoin

import httpx

MOST_STEPS = 10
REDIRECTS = {301, 302, 303, 307, 308}


class LoginFailedError(Exception):
    pass


def api_token(url: str, user: str) -> str:
    """A token of the platform at `url` for whom the issuer knows as `user`."""
    with closing(logged_in(url, user)) as http:
        made = http.post("/api/tokens", json={"name": f"{user} on the command line"})
    if made.status_code != httpx.codes.CREATED:
        raise LoginFailedError(f"{url} makes no token: {made.status_code} {made.text}")
    return str(made.json()["value"])


def logged_in(url: str, user: str) -> httpx.Client:
    """A browser's connection to the platform, with its cookie; the caller closes it."""
    # The issuer's name below `.localhost` leads to this machine, whatever its resolver thinks.
    http = httpx.Client(
        base_url=url, headers={"Origin": url}, transport=_LocalhostTransport(), timeout=30
    )
    try:
        _log_in(http, f"{url}/auth/login", user)
    except BaseException:
        http.close()
        raise
    return http


def _log_in(http: httpx.Client, start: str, user: str) -> None:
    answer = http.get(start)
    for _ in range(MOST_STEPS):
        if answer.status_code in REDIRECTS:
            answer = http.get(urljoin(str(answer.url), answer.headers["location"]))
        elif answer.url.path.endswith("/authorize"):
            answer = http.post(answer.url, data={"sub": user})
        else:
            break
    if answer.status_code != httpx.codes.OK:
        raise LoginFailedError(f"{answer.url.copy_with(query=None)}: {answer.status_code}")


class _LocalhostTransport(httpx.HTTPTransport):
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host.endswith(".localhost"):
            request.headers["Host"] = request.url.netloc.decode()
            request.url = request.url.copy_with(host="127.0.0.1")
        return super().handle_request(request)
