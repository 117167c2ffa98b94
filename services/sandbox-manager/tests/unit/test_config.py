"""What goes into a sandbox: config.yaml, the process environment, the variables of skills."""

import shlex
from datetime import timedelta

import pytest
import yaml
from common.contracts.sandbox import LaunchSkill
from common.testing.fakes import START
from hypothesis import given
from hypothesis import strategies as st
from sandbox_manager.model.config import (
    ModelLimits,
    agent_environment,
    config_hash,
    render_config,
    render_environment,
)
from sandbox_manager.model.record import ModelChoice, Variable
from sandbox_manager.model.variables import StoredVariable, choose, environment_of

KEY = b"k" * 32
CHOICE = ModelChoice(provider="openai", model="gpt", base_url=None)
values = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


def skill(name: str, digest: str = "1") -> LaunchSkill:
    return LaunchSkill(
        ref=name,
        owner="acme",
        repo="tools",
        commit="c" * 40,
        path=name,
        name=name,
        digest=f"sha256:{digest * 64}",
        directory=f"acme--tools--{name}",
    )


def entered(
    name: str, path: str, *, digest: str | None = None, version: int = 1, after: int = 0
) -> StoredVariable:
    kept = f"sha256:{digest * 64}" if digest else None
    return StoredVariable(
        name, f"acme/tools/{path}", kept, version, START + timedelta(seconds=after)
    )


def asked(*names: str) -> tuple[Variable, ...]:
    return tuple(Variable(name=name, is_required=True) for name in names)


class TestConfigFile:
    def test_it_points_at_the_relay_and_nowhere_else(self) -> None:
        text = render_config(
            CHOICE,
            ModelLimits(100_000, 8_000),
            relay_url="http://model-relay.internal:8090/",
            relay_token="tsr_x",
            revision="ab12",
        )

        config = yaml.safe_load(text)
        assert config["model"] == {
            "default": "gpt",
            "provider": "custom",
            "base_url": "http://model-relay.internal:8090/llm/v1",
            "api_key": "tsr_x",
            "context_length": 100_000,
            "max_tokens": 8_000,
        }
        assert config["approvals"]["mode"] == "manual"
        assert config["skills"]["external_dirs"] == ["/home/daytona/skills"]
        assert config["skills"]["disabled"] == ["__rev_ab12__"]
        assert config["platform_toolsets"]["cli"] == [
            "terminal",
            "file",
            "skills",
            "todo",
            "code_execution",
        ]

    @given(values, values)
    def test_any_model_name_survives(self, model: str, token: str) -> None:
        choice = ModelChoice(provider="custom", model=model, base_url=None)
        text = render_config(
            choice, ModelLimits(1, 1), relay_url="http://r", relay_token=token, revision="0"
        )

        config = yaml.safe_load(text)
        assert (config["model"]["default"], config["model"]["api_key"]) == (model, token)


class TestEnvironment:
    @given(st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,9}", fullmatch=True), values))
    def test_any_value_survives_a_shell(self, variables: dict[str, str]) -> None:
        words = shlex.split(render_environment(variables))

        assert dict(word.split("=", 1) for word in words) == variables

    def test_a_nul_is_refused_by_name(self) -> None:
        with pytest.raises(ValueError, match="KEY holds a NUL"):
            render_environment({"KEY": "a\0b"})

    def test_a_skill_cannot_replace_what_the_agent_runs_by(self) -> None:
        environment = agent_environment("token", {"HERMES_HOME": "/tmp/evil"})

        assert environment["HERMES_HOME"] == "/home/daytona/.hermes"
        assert environment["HERMES_DASHBOARD_SESSION_TOKEN"] == "token"

    def test_commands_see_what_hermes_would_hide(self) -> None:
        environment = environment_of({"GITHUB_TOKEN": "t"})

        assert environment == {"GITHUB_TOKEN": "t", "_HERMES_FORCE_GITHUB_TOKEN": "t"}

    def test_a_model_providers_key_is_not_the_agents_own(self) -> None:
        assert environment_of({"OPENAI_API_KEY": "k"}) == {"_HERMES_FORCE_OPENAI_API_KEY": "k"}


class TestChoose:
    def test_a_value_serves_the_skill_it_was_entered_for(self) -> None:
        chosen = choose([(skill("pdf"), asked("KEY"))], [entered("KEY", "docx")])

        assert (chosen.given, chosen.missing) == ((), ("KEY",))

    def test_a_value_for_another_digest_is_asked_for_again(self) -> None:
        stored = [entered("KEY", "pdf", digest="2")]

        assert choose([(skill("pdf", "1"), asked("KEY"))], stored).missing == ("KEY",)
        assert choose([(skill("pdf", "2"), asked("KEY"))], stored).given == tuple(stored)

    def test_what_is_refused_is_neither_given_nor_missing(self) -> None:
        chosen = choose([(skill("pdf"), asked("PATH"))], [entered("PATH", "pdf")])

        assert (chosen.given, chosen.missing, chosen.refused) == ((), (), ("PATH",))

    def test_of_two_values_for_one_name_the_last_entered_wins(self) -> None:
        stored = [entered("KEY", "pdf", after=1), entered("KEY", "docx", after=2)]
        skills = [(skill("pdf"), asked("KEY")), (skill("docx"), asked("KEY"))]

        assert choose(skills, stored) == choose(skills[::-1], stored)
        assert choose(skills, stored).given == (stored[1],)

    def test_what_nobody_requires_is_not_missed(self) -> None:
        optional = (Variable(name="KEY"),)

        assert choose([(skill("pdf"), optional)], []).missing == ()


class TestHash:
    def test_it_changes_with_every_part(self) -> None:
        one = entered("KEY", "pdf")
        hashes = [
            config_hash(KEY, CHOICE, [one]),
            config_hash(b"x" * 32, CHOICE, [one]),
            config_hash(KEY, ModelChoice(provider="openai", model="gpt-2", base_url=None), [one]),
            config_hash(
                KEY, ModelChoice(provider="openai", model="gpt", base_url="http://x"), [one]
            ),
            config_hash(KEY, ModelChoice(provider="custom", model="gpt", base_url=None), [one]),
            config_hash(KEY, CHOICE, []),
            config_hash(KEY, CHOICE, [entered("KEY", "pdf", version=2)]),
            config_hash(KEY, CHOICE, [entered("KEY", "pdf", after=1)]),
        ]

        assert len(set(hashes)) == len(hashes)
        assert config_hash(KEY, CHOICE, [one]) == hashes[0]
