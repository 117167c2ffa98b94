"""Where a line fetches from: here, from an everyday installer, from a bare address."""

import re

from skill_resolver.model.report.patterns import KNOWN_INSTALLERS, KNOWN_REPOSITORIES

_HOSTS = re.compile(r"https?://([A-Za-z0-9.-]+)(?:/([\w.-]+/[\w.-]+))?", re.IGNORECASE)
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_PRIVATE_ADDRESS = re.compile(r"(?:127|10|192\.168|172\.(?:1[6-9]|2\d|3[01])|169\.254|0)\.")
_OF_REPOSITORIES = {"github.com", "raw.githubusercontent.com"}


def hosts(line: str) -> set[str]:
    return {host.lower().removeprefix("www.") for host, _ in _HOSTS.findall(line)}


def is_local(line: str) -> bool:
    """Whether everything it names is on this machine or in a private network."""
    named = hosts(line)
    return bool(named) and all(is_private(host) for host in named)


def is_private(host: str) -> bool:
    return host == "localhost" or _PRIVATE_ADDRESS.match(host) is not None


def is_address(host: str) -> bool:
    return _ADDRESS.fullmatch(host) is not None


def is_known(line: str) -> bool:
    """Whether everything it fetches comes from a maker whose installers everybody runs."""
    found = [
        (host.lower().removeprefix("www."), path.lower()) for host, path in _HOSTS.findall(line)
    ]
    return bool(found) and all(_is_known(host, path) for host, path in found)


def _is_known(host: str, path: str) -> bool:
    return host in KNOWN_INSTALLERS or (host in _OF_REPOSITORIES and path in KNOWN_REPOSITORIES)
