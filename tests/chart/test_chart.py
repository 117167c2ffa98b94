"""The Helm chart: who is given what, who may speak with whom, and names that exist in the code."""

import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from chat_proxy.relay.settings import Settings as RelaySettings
from chat_proxy.settings import Settings as ChatProxySettings
from common.contracts.access import USERS
from common.messaging.permissions import with_reader
from common.metrics.table import EVERY_SERVICE, TABLE
from common.settings import SharedSettings
from gateway.settings import Settings as GatewaySettings
from keys.settings import Settings as KeysSettings
from pydantic_settings import BaseSettings
from sandbox_manager.settings import Settings as SandboxManagerSettings
from skill_resolver.settings import Settings as SkillResolverSettings

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy/kubernetes"
SETTINGS: dict[str, tuple[type[BaseSettings], ...]] = {
    "gateway": (GatewaySettings,),
    "keys": (KeysSettings,),
    "skill-resolver": (SkillResolverSettings, SharedSettings),
    "sandbox-manager": (SandboxManagerSettings,),
    "chat-proxy": (ChatProxySettings,),
    "relay": (RelaySettings,),
}
OWN_SECRETS = {
    "gateway": {"GATEWAY_COOKIE_KEY", "GATEWAY_OIDC_CLIENT_SECRET"},
    "keys": {"KEYS_MASTER_KEY", "KEYS_MASTER_KEY_PREVIOUS"},
    "skill-resolver": {"SKILL_RESOLVER_GITHUB_TOKEN"},
    "sandbox-manager": {"SANDBOX_MANAGER_SEAL_KEY", "DAYTONA_API_KEY"},
    "chat-proxy": set(),
    "relay": set(),
}
STORES = ("keys", "skill-resolver", "sandbox-manager", "chat-proxy", "relay")

Manifest = dict[str, Any]


def template(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(CHART / "helm.sh"), "template", "try", str(CHART / "tryskills"), *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True)


@cache
def rendered(values: str) -> tuple[Manifest, ...]:
    told = template("--values", str(CHART / f"ci/{values}.yaml"))
    assert told.returncode == 0, told.stderr
    return tuple(manifest for manifest in yaml.safe_load_all(told.stdout) if manifest)


def named(kind: str, component: str, values: str = "complete") -> Manifest:
    (found,) = (
        manifest
        for manifest in rendered(values)
        if manifest["kind"] == kind and manifest["metadata"]["name"] == f"try-{component}"
    )
    return found


def container(component: str, values: str = "complete") -> Manifest:
    (only,) = named("Deployment", component, values)["spec"]["template"]["spec"]["containers"]
    return dict(only)


def secrets_of(component: str) -> set[str]:
    references = (
        one.get("valueFrom", {}).get("secretKeyRef") for one in container(component)["env"]
    )
    return {reference["key"] for reference in references if reference}


def reachable(component: str) -> set[int]:
    """The ports that a component may reach inside the cluster or outside."""
    rules = named("NetworkPolicy", component)["spec"]["egress"]
    return {port["port"] for rule in rules for port in rule["ports"]}


def variables_of(settings: type[BaseSettings]) -> set[str]:
    prefix = settings.model_config.get("env_prefix", "")
    return {
        str(field.validation_alias or f"{prefix}{name}").upper()
        for name, field in settings.model_fields.items()
    }


