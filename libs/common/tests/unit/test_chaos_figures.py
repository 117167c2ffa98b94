"""The file of `make chaos` holds what each program found last, and the sums of that."""

import json
from pathlib import Path

from common.testing.chaos import add_part


class TestAddPart:
    def test_a_part_takes_its_former_place_and_is_counted_once(self, tmp_path: Path) -> None:
        file = tmp_path / "chaos.json"
        add_part(file, "launches", {"cases": 3, "lost": 1})
        add_part(file, "chat", {"cases": 2, "entries": 70})
        add_part(file, "launches", {"cases": 4, "lost": 0})

        stands = json.loads(file.read_text())

        assert stands["launches"] == {"cases": 4, "lost": 0}
        assert stands["chat"] == {"cases": 2, "entries": 70}
        assert (stands["cases"], stands["lost"], stands["doubled"]) == (6, 0, 0)
