"""The dashboard and the alerts name metrics and labels that exist, in expressions that parse; the
code gives each metric the labels that the table declares.
"""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import promql_parser
import pytest
import yaml
from common.metrics import table
from common.metrics.kinds import Histogram, Metric

ROOT = Path(__file__).parents[2]
SOURCES = [*ROOT.glob("services/*/src/**/*.py"), *ROOT.glob("libs/common/src/**/*.py")]
METRICS = {series: metric for metric in table.ALL for series in metric.series}
EVERYWHERE = {"instance", "job"}
RECORDING = {"add", "record", "say"}
WINDOW = "5m"


def alerts() -> dict[str, str]:
    groups = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())["groups"]
    return {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"]}


def panels() -> dict[str, str]:
    dashboard = json.loads((ROOT / "deploy/grafana/tryskills.json").read_text())
    return {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in dashboard["panels"]
        for target in panel.get("targets", ())
    }


def selectors(expression: str) -> Iterator[promql_parser.VectorSelector]:
    """Every selector of a metric, by walking what was parsed."""
    waiting = [promql_parser.parse(expression.replace("$__rate_interval", WINDOW))]
    while waiting:
        found = waiting.pop()
        if isinstance(found, promql_parser.VectorSelector):
            yield found
        elif isinstance(found, promql_parser.MatrixSelector):
            yield found.vector_selector
        elif isinstance(found, promql_parser.Call):
            waiting += found.args
        elif isinstance(found, promql_parser.BinaryExpr):
            waiting += [found.lhs, found.rhs]
        elif hasattr(found, "expr"):
            waiting.append(found.expr)


def labels_in(expression: str) -> set[str]:
    """What is matched and grouped by."""
    matched = {m.name for one in selectors(expression) for m in one.matchers.matchers}
    grouped = re.findall(r"\bby \(([^)]*)\)", expression)
    return matched | {name.strip() for group in grouped for name in group.split(",")}


EXPRESSIONS = alerts() | panels()


class TestExpressions:
    @pytest.mark.parametrize("name", EXPRESSIONS)
    def test_it_parses_and_asks_for_what_there_is(self, name: str) -> None:
        asked = [one.name for one in selectors(EXPRESSIONS[name])]

        assert asked
        assert set(asked) <= METRICS.keys()

    @pytest.mark.parametrize("name", EXPRESSIONS)
    def test_its_labels_are_those_of_its_metrics(self, name: str) -> None:
        measured = [METRICS[str(one.name)] for one in selectors(EXPRESSIONS[name])]
        known = {label for metric in measured for label in metric.labels} | EVERYWHERE
        if any(isinstance(metric, Histogram) for metric in measured):
            known.add("le")

        assert labels_in(EXPRESSIONS[name]) <= known

    def test_every_metric_is_looked_at_somewhere(self) -> None:
        asked = {
            METRICS[str(one.name)] for text in EXPRESSIONS.values() for one in selectors(text)
        }

        assert {metric.name for metric in set(table.ALL) - asked} == set()


class TestAlerts:
    def test_each_says_what_is_wrong_how_urgent_it_is_and_what_to_do(self) -> None:
        groups = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())["groups"]
        rules = [rule for group in groups for rule in group["rules"]]

        assert len({rule["alert"] for rule in rules}) == len(rules)
        for rule in rules:
            assert rule["labels"]["severity"] in {"page", "ticket"}
            assert rule["annotations"]["summary"]
            assert rule["annotations"]["runbook"].endswith(f"#{rule['alert'].lower()}")


def uses() -> Iterator[tuple[str, Metric, ast.Call]]:
    """Every place that records a metric of the table."""
    named = {name: one for name, one in vars(table).items() if isinstance(one, Metric)}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            called = node.func if isinstance(node, ast.Call) else None
            if (
                isinstance(node, ast.Call)
                and isinstance(called, ast.Attribute)
                and called.attr in RECORDING
                and isinstance(called.value, ast.Name)
                and called.value.id in named
            ):
                yield f"{path.name}:{node.lineno}", named[called.value.id], node


class TestUses:
    def test_each_gives_the_labels_that_the_table_declares(self) -> None:
        wrong = [
            where
            for where, metric, call in uses()
            if {word.arg for word in call.keywords} != set(metric.labels)
        ]

        assert wrong == []

    def test_every_metric_of_the_table_is_recorded(self) -> None:
        text = "".join(
            path.read_text()
            for path in [
                *ROOT.glob("services/*/src/**/*.py"),
                *ROOT.glob("libs/common/src/**/*.py"),
            ]
            if path.name != "table.py"
        )
        names = [name for name, one in vars(table).items() if isinstance(one, Metric)]

        assert [name for name in names if text.count(name) < 2] == []

    def test_the_table_has_every_metric(self) -> None:
        declared = {one.name for one in vars(table).values() if isinstance(one, Metric)}

        assert declared == {metric.name for metric in table.ALL}
