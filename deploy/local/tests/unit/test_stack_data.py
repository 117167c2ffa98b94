"""What the stack writes: ports, secrets, environments, configurations, tokens."""

import re
import socket
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from local_platform.stack import environment, nats_config, ports, secret_files, supervision, tokens
from local_platform.stack.faults import FaultError
from local_platform.stack.layout import Layout
from local_platform.stack.processes import Context, Process, platform

PROJECT = Path(__file__).parents[4]
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "local")
    layout.make()
    return layout


def context(layout: Layout, **operator: str) -> Context:
    users = nats_config.passwords(PROJECT / nats_config.USERS_FILE)
    secrets = secret_files.ensure(layout, users)
    return Context(layout, ports.PORTS, secrets, operator, PROJECT)


def by_name(context: Context) -> dict[str, Process]:
    return {process.name: process for process in platform(context)}


class TestPorts:
    def test_they_are_fixed_unless_set_by_hand(self, layout: Layout) -> None:
        by_hand = {"LOCAL_PORT_DEMO_MODEL": "9000"}

        chosen = ports.choose("fixed", by_hand, layout.ports)

        assert chosen == ports.PORTS | {"demo-model": 9000}

    @pytest.mark.parametrize("value", ["", "x", "0", "65536", "-1"])
    def test_a_value_that_is_no_port_is_named(self, layout: Layout, value: str) -> None:
        with pytest.raises(FaultError, match="LOCAL_PORT_NATS"):
            ports.choose("fixed", {"LOCAL_PORT_NATS": value}, layout.ports)

    def test_free_ones_are_chosen_once(self, layout: Layout) -> None:
        chosen = ports.choose("free", {}, layout.ports)

        assert ports.choose("free", {}, layout.ports) == chosen
        assert len(set(chosen.values())) == len(ports.PORTS)

    def test_a_free_one_that_is_taken_by_now_is_chosen_anew(self, layout: Layout) -> None:
        chosen = ports.choose("free", {}, layout.ports)
        with socket.create_server(("127.0.0.1", chosen["nats"])):
            again = ports.choose("free", {}, layout.ports)

        assert again["nats"] != chosen["nats"]
        assert again | {"nats": 0} == chosen | {"nats": 0}


class TestSecrets:
    def test_they_are_made_once_and_for_the_owner_alone(self, layout: Layout) -> None:
        made = secret_files.ensure(layout)

        assert secret_files.ensure(layout) == made
        modes = {stat.S_IMODE(path.stat().st_mode) for path in layout.secrets.iterdir()}
        assert modes == {0o600}
        assert stat.S_IMODE(layout.secrets.stat().st_mode) == 0o700

    def test_a_deployment_is_named_as_every_label_allows(self, layout: Layout) -> None:
        name = secret_files.ensure(layout)[secret_files.DEPLOYMENT_ID]

        assert re.fullmatch(r"[a-z0-9-]{1,40}", name)

    def test_a_lost_master_key_is_not_replaced_while_there_are_data(self, layout: Layout) -> None:
        secret_files.ensure(layout)
        (layout.store / "data").touch()
        (layout.secrets / secret_files.MASTER_KEY).unlink()

        with pytest.raises(FaultError, match="Put it back"):
            secret_files.ensure(layout)


class TestTable:
    def test_no_two_processes_share_a_port_or_a_name(self, layout: Layout) -> None:
        processes = platform(context(layout))

        assert len({process.port for process in processes}) == len(processes)
        assert len({process.name for process in processes}) == len(processes)

    def test_each_service_has_its_own_nats_user(self, layout: Layout) -> None:
        processes = by_name(context(layout))
        urls = {
            name: process.environment["NATS_URL"]
            for name, process in processes.items()
            if "NATS_URL" in process.environment
        }

        assert len(set(urls.values())) == len(urls) == 6
        assert all(url.startswith(f"nats://{name}:") for name, url in urls.items())
        assert set(urls) <= set(nats_config.passwords(PROJECT / nats_config.USERS_FILE))

    def test_the_master_key_is_told_to_keys_alone(self, layout: Layout) -> None:
        told = context(layout)
        where = str(layout.secrets / secret_files.MASTER_KEY)

        having = [p.name for p in platform(told) if where in p.environment.values()]

        assert having == ["keys"]

    @pytest.mark.parametrize(
        ("name", "variable"),
        [("daytona", "DAYTONA_API_URL"), ("nats", "NATS_URL"), ("store", "MONGODB_URI")],
    )
    def test_what_the_operator_has_is_not_started(
        self, layout: Layout, name: str, variable: str
    ) -> None:
        told = context(layout, **{variable: "theirs"})
        manager = by_name(told)["sandbox-manager"]

        assert name not in by_name(told)
        assert environment.of(manager, told.operator)[variable] == "theirs"


