"""The API guide is true: its commands run, as they stand, in their order."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from local_platform.instance import ROOT
from local_platform.visitor import Visitor

GUIDE = ROOT / "docs/api.md"
SETUP = "API=http://127.0.0.1:8000\nTOKEN=$(make -s token USER=alice)"


@pytest.fixture
def user(new_visitor: Callable[[], Visitor]) -> Visitor:
    for program in ("curl", "jq"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed: apt-get install {program}")
    return new_visitor()


def blocks(guide: Path) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", guide.read_text(), re.M | re.S)


class TestGuide:
    def test_every_command_runs(self, user: Visitor, tmp_path: Path) -> None:
        script = "".join(f"{block}\necho '=== {n}'\n" for n, block in enumerate(blocks(GUIDE)))
        assert SETUP in re.sub(r"  +#.*", "", script)
        mine = f"API={str(user.http.base_url).rstrip('/')}\nTOKEN={user.token}\n"
        script = mine + re.sub(r"^(API|TOKEN)=.*$", "", script, flags=re.M)

        done = subprocess.run(
            ["bash", "-eu", "-c", script],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

        assert done.returncode == 0, done.stdout[-3000:] + done.stderr
        told = re.split(r"^=== \d+$", done.stdout, flags=re.M)
        assert json.loads(told[1])["owner_id"].startswith("own_")
        for number, words in SAID.items():
            assert [word for word in words if word not in told[number]] == [], told[number]


SAID = {
    2: ['"verdict": "clear"', "SKILL.md", "Skill Harbour"],
    3: ["launch.ended", '"state": "ready"', '"signature": "'],
    4: ["turn.ended", '"state": "completed"'],
    5: ['"choice": "deny"', "\n1\n"],
    6: ['"state": "active"', "stopp", '"path": "create"'],
    7: ["openai", "demo", '"last_four": "0000"'],
    8: ["own_", '"name": "laptop"'],
    9: ["Skill Harbour"],
    10: ['"code": "'],
    11: ["{"],
}
"""What must be seen after each block; the numbers are those of the blocks."""
