"""From a sandbox's token to a provider and its key."""

import hashlib

import pytest
from chat_proxy.relay.access import Access, Target
from chat_proxy.relay.directory import BusDirectory
from chat_proxy.relay.errors import RefusedError
from common.contracts.keys import (
    GET_SETTINGS,
    REVEAL,
    GetSettings,
    OwnerSettings,
    Reveal,
    Revealed,
)
from common.contracts.sandbox import AUTHORIZE_RELAY, AuthorizeRelay, RelayGrant
from common.errors import ErrorCode, NotFoundError, UnavailableError
from common.ids import new_id
from common.testing.bus import FakeServices
from pydantic import SecretStr

TOKEN, OWNER, DEMO_URL = "the-relay-token", new_id("own"), "http://127.0.0.1:8091/v1"
GRANT = RelayGrant(owner_id=OWNER, sandbox_id="sbx_1")
NO_KEY = NotFoundError("not set", code=ErrorCode.SECRET_NOT_FOUND)


def settings(provider: str, base_url: str | None = None) -> OwnerSettings:
    return OwnerSettings(provider=provider, model="the-model", base_url=base_url, version=1)


@pytest.fixture
def services() -> FakeServices:
    services = FakeServices()
    services.answer(AUTHORIZE_RELAY, GRANT)
    services.answer(GET_SETTINGS, settings("openrouter"))
    services.answer(REVEAL, Revealed(value=SecretStr("sk-real"), version=1))
    return services


@pytest.fixture
def access(services: FakeServices) -> Access:
    return Access(BusDirectory(services), demo_url=DEMO_URL)


async def target_of(access: Access, token: str = TOKEN) -> Target:
    return await access.target(await access.grant(token))


def asked(services: FakeServices, kind: type) -> int:
    return sum(isinstance(request, kind) for request in services.asked)


class TestTarget:
    async def test_the_owners_provider_model_and_key_are_used(
        self, access: Access, services: FakeServices
    ) -> None:
        target = await target_of(access)

        assert (target.provider.name, target.model) == ("openrouter", "the-model")
        assert target.base_url == "https://openrouter.ai/api/v1"
        assert target.headers() == {"Authorization": "Bearer sk-real"}
        assert not target.is_ours
        assert "sk-real" not in repr(target)
        sha256 = hashlib.sha256(TOKEN.encode()).hexdigest()
        assert services.asked[0] == AuthorizeRelay(token_sha256=sha256)
        assert services.asked[-1] == Reveal(
            owner_id=OWNER, name="OPENROUTER_API_KEY", purpose="relay"
        )

    async def test_the_demo_model_needs_no_key(
        self, access: Access, services: FakeServices
    ) -> None:
        services.answer(GET_SETTINGS, settings("demo"))

        target = await target_of(access)

        assert (target.base_url, target.headers(), target.is_ours) == (DEMO_URL, {}, True)
        assert asked(services, Reveal) == 0

    async def test_a_platform_without_a_demo_model_says_so(self, services: FakeServices) -> None:
        services.answer(GET_SETTINGS, settings("demo"))

        with pytest.raises(RefusedError) as error:
            await target_of(Access(BusDirectory(services), demo_url=None))

        assert (error.value.status, error.value.code) == (424, "provider_not_configured")

    async def test_a_custom_endpoint_gets_the_owners_address_and_key(
        self, access: Access, services: FakeServices
    ) -> None:
        services.answer(GET_SETTINGS, settings("custom", "https://llm.example/v1/"))

        target = await target_of(access)

        assert (target.base_url, target.is_ours) == ("https://llm.example/v1", False)
        assert target.headers() == {"Authorization": "Bearer sk-real"}

    async def test_a_custom_endpoint_works_without_a_key(
        self, access: Access, services: FakeServices
    ) -> None:
        services.answer(GET_SETTINGS, settings("custom", "http://127.0.0.1:11434/v1"))
        services.answer(REVEAL, NO_KEY)

        assert (await target_of(access)).headers() == {}

    async def test_a_missing_key_is_named(self, access: Access, services: FakeServices) -> None:
        services.answer(REVEAL, NO_KEY)

        with pytest.raises(RefusedError) as error:
            await target_of(access)

        assert error.value.status == 401
        assert "OPENROUTER_API_KEY" in error.value.message
        assert error.value.body()["error"]["code"] == "missing_key"

    @pytest.mark.parametrize("code", [ErrorCode.NOT_FOUND, ErrorCode.SANDBOX_NOT_FOUND])
    async def test_an_unknown_token_is_refused(
        self, access: Access, services: FakeServices, code: ErrorCode
    ) -> None:
        services.answer(AUTHORIZE_RELAY, NotFoundError("no", code=code))

        with pytest.raises(RefusedError) as error:
            await target_of(access)

        assert (error.value.status, error.value.code) == (401, "invalid_relay_token")
        assert asked(services, Reveal) == 0

    @pytest.mark.parametrize("rpc", [AUTHORIZE_RELAY, GET_SETTINGS, REVEAL])
    async def test_a_service_that_is_down_is_said(
        self, access: Access, services: FakeServices, rpc: object
    ) -> None:
        services.answer(rpc, UnavailableError("keys is not running"))  # type: ignore[arg-type]  # any of three

        with pytest.raises(RefusedError) as error:
            await target_of(access)

        assert error.value.status == 503

    async def test_what_the_agent_was_told_counts_before_the_settings(
        self, access: Access, services: FakeServices
    ) -> None:
        told = GRANT.model_copy(
            update={"provider": "custom", "model": "m", "base_url": "https://llm.example/v1"}
        )
        services.answer(AUTHORIZE_RELAY, told)

        target = await target_of(access)

        assert (target.provider.name, target.model) == ("custom", "m")
        assert target.base_url == "https://llm.example/v1"
        assert asked(services, GetSettings) == 0

    async def test_before_it_was_told_anything_the_settings_count(
        self, access: Access, services: FakeServices
    ) -> None:
        await target_of(access)
        services.answer(GET_SETTINGS, settings("openai"))

        assert (await target_of(access)).provider.name == "openai"

    async def test_keys_are_kept_for_a_moment_and_grants_are_not(
        self, access: Access, services: FakeServices
    ) -> None:
        await target_of(access)
        await target_of(access)

        assert (asked(services, AuthorizeRelay), asked(services, Reveal)) == (2, 1)

    async def test_a_deleted_sandboxs_token_is_worth_nothing_at_once(
        self, access: Access, services: FakeServices
    ) -> None:
        await target_of(access)
        services.answer(AUTHORIZE_RELAY, NotFoundError("gone"))

        with pytest.raises(RefusedError):
            await target_of(access)

    async def test_a_changed_key_is_asked_for_again(
        self, access: Access, services: FakeServices
    ) -> None:
        await target_of(access)
        services.answer(REVEAL, Revealed(value=SecretStr("sk-new"), version=2))

        access.forget_keys(OWNER)

        assert (await target_of(access)).headers() == {"Authorization": "Bearer sk-new"}

    async def test_another_owners_change_drops_nothing(
        self, access: Access, services: FakeServices
    ) -> None:
        await target_of(access)

        access.forget_keys(new_id("own"))
        await target_of(access)

        assert asked(services, Reveal) == 1
