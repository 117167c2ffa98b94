"""Rules about subjects that no general tool knows."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [*ROOT.glob("services/*/src/**/*.py"), *ROOT.glob("libs/common/src/**/*.py")]
SUBJECT = re.compile(r"^(rpc|evt|journal)\.[a-z*>]")
HOMES = ("contracts", "streams.py")


def strings(path: Path) -> Iterator[ast.Constant]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
class TestSubjects:
    def test_a_subject_is_written_in_the_contracts_only(self, path: Path) -> None:
        if set(HOMES) & set(path.parts):
            return
        written = [node.lineno for node in strings(path) if SUBJECT.match(str(node.value))]

        assert not written, (
            f"{path.name}, lines {written}: import the constant from common.contracts"
        )
