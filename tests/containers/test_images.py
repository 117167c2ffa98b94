"""What an image is: nobody's root, its own health check, its parts listed in it."""

import json
import re
import subprocess
from typing import Any

import docker
import pytest
from packaging.utils import canonicalize_name

from .conftest import ROOT

PINNED = {
    f"{canonicalize_name(name)}=={version}"
    for name, version in re.findall(
        r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", (ROOT / "requirements.lock").read_text(), re.M
    )
}
SERVICES = ("gateway", "keys", "skill-resolver", "sandbox-manager", "chat-proxy")


@pytest.fixture(scope="module")
def engine() -> docker.DockerClient:
    return docker.from_env()


@pytest.mark.usefixtures("platform")
@pytest.mark.parametrize("service", SERVICES)
class TestImage:
    def test_it_says_what_it_is_and_how_it_is(
        self, engine: docker.DockerClient, service: str
    ) -> None:
        config: dict[str, Any] = engine.images.get(f"tryskills/{service}:dev").attrs["Config"]

        assert config["User"] == "10001:10001"
        assert config["Healthcheck"]["Test"] == ["CMD", "/app/bin/healthy"]
        labels = config["Labels"]
        assert labels["org.opencontainers.image.title"] == f"tryskills/{service}"
        assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
        assert len(labels["org.opencontainers.image.revision"]) == 40

    def test_its_bill_of_materials_is_what_the_lock_pins(self, service: str) -> None:
        bill = json.loads(run(service, "cat", "/app/sbom.cdx.json"))
        installed = json.loads(run(service, "/app/venv/bin/python", "-c", INSTALLED))

        listed = {canonicalize_name(part["name"]): part["version"] for part in bill["components"]}
        own = {service, "common"}
        assert listed == {canonicalize_name(name): version for name, version in installed.items()}
        assert own | {"nats-py"} <= listed.keys()
        assert {f"{name}=={listed[name]}" for name in listed.keys() - own} <= PINNED

    def test_nobody_in_it_may_write_to_it(self, service: str) -> None:
        own = run(service, "find", "/app", "-writable")

        assert own == ""


INSTALLED = """\
import json, importlib.metadata as m
print(json.dumps({d.name: d.version for d in m.distributions()}))"""


def run(service: str, *command: str) -> str:
    """What a command in the image prints, read live: the log an engine keeps may miss lines."""
    program, *arguments = command
    confined = ["--network=none", "--read-only", "--cap-drop=ALL", f"--entrypoint={program}"]
    done = subprocess.run(
        ["docker", "run", "--rm", *confined, f"tryskills/{service}:dev", *arguments],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return done.stdout
