"""What the guides tell people to do is there: a runbook an alert, commands, settings, links."""

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml
from common.metrics import table
from operate.cli import parser

ROOT = Path(__file__).parents[2]
RUNBOOKS = (ROOT / "docs/runbooks.md").read_text()
GUIDES = sorted([*ROOT.glob("docs/**/*.md"), *ROOT.glob("**/README.md"), *ROOT.glob("*.md")])
GUIDES = [path for path in GUIDES if not {".venv", ".local", "node_modules"} & set(path.parts)]
SETTING = re.compile(
    r"`((?:GATEWAY|KEYS|SKILL_RESOLVER|SANDBOX_MANAGER|CHAT_PROXY|RELAY)_[A-Z_]+)`"
)


def alerts() -> list[dict[str, object]]:
    groups = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def sections() -> dict[str, str]:
    parts = re.split(r"^## (\w+)$", RUNBOOKS, flags=re.M)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


class TestRunbooks:
    def test_there_is_one_an_alert_and_none_besides(self) -> None:
        assert list(sections()) == [rule["alert"] for rule in alerts()]

    @pytest.mark.parametrize("name", sections())
    def test_it_says_where_to_look_and_what_to_do(self, name: str) -> None:
        text = sections()[name]

        assert "- **Look**: " in text
        assert "- **Do**: " in text

    @pytest.mark.parametrize("name", sections())
    def test_it_names_metrics_that_there_are(self, name: str) -> None:
        known = {series for metric in table.ALL for series in metric.series}
        known |= {series.removesuffix("_bucket") for series in known}
        named = set(re.findall(r"`([a-z_]+_(?:total|seconds|bytes|viewers))", sections()[name]))

        assert named <= known


class TestCommands:
    @pytest.mark.parametrize("path", GUIDES, ids=lambda path: str(path.relative_to(ROOT)))
    def test_a_command_of_operate_is_one(self, path: Path) -> None:
        for line in re.findall(r"^(?:.*\s)?python -m operate ([a-z].*)$", path.read_text(), re.M):
            words = shlex.split(re.sub(r"\s\[.*?\]|\s+#.*$|\s>.*$", "", line).split("`")[0])
            assert words, line
            if "..." not in words:
                parser().parse_args(plausible(words))

    @pytest.mark.parametrize("path", GUIDES, ids=lambda path: str(path.relative_to(ROOT)))
    def test_a_setting_that_is_named_is_one(self, path: Path) -> None:
        known = (ROOT / "docs/settings.md").read_text()

        assert [name for name in SETTING.findall(path.read_text()) if name not in known] == []


def plausible(words: list[str]) -> list[str]:
    """The words in capitals stand for what a person puts there."""
    given = {"WHEN": "2026-01-31", "WHY": "a reason"}
    return [given.get(word, word) for word in words]


class TestLinks:
    @pytest.mark.parametrize("path", GUIDES, ids=lambda path: str(path.relative_to(ROOT)))
    def test_a_link_leads_to_a_file_and_its_heading(self, path: Path) -> None:
        broken = []
        text = re.sub(r"```.*?```", "", path.read_text(), flags=re.S)
        for link in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", text):
            file, _, heading = link.partition("#")
            target = (path.parent / file).resolve() if file else path
            if not target.exists() or (heading and heading not in anchors(target)):
                broken.append(link)

        assert broken == []


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}


class TestApiGuide:
    def test_every_route_is_told_of(self) -> None:
        """The commands themselves are run by the end-to-end tests."""
        sessions = (ROOT / "docs/how-to/sessions.md").read_text().replace("$API", "/api")
        text = (ROOT / "docs/api.md").read_text() + sessions
        text = re.sub(r"\$\(.*?\)|\$[A-Za-z]+|<\w+>", "X", text)
        routes = json.loads((ROOT / "docs/openapi.json").read_text())["paths"]

        assert len(routes) > 40
        assert [route for route in routes if not re.search(pattern(route), text)] == []


def pattern(route: str) -> str:
    """Whatever stands in the place of a parameter."""
    fixed = re.split(r"\{\w+\}", route)
    return r"[^\s\"'?]+".join(re.escape(part) for part in fixed)
