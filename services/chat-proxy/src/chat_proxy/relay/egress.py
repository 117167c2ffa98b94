"""Which addresses may be called for a host that a user named.

A name is resolved once, every address it has is judged, and the connection goes to an address that
was judged: a name that answers differently the second time changes nothing.
"""

import socket
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ip_network(part) for part in text.split())


LOCAL = _networks(
    "0.0.0.0/32 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 172.16.0.0/12 192.168.0.0/16"
    " ::/128 ::1/128 fc00::/7"
)
"""This machine and private networks: allowed only by the operator."""

NEVER = _networks(
    "0.0.0.0/8 169.254.0.0/16 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 198.18.0.0/15"
    " 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4"
    " ::/96 64:ff9b:1::/48 100::/64 2001::/23 2001:db8::/32 2002::/16 3fff::/20 5f00::/16"
    " fe80::/10 fec0::/10 ff00::/8"
)
"""Link-local (cloud metadata lives there), multicast, tunnels, documentation, reserved."""

_NAT64 = IPv6Network("64:ff9b::/96")


class EgressRefusedError(Exception):
    """The address is not one that may be called."""


class EgressPolicy:
    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private

    def allows(self, address: str) -> bool:
        """Whether a connection may go to this literal address."""
        try:
            found = _embedded(ip_address(address))
        except ValueError:
            return False
        if _is_in(found, LOCAL):
            return self._allow_private
        return not _is_in(found, NEVER) and (found.version == 4 or _is_global(found))

    def check_url(self, url: URL) -> None:
        """What can be judged before a name is resolved. Raises EgressRefusedError."""
        host = url.host or ""
        if url.scheme not in {"http", "https"} or not host:
            raise EgressRefusedError
        if url.user is not None or url.password is not None:
            raise EgressRefusedError
        # The client resolves no literal address, so it is judged here.
        if _is_literal(host) and not self.allows(host):
            raise EgressRefusedError


class CheckedResolver(AbstractResolver):
    """Resolves as usual, and refuses a name as soon as one of its addresses is refused."""

    def __init__(self, policy: EgressPolicy, resolver: AbstractResolver) -> None:
        self._policy = policy
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        if not all(self._policy.allows(result["host"]) for result in found):
            raise EgressRefusedError
        return found

    async def close(self) -> None:
        await self._resolver.close()


def _embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, where it does."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _is_in(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)


def _is_global(address: Address) -> bool:
    """IPv6 has one global range so far."""
    return address in IPv6Network("2000::/3")


def _is_literal(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()
