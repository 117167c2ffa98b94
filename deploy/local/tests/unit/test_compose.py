"""The variables of a deployment in containers."""

from pathlib import Path

from local_platform.compose.environment import ensure


def read(path: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in path.read_text().splitlines())


class TestEnvironment:
    def test_every_secret_is_another_and_only_the_owner_reads_the_file(
        self, tmp_path: Path
    ) -> None:
        file = tmp_path / "env"

        ensure(file, ["NATS_PASSWORD_KEYS", "NATS_PASSWORD_GATEWAY"])

        values = read(file)
        assert len(set(values.values())) == len(values) == 8
        assert file.stat().st_mode & 0o777 == 0o600

    def test_what_is_there_stays_and_a_new_user_gets_a_password(self, tmp_path: Path) -> None:
        file = tmp_path / "env"
        ensure(file, ["NATS_PASSWORD_KEYS"])
        before = read(file)
        file.write_text(file.read_text() + "LOG_LEVEL=DEBUG\n")

        ensure(file, ["NATS_PASSWORD_KEYS", "NATS_PASSWORD_BILLING"])

        after = read(file)
        assert {name: after[name] for name in before} == before
        assert after["LOG_LEVEL"] == "DEBUG"
        # The server reads what begins with a digit as a number.
        assert after["NATS_PASSWORD_BILLING"][0].isalpha()
