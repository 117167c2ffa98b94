"""Which names and addresses a sandbox may reach."""

from dataclasses import dataclass, field
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from local_platform.daytona.errors import BadRequestError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Private, shared, loopback, link-local, documentation, benchmark, multicast and reserved space.
REFUSED = """
    0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12
    192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15
    198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
    ::/96 64:ff9b:1::/48 100::/64 2001::/23 2001:db8::/32 3fff::/20 5f00::/16
    fc00::/7 fe80::/10 fec0::/10 ff00::/8
"""
REFUSED_NETWORKS = tuple(ip_network(text) for text in REFUSED.split())
TRANSLATED_PREFIX = ip_network("64:ff9b::/96")
SIX_TO_FOUR = ip_network("2002::/16")


def carried(address: Address) -> Address:
    """The IPv4 address inside a mapped, translated or 6to4 IPv6 address."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in TRANSLATED_PREFIX:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    if address in SIX_TO_FOUR:
        return IPv4Address((int(address) >> 80) & 0xFFFFFFFF)
    return address


def is_public(address: Address) -> bool:
    found = carried(address)
    return not any(found.version == net.version and found in net for net in REFUSED_NETWORKS)


@dataclass(frozen=True)
class Policy:
    """A sandbox's network settings; without any, every public address is open."""

    block_all: bool = False
    domains: tuple[str, ...] = ()
    networks: tuple[Network, ...] = field(default=())

    def allows_name(self, name: str) -> bool:
        if self.block_all:
            return False
        plain = name.lower().rstrip(".")
        return not self.domains or any(matches(plain, domain) for domain in self.domains)

    def allows_address(self, address: Address) -> bool:
        if self.block_all or not is_public(address):
            return False
        found = carried(address)
        return not self.networks or any(
            found.version == net.version and found in net for net in self.networks
        )


def matches(name: str, domain: str) -> bool:
    """`example.com` is that name alone, `*.example.com` every name below it."""
    if domain.startswith("*."):
        return name.endswith(domain[1:]) and name != domain[2:]
    return name == domain


def listed(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def policy_of(*, block_all: bool, networks: str | None, domains: str | None) -> Policy:
    try:
        allowed = tuple(ip_network(text, strict=False) for text in listed(networks))
    except ValueError as error:
        raise BadRequestError(f"networkAllowList: {error}") from error
    names = tuple(text.lower().rstrip(".") for text in listed(domains))
    if any("/" in name or " " in name or ":" in name for name in names):
        msg = "domainAllowList holds something that is no domain"
        raise BadRequestError(msg)
    return Policy(block_all, names, allowed)


def literal(name: str) -> Address | None:
    """The address that a host part spells out, if it is one."""
    try:
        return ip_address(name.strip("[]").partition("%")[0])
    except ValueError:
        return None
