"""The folded journal: whatever was folded, every number gives exactly what follows it."""

from typing import Any

from chat_proxy.model.journal import (
    Answer,
    Entry,
    entry_from_line,
    lengths,
    put_length,
)
from common.testing.fakes import START
from hypothesis import given
from hypothesis import strategies as st

TEXTS = st.text(min_size=1, max_size=40)
PIECES = st.lists(
    st.one_of(
        st.tuples(st.just("text"), TEXTS),
        st.tuples(st.just("reasoning"), TEXTS),
        st.tuples(st.just("notice"), TEXTS),
    ),
    min_size=1,
    max_size=60,
)


def written(pieces: list[tuple[str, str]], first: int = 1) -> list[Entry]:
    return [
        Entry(number, START, "tur_1", type_, {"text": text})
        for number, (type_, text) in enumerate(pieces, start=first)
    ]


def folded(entries: list[Entry]) -> Answer:
    answer = Answer("tur_1")
    for entry in entries:
        answer.add(entry)
    return answer


def told(entries: list[Entry], type_: str, after: int) -> str:
    return "".join(one.fields["text"] for one in entries if one.type == type_ and one.seq > after)


class TestAfter:
    @given(pieces=PIECES, first=st.integers(1, 100_000), data=st.data())
    def test_any_number_gives_exactly_the_rest(
        self, pieces: list[tuple[str, str]], first: int, data: Any
    ) -> None:
        entries = written(pieces, first)
        after = data.draw(st.integers(first - 1, entries[-1].seq))

        rest = folded(entries).after(after)

        numbers = [n for entry in rest for n in range(entry.first, entry.seq + 1)]
        assert numbers == list(range(after + 1, entries[-1].seq + 1))
        for type_ in ("text", "reasoning", "notice"):
            assert told(rest, type_, after) == told(entries, type_, after)

    @given(pieces=PIECES, data=st.data())
    def test_two_halves_make_the_whole(self, pieces: list[tuple[str, str]], data: Any) -> None:
        answer = folded(written(pieces))
        middle = data.draw(st.integers(0, answer.seq))

        seen = [one for one in written(pieces) if one.seq <= middle] + answer.after(middle)

        assert told(seen, "text", 0) == told(written(pieces), "text", 0)

    def test_neighbours_are_one_segment_until_it_is_long(self) -> None:
        answer = folded(written([("text", "x" * 1000)] * 40))

        assert [len(segment.text) for segment in answer.segments] == [16_000, 16_000, 8_000]


class TestChanges:
    def test_only_what_changed_is_stored_again(self) -> None:
        answer = folded(written([("text", "a"), ("notice", "b"), ("text", "c")]))
        answer.stored()
        assert answer.is_stored

        answer.add(Entry(4, START, "tur_1", "text", {"text": "d"}))

        assert answer.changed == 2

    def test_a_new_segment_is_the_first_change(self) -> None:
        answer = folded(written([("text", "a")]))
        answer.stored()

        answer.add(Entry(2, START, "tur_1", "notice", {"text": "b"}))
        answer.add(Entry(3, START, "tur_1", "text", {"text": "c"}))

        assert answer.changed == 1


class TestLine:
    @given(text=st.text(st.characters(exclude_categories=["Cs"])), seq=st.integers(1, 2**53))
    def test_an_entry_survives_the_wire(self, text: str, seq: int) -> None:
        entry = Entry(seq, START, "tur_1", "text", {"text": text})

        line = entry.line()

        assert b"\n" not in line
        assert entry_from_line(line) == entry


class TestLengths:
    @given(numbers=st.lists(st.integers(0, 2**31)))
    def test_they_are_read_back(self, numbers: list[int]) -> None:
        cuts = bytearray()
        for number in numbers:
            put_length(cuts, number)

        assert list(lengths(cuts)) == numbers


class TestText:
    def test_replaced_text_stands_for_all_since_the_last_tool(self) -> None:
        pieces = [
            ("text", "before "),
            ("tool.started", ""),
            ("text", "wro"),
            ("text.replaced", "right"),
            ("text", " end"),
        ]

        assert folded(written(pieces)).text == "before right end"
