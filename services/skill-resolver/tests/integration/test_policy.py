"""The operator's policy file, changed while the service runs."""

import os
from pathlib import Path

import pytest
from common.contracts.skills import Severity, Verdict
from skill_resolver.adapters.policy import PolicyFile
from skill_resolver.model.report import Finding

DANGER = [Finding("remote-shell", Severity.DANGER, "a", 1, "x")]
LATER = iter(range(10, 1000))


def write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    # Two writes within one tick of the clock would look the same.
    later = path.stat().st_mtime + next(LATER)
    os.utime(path, (later, later))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "policy.toml"
    write(path, '[verdict]\ndanger = "block"\n')
    return path


class TestPolicyFile:
    async def test_without_one_the_default_stands(self) -> None:
        policy = PolicyFile(None)

        assert policy().verdict("", DANGER) is Verdict.CONFIRM
        assert await policy.run_once() == 0

    async def test_a_change_is_taken_over(self, path: Path) -> None:
        policy = PolicyFile(path)
        assert policy().verdict("", DANGER) is Verdict.BLOCK
        assert await policy.run_once() == 0

        write(path, '[verdict]\ndanger = "clear"\n')

        assert await policy.run_once() == 1
        assert policy().verdict("", DANGER) is Verdict.CLEAR

    @pytest.mark.parametrize("text", ["[verdict", '[verdict]\ndanger = "maybe"\n', None])
    async def test_a_mistake_leaves_the_last_good_one_in_force(
        self, path: Path, text: str | None
    ) -> None:
        policy = PolicyFile(path)
        if text is None:
            path.unlink()
        else:
            write(path, text)

        assert await policy.run_once() == 0
        assert policy().verdict("", DANGER) is Verdict.BLOCK

    def test_a_mistake_at_the_start_is_an_error(self, path: Path) -> None:
        write(path, "[severity]\nremote-shel = 'info'\n")

        for wrong in (path, path.with_name("nowhere.toml")):
            with pytest.raises(ValueError, match=r"remote-shel|cannot be read"):
                PolicyFile(wrong)
