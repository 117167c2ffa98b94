"""Files stay small enough to hold in mind, and speak of the project alone."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
MOST_LINES = {"source": 400, "tests": 500, "contracts": 500}
MACHINE_PATHS = ("/work" + "/main", "/tmp" + "/plan", "/root" + "/.pyenv")


def tracked() -> list[Path]:
    """The files of the checkout; of an unpacked archive, every file."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def allowed(path: Path) -> int:
    """A contract is a list of declarations, one file a service."""
    kinds = [kind for kind in ("tests", "contracts") if kind in path.parts]
    return MOST_LINES[kinds[0] if kinds else "source"]


class TestFiles:
    def test_no_python_file_is_too_long(self) -> None:
        sizes = {path: path.read_text().count("\n") for path in tracked() if path.suffix == ".py"}

        assert not [str(path) for path, lines in sizes.items() if lines > allowed(path)]

    def test_no_file_is_a_junk_drawer(self) -> None:
        assert not [
            path for path in tracked() if path.stem in {"utils", "util", "helpers", "misc"}
        ]

    def test_no_file_carries_a_path_of_a_machine(self) -> None:
        found = [
            str(path)
            for path in tracked()
            if any(part.encode() in path.read_bytes() for part in MACHINE_PATHS)
        ]

        assert not found
