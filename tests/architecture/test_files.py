"""Files stay small enough to hold in mind, and speak of the project alone."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
MOST_LINES = 400
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


class TestFiles:
    def test_no_python_file_is_too_long(self) -> None:
        sizes = {path: path.read_text().count("\n") for path in tracked() if path.suffix == ".py"}

        assert not [str(path) for path, lines in sizes.items() if lines > MOST_LINES]

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
