"""Journals as updates of a page that is open: server-sent events whose data are partials.

An update names its element and is whole: a part that is new is sent with its content, because all
targets are looked up before any is changed. The id of an event is the last number the page has
seen and the number before the turn it is in (`<seen>.<origin>`); a page that comes back is folded
again from that turn's beginning and gets what is newer.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping

from common.errors import InvalidError
from markupsafe import Markup

from gateway.model.frames import Frame
from gateway.model.progress import Durations, Progress
from gateway.model.transcript import Part, Transcript, Turn
from gateway.web.blocks import Blocks
from gateway.web.rendering import file_url, macro, partial

_REST = 4.0
_LEAST_REST_S = 0.04
_MOST_REST_S = 1.0

STATUS = {
    "running": "The agent is answering.",
    "completed": "The answer is complete.",
    "stopped": "The answer was stopped.",
    "failed": "The answer failed.",
}


class Place:
    """Where a page stands: `seen` entries, folded from after `origin`."""

    def __init__(self, seen: int, origin: int) -> None:
        self.seen = seen
        self.origin = origin

    def __str__(self) -> str:
        return f"{self.seen}.{self.origin}"

    @classmethod
    def of(cls, transcript: Transcript) -> "Place":
        turns = transcript.turns
        return cls(transcript.last, turns[-1].began - 1 if turns else transcript.last)

    @classmethod
    def read(cls, text: str) -> "Place":
        seen, _, origin = text.partition(".")
        if not (_is_number(seen) and _is_number(origin) and int(origin) <= int(seen)):
            message = "this is not a place in a page's stream"
            raise InvalidError(message)
        return cls(int(seen), int(origin))


class Rendered:
    """The blocks of a page's texts; what was rendered once is kept.

    Without a session no file of its workspace is shown.
    """

    def __init__(self, session_id: str = "") -> None:
        files = file_url(session_id, "") if session_id else ""
        self._env = {"session": session_id, "files": files}
        self._texts: dict[str, tuple[Blocks, int]] = {}

    def __call__(self, part: Part) -> list[Markup]:
        blocks, fed = self._texts.get(part.id) or (Blocks(self._env), 0)
        blocks.add(part.text[fed:])
        blocks.settle()
        self._texts[part.id] = (blocks, len(part.text))
        return [*blocks.final, blocks.tail(is_finished=not part.is_open)]


class ChatUpdates:
    """Encodes what a viewer sees for a page that stands at `place`."""

    def __init__(self, session_id: str, place: Place) -> None:
        self._session_id = session_id
        self._seen = place.seen
        self._transcript = Transcript()
        self._rendered = Rendered(session_id)
        self._tails: dict[str, int] = {}
        self._spent_s = 0.0

    def __call__(self, frames: list[Frame]) -> bytes:
        began = time.perf_counter()
        for frame in frames:
            self._transcript.apply(json.loads(frame.line))
        if self._transcript.last <= self._seen:
            return b""
        turns = self._transcript.turns
        updates = [update for turn in turns for update in self._turn(turn)]
        # Once in a message: a second update would aim at what the first one has replaced.
        updates += self._around(turns[-1]) if turns else []
        self._seen = self._transcript.last
        # A turn that another one follows does not change any more.
        del self._transcript.turns[:-1]
        event = _event("".join(updates), id_=str(Place.of(self._transcript)))
        self._spent_s = time.perf_counter() - began
        return event

    def rest_s(self) -> float:
        """How long to rest, so that one page takes a fifth of the process at most."""
        return min(_MOST_REST_S, max(_LEAST_REST_S, self._spent_s * _REST))

    def _turn(self, turn: Turn) -> Iterable[str]:
        if turn.began > self._seen:
            yield partial("#transcript", self._whole(turn), swap="beforeend")
        elif turn.renewed > self._seen:
            yield partial(f"#{turn.id}", self._whole(turn))
        else:
            for part in turn.parts:
                if part.changed > self._seen:
                    yield from self._part(turn, part)
            if turn.settled > self._seen:
                yield partial(f"#{turn.id}-end", _chat("end")(turn, self._session_id))

    def _whole(self, turn: Turn) -> str:
        for part in turn.parts:
            self._remember_tail(part)
        return _chat("turn")(turn, self._session_id, self._rendered)

    def _part(self, turn: Turn, part: Part) -> Iterable[str]:
        if part.began > self._seen or part.id not in self._tails or part.kind != "text":
            is_new = part.began > self._seen
            html = _chat("piece")(part, turn, self._session_id, self._rendered)
            self._remember_tail(part)
            target = f"#{turn.id}-answer" if is_new else f"#{part.id}"
            yield partial(target, html, swap="beforeend" if is_new else "outerMorph")
            return
        yield from self._grown(part)

    def _grown(self, part: Part) -> Iterable[str]:
        """The block that was last changes, and others follow it."""
        blocks = self._rendered(part)
        tail = self._tails[part.id]
        yield partial(f"#{part.id}b{tail}", _chat("block")(part.id, tail, blocks[tail]))
        new = [
            _chat("block")(part.id, index, blocks[index]) for index in range(tail + 1, len(blocks))
        ]
        if new:
            yield partial(f"#{part.id}", "".join(new), swap="beforeend")
        self._tails[part.id] = len(blocks) - 1

    def _remember_tail(self, part: Part) -> None:
        if part.kind == "text":
            self._tails[part.id] = len(self._rendered(part)) - 1

    def _around(self, turn: Turn) -> Iterable[str]:
        """The controls and what a screen reader says, when they change."""
        asks = [part for part in turn.parts if part.kind == "approval"]
        if turn.began > self._seen:
            yield partial("#first", "", swap="delete")
        if turn.began > self._seen or turn.settled > self._seen:
            running = turn.id if turn.state == "running" else ""
            controls = _chat("controls")(self._session_id, running)
            yield partial("#controls", controls, swap="outerHTML")
            yield partial("#status", _chat("status")(STATUS[turn.state]))
        elif asks and asks[-1].began > self._seen:
            yield partial("#status", _chat("status")("The agent asks before it goes on."))


class LaunchUpdates:
    """Encodes a launch's journal for its page; the panel is small and is sent whole."""

    def __init__(self, usual: Mapping[str, Durations]) -> None:
        self._progress = Progress(usual=usual)

    def __call__(self, frames: list[Frame]) -> bytes:
        for frame in frames:
            self._progress.apply(json.loads(frame.line))
        panel = macro("_launch.html", "panel")(self._progress)
        event = _event(partial("#launch-panel", panel), id_="0")
        if self._progress.is_over:
            event += _event(json.dumps({"state": self._progress.state}), name="over")
        return event


def _chat(name: str) -> Callable[..., Markup]:
    return macro("_chat.html", name)


def _event(data: str, *, id_: str | None = None, name: str | None = None) -> bytes:
    lines = [f"id: {id_}"] if id_ is not None else []
    lines += [f"event: {name}"] if name is not None else []
    lines += [f"data: {line}" for line in data.replace("\r", "").split("\n")]
    return ("\n".join(lines) + "\n\n").encode()


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 16
