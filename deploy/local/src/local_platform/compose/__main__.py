"""`python -m local_platform.compose secrets FILE` writes the variables of `deploy/compose.yaml`;
`token USER [URL]` logs in at its issuer and prints an API token.
"""

import sys
from pathlib import Path

import httpx

from local_platform.compose.environment import ensure
from local_platform.compose.login import LoginFailedError, api_token
from local_platform.stack.nats_config import USERS_FILE, passwords

USAGE = "usage: python -m local_platform.compose [secrets FILE | token USER [URL]]"
URL = "http://127.0.0.1:8000"


def main(arguments: list[str]) -> int:
    match arguments:
        case ["secrets", file]:
            ensure(Path(file), passwords(USERS_FILE).values())
        case ["token", user, *rest] if len(rest) <= 1:
            return token(user, rest[0] if rest else URL)
        case _:
            sys.stderr.write(f"{USAGE}\n")
            return 2
    return 0


def token(user: str, url: str) -> int:
    try:
        print(api_token(url.rstrip("/"), user))
    except (LoginFailedError, httpx.HTTPError) as error:
        sys.stderr.write(f"cannot log in at {url}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
