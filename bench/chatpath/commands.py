"""A helper process that is told what to do: one JSON line in, one JSON line out."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

Answer = dict[str, Any]
Handler = Callable[[Answer], Awaitable[Answer]]


class Helper:
    """A process of `module`; a context manager that ends it."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._read()

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, name: str, /, **words: Any) -> Answer:
        """Raises RuntimeError when the process has ended."""
        self.tell(name, **words)
        return self._read()

    def tell(self, name: str, /, **words: Any) -> None:
        """Without waiting: `ask` nothing else before `answer` was taken."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": name, **words}) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Answer:
        return self._read()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()

    def _read(self) -> Answer:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            message = f"a helper of the benchmark ended: {self._process.args!r}"
            raise RuntimeError(message)
        answer: Answer = json.loads(line)
        return answer


async def serve(handlers: dict[str, Handler]) -> None:
    """Answer commands from stdin until it closes."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=2**26)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    _say({"ready": True})
    while line := await reader.readline():
        told = json.loads(line)
        _say(await handlers[told.pop("do")](told))


def _say(answer: Answer) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
