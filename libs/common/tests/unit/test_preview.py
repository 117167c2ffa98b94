"""Which addresses an agent may have."""

import pytest
from common.errors import ErrorCode, ForbiddenError
from common.preview import LocalhostResolver, PreviewGuard

LOCAL = PreviewGuard(["proxy.localhost:13986"])
TOKEN = "a1b2c3d4e5f6a7b8"

ALLOWED = [
    f"https://9119-{TOKEN}.proxy.daytona.works",
    f"https://9119-{TOKEN}.proxy.daytona.work/path",
    f"https://9119-{TOKEN}.daytonaproxy01.net",
    f"https://9119-{TOKEN}.daytonaproxy01.eu:443",
    "https://8642-0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f.daytonaproxy01.net",
    f"http://9119-{TOKEN}.proxy.localhost:13986",
]
REFUSED = [
    f"http://9119-{TOKEN}.daytonaproxy01.net",
    f"https://9119-{TOKEN}.daytonaproxy01.net:8443",
    f"https://9119-{TOKEN}.daytonaproxy01.net.evil.example",
    f"https://9119-{TOKEN}.daytonaproxy01.net@evil.example",
    f"https://evil.example/9119-{TOKEN}.daytonaproxy01.net",
    f"https://9119-{TOKEN}.daytonaproxy01.net.",
    f"https://user:pw@9119-{TOKEN}.daytonaproxy01.net",
    f"https://9119-{TOKEN}.daytonaproxy01.net\\@evil.example",
    f" https://9119-{TOKEN}.daytonaproxy01.net",
    f"https://9119-{TOKEN}.daytonaproxy01.net\n.evil.example",
    f"https://22222-{TOKEN}.daytonaproxy01.net",
    f"https://2280-{TOKEN}.daytonaproxy01.net",
    f"https://33333-{TOKEN}.daytonaproxy01.net",
    f"https://9119-{TOKEN}.preview.daytona.app",
    f"http://2280-{TOKEN}.proxy.localhost:13986",
    f"http://9119-{TOKEN}.proxy.localhost:13987",
    f"http://9119-{TOKEN}.proxy.localhost",
    "http://proxy.localhost:13986",
    "http://localhost:13986",
    "http://127.0.0.1:13986",
    "http://169.254.169.254/latest",
    "file:///etc/passwd",
    "https://[::1]:13986",
    "https://9119-token:99999.daytonaproxy01.net",
    "",
]


class TestPreviewGuard:
    @pytest.mark.parametrize("url", ALLOWED)
    def test_a_preview_of_a_known_form_is_allowed(self, url: str) -> None:
        assert LOCAL.check(url) == url

    @pytest.mark.parametrize("url", REFUSED)
    def test_anything_else_is_refused_without_naming_it(self, url: str) -> None:
        with pytest.raises(ForbiddenError) as refusal:
            LOCAL.check(url)

        assert refusal.value.code is ErrorCode.HOST_REFUSED
        assert TOKEN not in refusal.value.detail

    def test_a_region_of_ones_own_needs_https(self) -> None:
        guard = PreviewGuard(["proxy.region.example"])

        assert guard.check(f"https://9119-{TOKEN}.proxy.region.example")
        with pytest.raises(ForbiddenError):
            guard.check(f"http://9119-{TOKEN}.proxy.region.example")


class TestLocalhostResolver:
    async def test_names_below_localhost_are_loopback(self) -> None:
        found = await LocalhostResolver().resolve("9119-x.proxy.localhost", 13986)

        assert [(entry["host"], entry["port"]) for entry in found] == [("127.0.0.1", 13986)]

    async def test_a_domain_elsewhere_is_looked_for_there(self) -> None:
        resolver = LocalhostResolver({"proxy.localhost": "127.0.0.9"})

        found = await resolver.resolve("9119-x.proxy.localhost", 13986)

        assert [(entry["host"], entry["port"]) for entry in found] == [("127.0.0.9", 13986)]

    async def test_the_guard_allows_such_a_domain_by_its_name_alone(self) -> None:
        guard = PreviewGuard(["proxy.localhost:13986=daytona"])

        assert guard.check(f"http://9119-{TOKEN}.proxy.localhost:13986")
        with pytest.raises(ForbiddenError):
            guard.check(f"http://9119-{TOKEN}.daytona:13986")
