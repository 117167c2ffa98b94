"""The content address of a skill."""

from common.digest import EXECUTABLE, PLAIN, skill_digest
from hypothesis import given
from hypothesis import strategies as st

FILES = st.dictionaries(
    st.text(min_size=1, max_size=20),
    st.tuples(st.sampled_from([PLAIN, EXECUTABLE]), st.binary(max_size=50)),
    max_size=5,
).map(lambda files: [(path, mode, content) for path, (mode, content) in files.items()])


class TestSkillDigest:
    @given(FILES)
    def test_order_does_not_matter(self, files: list[tuple[str, int, bytes]]) -> None:
        assert skill_digest(files) == skill_digest(reversed(files))

    @given(FILES, FILES)
    def test_different_files_have_different_digests(
        self, one: list[tuple[str, int, bytes]], other: list[tuple[str, int, bytes]]
    ) -> None:
        assert (skill_digest(one) == skill_digest(other)) == (sorted(one) == sorted(other))

    def test_it_is_fixed_for_ever(self) -> None:
        files = [("SKILL.md", PLAIN, b"hello"), ("scripts/run.sh", EXECUTABLE, b"echo\n")]

        assert skill_digest(files) == (
            "sha256:671d95398b21cb848fcd952ca0d335a259848f078e7dca431b5be7de3d67a26f"
        )
