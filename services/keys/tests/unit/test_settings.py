"""The master key's ways in."""

import base64
import os
from pathlib import Path

import pytest
from keys.settings import Settings
from pydantic import ValidationError

KEY = bytes(range(32))
TEXT = base64.b64encode(KEY).decode()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("KEYS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NATS_URL", "nats://127.0.0.1")
    monkeypatch.setenv("MONGODB_URI", "mongodb://127.0.0.1")
    monkeypatch.setenv("DEPLOYMENT_ID", "test")


class TestMasterKey:
    def test_it_comes_from_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("KEYS_MASTER_KEY", TEXT)

        assert Settings().current_key() == KEY

    def test_it_comes_from_a_file(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "master.key").write_text(TEXT + "\n")
        monkeypatch.setenv("KEYS_MASTER_KEY_FILE", str(tmp_path / "master.key"))

        assert Settings().current_key() == KEY

    def test_previous_ones_are_listed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("KEYS_MASTER_KEY", TEXT)
        monkeypatch.setenv("KEYS_MASTER_KEY_PREVIOUS", f"{TEXT},{TEXT}")

        assert Settings().previous_keys() == [KEY, KEY]

    def test_one_of_both_is_needed_and_not_two(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(ValidationError, match="KEYS_MASTER_KEY"):
            Settings()

        monkeypatch.setenv("KEYS_MASTER_KEY", TEXT)
        monkeypatch.setenv("KEYS_MASTER_KEY_FILE", "also")
        with pytest.raises(ValidationError) as error:
            Settings()
        assert TEXT not in str(error.value)

    @pytest.mark.parametrize("text", ["", "not base64!", TEXT[:20], TEXT + TEXT])
    def test_anything_but_32_bytes_is_refused_and_not_repeated(
        self, monkeypatch: pytest.MonkeyPatch, text: str
    ) -> None:
        monkeypatch.setenv("KEYS_MASTER_KEY", text)

        with pytest.raises(ValueError, match="KEYS_MASTER_KEY does not hold") as error:
            Settings().current_key()

        assert not text or text not in str(error.value)

    def test_an_error_shows_no_secret(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("KEYS_MASTER_KEY", TEXT)
        monkeypatch.setenv("KEYS_DEFAULT_PROVIDER", "nobody")
        monkeypatch.setenv("MONGODB_URI", "mongodb://user:hunter2@127.0.0.1")

        with pytest.raises(ValidationError) as error:
            Settings()

        assert TEXT not in str(error.value)
        assert "hunter2" not in str(error.value)
