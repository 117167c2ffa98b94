"""What a restart, a kill and a clock leave behind."""

import asyncio
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from daytona import AsyncDaytona, CreateSandboxFromSnapshotParams, SessionExecuteRequest
from daytona.common.errors import DaytonaBadGatewayError, DaytonaNotFoundError
from local_platform.daytona.testing import HostProcess

pytestmark = pytest.mark.anyio

MARK = "sleep 4713"


def processes(text: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if line.startswith(text):
            found.append(line)
    return found


async def begin_marked(daytona: AsyncDaytona, name: str) -> str:
    made = await daytona.create(CreateSandboxFromSnapshotParams(name=name, labels={"kept": "yes"}))
    await made.fs.upload_file(b"kept", "kept.txt")
    await made.process.create_session("s")
    await made.process.execute_session_command(
        "s", SessionExecuteRequest(command=MARK, run_async=True)
    )
    return made.id


async def until_gone(text: str) -> bool:
    for _ in range(100):
        if not processes(text):
            return True
        await asyncio.sleep(0.05)
    return False


class TestRestart:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
    async def test_records_and_files_stay_and_nothing_runs_on(
        self, own_host: HostProcess, own_daytona: AsyncDaytona, number: int
    ) -> None:
        sandbox_id = await begin_marked(own_daytona, "survivor")
        volume = await own_daytona.volume.create("vol")
        signed = await (await own_daytona.get("survivor")).create_signed_preview_url(80, 600)

        own_host.stop(number)
        assert await until_gone(MARK)
        own_host.start()
        found = await own_daytona.get("survivor")

        assert (found.id, found.state) == (sandbox_id, "stopped")
        assert found.labels["kept"] == "yes"
        assert (await own_daytona.volume.get("vol")).id == volume.id
        await found.start()
        assert await found.fs.download_file("kept.txt") == b"kept"
        await found.expire_signed_preview_url(80, signed.token)

    async def test_a_second_host_on_one_folder_is_refused(self, own_host: HostProcess) -> None:
        other = HostProcess(own_host.data_dir, settings=own_host.settings)

        with pytest.raises(RuntimeError, match="Another local Daytona host"):
            other.start()

    async def test_a_port_in_use_is_told_and_leaves_nothing(
        self, own_host: HostProcess, tmp_path: Path
    ) -> None:
        other = HostProcess(tmp_path, port=own_host.port, settings=own_host.settings)

        with pytest.raises(RuntimeError, match="cannot start") as refusal:
            other.start()

        assert other.process is not None
        assert other.process.wait() == 1
        assert "Traceback" not in str(refusal.value)


class TestDelete:
    async def test_nothing_of_it_is_left(
        self, own_host: HostProcess, own_daytona: AsyncDaytona
    ) -> None:
        sandbox_id = await begin_marked(own_daytona, "gone")
        found = await own_daytona.get("gone")
        await found.process.exec("mkdir -p locked/in && chmod 000 locked && ln -s / root-link")

        await own_daytona.delete(found)

        assert await until_gone(MARK)
        assert [path for path in own_host.data_dir.rglob("*") if sandbox_id in path.name] == []
        groups = Path("/sys/fs/cgroup").rglob(f"*{sandbox_id}*")
        assert list(groups) == []

    async def test_it_can_be_deleted_in_every_settled_state(
        self, own_daytona: AsyncDaytona
    ) -> None:
        stopped = await own_daytona.create()
        await stopped.stop()
        archived = await own_daytona.create()
        await archived.stop()
        await archived.archive()

        for made in (stopped, archived):
            await own_daytona.delete(made)
            with pytest.raises(DaytonaNotFoundError):
                await own_daytona.get(made.id)


class TestDaemonGone:
    async def test_a_sandbox_whose_first_process_ends_is_stopped(
        self, own_daytona: AsyncDaytona
    ) -> None:
        made = await own_daytona.create()
        await made.fs.upload_file(b"kept", "kept.txt")

        with suppress(DaytonaBadGatewayError):
            await made.process.exec("kill -9 $(pgrep -f toolbox.__main__)")
        for _ in range(100):
            await made.refresh_data()
            if made.state == "stopped":
                break
            await asyncio.sleep(0.05)

        assert made.state == "stopped"
        await made.start()
        assert await made.fs.download_file("kept.txt") == b"kept"


class TestTimers:
    async def test_time_to_live_ends_even_a_running_sandbox(
        self, own_host: HostProcess, own_daytona: AsyncDaytona
    ) -> None:
        made = await own_daytona.create(CreateSandboxFromSnapshotParams(ttl_minutes=1))
        own_host.stop()
        age_records(own_host.data_dir, made.id)
        own_host.start()

        for _ in range(100):
            if not [found async for found in own_daytona.list()]:
                break
            await asyncio.sleep(0.05)

        assert [found async for found in own_daytona.list()] == []


def age_records(data_dir: Path, sandbox_id: str) -> None:
    """Move every time of a record an hour back, as if the host had stood still that long."""
    program = (
        "import sqlite3, sys, re, datetime as d\n"
        "base = sqlite3.connect(sys.argv[1])\n"
        "body, = base.execute('SELECT body FROM sandbox WHERE id=?', (sys.argv[2],)).fetchone()\n"
        "old = lambda m: (d.datetime.fromisoformat(m.group().replace('Z', '+00:00'))"
        " - d.timedelta(hours=1)).isoformat()\n"
        "body = re.sub(r'\\d{4}-\\d\\d-\\d\\dT[0-9:.]+Z', old, body)\n"
        "base.execute('UPDATE sandbox SET body = ? WHERE id = ?', (body, sys.argv[2]))\n"
        "base.commit()\n"
    )
    arguments = [str(data_dir / "records.sqlite"), sandbox_id]
    subprocess.run([sys.executable, "-c", program, *arguments], check=True)
