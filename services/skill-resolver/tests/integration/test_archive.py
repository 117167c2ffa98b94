"""Archives as they come, honest and hostile: nothing outside, nothing without measure."""

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skill_resolver.adapters.archive import ArchiveLimits, Unpacker
from skill_resolver.errors import SkillTooLargeError, SkillUnreadableError
from skill_resolver.model.tree import Tree

COMMIT = "c0ffee" + "0" * 34
MakeArchive = Callable[..., bytes]
Member = tuple[tarfile.TarInfo, bytes]
SMALL = ArchiveLimits(
    packed_bytes=1_000_000,
    unpacked_bytes=4_000_000,
    entries=500,
    ratio_from=1_000_000,
    file_bytes=500_000,
)


def unpacked(archive: bytes, step: int = 1000, limits: ArchiveLimits = SMALL) -> tuple[Tree, str]:
    unpacker = Unpacker(limits)
    for at in range(0, len(archive), step):
        unpacker.feed(archive[at : at + step])
    return unpacker.finish()


def member(name: str, data: bytes = b"", **more: object) -> Member:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o644
    for key, value in more.items():
        setattr(info, key, value)
    return info, data


def forged(*members: Member) -> bytes:
    """An archive of members as they are given, beside one honest file."""
    buffer = io.BytesIO()
    headers = {"comment": COMMIT}
    with tarfile.open(
        fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, pax_headers=headers
    ) as out:
        for info, data in (member("r/SKILL.md", b"honest"), *members):
            out.addfile(info, io.BytesIO(data) if info.isreg() else None)
    return gzip.compress(buffer.getvalue())


class TestHonest:
    @pytest.mark.parametrize("step", [1, 7, 512, 100_000])
    def test_files_links_and_modes_in_any_portions(
        self, make_archive: MakeArchive, step: int
    ) -> None:
        long = "d" * 90 + "/" + "n" * 120 + ".md"
        files = {
            "SKILL.md": "text",
            "run.sh": ("exec", "echo"),
            "bin": bytes(range(256)) * 3,
            "empty": b"",
            "link": ("link", "SKILL.md"),
            long: "long",
            "日本/ü.md": "u",
        }
        tree, commit = unpacked(make_archive(files), step)

        assert commit == COMMIT
        assert set(tree.entries) == set(files)
        assert tree.read("bin") == bytes(range(256)) * 3
        assert tree.read(long) == b"long"
        assert tree.read("empty") == b""
        assert (tree.entries["run.sh"].mode, tree.entries["SKILL.md"].mode) == (0o755, 0o644)
        assert tree.entries["link"].target == "SKILL.md"

    def test_a_file_past_the_limit_is_known_and_not_kept(self, make_archive: MakeArchive) -> None:
        tree, _ = unpacked(make_archive({"big": bytes(600_000), "SKILL.md": "x"}))

        assert tree.entries["big"].size == 600_000
        assert tree.read("SKILL.md") == b"x"
        with pytest.raises(SkillTooLargeError):
            tree.read("big")


