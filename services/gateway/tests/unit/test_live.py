"""However a journal comes in, and wherever a page comes back, the page ends as if loaded anew."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from common.errors import InvalidError
from gateway.model.frames import Frame
from gateway.model.transcript import Transcript
from gateway.web.live import ChatUpdates, LaunchUpdates, Place, Rendered
from gateway.web.rendering import macro
from hypothesis import given, settings
from hypothesis import strategies as st

SESSION = "ses_" + "2" * 20
VOID = {"br", "hr", "input", "img"}

Entry = dict[str, Any]


class Node:
    def __init__(self, tag: str, attributes: dict[str, str | None]) -> None:
        self.tag = tag
        self.attributes = attributes
        self.children: list[Node | str] = []

    @property
    def id(self) -> str | None:
        return self.attributes.get("id")

    def nodes(self) -> Iterator["Node"]:
        yield self
        for child in self.children:
            if isinstance(child, Node):
                yield from child.nodes()

    def told(self) -> Any:
        """Tag, attributes and what is inside; runs of white space count as one."""
        inside: list[Any] = []
        for child in self.children:
            told = re.sub(r"\s+", " ", child).strip() if isinstance(child, str) else child.told()
            if told:
                inside.append(told)
        return [self.tag, sorted(self.attributes.items(), key=str), inside]


class Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Node("root", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, dict(attrs))
        self._open[-1].children.append(node)
        if tag not in VOID:
            self._open.append(node)

    def handle_endtag(self, tag: str) -> None:
        assert self._open[-1].tag == tag, (tag, self._open[-1].tag)
        self._open.pop()

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)


def parsed(html: str) -> Node:
    parser = Parser()
    parser.feed(html)
    parser.close()
    return parser.root


class Page:
    """A page that is open: applies partial updates as the browser's library does."""

    def __init__(self, written: list[Entry]) -> None:
        self.root = parsed(page_html(written))

    def part(self, name: str) -> Any:
        return [node.told() for node in self.root.nodes() if node.id == name]

    def update(self, events: bytes) -> str:
        """Apply each event; the id of the last."""
        last_id = ""
        for event in events.decode().split("\n\n"):
            lines = event.split("\n")
            data = "\n".join(line[6:] for line in lines if line.startswith("data: "))
            last_id = next((line[4:] for line in lines if line.startswith("id: ")), last_id)
            # All targets are found before any is changed.
            updates = [node for node in parsed(data).children if isinstance(node, Node)]
            found = [self._find(str(node.attributes["hx-target"])) for node in updates]
            for node, target in zip(updates, found, strict=True):
                self._apply(node, target)
        return last_id

    def _apply(self, update: Node, target: Node | None) -> None:
        style = update.attributes["hx-swap"]
        if target is None:
            assert style == "delete", update.attributes
            return
        if style == "beforeend":
            target.children += update.children
        elif style == "innerHTML":
            target.children = update.children
        else:
            parent = next(node for node in self.root.nodes() if target in node.children)
            index = parent.children.index(target)
            parent.children[index : index + 1] = [] if style == "delete" else update.children

    def _find(self, selector: str) -> Node | None:
        found = [node for node in self.root.nodes() if node.id == selector[1:]]
        assert len(found) < 2, selector
        return found[0] if found else None


def page_html(written: list[Entry]) -> str:
    transcript = folded(written)
    rendered = Rendered()
    turns = "".join(macro("_chat.html", "turn")(t, SESSION, rendered) for t in transcript.turns)
    last = transcript.turns[-1] if transcript.turns else None
    running = last.id if last and last.state == "running" else ""
    first = "" if transcript.turns else '<p id="first">Say something</p>'
    controls = macro("_chat.html", "controls")(SESSION, running)
    return f'<div id="transcript">{turns}</div>{first}<p id="status"></p>{controls}'


def folded(written: list[Entry]) -> Transcript:
    transcript = Transcript()
    for entry in written:
        transcript.apply(entry)
    return transcript


def frames(entries: list[Entry]) -> list[Frame]:
    return [
        Frame(
            entry.get("seq_from") or entry["seq"],
            entry["seq"],
            entry["type"].encode(),
            json.dumps(entry).encode(),
        )
        for entry in entries
    ]


def fold(entries: list[Entry]) -> list[Entry]:
    """Neighbouring words as one entry with its range, as history tells them."""
    told: list[Entry] = []
    for entry in entries:
        before = told[-1] if told else None
        if before and entry["type"] in {"text", "reasoning"} and entry["type"] == before["type"]:
            told[-1] = {
                **before,
                "text": before["text"] + entry["text"],
                "seq_from": before.get("seq_from") or before["seq"],
                "seq": entry["seq"],
            }
        else:
            told.append(dict(entry))
    return told


TEXTS = st.sampled_from(
    ["word ", "**bold** ", "\n\n", "\n", "- item\n", "# T\n", "```\n", "<hx-partial>", "| a |\n"]
)
CALLS = st.sampled_from(["c1", "c2"])
ENTRIES = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, TEXTS),
    st.builds(lambda text: {"type": "reasoning", "text": text}, TEXTS),
    st.builds(lambda text: {"type": "text.replaced", "text": text}, TEXTS),
    st.builds(
        lambda c: {"type": "tool.started", "call_id": c, "name": "x", "arguments": {}}, CALLS
    ),
    st.builds(lambda c: {"type": "tool.progress", "call_id": c, "text": "more"}, CALLS),
    st.builds(lambda c: {"type": "tool.completed", "call_id": c, "duration_s": 0.5}, CALLS),
    st.builds(
        lambda c: {
            "type": "approval.requested",
            "approval_id": c,
            "command": "rm <x>",
            "choices": ["once", "deny"],
        },
        CALLS,
    ),
    st.builds(
        lambda c: {
            "type": "approval.resolved",
            "approval_id": c,
            "choice": "deny",
            "state": "delivered",
        },
        CALLS,
    ),
    st.just({"type": "notice", "text": "mind"}),
    st.just({"type": "usage", "total_tokens": 5}),
    st.just({"type": "turn.ended", "state": "completed"}),
    st.just({"type": "from.the.future"}),
)


