"""Names and texts that are taken apart: previews, forwards, proxies, globs, logs, signatures."""

import re

import pytest
from local_platform.daytona.egress import RefusedError, authority, rewritten
from local_platform.daytona.preview import Label, label_of
from local_platform.daytona.settings import Forward, Settings, parse_forwards
from local_platform.daytona.signing import file_signature, new_token, same
from local_platform.daytona.toolbox.command_log import split
from local_platform.daytona.toolbox.environment import Environment
from local_platform.daytona.toolbox.search import glob_expression
from pydantic import SecretStr, ValidationError

DOMAIN = "proxy.localhost"
UUID = "0f9a3c52-7d1e-4a7b-8c1d-5e6f7a8b9c0d"


class TestLabel:
    @pytest.mark.parametrize(
        ("host", "label"),
        [
            (f"8000-{UUID}.{DOMAIN}:13986", Label(8000, UUID)),
            (f"80-abcdefgh12345678.{DOMAIN}", Label(80, "abcdefgh12345678")),
            (f"80-TOKEN.{DOMAIN.upper()}:1", Label(80, "token")),
            ("127.0.0.1:13986", None),
            ("localhost", None),
            ("", None),
            (f"x-{UUID}.{DOMAIN}", None),
            (f"0-{UUID}.{DOMAIN}", None),
            (f"70000-{UUID}.{DOMAIN}", None),
            (f"80-.{DOMAIN}", None),
            (f"80.{DOMAIN}", None),
            (f"80-{UUID}.{DOMAIN}.evil.com", None),
            (f"80-{UUID}.evil.com", None),
            (f"a.80-{UUID}.{DOMAIN}", None),
        ],
    )
    def test_only_the_exact_shape_is_a_preview(self, host: str, label: Label | None) -> None:
        assert label_of(host, DOMAIN) == label


class TestForwards:
    def test_several_are_read(self) -> None:
        assert parse_forwards(" a.b:80=127.0.0.1:90 , C:1=::1:2,") == (
            Forward("a.b", 80, "127.0.0.1", 90),
            Forward("c", 1, "::1", 2),
        )
        assert parse_forwards("") == ()

    @pytest.mark.parametrize("text", ["a", "a:1", "a=b", "a:1=b", "a:x=b:1", ":1=b:1"])
    def test_a_broken_one_stops_the_host(self, text: str) -> None:
        with pytest.raises(ValidationError):
            Settings(api_key=SecretStr("long-enough"), forwards=text)

    def test_the_key_is_never_shown(self) -> None:
        settings = Settings(api_key=SecretStr("very-secret-key"))

        assert "very-secret-key" not in repr(settings) + settings.model_dump_json()


class TestProxyRequest:
    @pytest.mark.parametrize(
        ("text", "target"),
        [
            ("Example.com:8443", ("example.com", 8443)),
            ("example.com.", ("example.com", 443)),
            ("[::1]:80", ("::1", 80)),
        ],
    )
    def test_a_target_is_read(self, text: str, target: tuple[str, int]) -> None:
        assert authority(text, 443) == target

    @pytest.mark.parametrize("text", ["", ":80", "a:99999"])
    def test_a_broken_target_is_refused(self, text: str) -> None:
        with pytest.raises(RefusedError):
            authority(text, 443)

    def test_a_request_goes_on_alone_and_without_the_proxys_headers(self) -> None:
        lines = ["Host: a", "Proxy-Connection: keep-alive", "Connection: keep-alive", "X: y", ""]

        sent = rewritten("GET", "/p?q", "HTTP/1.1", lines)

        assert sent == b"GET /p?q HTTP/1.1\r\nHost: a\r\nX: y\r\nConnection: close\r\n\r\n"


class TestGlob:
    @pytest.mark.parametrize(
        ("pattern", "path", "matches"),
        [
            ("*.txt", "a.txt", True),
            ("*.txt", "d/a.txt", False),
            ("**/*.txt", "a.txt", True),
            ("**/*.txt", "d/e/a.txt", True),
            ("d/**", "d/e/f", True),
            ("?.md", "a.md", True),
            ("*.{py,md}", "x.md", True),
            ("*.{py,md}", "x.txt", False),
            ("[a-c].py", "b.py", True),
            ("[!a-c].py", "b.py", False),
            ("a,b", "a,b", True),
            ("a.b", "aXb", False),
        ],
    )
    def test_shell_patterns(self, pattern: str, path: str, matches: bool) -> None:  # noqa: FBT001
        assert bool(glob_expression(pattern).match(path)) is matches


class TestCommandLog:
    def test_streams_are_taken_apart(self) -> None:
        marked = b"\x01\x01\x01out1\x02\x02\x02err\x01\x01\x01out2"

        assert split(marked) == (b"out1out2", b"err")
        assert split(b"") == (b"", b"")


class TestEnvironment:
    def test_what_was_set_and_unset_lies_over_the_start(self) -> None:
        environment = Environment({"A": "1", "B": "2"})

        environment.update({"C": "3"}, ["A"])
        shown = environment.update({"A": "4"}, ["C"])

        assert shown == {"A": "4"}
        assert environment.for_command({"D": "5"}) == {"A": "4", "B": "2", "D": "5"}


class TestSigning:
    def test_a_signature_covers_method_path_and_time(self) -> None:
        made = file_signature("key", "GET", "a b/é.txt", 1_700_000_000)

        assert re.fullmatch(r"v1_[A-Za-z0-9_-]{43}", made)
        assert made != file_signature("key", "POST", "a b/é.txt", 1_700_000_000)
        assert made != file_signature("key", "GET", "a b/é.txt", 1_700_000_001)

    def test_tokens_differ_and_have_their_shape(self) -> None:
        made = {new_token() for _ in range(100)}

        assert len(made) == 100
        assert all(re.fullmatch(r"[a-z0-9]{16}", token) for token in made)

    def test_nothing_given_is_never_the_same(self) -> None:
        assert not same(None, "")
        assert not same("é", "e")
        assert same("a", "a")
