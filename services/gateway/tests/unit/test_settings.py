from typing import Any

import pytest
from gateway.settings import Settings
from pydantic import ValidationError


def settings(monkeypatch: pytest.MonkeyPatch, **environment: Any) -> Settings:
    monkeypatch.setenv("NATS_URL", "nats://nowhere")
    for name, value in environment.items():
        monkeypatch.setenv(f"GATEWAY_{name}", value)
    return Settings()


class TestLocalMode:
    @pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.1", "::", "example.org", ""])
    def test_it_listens_on_loopback_only(self, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
        with pytest.raises(ValidationError, match="loopback"):
            settings(monkeypatch, HOST=host)

    @pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
    def test_loopback_is_fine(self, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
        assert settings(monkeypatch, HOST=host).host == host

    def test_it_answers_its_own_names_on_its_own_port(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        own = settings(monkeypatch, PORT="8123", ALLOWED_HOSTS="try.localhost:8123").hosts

        assert own == ("127.0.0.1:8123", "localhost:8123", "[::1]:8123", "try.localhost:8123")


class TestOidcMode:
    def test_it_needs_an_issuer_and_an_audience(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(ValidationError, match="GATEWAY_OIDC_ISSUER"):
            settings(monkeypatch, AUTH="oidc", OIDC_ISSUER="https://issuer.example")

    def test_it_listens_where_it_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        found = settings(
            monkeypatch,
            AUTH="oidc",
            OIDC_ISSUER="https://issuer.example",
            OIDC_AUDIENCE="tryskills",
            HOST="0.0.0.0",
        )

        assert (found.host, found.hosts) == ("0.0.0.0", ())