TURNS = st.lists(st.lists(ENTRIES, max_size=12), min_size=1, max_size=3)
STEPS = st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=8)


def journal(turns: list[list[Entry]]) -> list[Entry]:
    """Numbered; what no agent would send comes too, as far as it has a turn to be in."""
    written: list[Entry] = []
    for number, body in enumerate(turns):
        for entry in [{"type": "turn.started", "text": "hi"}, *body]:
            seq = len(written) + 1
            written.append({"seq": seq, "turn_id": f"tur_{number}", "at": "", **entry})
    return written


class TestChat:
    @given(turns=TURNS, loaded=st.integers(0, 8), steps=STEPS)
    @settings(deadline=None)
    def test_the_page_ends_as_if_it_were_loaded_anew(
        self, turns: list[list[Entry]], loaded: int, steps: list[tuple[int, bool]]
    ) -> None:
        written = journal(turns)
        position = min(loaded, len(written))
        page = Page(fold(written[:position]))
        place = Place.of(folded(written[:position]))
        updates: ChatUpdates | None = None

        for size, comes_back in [*steps, (len(written), False)]:
            upto = min(position + size, len(written))
            batch = written[position:upto]
            if updates is None or comes_back:
                updates = ChatUpdates(SESSION, place)
                batch = fold(written[place.origin : upto])
            if events := updates(frames(batch)):
                place = Place.read(page.update(events))
            position = upto

        assert page.part("transcript") == Page(fold(written)).part("transcript")
        assert page.part("controls") == Page(fold(written)).part("controls")

    def test_a_finished_block_is_not_sent_again(self) -> None:
        started = {"seq": 1, "turn_id": "t", "type": "turn.started", "text": "hi"}
        words = [
            {"seq": n, "turn_id": "t", "type": "text", "text": f"paragraph {n}\n\n"}
            for n in range(2, 200)
        ]
        updates = ChatUpdates(SESSION, Place(0, 0))
        updates(frames([started, *words]))

        more = updates(
            frames([{"seq": 200, "turn_id": "t", "type": "text", "text": "one more word"}])
        )

        assert b"one more word" in more
        assert len(more) < 600

    def test_what_was_seen_already_is_not_sent(self) -> None:
        written = [
            {"seq": 1, "turn_id": "t", "type": "turn.started", "text": "hi"},
            {"seq": 2, "turn_id": "t", "type": "text", "text": "a"},
        ]

        assert ChatUpdates(SESSION, Place(2, 0))(frames(written)) == b""

    def test_hostile_words_stay_words(self) -> None:
        hostile = '<hx-partial hx-target="#x">\n\ndata: x\n\nid: 9\n\n<script>alert(1)</script>'
        written = [
            {"seq": 1, "turn_id": "t", "type": "turn.started", "text": hostile},
            {"seq": 2, "turn_id": "t", "type": "text", "text": hostile},
            {"seq": 3, "turn_id": "t", "type": "reasoning", "text": hostile},
            {
                "seq": 4,
                "turn_id": "t",
                "type": "tool.completed",
                "call_id": "c",
                "name": hostile,
                "preview": hostile,
                "arguments": {hostile: hostile},
                "result": hostile,
            },
            {"seq": 5, "turn_id": "t", "type": "notice", "text": hostile},
        ]

        sent = ChatUpdates(SESSION, Place(0, 0))(frames(written)).decode()

        assert "<script" not in sent
        assert sent.count("<hx-partial") == sent.count('hx-target="#first') + 3
        assert [line for line in sent.split("\n") if not line.startswith("data: ")] == [
            "id: 5.0",
            "",
            "",
        ]


class TestPlace:
    @pytest.mark.parametrize("text", ["", "1", "a.b", "1.2", "-1.-2", "1.1.1", "9" * 20 + ".0"])
    def test_a_strange_one_is_the_callers_error(self, text: str) -> None:
        with pytest.raises(InvalidError):
            Place.read(text)

    def test_it_is_read_as_it_is_written(self) -> None:
        assert str(Place.read(str(Place(12, 7)))) == "12.7"


class TestLaunch:
    def test_phases_come_and_go_and_the_end_says_how(self) -> None:
        updates = LaunchUpdates({})
        at = "2026-01-01T00:00:00Z"
        entries = [
            {"type": "launch.started", "seq": 1, "at": at, "path": "install"},
            {"type": "phase.started", "seq": 2, "at": at, "phase": "upload"},
            {
                "type": "phase.failed",
                "seq": 3,
                "at": at,
                "phase": "upload",
                "detail": "<full>",
            },
            {
                "type": "launch.ended",
                "seq": 4,
                "at": at,
                "state": "failed",
                "error": {"code": "install_failed", "detail": "It <failed>"},
            },
        ]

        going = updates(frames(entries[:2])).decode()
        over = updates(frames(entries[2:])).decode()

        assert 'class="running"' in going
        assert "event: over" not in going
        assert "&lt;full&gt;" in over
        assert "It &lt;failed&gt;" in over
        assert 'event: over\ndata: {"state": "failed"}' in over
