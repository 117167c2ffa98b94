"""What a sandbox must not see, reach or use up."""

import contextlib
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from daytona import AsyncDaytona, AsyncSandbox, CreateSandboxFromSnapshotParams
from local_platform.daytona.limits import detect
from local_platform.daytona.testing import HostProcess

pytestmark = pytest.mark.anyio

RUN_BY_ROOT = os.geteuid() == 0


async def said(sandbox: AsyncSandbox, command: str) -> str:
    return (await sandbox.process.exec(command, timeout=60)).result.strip()


async def secret(_: web.Request) -> web.Response:
    return web.Response(text="secret")


@pytest.fixture
async def listener() -> AsyncIterator[int]:
    """Something that answers on the host's loopback."""
    app = web.Application()
    app.add_routes([web.get("/{rest:.*}", secret)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield int(runner.addresses[0][1])
    await runner.cleanup()


class TestFiles:
    async def test_no_file_of_the_host_is_there(
        self, host: HostProcess, sandbox: AsyncSandbox
    ) -> None:
        marker = host.data_dir / "of-the-host"
        marker.write_text("secret")

        found = await said(sandbox, f"cat {marker} /etc/shadow /root/.bashrc 2>&1; ls /")

        assert "secret" not in found
        assert "No such file" in found
        entries = set(found.splitlines()[-20:])
        assert not {"work", "mnt", "srv", "sys", "boot", "media"} & entries

    async def test_the_system_is_read_only(self, sandbox: AsyncSandbox) -> None:
        for path in ("/usr/x", "/opt/hermes/x", "/etc/hermes/x", "/etc/x", "/x", "/dev/x"):
            assert "Read-only" in await said(sandbox, f"touch {path} 2>&1"), path

    async def test_neither_python_nor_hermes_can_be_changed(self, sandbox: AsyncSandbox) -> None:
        code = """
import os, sys, site
for place in {sys.prefix, sys.base_prefix, os.path.dirname(os.__file__), "/opt/hermes"}:
    try:
        open(os.path.join(place, "planted.py"), "w")
        print("written", place)
    except OSError as error:
        print(error.strerror)
"""
        answer = (await sandbox.process.code_run(code)).result

        assert "written" not in answer
        assert set(answer.split("\n")) <= {"Read-only file system", "Permission denied", ""}

    async def test_the_managed_scope_belongs_to_another_user(self, sandbox: AsyncSandbox) -> None:
        assert "mode: manual" in await said(sandbox, "cat /etc/hermes/config.yaml")
        denied = await said(sandbox, "chmod u+w /etc/hermes/config.yaml 2>&1; id -u")

        assert "Read-only" in denied or "not permitted" in denied

    async def test_one_sandbox_cannot_see_another(
        self, daytona: AsyncDaytona, sandbox: AsyncSandbox
    ) -> None:
        other = await daytona.create()
        await other.fs.upload_file(b"theirs", "private.txt")

        found = await said(sandbox, "find / -name private.txt 2>/dev/null")

        assert "private.txt" not in found
        await daytona.delete(other)


class TestRights:
    async def test_it_is_not_root_and_cannot_become_it(self, sandbox: AsyncSandbox) -> None:
        status = await said(sandbox, "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status")

        assert await said(sandbox, "id -u") != "0"
        assert await said(sandbox, "id -un") == "daytona"
        assert all(set(line.split()[1]) == {"0"} for line in status.splitlines() if "Cap" in line)
        assert "NoNewPrivs:\t1" in status
        assert "Seccomp:\t2" in status

    @pytest.mark.skipif(not RUN_BY_ROOT, reason="an ordinary user has one user id for all")
    async def test_each_sandbox_is_a_user_of_its_own(
        self, daytona: AsyncDaytona, sandbox: AsyncSandbox
    ) -> None:
        other = await daytona.create()

        assert await said(sandbox, "id -u") != await said(other, "id -u")
        await daytona.delete(other)

    @pytest.mark.parametrize(
        "command",
        ["unshare -U true", "mount -t tmpfs x /tmp", "chroot / true", "hostname other"],
    )
    async def test_namespaces_and_mounts_stay_closed(
        self, sandbox: AsyncSandbox, command: str
    ) -> None:
        assert (await sandbox.process.exec(command)).exit_code != 0

    @pytest.mark.parametrize("family", [17, 38, 40])
    async def test_only_ordinary_sockets_can_be_made(
        self, sandbox: AsyncSandbox, family: int
    ) -> None:
        code = f"import socket\nsocket.socket({family}, socket.SOCK_STREAM)"

        answer = await sandbox.process.code_run(code)

        assert "OSError: [Errno 97]" in answer.result

    async def test_processes_of_others_are_invisible(self, sandbox: AsyncSandbox) -> None:
        listed = await said(sandbox, "cat /proc/[0-9]*/comm | sort -u | tr '\n' ' '")

        assert set(listed.split()) <= {"bwrap", "python", "bash", "cat", "sort", "tr", "python3"}

    async def test_command_lines_show_nothing_of_the_host(
        self, host: HostProcess, daytona: AsyncDaytona
    ) -> None:
        made = await daytona.create(CreateSandboxFromSnapshotParams(env_vars={"S": "hidden-word"}))

        inside = await said(made, "cat /proc/1/cmdline /proc/2/cmdline | tr '\\0' ' '")
        outside = "".join(
            path.read_text() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()
        )

        assert str(host.data_dir) not in inside
        assert "hidden-word" not in inside + outside
        await daytona.delete(made)


class TestDeletion:
    async def test_nothing_of_it_survives(self, host: HostProcess, daytona: AsyncDaytona) -> None:
        params = CreateSandboxFromSnapshotParams(env_vars={"MARK": "wants-to-stay"})
        made = await daytona.create(params)
        stubborn = "trap '' TERM HUP INT; while true; do sleep 1; done"
        await made.process.exec(f'setsid -f sh -c "{stubborn}" > /dev/null 2>&1')
        await made.fs.upload_file(b"x", "kept.txt")
        before = with_mark(b"wants-to-stay")

        await daytona.delete(made)

        assert before
        assert with_mark(b"wants-to-stay") == []
        assert not list(host.data_dir.rglob("kept.txt"))


def with_mark(text: bytes) -> list[str]:
    """The host's processes that have it in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if text in path.read_bytes():
                found.append(path.parent.name)
    return found


class TestNetwork:
    async def test_the_hosts_loopback_is_out_of_reach(
        self, sandbox: AsyncSandbox, listener: int
    ) -> None:
        direct = await sandbox.process.exec(f"curl -sS --noproxy '*' http://127.0.0.1:{listener}")
        by_proxy = await sandbox.process.exec(
            f"curl -sS -x http://127.0.0.1:3128 --noproxy '' http://127.0.0.1:{listener}"
        )
        tunnelled = await sandbox.process.exec(
            f"curl -sSp -x http://127.0.0.1:3128 --noproxy '' http://127.0.0.1:{listener}"
        )

        assert direct.exit_code != 0
        assert "secret" not in by_proxy.result
        assert "private or blocked" in by_proxy.result
        assert "403" in tunnelled.result

    @pytest.mark.parametrize(
        "target",
        [
            "localhost",
            "169.254.169.254",
            "10.0.0.1",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "0.0.0.0",
            "2130706433",
            "0x7f000001",
            "017700000001",
            "127.1",
        ],
    )
    async def test_private_targets_are_refused_however_they_are_written(
        self, sandbox: AsyncSandbox, target: str, listener: int
    ) -> None:
        answer = await sandbox.process.exec(
            "curl -sS -o /dev/null -w '%{http_code}' -x http://127.0.0.1:3128 --noproxy '' "
            f"--request-target http://{target}:{listener}/ http://example.invalid/"
        )

        assert answer.result.strip() in {"403", "502"}

    async def test_other_ports_of_the_host_are_not_even_there(self, sandbox: AsyncSandbox) -> None:
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen()
            port = server.getsockname()[1]
            code = f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 2)"

            assert "ConnectionRefusedError" in (await sandbox.process.code_run(code)).result


class TestBounds:
    async def test_a_fork_bomb_stays_inside(self, sandbox: AsyncSandbox) -> None:
        code = """
import os, time
made = 0
try:
    for _ in range(5000):
        if os.fork() == 0:
            time.sleep(30)
            os._exit(0)
        made += 1
except OSError as error:
    print("stopped", made < 2000, flush=True)
os.kill(0, 9)
"""
        await sandbox.fs.upload_file(code.encode(), "bomb.py")
        bomb = await sandbox.process.exec("setsid -w python bomb.py > out 2>&1; cat out")

        assert bomb.result.strip().endswith("stopped True")
        assert await said(sandbox, "echo alive") == "alive"

    @pytest.mark.skipif(detect().kind == "rlimit", reason="no control groups here")
    async def test_more_memory_than_given_ends_only_who_took_it(
        self, daytona: AsyncDaytona
    ) -> None:
        made = await daytona.create()
        code = "b = []\nfor _ in range(64):\n    b.append(bytearray(b'x' * 64 * 1024 * 1024))"

        answer = await made.process.code_run(code)

        assert answer.exit_code != 0
        await daytona.delete(made)
