"""Where the platform is and who calls, from the environment."""

import os
from dataclasses import dataclass

DEFAULT_URL = "http://127.0.0.1:8000"


@dataclass(frozen=True)
class Settings:
    url: str
    token: str | None


def read_settings() -> Settings:
    return Settings(
        url=os.environ.get("TRYSKILLS_URL") or DEFAULT_URL,
        token=os.environ.get("TRYSKILLS_TOKEN") or None,
    )
