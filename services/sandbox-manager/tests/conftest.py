"""The ports of sandbox-manager in memory, and every use case over them."""

import sys
from pathlib import Path
from typing import Any

import pytest

# The fakes are many; this lets them be modules of their own.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def world() -> Any:
    from sandbox_fakes.world import World

    return World()