class TestHostile:
    @pytest.mark.parametrize(
        "bad",
        [
            member("r/../../escaped", b"x"),
            member("../escaped", b"x"),
            member("/tmp/escaped", b"x"),
            member("r/a\\..\\b", b"x"),
            member("r/a\nb\x1b[31m", b"x"),
            member("r/C:/x", b"x"),
            member("r/.git/hooks/post-checkout", b"x"),
            member("r/.GIT/config", b"x"),
            member("r/" + "a/" * 900 + "f", b"x"),
            member("r/" + "n" * 4000, b"x"),
            member("other/SKILL.md", b"x"),
            member("r/hard", type=tarfile.LNKTYPE, linkname="../../etc/passwd"),
            member("r/pipe", type=tarfile.FIFOTYPE),
            member("r/zero", type=tarfile.CHRTYPE, devmajor=1, devminor=5),
            member("r/suid", b"x", mode=0o6755),
            member("r/SKILL.md", b"a second one"),
            member("r/ok", b"x", pax_headers={"path": "../../escaped"}),
        ],
        ids=lambda bad: bad[0].name[:30],
    )
    def test_what_git_would_not_write_is_left_out(self, bad: Member) -> None:
        tree, _ = unpacked(forged(bad))

        assert set(tree.entries) == {"SKILL.md"}
        assert tree.read("SKILL.md") == b"honest"
        assert tree.dropped

    def test_names_that_differ_in_case_are_different_files(self) -> None:
        twin, other = member("r/skill.MD", b"a second one"), member("r/A", b"1")
        tree, _ = unpacked(forged(twin, other, member("r/a", b"2")))

        assert {path: tree.read(path) for path in tree.entries} == {
            "SKILL.md": b"honest",
            "skill.MD": b"a second one",
            "A": b"1",
            "a": b"2",
        }
        assert tree.skill_file("") == "SKILL.md"

    def test_a_bomb_is_stopped_long_before_its_end(self) -> None:
        unpacker = Unpacker(ArchiveLimits())
        whole = forged(member("r/bomb", b"\0" * 80_000_000))

        with pytest.raises(SkillTooLargeError):
            unpacker.feed(whole[: len(whole) // 2])

        assert unpacker.size < 32 * 1024 * 1024

    def test_nothing_is_written_through_a_link(self, tmp_path: Path) -> None:
        link = member("r/out", type=tarfile.SYMTYPE, linkname=str(tmp_path))
        tree, _ = unpacked(forged(link, member("r/out/escaped", b"x")))

        assert list(tmp_path.iterdir()) == []
        assert set(tree.entries) == {"SKILL.md", "out"}
        assert tree.resolve("out") is None

    def test_a_bomb_is_stopped_by_its_ratio(self, make_archive: MakeArchive) -> None:
        with pytest.raises(SkillTooLargeError):
            unpacked(make_archive({"zeros": bytes(3_000_000)}))

    def test_packed_and_unpacked_bytes_and_entries_are_limited(
        self, make_archive: MakeArchive
    ) -> None:
        many = make_archive({f"{n}": "x" for n in range(600)})
        for archive, limits in (
            (many, SMALL),
            (make_archive({"a": "x"}), ArchiveLimits(packed_bytes=10)),
            (make_archive({"a": bytes(50_000)}), ArchiveLimits(unpacked_bytes=20_000)),
        ):
            with pytest.raises(SkillTooLargeError):
                unpacked(archive, limits=limits)

    def test_a_header_without_measure_is_refused(self) -> None:
        huge = member("r/x", b"", pax_headers={"junk": "x" * 2_000_000})

        with pytest.raises((SkillUnreadableError, SkillTooLargeError)):
            unpacked(forged(huge), limits=ArchiveLimits())

    @pytest.mark.parametrize(
        "content", [b"<html>no archive</html>", b"", gzip.compress(b"text" * 500)]
    )
    def test_what_is_no_archive_is_refused(self, content: bytes) -> None:
        with pytest.raises(SkillUnreadableError):
            unpacked(content)

    def test_an_archive_cut_short_is_refused(self, make_archive: MakeArchive) -> None:
        archive = make_archive({f"{n}": str(n) * 400 for n in range(20)})

        with pytest.raises(SkillUnreadableError):
            unpacked(archive[: len(archive) // 2])

    def test_an_archive_without_a_commit_is_refused(self) -> None:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as out:
            out.addfile(*((m := member("r/a", b"x"))[0], io.BytesIO(m[1])))

        with pytest.raises(SkillUnreadableError):
            unpacked(gzip.compress(buffer.getvalue()))

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 3000), st.binary(min_size=1, max_size=40))
    def test_no_damage_raises_anything_but_a_refusal(self, at: int, noise: bytes) -> None:
        raw = bytearray(gzip.decompress(forged(member("r/b", b"y" * 700))))
        raw[at : at + len(noise)] = noise

        try:
            unpacked(gzip.compress(bytes(raw)))
        except (SkillUnreadableError, SkillTooLargeError):
            return
