"""Branches and tags as git's protocol tells them."""

from skill_resolver.adapters import gitrefs

A, B, C = "a" * 40, "b" * 40, "c" * 40


def packets(*lines: str) -> bytes:
    body = b"".join(b"%04x%b\n" % (len(line.encode()) + 5, line.encode()) for line in lines)
    return body + b"0000"


class TestParse:
    def test_branches_and_peeled_tags(self) -> None:
        answer = packets(f"{A} refs/heads/feature/x", f"{B} refs/tags/v1 peeled:{C}", f"{B} HEAD")

        assert gitrefs.parse(answer) == {"feature/x": A, "v1": C, "HEAD": B}

    def test_a_branch_goes_before_a_tag_of_its_name(self) -> None:
        assert gitrefs.parse(packets(f"{A} refs/heads/x", f"{B} refs/tags/x")) == {"x": A}
        assert gitrefs.parse(packets(f"{B} refs/tags/x", f"{A} refs/heads/x")) == {"x": A}

    def test_nonsense_is_nothing(self) -> None:
        for answer in (b"", b"<html>", b"0003", b"ffff", packets("ERR access denied")):
            assert gitrefs.parse(answer) == {}


def test_the_request_asks_for_each_prefix() -> None:
    body = gitrefs.request(["refs/heads/feature", "refs/tags/feature"])

    assert b"command=ls-refs" in body
    assert b"ref-prefix refs/heads/feature\n" in body
    assert b"ref-prefix refs/tags/feature\n" in body
    assert body.endswith(b"0000")
