"""What is derived from the code is what is committed."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def generator() -> ModuleType:
    """`docs/generate.py`, which is a script and no package."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATED: dict[Path, str] = generator().generated()


class TestGenerated:
    @pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.name)
    def test_a_derived_file_says_what_the_code_says(self, path: Path) -> None:
        assert path.read_text() == GENERATED[path], "run `make docs`"


class TestSettings:
    def test_every_setting_says_what_it_is(self) -> None:
        """An attribute's docstring; `make docs` puts it into docs/settings.md."""
        made = generator()

        silent = [
            f"{title}: {name}"
            for title, (settings_class, _) in made.SETTINGS.items()
            for name in settings_class.model_fields
            if name not in made.documented(settings_class)
        ]

        assert silent == []

    def test_every_service_is_there(self) -> None:
        services = {path.parent.name for path in ROOT.glob("services/*/pyproject.toml")}

        assert services <= set(generator().SETTINGS)


class TestPromises:
    def test_every_check_of_a_promise_is_there(self) -> None:
        """Tests that moved would leave a promise without its proof."""
        checks = {
            check
            for promise in sys.modules["promises"].PROMISES
            for check in promise.checks
            if not check.startswith("make ")
        }
        missing = []
        for check in checks:
            name, _, group = check.partition("::")
            file = ROOT / name
            if not file.is_file() or (group and f"class {group}:" not in file.read_text()):
                missing.append(check)

        assert len(checks) > 20
        assert missing == []
