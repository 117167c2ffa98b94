"""What a machine lacks is told with what to do."""

from pathlib import Path

import pytest
from local_platform.stack.console import Console
from local_platform.stack.faults import FaultError
from local_platform.stack.preconditions import check_isolation
from local_platform.stack.processes import Process

HOST = [Process("daytona", ("true",), "machinery")]


class TestIsolation:
    @pytest.fixture(autouse=True)
    def _bare_machine(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))

    def install(self, tmp_path: Path, name: str, script: str) -> None:
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    async def test_without_bubblewrap_the_command_is_named(self, tmp_path: Path) -> None:
        self.install(tmp_path, "dnf", "")

        with pytest.raises(FaultError, match="sudo dnf install -y bubblewrap"):
            await check_isolation(HOST, {}, Console())

    async def test_a_kernel_that_forbids_it_is_told(self, tmp_path: Path) -> None:
        self.install(tmp_path, "bwrap", "echo No permissions >&2; exit 1")

        with pytest.raises(FaultError, match="No permissions"):
            await check_isolation(HOST, {}, Console())

    async def test_nothing_is_needed_for_an_account_elsewhere(self) -> None:
        await check_isolation([], {}, Console())

    async def test_running_without_isolation_is_said(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        await check_isolation(HOST, {"LOCAL_DAYTONA_ISOLATION": "none"}, Console())

        assert "WITHOUT any isolation" in capsys.readouterr().out
