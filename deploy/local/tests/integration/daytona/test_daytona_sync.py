"""The synchronous SDK uses other HTTP clients than the asynchronous one."""

import asyncio

from daytona import (
    CreateSandboxFromSnapshotParams,
    Daytona,
    DaytonaConfig,
    FileDownloadRequest,
    FileUpload,
    SessionExecuteRequest,
)
from local_platform.daytona.testing import HostProcess


class TestSynchronousSdk:
    def test_a_whole_life(self, host: HostProcess) -> None:
        daytona = Daytona(DaytonaConfig(api_key=host.key, api_url=host.api_url, target="local"))
        made = daytona.create(CreateSandboxFromSnapshotParams(labels={"kind": "sync"}))

        made.fs.upload_files([FileUpload(b"1", "d/one"), FileUpload(b"2", "d/two")])
        found = made.fs.download_files([FileDownloadRequest(source="d/two")])
        streamed = b"".join(made.fs.download_file_stream("d/one"))
        listed = [sandbox.id for sandbox in daytona.list()]
        made.stop()
        made.start()
        kept = made.process.exec("cat d/one; exit 3")

        assert (found[0].result, streamed) == (b"2", b"1")
        assert made.id in listed
        assert (kept.exit_code, kept.result) == (3, "1")
        daytona.delete(made)

    def test_logs_are_followed(self, host: HostProcess) -> None:
        daytona = Daytona(DaytonaConfig(api_key=host.key, api_url=host.api_url, target="local"))
        made = daytona.create()
        made.process.create_session("s")
        request = SessionExecuteRequest(command="echo 1; sleep 0.2; echo 2 >&2", run_async=True)
        command_id = made.process.execute_session_command("s", request).cmd_id
        out: list[str] = []
        err: list[str] = []

        asyncio.run(
            made.process.get_session_command_logs_async("s", command_id, out.append, err.append)
        )

        assert ("".join(out), "".join(err)) == ("1\n", "2\n")
        daytona.delete(made)
