"""Which names nobody may set in an agent's environment."""

import pytest
from common.variables import is_refused


class TestIsRefused:
    @pytest.mark.parametrize(
        "name",
        [
            *("PATH", "LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONSTARTUP", "BASH_ENV"),
            *("HERMES_HOME", "_HERMES_FORCE_OPENAI_API_KEY", "API_SERVER_KEY", "HOME", "IFS"),
            *("NODE_OPTIONS", "GIT_SSH_COMMAND", "GIT_TRACE", "HTTPS_PROXY", "OPENAI_BASE_URL"),
            *("ENV", "TERMINAL_CWD", "_HERMES_FORCE_X", "GATEWAY_ALLOW_ALL", "SUDO_PASSWORD"),
            *("OPENSSL_CONF", "LUA_INIT", "DOTNET_STARTUP_HOOKS", "XDG_CONFIG_HOME", "PERLLIB"),
        ],
    )
    def test_what_changes_programs_or_the_agent_is_refused(self, name: str) -> None:
        assert is_refused(name)

    @pytest.mark.parametrize("name", ["path", "Ld_Preload", "https_proxy", "hermes_home"])
    def test_case_does_not_matter(self, name: str) -> None:
        assert is_refused(name)

    @pytest.mark.parametrize(
        "name",
        ["", "1A", "A-B", "A B", "A=B", "A\n", "X\0", "Ä", "A" * 101, "A;B", "BASH_FUNC_x%%"],
    )
    def test_what_is_no_name_is_refused(self, name: str) -> None:
        assert is_refused(name)

    @pytest.mark.parametrize(
        "name",
        [
            *("GITHUB_TOKEN", "OPENAI_API_KEY", "NOTION_API_KEY", "NODE_ENV", "MY_PATH", "A"),
            *("_X", "GITLAB_TOKEN", "SUPPORT_TEAM", "A1", "LANGFUSE_PUBLIC_KEY", "ENVIRONMENT"),
        ],
    )
    def test_what_a_skill_usually_needs_is_allowed(self, name: str) -> None:
        assert not is_refused(name)