class TestEnvironment:
    def test_a_process_sees_its_own_settings_and_not_the_others(self, layout: Layout) -> None:
        operator = {"KEYS_X": "1", "GATEWAY_X": "2", "OPENAI_API_KEY": "3"}
        process = Process("keys", ("true",), "services", prefixes=("KEYS_",))

        assert environment.of(process, operator) == {"KEYS_X": "1"}
        assert set(environment.base(operator, layout)) == {environment.MARK}

    def test_the_operators_word_wins(self) -> None:
        process = Process("keys", ("true",), "s", environment={"A_B": "1"}, prefixes=("A_",))

        assert environment.of(process, {"A_B": "2"}) == {"A_B": "2"}

    def test_the_file_can_be_read_by_a_shell(self, layout: Layout) -> None:
        process = Process("p", ("true",), "services", environment={"A": "it's $HOME\n%d"})

        path = environment.write(process, {}, layout)

        assert path.read_text() == "export A='it'\"'\"'s $HOME\n%d'\n"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


class TestNatsConfig:
    def test_streams_are_synced_every_second(self) -> None:
        users = PROJECT / nats_config.USERS_FILE

        config = nats_config.render("127.0.0.1", 4222, Path("/data"), users)

        assert 'jetstream: {"store_dir": "/data", "sync_interval": "1s"}' in config
        assert config.endswith(users.read_text())

    def test_a_password_is_in_the_servers_environment_and_in_no_file_that_is_shared(
        self, layout: Layout
    ) -> None:
        told = context(layout)
        server = by_name(told)["nats"]
        config = nats_config.render("127.0.0.1", 4222, Path("/data"), told.users_file)

        for user, variable in nats_config.passwords(told.users_file).items():
            password = told.secrets[secret_files.nats_password(user)]
            assert server.environment[variable] == password
            assert password[0].isalpha()
            assert password not in config


class TestSupervisorConfig:
    def test_a_percent_sign_is_no_expansion(self, tmp_path: Path) -> None:
        layout = Layout(tmp_path / "100%done")
        layout.make()

        supervision.configure(layout, [Process("p", ("echo", "%d"), "services")], {})

        assert "100%%done" in layout.supervisor_config.read_text()
        assert "echo %d" in layout.script("p").read_text()

    def test_a_long_path_leaves_the_socket_a_short_one(self, tmp_path: Path) -> None:
        layout = Layout(tmp_path / ("long" * 30))

        assert len(bytes(layout.supervisor_socket)) <= 100


class TestToken:
    def test_it_is_the_issuers_word_for_thirty_days(self, layout: Layout) -> None:
        pem = secret_files.ensure(layout)[secret_files.ISSUER_KEY]
        issuer_key = serialization.load_pem_private_key(pem.encode(), None)
        assert isinstance(issuer_key, Ed25519PrivateKey)

        token = tokens.mint("alice", pem, datetime.now(UTC))

        claims = jwt.decode(
            token,
            issuer_key.public_key(),
            ["EdDSA"],
            audience=tokens.AUDIENCE,
            issuer=tokens.ISSUER,
        )
        assert claims["sub"] == "alice"
        assert claims["exp"] - claims["iat"] == timedelta(days=30).total_seconds()

    @pytest.mark.parametrize("user", ["", "a b", "x" * 65, "a\nb"])
    def test_a_name_that_is_none_is_refused(self, layout: Layout, user: str) -> None:
        with pytest.raises(FaultError):
            tokens.mint(user, secret_files.ensure(layout)[secret_files.ISSUER_KEY], NOW)
