"""Which addresses the relay calls for a host that a user named."""

import socket

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from chat_proxy.relay.egress import CheckedResolver, EgressPolicy, EgressRefusedError
from yarl import URL

PUBLIC = EgressPolicy(allow_private=False)
PRIVATE = EgressPolicy(allow_private=True)

OPEN = ["1.1.1.1", "8.8.8.8", "93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111"]
LOCAL = [
    *("127.0.0.1", "127.8.9.1", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
    *("100.64.0.1", "0.0.0.0", "::1", "::", "fc00::1", "fd12:3456::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a00:1", "64:ff9b::7f00:1"),
]
NEVER = [
    *("169.254.169.254", "169.254.0.1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"),
    *("224.0.0.1", "239.255.255.255", "255.255.255.255", "240.0.0.1", "0.1.2.3"),
    *("192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "192.0.0.8", "192.88.99.1"),
    *("fe80::1", "fe80::1%eth0", "ff02::1", "fec0::1", "2002:7f00:1::", "2001::1", "2001:db8::1"),
    *("::127.0.0.1", "64:ff9b:1::1", "4000::1", "100::1"),
    *("", "localhost", "127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "1.2.3", "1.1.1.1 "),
]


class TestAllows:
    @pytest.mark.parametrize("address", OPEN)
    def test_public_addresses_are_allowed(self, address: str) -> None:
        assert PUBLIC.allows(address)
        assert PRIVATE.allows(address)

    @pytest.mark.parametrize("address", LOCAL)
    def test_private_ones_only_by_the_operator(self, address: str) -> None:
        assert not PUBLIC.allows(address)
        assert PRIVATE.allows(address)

    @pytest.mark.parametrize("address", NEVER)
    def test_what_is_no_machine_or_no_address_never(self, address: str) -> None:
        assert not PUBLIC.allows(address)
        assert not PRIVATE.allows(address)


class TestCheckUrl:
    @pytest.mark.parametrize(
        "url", ["https://llm.example/v1", "http://llm.example:8000/v1", "https://1.1.1.1/v1"]
    )
    def test_a_plain_address_passes(self, url: str) -> None:
        PUBLIC.check_url(URL(url))

    @pytest.mark.parametrize(
        "url",
        [
            *("http://127.0.0.1/v1", "http://[::1]/v1", "http://[::ffff:10.0.0.1]/v1"),
            *("http://169.254.169.254/latest", "http://[fe80::1]/", "http://2130706433/v1"),
            *("http://127.1/v1", "http://0/v1", "http://0177.0.0.1/v1"),
            *("https://user@llm.example/v1", "https://user:pw@llm.example/v1"),
            *("ftp://llm.example", "file:///etc/passwd", "/v1", "unix:///run/docker.sock"),
        ],
    )
    def test_literal_private_addresses_credentials_and_schemes_are_refused(self, url: str) -> None:
        with pytest.raises(EgressRefusedError):
            PUBLIC.check_url(URL(url))

    def test_a_local_model_passes_where_the_operator_allows_it(self) -> None:
        PRIVATE.check_url(URL("http://127.0.0.1:11434/v1"))


class FixedResolver(AbstractResolver):
    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=a, port=port, family=family, proto=0, flags=0)
            for a in self._addresses
        ]

    async def close(self) -> None:
        pass


class TestCheckedResolver:
    async def test_it_answers_with_the_addresses_it_judged(self) -> None:
        resolver = CheckedResolver(PUBLIC, FixedResolver("1.1.1.1", "8.8.8.8"))

        found = await resolver.resolve("llm.example", 443)

        assert [result["host"] for result in found] == ["1.1.1.1", "8.8.8.8"]

    @pytest.mark.parametrize(
        "addresses", [("127.0.0.1",), ("1.1.1.1", "10.0.0.1"), ("::ffff:127.0.0.1",), ("fd00::1",)]
    )
    async def test_one_private_address_refuses_the_name(self, addresses: tuple[str, ...]) -> None:
        resolver = CheckedResolver(PUBLIC, FixedResolver(*addresses))

        with pytest.raises(EgressRefusedError):
            await resolver.resolve("rebinding.example", 443)
