"""Where a request comes from: the name it reached us by, the web page it is of, the client's address."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping

from starlette.types import Scope

LOCAL_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
_OTHER_SITES = frozenset({"cross-site", "same-site"})
_READING = frozenset({"GET", "HEAD"})

_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE"
_TAKEN = (
    b"Accept, Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID,"
    b" X-API-Key, X-API-Version, X-Correlation-ID"
)
_SHOWN = (
    b"Daybook-Position, ETag, Idempotent-Replayed, Location, RateLimit, RateLimit-Policy, Retry-After,"
    b" WWW-Authenticate, X-API-Version, X-Correlation-ID, X-RateLimit-Limit, X-RateLimit-Remaining,"
    b" X-RateLimit-Reset"
)
_PREFLIGHT_AGE_S = 600


def host_of(headers: Mapping[str, str]) -> str:
    """The name that the client knows us by, without its port."""
    given = headers.get("host", "").lower()
    return given if given.endswith("]") else given.rsplit(":", 1)[0]


def is_cross_site(method: str, headers: Mapping[str, str], origins: Collection[str]) -> bool:
    """Whether a browser sends this for a page of another site, which is none of `origins`."""
    return (
        method not in _READING
        and headers.get("sec-fetch-site", "") in _OTHER_SITES
        and headers.get("origin", "") not in origins
    )


def cors_headers(headers: Mapping[str, str], origins: Collection[str]) -> list[tuple[bytes, bytes]]:
    """What lets a page of one of `origins` read the answer; nothing for all other pages.

    No cookie says who asks, so that browsers need not be allowed to send any.
    """
    origin = headers.get("origin", "")
    if origin not in origins:
        return []
    return [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-expose-headers", _SHOWN),
    ]


def is_preflight(method: str, headers: Mapping[str, str], origins: Collection[str]) -> bool:
    """Whether a browser asks, before the request itself, if a page of `origins` may send it."""
    return (
        method == "OPTIONS"
        and "access-control-request-method" in headers
        and headers.get("origin", "") in origins
    )


PREFLIGHT = [
    (b"access-control-allow-methods", _METHODS),
    (b"access-control-allow-headers", _TAKEN),
    (b"access-control-max-age", str(_PREFLIGHT_AGE_S).encode()),
]
"""What a preflight is answered beside `cors_headers`."""


def network_of(address: str) -> str:
    """Where an address is from, without telling whose it is: its first 24 bits, of IPv6 the first 48."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    plain = mapped or parsed
    return str(ipaddress.ip_network((plain, 24 if plain.version == 4 else 48), strict=False))


def client_key(scope: Scope) -> str:
    """Whom a request without credentials counts for: its address, of IPv6 the network.

    One household or machine has a /64 of its own, and can send from any address in it.
    """
    client = scope.get("client")
    address: str = client[0] if client else ""
    if ":" not in address:
        return address or "local"
    try:
        parsed = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))
