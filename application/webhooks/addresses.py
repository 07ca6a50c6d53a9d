"""Which addresses a webhook may be sent to: none that only this machine or its network reaches."""

from __future__ import annotations

from ipaddress import (
    IPv4Address,
    IPv6Address,
    ip_address,
    ip_network,
)
from typing import NamedTuple
from urllib.parse import urlsplit

from msgspec import Struct

MAX_URL = 2_000

_PORTS = {"https": 443, "http": 80}
_NAT64 = ip_network("64:ff9b::/96")
_IPV6_OF_ALL = ip_network("2000::/3")
"""What is given out of IPv6 so far: all else is local, or stands for something."""
_MASKED = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24",
        "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/3",
        # A cloud's service for its machines, though the address looks like anybody's.
        "168.63.129.16/32",
        "2001::/23", "2001:db8::/32", "3fff::/20",
    )
)  # fmt: skip
"""IANA's registries of special addresses, spelled out: what Python calls global differs between its
versions. `224.0.0.0/3` is multicast and all that comes after it; metadata services are in
`169.254.0.0/16` and `100.64.0.0/10`."""


class AddressError(Exception):
    """Webhooks are not sent there; the message is a sentence for who gave the URL."""


class Allowed(Struct, frozen=True):
    """What an installation sends to."""

    private: bool = False
    """Also to this machine and its network, for development."""
    https_only: bool = True


class Target(NamedTuple):
    """Where a URL leads."""

    scheme: str
    host: str
    port: int


def check_url(url: str, allowed: Allowed) -> Target:
    """Where a URL leads, as far as it can be told without asking for the name's addresses.

    Raises `AddressError`.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise AddressError("it is not a URL") from None
    if (
        len(url) > MAX_URL
        or not url.isascii()
        or any(c.isspace() or not c.isprintable() for c in url)
    ):
        raise AddressError(f"a URL has at most {MAX_URL} characters, all of ASCII, and no spaces")
    if parts.scheme not in _PORTS or not host or port == 0:
        raise AddressError("write it as https://example.com/hooks")
    if parts.scheme != "https" and allowed.https_only:
        raise AddressError("it must begin with https://, so that nobody reads what is sent")
    if parts.username is not None or parts.password is not None:
        raise AddressError("leave name and password out: the signature says who sends")
    if parts.fragment or "#" in url:
        raise AddressError("leave out the # and what comes after it: it is never sent")
    if (literal := _literal(host)) is not None:
        _require_public(literal, allowed)
    elif not allowed.private and (host == "localhost" or host.endswith(".localhost")):
        raise AddressError("it leads to no address of the public internet")
    return Target(parts.scheme, host, port or _PORTS[parts.scheme])


def check_address(address: str, allowed: Allowed) -> None:
    """Raises `AddressError` for an address that is not to be connected to."""
    _require_public(ip_address(address.partition("%")[0]), allowed)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is one of the internet's, and does not stand for one that is not."""
    inner = _inner(address)
    if inner is not None:
        return is_public(inner)
    if isinstance(address, IPv6Address) and address not in _IPV6_OF_ALL:
        return False
    return not any(address in network for network in _MASKED)


def _inner(address: IPv4Address | IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 one stands for."""
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return None


def _require_public(address: IPv4Address | IPv6Address, allowed: Allowed) -> None:
    if not allowed.private and not is_public(address):
        raise AddressError("it leads to no address of the public internet")


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        return None
