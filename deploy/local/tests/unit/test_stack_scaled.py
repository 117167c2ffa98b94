"""Several of everything: names, ports, who knows whom."""

from pathlib import Path

import pytest
from local_platform.front.settings import Settings as FrontSettings
from local_platform.stack import nats_config, ports, secret_files
from local_platform.stack.layout import Layout
from local_platform.stack.processes import SERVICES, Context, Process, platform
from local_platform.stack.scaled import ROUTE_USER, Scale, node_configs, scaled
from local_platform.stack.settings import Settings
from pydantic import ValidationError

PROJECT = Path(__file__).parents[4]
THREE = Scale(replicas=3, nodes=3)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "local")
    layout.make()
    return layout


def context(layout: Layout, scale: Scale) -> Context:
    users = nats_config.passwords(PROJECT / nats_config.USERS_FILE)
    secrets = secret_files.ensure(layout, [*users, ROUTE_USER])
    return Context(layout, scale.ports, secrets, {}, PROJECT)


@pytest.fixture
def processes(layout: Layout) -> dict[str, Process]:
    return {one.name: one for one in scaled(THREE)(context(layout, THREE))}


class TestSettings:
    def test_the_environment_says_how_many(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LOCAL_REPLICAS", "2")
        monkeypatch.setenv("LOCAL_NATS_NODES", "3")

        assert Settings().scale == Scale(replicas=2, nodes=3)

    @pytest.mark.parametrize("nodes", ["0", "2", "many"])
    def test_a_cluster_is_of_three(self, monkeypatch: pytest.MonkeyPatch, nodes: str) -> None:
        monkeypatch.setenv("LOCAL_NATS_NODES", nodes)

        with pytest.raises(ValidationError):
            Settings()


class TestOne:
    def test_the_table_is_what_it_was(self, layout: Layout) -> None:
        one = context(layout, Scale())

        assert scaled(Scale())(one) == platform(one)
        assert Scale().ports == ports.PORTS


class TestReplicas:
    def test_every_service_runs_as_often_as_asked(self, processes: dict[str, Process]) -> None:
        names = [one.name for one in processes.values() if one.group == SERVICES]

        for service in ("keys", "skill-resolver", "sandbox-manager", "chat-proxy", "gateway"):
            assert {service, f"{service}-2", f"{service}-3"} <= set(names)
        assert "daytona-2" not in processes

    def test_each_has_a_port_of_its_own(self, processes: dict[str, Process]) -> None:
        taken = [one.port for one in processes.values() if one.name != "front"]

        assert len(set(taken)) == len(taken)
        assert processes["keys-2"].environment["KEYS_HEALTH_PORT"] == str(processes["keys-2"].port)
        assert processes["relay-3"].environment["RELAY_PORT"] == str(processes["relay-3"].port)

    def test_the_front_door_stands_where_the_one_would(
        self, processes: dict[str, Process]
    ) -> None:
        routes = FrontSettings(routes=processes["front"].environment["FRONT_ROUTES"]).targets

        assert processes["front"].port == ports.PORTS["gateway"]
        assert routes == {
            ports.PORTS[name]: [processes[one].port for one in (name, f"{name}-2", f"{name}-3")]
            for name in ("gateway", "relay")
        }

    def test_a_gateway_answers_to_the_front_doors_name(
        self, processes: dict[str, Process]
    ) -> None:
        front = processes["front"].port

        assert f"127.0.0.1:{front}" in processes["gateway-2"].environment["GATEWAY_ALLOWED_HOSTS"]


class TestNodes:
    def test_every_service_knows_all_servers_under_its_own_login(
        self, processes: dict[str, Process]
    ) -> None:
        for name in ("keys", "chat-proxy-3"):
            first, *others = processes[name].environment["NATS_URL"].split(",")
            assert first.startswith(f"nats://{name.removesuffix('-3')}:p")
            assert [url.rpartition(":")[2] for url in (first, *others)] == [
                str(processes[node].port) for node in ("nats", "nats-2", "nats-3")
            ]
            assert not any("@" in url for url in others)

    def test_streams_have_as_many_copies(self, processes: dict[str, Process]) -> None:
        assert processes["keys"].environment["STREAM_REPLICAS"] == "3"

    def test_a_server_routes_to_the_others(self, layout: Layout) -> None:
        made = context(layout, THREE)
        nodes = [one for one in scaled(THREE)(made) if one.name.startswith("nats")]
        configs = node_configs(THREE, layout, made.ports, PROJECT)

        assert len(nodes) == len(configs) == 3
        for node in nodes:
            assert node.environment["NATS_ROUTES"].count("nats://route:") == 2
            assert str(made.ports[f"{node.name}-route"]) not in node.environment["NATS_ROUTES"]
            text = configs[Path(node.command[-1])]
            assert f"127.0.0.1:{node.port}" in text
            assert "0.0.0.0" not in text
            assert "include" not in text
