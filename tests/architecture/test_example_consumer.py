"""The example that other teams copy bears what the contract kit does to it."""

import runpy
from pathlib import Path

from common.contracts.__main__ import recorded
from common.contracts.kit import verify

EXAMPLE = Path(__file__).parents[2] / "examples/consumer/consumer.py"


class TestExample:
    def test_it_is_idempotent_and_tolerates_any_order(self) -> None:
        replay = runpy.run_path(str(EXAMPLE))["replay"]

        findings = list(verify(replay, recorded(), shuffles=20, seed=1))

        assert len(findings) == 5
        assert [finding for finding in findings if not finding.is_held] == []
        assert len(replay(recorded())) == 4
