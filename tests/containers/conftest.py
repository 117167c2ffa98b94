"""The platform in its real images, by the compose file that `make compose-up` runs; skipped where
no Docker engine answers.
"""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import docker
import pytest
from docker.models.containers import Container
from local_platform.compose.login import api_token
from testcontainers.compose import DockerCompose

ROOT = Path(__file__).parents[2]
LOG = ROOT / ".local/compose/test.log"
NAME = "tryskills-test"
HEALTHY_S = 240


def engine_answers() -> str | None:
    """Why there is no engine, or None."""
    try:
        docker.from_env().ping()
    except docker.errors.DockerException as error:
        return str(error)
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = [item for item in items if Path(item.path).is_relative_to(Path(__file__).parent)]
    if here and (reason := engine_answers()) is not None:
        skip = pytest.mark.skip(reason=f"no Docker engine answers: {reason}")
        for item in here:
            item.add_marker(skip)


@dataclass(frozen=True)
class Platform:
    url: str
    compose: DockerCompose

    @cached_property
    def engine(self) -> docker.DockerClient:
        return docker.from_env()

    def containers(self, service: str | None = None) -> list[Container]:
        """The replicas of a service, by number; all containers without one."""
        labels = [f"com.docker.compose.project={NAME}"]
        if service is not None:
            labels.append(f"com.docker.compose.service={service}")
        found = self.engine.containers.list(all=True, filters={"label": labels})
        return sorted(found, key=lambda container: str(container.name))

    def token(self, user: str) -> str:
        return api_token(self.url, user)

    def until_healthy(self) -> None:
        ends = time.monotonic() + HEALTHY_S
        while waiting := [
            c.name for c in self.containers() if c.health in {"starting", "unhealthy"}
        ]:
            assert time.monotonic() < ends, f"not ready: {waiting}"
            time.sleep(0.5)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    port = free_port()
    os.environ |= {"COMPOSE_NAME": NAME, "PORT": str(port), "ISSUER_PORT": str(free_port())}
    subprocess.run([ROOT / "deploy/compose/run.sh", "prepare"], check=True)
    client, config = client_with_compose()
    os.environ["DOCKER_CONFIG"] = config
    compose = DockerCompose(
        context=ROOT,
        compose_file_name="deploy/compose.yaml",
        env_file=[".local/compose/env", ".local/compose/images"],
        docker_command_path=client,
        wait=False,
    )
    with compose:
        running = Platform(f"http://127.0.0.1:{port}", compose)
        try:
            running.until_healthy()
            yield running
        finally:
            LOG.write_text("".join(compose.get_logs()))


def client_with_compose() -> tuple[str, str]:
    script = '. deploy/images/engine.sh; echo "$docker"; echo "${DOCKER_CONFIG:-$HOME/.docker}"'
    told = subprocess.run(["bash", "-euc", script], cwd=ROOT, check=True, capture_output=True)
    client, config = told.stdout.decode().splitlines()
    return client, config
