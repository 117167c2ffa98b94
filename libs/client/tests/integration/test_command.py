"""The command as a process of its own."""

import socket
import subprocess
import sys


class TestCommand:
    def test_a_platform_that_is_not_there_exits_with_1(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{taken.getsockname()[1]}"
            command = [sys.executable, "-m", "tryskills.cli", "try", "x", "--prompt", "hi"]
            ended = subprocess.run(
                [*command, "--url", url], capture_output=True, text=True, check=False
            )

        assert ended.returncode == 1
        assert f"error: {url} does not answer" in ended.stdout
        assert not ended.stderr
