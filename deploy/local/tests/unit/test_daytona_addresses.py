"""Which addresses and names a sandbox may reach."""

from ipaddress import ip_address

import pytest
from local_platform.daytona.addresses import Policy, is_public, literal, policy_of
from local_platform.daytona.errors import BadRequestError


class TestIsPublic:
    @pytest.mark.parametrize(
        "address",
        [
            "127.0.0.1",
            "127.255.255.254",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "169.254.169.254",
            "224.0.0.1",
            "239.255.255.255",
            "255.255.255.255",
            "240.0.0.1",
            "198.18.0.1",
            "192.0.2.1",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
        ],
    )
    def test_no_private_address_in_any_spelling(self, address: str) -> None:
        assert not is_public(ip_address(address))

    @pytest.mark.parametrize(
        "address",
        [
            "1.1.1.1",
            "8.8.8.8",
            "172.15.255.255",
            "172.32.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "2606:4700:4700::1111",
            "2a00:1450::1",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
        ],
    )
    def test_public_addresses_are(self, address: str) -> None:
        assert is_public(ip_address(address))


class TestPolicy:
    def test_without_settings_every_name_is_open(self) -> None:
        assert Policy().allows_name("example.com")

    def test_all_blocked_blocks_names_and_addresses(self) -> None:
        policy = Policy(block_all=True, domains=("example.com",))

        assert not policy.allows_name("example.com")
        assert not policy.allows_address(ip_address("1.1.1.1"))

    @pytest.mark.parametrize(
        ("name", "is_open"),
        [
            ("example.com", True),
            ("EXAMPLE.com.", True),
            ("www.example.com", False),
            ("a.example.org", True),
            ("a.b.example.org", True),
            ("example.org", False),
            ("notexample.com", False),
            ("example.com.evil.net", False),
            ("evilexample.org", False),
        ],
    )
    def test_a_list_of_domains_is_exact(self, name: str, is_open: bool) -> None:  # noqa: FBT001
        policy = policy_of(block_all=False, networks=None, domains="example.com, *.Example.org")

        assert policy.allows_name(name) is is_open

    def test_a_list_of_networks_never_opens_a_private_one(self) -> None:
        policy = policy_of(block_all=False, networks="1.1.1.0/24,10.0.0.0/8", domains="")

        assert policy.allows_address(ip_address("1.1.1.7"))
        assert not policy.allows_address(ip_address("8.8.8.8"))
        assert not policy.allows_address(ip_address("10.0.0.1"))

    @pytest.mark.parametrize("networks", ["nonsense", "1.2.3.4/99"])
    def test_a_broken_network_list_is_refused(self, networks: str) -> None:
        with pytest.raises(BadRequestError, match="networkAllowList"):
            policy_of(block_all=False, networks=networks, domains=None)

    def test_a_url_is_no_domain(self) -> None:
        with pytest.raises(BadRequestError, match="domainAllowList"):
            policy_of(block_all=False, networks=None, domains="https://example.com/x")


class TestLiteral:
    def test_brackets_and_zones_are_read(self) -> None:
        assert literal("[::1]") == ip_address("::1")
        assert literal("fe80::1%eth0") == ip_address("fe80::1")
        assert literal("example.com") is None
