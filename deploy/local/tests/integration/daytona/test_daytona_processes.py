"""Commands and sessions through the SDK."""

import asyncio
import time

import pytest
from daytona import AsyncSandbox, CodeRunParams, SessionExecuteRequest
from daytona.common.errors import (
    DaytonaConflictError,
    DaytonaError,
    DaytonaGoneError,
    DaytonaNotFoundError,
    DaytonaTimeoutError,
)

pytestmark = pytest.mark.anyio


async def in_session(sandbox: AsyncSandbox, command: str, session: str = "s") -> str:
    request = SessionExecuteRequest(command=command)
    return (await sandbox.process.execute_session_command(session, request)).stdout or ""


async def begin(sandbox: AsyncSandbox, command: str, session: str = "s") -> str:
    request = SessionExecuteRequest(command=command, run_async=True)
    return (await sandbox.process.execute_session_command(session, request)).cmd_id


async def follow(sandbox: AsyncSandbox, command_id: str) -> tuple[str, str]:
    out: list[str] = []
    err: list[str] = []
    await sandbox.process.get_session_command_logs_async("s", command_id, out.append, err.append)
    return "".join(out), "".join(err)


class TestExec:
    async def test_both_streams_come_together(self, sandbox: AsyncSandbox) -> None:
        answer = await sandbox.process.exec("echo out; echo err >&2; exit 42")

        assert (answer.exit_code, answer.result) == (42, "out\nerr\n")

    async def test_directory_and_variables(self, sandbox: AsyncSandbox) -> None:
        answer = await sandbox.process.exec(
            'pwd; echo "$A-$B"', cwd="/tmp", env={"A": "1", "B": "x y"}
        )

        assert answer.result == "/tmp\n1-x y\n"

    async def test_a_missing_directory_is_refused(self, sandbox: AsyncSandbox) -> None:
        with pytest.raises(DaytonaError, match="no such directory"):
            await sandbox.process.exec("pwd", cwd="/none")

    async def test_a_timeout_kills_the_whole_group(self, sandbox: AsyncSandbox) -> None:
        with pytest.raises(DaytonaTimeoutError):
            await sandbox.process.exec("sleep 61.5 & sleep 61.5", timeout=1)

        left = await sandbox.process.exec("pgrep -fc 'sleep 61[.]5'")
        assert left.result.strip() == "0"

    async def test_what_runs_on_in_the_background_does_not_hold_the_answer(
        self, sandbox: AsyncSandbox
    ) -> None:
        began = time.monotonic()
        await sandbox.process.exec("sleep 30 >/dev/null 2>&1 &")

        assert time.monotonic() - began < 10
        assert (await sandbox.process.exec("pgrep -c sleep")).result.strip() == "1"

    async def test_a_script_longer_than_a_command_line_may_be(self, sandbox: AsyncSandbox) -> None:
        answer = await sandbox.process.exec(f"echo start\n# {'x' * 300_000}\necho end")

        assert answer.result == "start\nend\n"

    async def test_code_runs_with_arguments_and_variables(self, sandbox: AsyncSandbox) -> None:
        code = "import os, sys\nprint(sys.argv[1:], os.environ['V'])"

        answer = await sandbox.process.code_run(code, CodeRunParams(argv=["a"], env={"V": "v"}))
        broken = await sandbox.process.code_run("def incomplete(")

        assert (answer.exit_code, answer.result) == (0, "['a'] v\n")
        assert broken.exit_code == 1
        assert "SyntaxError" in broken.result

    async def test_variables_set_later_hold_for_what_starts_later(
        self, sandbox: AsyncSandbox
    ) -> None:
        await sandbox.update_env({"LATER": "yes"})
        first = await sandbox.process.exec("echo $LATER")
        await sandbox.update_env({}, unset=["LATER"])

        assert first.result == "yes\n"
        assert (await sandbox.process.exec("echo ${LATER-gone}")).result == "gone\n"


