"""Settings of more than one part: what they are written as, and what is made of them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

import limits
import psycopg
from psycopg.conninfo import conninfo_to_dict
from pydantic import AfterValidator, BeforeValidator, PlainValidator
from pydantic_settings import NoDecode

from application.privacy import master_keys
from application.webhooks.signing import key_of
from domain.money import parse_decimal
from domain.refusals import Refusal

LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")
"""What this machine calls itself."""

MIN_SECRET_CHARS = 32
"""As many characters as HMAC-SHA256 has bytes, which is the least that its standard allows."""

_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?|\[[0-9a-f:.]{2,45}\]")
_SENDER = re.compile(r"[^<>@,;:\"\\]+ <([^<>@\s]{1,64})@([^<>@]+)>|([^<>@,;:\s]{1,64})@([^<>@]+)")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def _parts(value: object) -> object:
    """The parts of a text with commas between them; what is no text is left to the type."""
    if not isinstance(value, str):
        return value
    return tuple(part for part in (each.strip() for each in value.split(",")) if part)


def _each(check: Callable[[str], str]) -> AfterValidator:
    return AfterValidator(lambda parts: tuple(check(part) for part in parts))


def _host(text: str) -> str:
    if not _HOST.fullmatch(text.lower()):
        raise ValueError("write names without scheme or port: ledger.example.com,ledger.local")
    return text.lower()


def _origin(text: str) -> str:
    """As a browser sends it: lower case, no port that goes without saying."""
    url = split_url(text.lower(), _DEFAULT_PORTS)
    if url is None or url.path or url.query or url.fragment or "@" in url.netloc:
        raise ValueError(
            "write each site as a browser does, without a path:"
            " https://app.example.com,http://localhost:3000"
        )
    goes_without_saying = url.port in (None, _DEFAULT_PORTS[url.scheme])
    return f"{url.scheme}://{host_of(url)}" + ("" if goes_without_saying else f":{url.port}")


def _network(text: str) -> str:
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        raise ValueError("write addresses and networks: 127.0.0.1,10.0.0.0/8") from None
    if network.prefixlen == 0:
        raise ValueError("that is everybody, and anybody could give any address: name the proxies")
    return text


def _sender(text: str) -> str:
    found = _SENDER.fullmatch(text)
    domain = (found[2] or found[4]).lower() if found else ""
    if not text.isprintable() or not _HOST.fullmatch(domain):
        raise ValueError("write it as daybook@example.com or Daybook <daybook@example.com>")
    return text


def _secret(text: str) -> str:
    if len(text) < MIN_SECRET_CHARS:
        raise ValueError(
            f"a secret has at least {MIN_SECRET_CHARS} characters: make one with"
            " `daybook config new-secret`"
        )
    if "," in text or text != text.strip():
        raise ValueError("a secret has no comma in it, and no space around it")
    return text


def _master_key(text: str) -> str:
    _parse_keys(text)
    return text


def _old_master_keys(texts: tuple[str, ...]) -> tuple[str, ...]:
    _parse_keys(master_keys.generate(), texts)
    return texts


def _parse_keys(current: str, older: tuple[str, ...] = ()) -> None:
    try:
        master_keys.MasterKeys.parse(current, older)
    except master_keys.MasterKeyError as error:
        raise ValueError(str(error)) from None


def _webhook_secret(text: str) -> str:
    key_of(text)
    return text


def _rate(text: str) -> str:
    try:
        (rate,) = limits.parse_many(text)
    except ValueError:
        rate = None
    if rate is None or rate.amount < 1 or rate.get_expiry() < 1:
        raise ValueError("write it as 100/minute: a number and second, minute, hour or day")
    return text


def _thresholds(value: object) -> Mapping[str, int]:
    if isinstance(value, Mapping):
        return MappingProxyType(dict(value))
    found: dict[str, int] = {}
    for part in str(value).split(","):
        currency, _, amount = (piece.strip() for piece in part.partition(":"))
        if not part.strip():
            continue
        try:
            minor = parse_decimal(amount, currency)
        except Refusal:
            minor = -1
        if minor < 0 or currency in found:
            raise ValueError(
                "write EUR:10000.00,JPY:1000000, each currency once, with the decimals that it has"
            )
        found[currency] = minor
    return MappingProxyType(found)


def require_postgres(url: str) -> None:
    """Raises `ValueError` when this does not say where a Postgres is; never with a part of it."""
    if not url.startswith(("postgresql://", "postgres://")):
        raise ValueError("write it as postgresql://user:password@host:5432/database")
    try:
        conninfo_to_dict(url)
    except psycopg.ProgrammingError:  # its message may have the password in it
        raise ValueError(
            "it cannot be used: write postgresql://user:password@host:5432/database?options, with"
            " %40 for an @ in the password and so on, and only options that libpq knows"
        ) from None


def split_url(text: str, schemes: Mapping[str, int | None]) -> SplitResult | None:
    """The parts of a URL that has one of these schemes, a host and a usable port; else None."""
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        return None
    if url.scheme not in schemes or port == 0 or not _HOST.fullmatch(host_of(url)):
        return None
    return url


def host_of(url: SplitResult) -> str:
    """The host of a URL in lower case, an IPv6 address in its brackets; empty when there is none."""
    host = url.hostname or ""
    return f"[{host}]" if ":" in host else host


Texts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parts)]
Hosts = Annotated[Texts, _each(_host)]
Origins = Annotated[Texts, _each(_origin)]
Networks = Annotated[Texts, _each(_network)]
Secret = Annotated[str, AfterValidator(_secret)]
Secrets = Annotated[Texts, _each(_secret)]
MasterKey = Annotated[str, AfterValidator(_master_key)]
OldMasterKeys = Annotated[Texts, AfterValidator(_old_master_keys)]
WebhookSecrets = Annotated[Texts, _each(_webhook_secret)]
Sender = Annotated[str, AfterValidator(_sender)]
Rate = Annotated[str, AfterValidator(_rate)]
Thresholds = Annotated[Mapping[str, int], NoDecode, PlainValidator(_thresholds)]
"""Minor units by currency; read only."""
