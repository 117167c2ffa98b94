"""What arrives in any pieces is the same messages."""

import itertools

from common.messaging.wire import Parser
from hypothesis import given
from hypothesis import strategies as st

BODIES = st.lists(st.binary(max_size=300) | st.sampled_from([b"", b"\r\n", b"MSG a 1 3\r\n"]))


def parsed(pieces: list[bytes]) -> tuple[list[tuple[bytes, bytes]], list[bytes]]:
    messages: list[tuple[bytes, bytes]] = []
    lines: list[bytes] = []
    parser = Parser(lambda number, body: messages.append((number, body)), lines.append)
    for piece in pieces:
        parser.feed(piece)
    return messages, lines


class TestParser:
    @given(bodies=BODIES, cuts=st.lists(st.integers(0, 4000)))
    def test_pieces_of_any_size_make_the_same_messages(
        self, bodies: list[bytes], cuts: list[int]
    ) -> None:
        stream = b"".join(
            b"PING\r\nMSG journal.x %d %d\r\n%b\r\n" % (number, len(body), body)
            for number, body in enumerate(bodies)
        )
        places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
        pieces = [stream[a:b] for a, b in itertools.pairwise(places)]

        messages, lines = parsed(pieces)

        assert messages == [(b"%d" % number, body) for number, body in enumerate(bodies)]
        assert lines == [b"PING"] * len(bodies)

    def test_a_reply_subject_is_left_out(self) -> None:
        assert parsed([b"MSG a 7 reply.to 2\r\nhi\r\n"]) == ([(b"7", b"hi")], [])

    def test_control_lines_are_told_as_they_are(self) -> None:
        stream = b"INFO {}\r\n+OK\r\n-ERR 'no'\r\n"

        assert parsed([stream[:5], stream[5:]]) == ([], [b"INFO {}", b"+OK", b"-ERR 'no'"])
