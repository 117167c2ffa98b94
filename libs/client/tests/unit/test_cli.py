"""The command line: where it looks for the platform, and its exit status."""

import httpx
import pytest
from tryskills import client as client_module
from tryskills.cli import main
from tryskills.client import Client
from tryskills.errors import ApiError, UnreachableError
from tryskills.settings import read_settings


class TestSettings:
    def test_the_environment_decides(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TRYSKILLS_URL", "http://elsewhere")
        monkeypatch.setenv("TRYSKILLS_TOKEN", "t")

        assert (read_settings().url, read_settings().token) == ("http://elsewhere", "t")

    def test_without_it_the_local_platform_is_meant(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("TRYSKILLS_URL", raising=False)

        assert read_settings().url == "http://127.0.0.1:8000"


class TestClient:
    @pytest.fixture(autouse=True)
    def _no_waiting(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(client_module, "PAUSE_S", 0)

    async def test_a_call_is_sent_again_with_the_same_key(self) -> None:
        keys: list[str] = []

        def once_broken(request: httpx.Request) -> httpx.Response:
            keys.append(request.headers["Idempotency-Key"])
            if len(keys) == 1:
                raise httpx.RemoteProtocolError("gone", request=request)
            return httpx.Response(200, json={"id": "lau_1"})

        async with Client("http://x", transport=httpx.MockTransport(once_broken)) as client:
            launch = await client.launch("o/r/s")

        assert launch.id == "lau_1"
        assert len(keys) == 2
        assert len(set(keys)) == 1

    async def test_a_platform_that_is_not_there_is_told(self) -> None:
        def refused(request: httpx.Request) -> httpx.Response:
            raise httpx.ConnectError("refused", request=request)

        async with Client("http://x", transport=httpx.MockTransport(refused)) as client:
            with pytest.raises(UnreachableError, match="http://x does not answer"):
                await client.me()

    async def test_a_refusal_that_is_no_problem_document(self) -> None:
        transport = httpx.MockTransport(lambda _: httpx.Response(502, text="<html>"))
        async with Client("http://x", transport=transport) as client:
            with pytest.raises(ApiError, match="http_502"):
                await client.me()

    async def test_the_token_travels_as_bearer(self) -> None:
        def echo(request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, json=request.headers.get("Authorization"))

        async with Client("http://x", "t", httpx.MockTransport(echo)) as client:
            assert await client.me() == "Bearer t"


class TestCommand:
    def test_a_variable_without_a_value_is_refused_without_repeating_it(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as refused:
            main(["try", "x", "--prompt", "hi", "--set", "secret"])

        assert refused.value.code == "--set takes NAME=VALUE"
        assert "secret" not in capsys.readouterr().out
