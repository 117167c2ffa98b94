"""What looks like a credential does not leave; the rest does, as it was."""

from datetime import datetime
from itertools import pairwise

import pytest
from chat_proxy.model.credentials import HIDDEN, redacted, redacted_entries, redacted_run
from chat_proxy.model.credentials import redacted_value as value_of
from chat_proxy.model.journal import Entry
from common.testing.fakes import START
from hypothesis import given
from hypothesis import strategies as st

OPENAI = "sk-" + "proj-aB3dE6gH9jK2mN5p"
GITHUB = "ghp" + "_0123456789abcdefghijABCDEFGHIJ012345"
SECRETS = [
    OPENAI,
    "sk-" + "ant-api03-abcdefghijklmnop",
    "sk-" + "or-v1-0123456789abcdef",
    GITHUB,
    "github" + "_pat_11ABCDEFG0abcdefghijkl",
    "AKIA" + "IOSFODNN7EXAMPLE",
    "AIza" + "SyA-0123456789abcdefghijklmnopqrst",
    "xoxb" + "-123456789012-abcdefghijkl",
    "hf" + "_abcdefghijklmnopqrstuvwx",
    "dtn" + "_0123456789abcdef0123456789abcdef",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
    "-----BEGIN OPENSSH " + "PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n-----END OPENSSH PRIVATE KEY-----",
]
LINES = [
    ("Authorization: Bearer abcdef0123456789", "abcdef0123456789"),
    ("postgres://app:hunter22@db/x", "hunter22"),
    ("GET /file?token=abcdef&x=1", "abcdef"),
    ("PDF_API_KEY=plainwordsonly", "plainwordsonly"),
    ("export DB_PASSWORD='correct-horse'", "correct-horse"),
    ('{"client_secret": "abcdefgh"}', "abcdefgh"),
    ("api_key: a1b2c3d4e5", "a1b2c3d4e5"),
]
HARMLESS = [
    "The token is in your settings.",
    "max_tokens: 8192, input_tokens=12345678",
    "token = lexer.next_token()",
    "password: ask your administrator",
    "Press any key: it continues.",
    "https://example.com:8080/path?page=2",
    "task-list and risk-assessment-for-everything",
    "the basics of bearer bonds",
    "sha256:" + "a1" * 32,
]


class TestForms:
    @pytest.mark.parametrize("secret", SECRETS)
    def test_a_key_of_a_known_form_is_taken_out(self, secret: str) -> None:
        assert redacted(f"it is {secret} so") == f"it is {HIDDEN} so"

    @pytest.mark.parametrize(("line", "secret"), LINES)
    def test_a_value_behind_a_telling_name_is_taken_out(self, line: str, secret: str) -> None:
        assert redacted(line) == line.replace(secret, HIDDEN)

    @pytest.mark.parametrize("text", HARMLESS)
    def test_ordinary_words_stay(self, text: str) -> None:
        assert redacted(text) == text

    def test_a_private_key_that_was_cut_off_is_taken_out_to_the_end(self) -> None:
        text = "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEow\nand more"

        assert redacted(f"see {text}") == f"see {HIDDEN}"

    @pytest.mark.parametrize("text", ["a-" * 500_000, "token" * 200_000, "=" * 1_000_000])
    def test_a_long_text_takes_no_long_time(self, text: str) -> None:
        assert redacted(text) == text


class TestPieces:
    TEXT = f"first {OPENAI} then {GITHUB} and the end"

    @given(st.lists(st.integers(0, len(TEXT)), max_size=8))
    def test_a_secret_is_found_however_the_text_is_cut(self, cuts: list[int]) -> None:
        edges = sorted({0, *cuts, len(self.TEXT)})
        pieces = [self.TEXT[start:end] for start, end in pairwise(edges)]

        cleaned = redacted_run(pieces)

        assert len(cleaned) == len(pieces)
        assert "".join(cleaned) == f"first {HIDDEN} then {HIDDEN} and the end"

    @given(st.lists(st.text(max_size=20), max_size=5))
    def test_what_holds_none_stays_piece_by_piece(self, pieces: list[str]) -> None:
        if redacted("".join(pieces)) == "".join(pieces):
            assert redacted_run(pieces) == pieces


class TestValues:
    def test_everything_inside_is_looked_at(self) -> None:
        value = {"a": [f"x {OPENAI}", 5, None], "api_key": "short", "n": {"max_tokens": 5}}

        assert value_of(value) == {
            "a": [f"x {HIDDEN}", 5, None],
            "api_key": HIDDEN,
            "n": {"max_tokens": 5},
        }


class TestEntries:
    def test_text_cut_for_storage_is_looked_at_as_one(self) -> None:
        entries = [
            entry(2, "text", text=f"key {OPENAI[:9]}"),
            entry(3, "text", text=f"{OPENAI[9:]} done"),
            entry(4, "tool.completed", call_id="c", result=f"TOKEN={GITHUB}"),
        ]

        cleaned = redacted_entries(entries)

        assert [one.seq for one in cleaned] == [2, 3, 4]
        assert [one.fields["text"] for one in cleaned[:2]] == [f"key {HIDDEN}", " done"]
        assert cleaned[2].fields == {"call_id": "c", "result": f"TOKEN={HIDDEN}"}


def entry(seq: int, kind: str, at: datetime = START, **fields: str) -> Entry:
    return Entry(seq, at, "tur_1", kind, dict(fields))
