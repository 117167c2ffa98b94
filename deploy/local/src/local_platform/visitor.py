"""One user of a platform of one's own, over HTTP and on the command line: for tests and
benchmarks.
"""

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx

from local_platform.instance import Finished, Instance

ANSWER_S = 180
CLI_S = 120


@dataclass(frozen=True)
class Visitor:
    """Close `http` when done."""

    http: httpx.Client
    token: str
    instance: Instance

    @classmethod
    def named(cls, user: str, instance: Instance) -> Self:
        """A user with a token of the local issuer."""
        token = instance.token(user)
        headers = {"Authorization": f"Bearer {token}"}
        http = httpx.Client(base_url=instance.url, headers=headers, timeout=ANSWER_S)
        return cls(http, token, instance)

    def try_skill(self, ref: str, prompt: str, *options: str) -> Finished:
        program = str(Path(sys.executable).with_name("tryskills"))
        command = [program, "try", ref, "--prompt", prompt, *options]
        where = ["--url", str(self.http.base_url), "--token", self.token]
        return self.instance.run(*command, *where, within_s=CLI_S)

    def get(self, path: str) -> Any:
        return self.http.get(path).raise_for_status().json()

    def post(self, path: str, /, **body: Any) -> Any:
        return self.http.post(path, json=body).raise_for_status().json()

    def launched(self, ref: str) -> Any:
        """A launch that has ended."""
        launch = self.post("/api/launches", ref=ref)
        if launch["ended_at"] is None:
            for _ in self.entries(f"/api/launches/{launch['id']}/events", until="launch.ended"):
                pass
            launch = self.get(f"/api/launches/{launch['id']}")
        return launch

    def entries(self, path: str, *, until: str, after: int = 0) -> Iterator[dict[str, Any]]:
        """A journal's entries from number `after` + 1 up to the first of type `until`.

        Raises TimeoutError when that does not come within `ANSWER_S`.
        """
        deadline = time.monotonic() + ANSWER_S
        with self.http.stream("GET", path, headers={"Last-Event-ID": str(after)}) as stream:
            for line in stream.iter_lines():
                if line.startswith("data:"):
                    entry = json.loads(line.removeprefix("data:"))
                    yield entry
                    if entry["type"] == until:
                        return
                if time.monotonic() > deadline:
                    message = f"no {until} within {ANSWER_S} s"
                    raise TimeoutError(message)