class TestDeployments:
    def test_each_user_of_the_bus_is_one(self) -> None:
        found = [m["metadata"]["name"] for m in rendered("complete") if m["kind"] == "Deployment"]

        assert sorted(found) == sorted(f"try-{user}" for user in USERS)

    @pytest.mark.parametrize("component", USERS)
    def test_it_is_given_its_own_secrets_and_nobody_elses(self, component: str) -> None:
        own = {f"NATS_PASSWORD_{component.upper().replace('-', '_')}", *OWN_SECRETS[component]}
        store = {"MONGODB_PASSWORD"} if component in STORES else set()

        assert secrets_of(component) == own | store

    @pytest.mark.parametrize("component", USERS)
    def test_every_variable_is_a_setting(self, component: str) -> None:
        known = set().union(*(variables_of(settings) for settings in SETTINGS[component]))
        helpers = {"NATS_PASSWORD", "MONGODB_PASSWORD"}

        assert {one["name"] for one in container(component)["env"]} - helpers <= known

    @pytest.mark.parametrize("component", USERS)
    def test_it_runs_as_nobody_and_changes_nothing(self, component: str) -> None:
        pod = named("Deployment", component)["spec"]["template"]["spec"]

        assert container(component)["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert pod["securityContext"]["runAsNonRoot"]
        assert not pod["automountServiceAccountToken"]

    @pytest.mark.parametrize("component", USERS)
    def test_its_port_is_the_one_of_its_image(self, component: str) -> None:
        build = (ROOT / "deploy/images/build.sh").read_text()
        images = dict(re.findall(r"^ +\[([a-z-]+)\]=\"\S+ service (\d+)", build, re.M))
        (port,) = container(component)["ports"]

        assert str(port["containerPort"]) == images.get(component, "8090")

    def test_one_service_may_be_of_another_version(self) -> None:
        assert container("keys")["image"] == "tryskills/keys:0.2.0"
        assert container("gateway")["image"] == "tryskills/gateway:0.1.0"


class TestScaling:
    @pytest.mark.parametrize("component", USERS)
    def test_each_scales_by_cpu_and_by_a_metric_that_exists(self, component: str) -> None:
        cpu, custom = named("HorizontalPodAutoscaler", component)["spec"]["metrics"]
        measured = {
            metric.exported
            for whose in (EVERY_SERVICE, component)
            for metric in TABLE.get(whose, ())
            if metric.kind == "gauge"
        }

        assert cpu["resource"]["name"] == "cpu"
        assert custom["pods"]["metric"]["name"] in measured

    def test_the_adapter_serves_what_the_autoscalers_ask_for(self) -> None:
        rules = yaml.safe_load((ROOT / "deploy/prometheus/adapter.yaml").read_text())["rules"]
        (rule,) = rules["custom"]
        asked = {
            named("HorizontalPodAutoscaler", one)["spec"]["metrics"][1]["pods"]["metric"]["name"]
            for one in USERS
        }

        (served,) = re.findall(r"\^\(([a-z_|]+)\)\$", rule["seriesQuery"])
        assert set(served.split("|")) == asked

    @pytest.mark.parametrize("component", USERS)
    def test_one_at_a_time_may_be_taken_away(self, component: str) -> None:
        assert named("PodDisruptionBudget", component)["spec"]["maxUnavailable"] == 1


class TestNetworkPolicies:
    @pytest.mark.parametrize("component", USERS)
    def test_only_what_stores_reaches_the_store_and_all_reach_the_bus(
        self, component: str
    ) -> None:
        assert 4222 in reachable(component)
        assert (27017 in reachable(component)) == (component in STORES)

    def test_the_holder_of_all_secrets_reaches_nothing_outside(self) -> None:
        assert reachable("keys") == {53, 4222, 27017, 4318}

    def test_nobody_comes_in_but_to_the_gateway_and_the_relay(self) -> None:
        ingress = [
            {
                "namespaceSelector": {
                    "matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}
                }
            }
        ]
        open_to_ingress = [
            component
            for component in USERS
            if any(
                rule["from"] == ingress
                for rule in named("NetworkPolicy", component)["spec"]["ingress"]
            )
        ]

        assert sorted(open_to_ingress) == ["gateway", "relay"]

    @pytest.mark.parametrize("component", USERS)
    def test_the_way_out_leads_to_no_private_address(self, component: str) -> None:
        rules = named("NetworkPolicy", component)["spec"]["egress"]
        blocks = [to["ipBlock"] for rule in rules for to in rule["to"] if "ipBlock" in to]

        for block in blocks:
            assert {"10.0.0.0/8", "169.254.0.0/16", "192.168.0.0/16"} <= set(block["except"])


class TestIngress:
    @pytest.mark.parametrize("component", ["gateway", "relay"])
    def test_metrics_are_not_for_the_world(self, component: str) -> None:
        (rule,) = named("Ingress", component)["spec"]["rules"]
        backends = {path["path"]: path["backend"]["service"] for path in rule["http"]["paths"]}

        assert backends["/"]["name"] == f"try-{component}"
        assert "selector" not in named("Service", "nowhere")["spec"]
        assert backends["/metrics"]["name"] == "try-nowhere"


class TestNats:
    def test_its_users_are_those_of_every_deployment(self) -> None:
        data = named("ConfigMap", "nats")["data"]

        for name in ("users.conf", "cluster.conf"):
            assert data[name].strip() == (ROOT / "deploy/nats" / name).read_text().strip()

    def test_a_file_with_readers_takes_their_place(self, tmp_path: Path) -> None:
        users = (ROOT / "deploy/nats/users.conf").read_text()
        own = tmp_path / "users.conf"
        own.write_text(with_reader(users, "analytics", "$2b$11$hash"))

        told = template(
            *("--values", str(CHART / "ci/complete.yaml"), "--set-file", f"nats.users={own}")
        )

        (data,) = (
            manifest["data"]
            for manifest in yaml.safe_load_all(told.stdout)
            if manifest and manifest["metadata"]["name"] == "try-nats" and "data" in manifest
        )
        assert data["users.conf"].strip() == own.read_text().strip()

    def test_one_of_ones_own_is_named_in_every_url(self) -> None:
        variables = {one["name"]: one.get("value") for one in container("keys", "external")["env"]}

        assert variables["NATS_URL"] == (
            "tls://keys:$(NATS_PASSWORD)@nats-a.example.org:4222,tls://nats-b.example.org:4222"
        )


class TestValues:
    @pytest.mark.parametrize(
        ("missing", "told"),
        [
            ("deploymentId=", "deploymentId must be given"),
            ("gateway.publicUrl=", "gateway.publicUrl must be given"),
            ("relay.publicUrl=", "relay.publicUrl must be given"),
            ("gateway.oidc.issuer=", "gateway.oidc.issuer must be given"),
        ],
    )
    def test_what_is_missing_is_named(self, missing: str, told: str) -> None:
        done = template("--values", str(CHART / "ci/complete.yaml"), "--set", missing)

        assert done.returncode != 0
        assert told in done.stderr
