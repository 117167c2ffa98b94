"""The stack as a person runs it: started, interrupted, killed, stopped; nothing is left behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

PROGRAM = Path(__file__).with_name("stack_of_dummies.py")
PATIENCE_S = 60


class Stack:
    """One `LOCAL_DIR` and the commands on it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment = {**os.environ, "LOCAL_DIR": str(root), "LOCAL_PORTS": "free"}
        self._started: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        started = subprocess.Popen(
            [sys.executable, str(PROGRAM), *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._started.append(started)
        return started

    def run(self, *arguments: str) -> tuple[int, str]:
        """The exit status and what was said."""
        started = self.start(*arguments)
        said, _ = started.communicate(timeout=PATIENCE_S)
        return started.returncode, said

    def platform(self) -> dict[str, Any] | None:
        try:
            content = json.loads((self.root / "platform.json").read_text())
        except (OSError, ValueError):
            return None
        assert isinstance(content, dict)
        return content

    def ready(self) -> dict[str, Any]:
        wait_until(lambda: self.platform() is not None)
        content = self.platform()
        assert content is not None
        return content

    def pid(self, name: str) -> int | None:
        """The process that runs under `name` now."""
        _, said = self.run("status")
        lines = (line.split() for line in said.splitlines())
        pids = (words[3] for words in lines if words[0] == name and words[2] == "pid")
        return next((int(pid) for pid in pids), None)

    def alive(self) -> list[int]:
        """Every process that was started for this stack, whoever its parent is."""
        return [process.pid for process in psutil.process_iter() if self._owns(process)]

    def _owns(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get("LOCAL_STACK") == str(self.root)
        except psutil.Error:
            return False

    def clean(self) -> None:
        for started in self._started:
            started.kill()
            started.communicate()
        for pid in self.alive():
            psutil.Process(pid).kill()


def wait_until(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.05)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path / "local")
    yield stack
    stack.clean()


def said_by(started: "subprocess.Popen[str]") -> str:
    said, _ = started.communicate(timeout=PATIENCE_S)
    return said


class TestUp:
    def test_it_says_one_url_when_all_are_ready(self, stack: Stack) -> None:
        status, said = stack.run("up", "--detach")

        url = stack.ready()["url"]
        assert status == 0
        assert said.rstrip().endswith(f"Ready: {url}")
        assert httpx.get(f"{url}/readyz").status_code == 200
        assert stack.run("url") == (0, f"{url}\n")

    def test_a_second_one_says_that_it_runs(self, stack: Stack) -> None:
        stack.run("up", "--detach")

        status, said = stack.run("up")

        assert status == 0
        assert said == f"The platform is running already: {stack.ready()['url']}\n"

    def test_two_at_once_start_one(self, stack: Stack) -> None:
        first, second = stack.start("up", "--detach"), stack.start("up", "--detach")

        said = said_by(first) + said_by(second)

        assert (first.returncode, second.returncode) == (0, 0)
        assert said.count("Ready:") == 1
        assert said.count("is running already") == 1

    def test_no_secret_is_where_everybody_reads(self, stack: Stack) -> None:
        stack.run("up", "--detach")

        secrets = [path.read_text().strip() for path in (stack.root / "secrets").iterdir()]
        shown = (stack.root / "platform.json").read_text()
        commands = [" ".join(psutil.Process(pid).cmdline()) for pid in stack.alive()]
        assert secrets
        assert not [s for s in secrets if s in shown or any(s in c for c in commands)]


class TestStop:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
    def test_a_signal_stops_everything(self, stack: Stack, number: signal.Signals) -> None:
        running = stack.start("up")
        stack.ready()

        running.send_signal(number)
        said_by(running)

        assert running.returncode == 0
        assert stack.alive() == []
        assert stack.platform() is None

    @pytest.mark.parametrize("after_s", [0.2, 0.6, 1.2])
    def test_a_signal_at_any_moment_leaves_nothing(self, stack: Stack, after_s: float) -> None:
        running = stack.start("up")
        time.sleep(after_s)

        running.send_signal(signal.SIGINT)
        said_by(running)

        assert stack.alive() == []

    def test_a_second_signal_does_not_wait_for_the_stubborn(self, stack: Stack) -> None:
        stack.environment["DUMMY_STACK"] = "stubborn"
        running = stack.start("up")
        stack.ready()

        running.send_signal(signal.SIGINT)
        wait_until(lambda: stack.platform() is None)
        running.send_signal(signal.SIGINT)
        said_by(running)

        assert stack.alive() == []

    def test_down_stops_what_another_terminal_runs(self, stack: Stack) -> None:
        running = stack.start("up")
        stack.ready()

        status, said = stack.run("down")

        assert (status, said) == (0, "The platform is stopped.\n")
        assert "stopped" in said_by(running)
        assert stack.alive() == []

    def test_down_without_a_platform_says_so(self, stack: Stack) -> None:
        assert stack.run("down") == (0, "Nothing is running.\n")
        assert stack.run("status") == (3, "Nothing is running.\n")


class TestDeath:
    def test_a_killed_process_is_started_again(self, stack: Stack) -> None:
        stack.run("up", "--detach")
        killed = stack.ready()["processes"]["keys"]["pid"]

        psutil.Process(killed).kill()

        wait_until(lambda: stack.pid("keys") not in (None, killed))

    def test_the_death_of_up_ends_what_it_runs(self, stack: Stack) -> None:
        running = stack.start("up")
        stack.ready()

        running.kill()

        supervised = {"gateway", "keys"}
        wait_until(lambda: not any(stack.pid(name) for name in supervised))
        stack.run("down")
        assert stack.alive() == []

    def test_the_next_start_ends_what_a_killed_supervisor_left(self, stack: Stack) -> None:
        stack.run("up", "--detach")
        psutil.Process(stack.ready()["supervisor_pid"]).kill()

        status, _ = stack.run("up", "--detach")

        assert status == 0
        # The supervisor, two processes and the child of one: nothing of the first start.
        assert len(stack.alive()) == 4

    def test_a_killed_supervisor_is_told(self, stack: Stack) -> None:
        running = stack.start("up")

        psutil.Process(stack.ready()["supervisor_pid"]).kill()

        assert "supervisord has ended" in said_by(running)
        assert running.returncode == 1
        assert stack.alive() == []


class TestFaults:
    def test_a_port_in_use_is_named_with_its_holder_and_its_setting(self, stack: Stack) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            stack.environment["LOCAL_PORT_KEYS"] = str(port)
            status, said = stack.run("up")

        assert status == 1
        assert f"Port {port} of keys is in use by process {os.getpid()}" in said
        assert "LOCAL_PORT_KEYS=<port>" in said
        assert stack.alive() == []

    def test_a_process_that_dies_is_shown_with_its_last_words(self, stack: Stack) -> None:
        stack.environment["DUMMY_STACK"] = "dies"

        status, said = stack.run("up")

        assert status == 1
        assert "relay does not stay up" in said
        assert "I cannot go on" in said
        assert stack.alive() == []

    def test_a_preparation_that_fails_is_shown(self, stack: Stack) -> None:
        stack.environment["DUMMY_STACK"] = "unprepared"

        status, said = stack.run("up")

        assert status == 1
        assert "relay could not be prepared:\nI cannot go on" in said
        assert stack.alive() == []

    def test_a_disk_that_is_nearly_full_is_told(self, stack: Stack) -> None:
        stack.environment["LOCAL_MIN_FREE_MB"] = str(10**12)

        status, said = stack.run("up")

        assert status == 1
        assert "LOCAL_DIR=<directory>" in said

    def test_a_setting_that_is_none_is_named(self, stack: Stack) -> None:
        stack.environment["LOCAL_PORTS"] = "some"

        status, said = stack.run("up")

        assert status == 1
        assert "LOCAL_PORTS" in said