class TestSessions:
    async def test_state_stays_between_commands(self, sandbox: AsyncSandbox) -> None:
        await sandbox.process.create_session("s")

        await in_session(sandbox, "cd /tmp; export WHO=me; f() { echo fn; }")

        assert await in_session(sandbox, "pwd; echo $WHO; f") == "/tmp\nme\nfn\n"

    async def test_streams_are_kept_apart(self, sandbox: AsyncSandbox) -> None:
        await sandbox.process.create_session("s")
        request = SessionExecuteRequest(command="echo out; echo err >&2; (exit 7)")

        answer = await sandbox.process.execute_session_command("s", request)
        logs = await sandbox.process.get_session_command_logs("s", answer.cmd_id)

        assert (answer.exit_code, answer.stdout, answer.stderr) == (7, "out\n", "err\n")
        assert (logs.stdout, logs.stderr) == ("out\n", "err\n")

    async def test_a_long_command_holds_up_the_next(self, sandbox: AsyncSandbox) -> None:
        await sandbox.process.create_session("s")
        first = await begin(sandbox, "sleep 0.5; touch first")

        output = await in_session(sandbox, "ls first")

        assert output == "first\n"
        assert (await sandbox.process.get_session_command("s", first)).exit_code == 0

    async def test_a_running_command_has_no_exit_code(self, sandbox: AsyncSandbox) -> None:
        await sandbox.process.create_session("s")
        command_id = await begin(sandbox, "sleep 20")

        found = await sandbox.process.get_session_command("s", command_id)
        session = await sandbox.process.get_session("s")

        assert found.exit_code is None
        assert [command.command for command in session.commands] == ["sleep 20"]

    async def test_logs_are_followed_to_the_end(self, sandbox: AsyncSandbox) -> None:
        await sandbox.process.create_session("s")
        command_id = await begin(
            sandbox, "for i in 1 2 3; do echo $i; echo e$i >&2; sleep 0.1; done; printf héllo"
        )

        assert await follow(sandbox, command_id) == ("1\n2\n3\nhéllo", "e1\ne2\ne3\n")
        assert await follow(sandbox, command_id) == ("1\n2\n3\nhéllo", "e1\ne2\ne3\n")

    async def test_input_reaches_a_waiting_command(self, sandbox: AsyncSandbox) -> None:
        await sandbox.process.create_session("s")
        command_id = await begin(sandbox, 'read name; echo "hello $name"')

        await sandbox.process.send_session_command_input("s", command_id, "world")
        out, _ = await follow(sandbox, command_id)

        assert out == "world\nhello world\n"
        with pytest.raises(DaytonaGoneError):
            await sandbox.process.send_session_command_input("s", command_id, "late")

    async def test_a_second_session_of_the_same_name_is_refused(
        self, sandbox: AsyncSandbox
    ) -> None:
        await sandbox.process.create_session("s")

        with pytest.raises(DaytonaConflictError):
            await sandbox.process.create_session("s")
        with pytest.raises(DaytonaError, match="reserved"):
            await sandbox.process.create_session("entrypoint")

    async def test_deleting_a_session_ends_what_it_started(self, sandbox: AsyncSandbox) -> None:
        await sandbox.process.create_session("s")
        await begin(sandbox, "sleep 62.5 & sleep 62.5")
        await asyncio.sleep(0.2)

        await sandbox.process.delete_session("s")

        assert (await sandbox.process.exec("pgrep -fc 'sleep 62[.]5'")).result.strip() == "0"
        assert await sandbox.process.list_sessions() == []
        with pytest.raises(DaytonaNotFoundError):
            await sandbox.process.get_session("s")

    async def test_exit_ends_the_session_with_its_status(self, sandbox: AsyncSandbox) -> None:
        await sandbox.process.create_session("s")

        answer = await sandbox.process.execute_session_command(
            "s", SessionExecuteRequest(command="echo last; exit 3")
        )

        assert (answer.exit_code, answer.stdout) == (3, "last\n")
        with pytest.raises(DaytonaGoneError):
            await in_session(sandbox, "echo more")

    async def test_a_syntax_error_leaves_the_session_usable(self, sandbox: AsyncSandbox) -> None:
        await sandbox.process.create_session("s")

        broken = await sandbox.process.execute_session_command(
            "s", SessionExecuteRequest(command="if then 'unclosed")
        )

        assert broken.exit_code != 0
        assert await in_session(sandbox, "echo alive") == "alive\n"

    async def test_much_output_arrives_whole(self, sandbox: AsyncSandbox) -> None:
        await sandbox.process.create_session("s")
        command_id = await begin(sandbox, "seq 200000")

        out, _ = await follow(sandbox, command_id)

        assert out == "".join(f"{number}\n" for number in range(1, 200_001))


class TestNotServed:
    async def test_what_is_not_here_says_so(self, sandbox: AsyncSandbox) -> None:
        with pytest.raises(DaytonaError, match="git is not implemented") as git:
            await sandbox.git.status("repo")
        with pytest.raises(DaytonaError, match="LSP"):
            await sandbox.create_lsp_server("python", "p").start()
        with pytest.raises(DaytonaError, match="PTY"):
            await sandbox.process.list_pty_sessions()
        with pytest.raises(DaytonaError, match="interpreter"):
            await sandbox.code_interpreter.list_contexts()

        assert git.value.status_code == 501
