"""Whether a server may start with its settings, and what is better changed although it may."""

from __future__ import annotations

import ipaddress
import socket
import string
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from itertools import pairwise

from psycopg.conninfo import conninfo_to_dict

from api.setting_values import LOCAL_NAMES, host_of, split_url
from api.settings import Settings, SettingsError
from application.privacy.master_keys import is_weak
from application.webhooks.signing import key_of

MIN_PRODUCTION_CHARS = 64
"""Of a secret that signs tokens."""
MIN_VARIETY = 16
"""64 random characters have some 40 different ones; fewer than this was typed by somebody."""

_PLACEHOLDERS = ("example-", "change", "secret", "password", "placeholder", "your-", "your_")
_DEFAULT_PASSWORDS = frozenset(
    {
        "postgres", "password", "daybook", "secret", "admin", "root", "test", "changeme", "change_me",
        "change-me", "example",
    }
)  # fmt: skip
_PRINTABLE = frozenset(string.printable.encode())
_SERVICES = ("BANK", "BUREAU")
"""Those outside whose word is taken; their settings begin so."""
_PARTNERS = {"DECISIONS": "partner who decides", "FRAUD": "partner who watches for fraud"}
"""Those who only tell, and what they are called."""
_MIN_ARGON2_KIB = 7_168
_MIN_ARGON2_WORK = 35_840
"""KiB times rounds: the least of the equivalent choices in OWASP's Password Storage Cheat Sheet
(47104 and 1, 19456 and 2, 12288 and 3, 9216 and 4, 7168 and 5)."""


class PortInUseError(Exception):
    """Another program listens on the port."""


def require_fit(settings: Settings) -> None:
    """Raises `SettingsError` with every reason why a server may not start with these settings."""
    if found := check(settings):
        raise SettingsError("\n".join(found))


def check_address(settings: Settings) -> None:
    """Raises `SettingsError` or `PortInUseError` with what to do, before anything else is started."""
    require_fit(settings)
    host, port = settings.HOST, settings.PORT
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            other = port + 1 if port < 65535 else port - 1
            raise PortInUseError(
                f"cannot listen on {host}:{port} ({error.strerror}): stop the program that does, "
                f"or choose another port, for example PORT={other} make run"
            ) from None


def require_fit_services(settings: Settings) -> None:
    """Raises `SettingsError` when production may not ask this bank for money."""
    if settings.is_production and (found := [*_services(settings)]):
        raise SettingsError("\n".join(found))


def require_sound_tables() -> None:
    """Raises `UnsoundTableError`, which names the file, when nobody may be decided about by one."""
    from application.processes.credit import tables

    tables()


def check(settings: Settings) -> list[str]:
    """Why a server may not start with these settings, a sentence each; empty when it may."""
    return check_for_production(settings) if settings.is_production else [*_reachable(settings)]


def check_for_production(settings: Settings) -> list[str]:
    """Why these settings are not good enough for production, a sentence each, never with a value."""
    return [
        *_reachable(settings),
        *_logs(settings),
        *_databases(settings),
        *_signing(settings),
        *_encryption(settings),
        *_webhook_secrets(settings),
        *_services(settings),
        *_passwords(settings),
    ]


def warnings(settings: Settings) -> list[str]:
    """What is better changed for production, although a server starts with it, a sentence each."""
    return [*_redis(settings), *_mail(settings), *_webhooks(settings), *_switched_off(settings)]


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reached by this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _reachable(settings: Settings) -> Iterator[str]:
    if is_loopback(settings.HOST):
        return
    if set(settings.ALLOWED_HOSTS) <= set(LOCAL_NAMES):
        yield (
            f"HOST: {settings.HOST!r} can be reached from outside: set ALLOWED_HOSTS to the names that"
            " others reach it by, or leave HOST at 127.0.0.1"
        )
    if not settings.is_production and _is_placeholder(settings.JWT_SECRET or ""):
        yield (
            f"JWT_SECRET: everybody knows this one, and HOST {settings.HOST!r} can be reached from"
            f" outside: leave JWT_SECRET out, or make one with `daybook config new-secret`"
        )


def _logs(settings: Settings) -> Iterator[str]:
    if settings.LOG_LEVEL == "DEBUG":
        yield "LOG_LEVEL: DEBUG tells more than others should read: use INFO"


def _databases(settings: Settings) -> Iterator[str]:
    if settings.DATABASE_URL is None:
        yield "DATABASE_URL: production needs a Postgres of its own: set it"
    for name in ("DATABASE_URL", "DATABASE_ADMIN_URL"):
        url: str | None = getattr(settings, name)
        if url is None:
            continue
        parts = conninfo_to_dict(url)
        password = str(parts.get("password") or "")
        is_default = password.lower() in _DEFAULT_PASSWORDS or _is_placeholder(password)
        if is_default or (password and password == parts.get("user")):
            yield f"{name}: its password is one that everybody tries first: give the role another"


def _signing(settings: Settings) -> Iterator[str]:
    if settings.JWT_SECRET is None:
        yield "JWT_SECRET: production needs one: make it with `daybook config new-secret`"
    elif problem := _weakness(settings.JWT_SECRET):
        yield f"JWT_SECRET: {problem}: make another with `daybook config new-secret`"
    for number, secret in enumerate(settings.JWT_SECRETS_OLD, start=1):
        # Whoever guesses an old one makes tokens with it just as well.
        if problem := _weakness(secret):
            yield f"JWT_SECRETS_OLD: secret {number}: {problem}: take it out"


def _weakness(secret: str) -> str | None:
    if _is_placeholder(secret):
        return "it is a placeholder"
    if len(secret) < MIN_PRODUCTION_CHARS:
        return f"it has fewer than {MIN_PRODUCTION_CHARS} characters"
    if len(set(secret)) < MIN_VARIETY or _repeats(secret):
        return "it was not made at random"
    return None


def _is_placeholder(secret: str) -> bool:
    return any(word in secret.lower() for word in _PLACEHOLDERS)


def _repeats(text: str) -> bool:
    """Whether a text is the same piece again and again."""
    return text in (text + text)[1:-1]


def _encryption(settings: Settings) -> Iterator[str]:
    make = "make one with `daybook keys generate`"
    if settings.ENCRYPTION_KEY is None:
        yield f"ENCRYPTION_KEY: production needs one: {make}"
        return
    digits = settings.ENCRYPTION_KEY.strip().rstrip("=").replace("+", "-").replace("/", "_")
    key = urlsafe_b64decode(digits + "=" * (-len(digits) % 4))
    steps = {(after - before) % 256 for before, after in pairwise(key)}
    if is_weak(key) or len(steps) == 1 or _repeats(key.decode("latin-1")) or set(key) <= _PRINTABLE:
        yield f"ENCRYPTION_KEY: it was not made at random: {make}"


def _webhook_secrets(settings: Settings) -> Iterator[str]:
    for service in (*_SERVICES, *_PARTNERS):
        name = f"{service}_WEBHOOK_SECRET"
        for number, secret in enumerate(getattr(settings, name), start=1):
            key = key_of(secret)
            if is_weak(key) or set(key) <= _PRINTABLE:
                who = _PARTNERS.get(service) or service.lower()
                yield (
                    f"{name}: secret {number}: it was not made at random, and whoever guesses it"
                    f" is taken for the {who}: agree on another with the {who}"
                )


def _services(settings: Settings) -> Iterator[str]:
    """Whoever can be taken for the bank can make money, and for the bureau anybody's credit: with an
    answer, or with a webhook."""
    for service in _SERVICES:
        address, who = getattr(settings, f"{service}_URL"), service.lower()
        if address is None:
            continue
        url = split_url(address, {"http": 80, "https": 443})
        if url is not None and url.scheme == "http" and not is_loopback(host_of(url)):
            yield (
                f"{service}_URL: over http:// anybody on the way is taken for the {who}, and a sandbox is"
                " none: use https://"
            )
        for name in (f"{service}_TOKEN", f"{service}_WEBHOOK_SECRET"):
            if not getattr(settings, name):
                yield f"{name}: there is a {service}_URL, so set it to what was agreed with the {who}"


def _passwords(settings: Settings) -> Iterator[str]:
    memory, rounds = settings.ARGON2_MEMORY_KIB, settings.ARGON2_TIME_COST
    if memory < _MIN_ARGON2_KIB or memory * rounds < _MIN_ARGON2_WORK:
        yield (
            "ARGON2_MEMORY_KIB and ARGON2_TIME_COST: stolen password hashes would be cheap to try:"
            " leave both out, or use at least 19456 and 2"
        )


def _redis(settings: Settings) -> Iterator[str]:
    if settings.REDIS_URL is None:
        return
    url = split_url(settings.REDIS_URL, {"redis": 6379, "rediss": 6379})
    if url is None or is_loopback(host_of(url)):
        return
    if url.scheme == "redis":
        yield "REDIS_URL: what is counted there can be read on its way: use rediss://"
    if not url.password:
        yield "REDIS_URL: it has no password: whoever reaches that Redis can lift the limits"


def _mail(settings: Settings) -> Iterator[str]:
    if settings.SMTP_URL is None:
        yield "SMTP_URL: it is not set: mail stays in DATA_DIR/mailbox, and nobody gets any"
    else:
        url = split_url(settings.SMTP_URL, {"smtp": 25, "smtps": 465})
        if url is not None and url.scheme == "smtp" and url.password:
            yield "SMTP_URL: its password may be read on its way: use smtps://"
    if not settings.public_url.startswith("https://"):
        yield "PUBLIC_URL: links in mails would not be safe, or lead nowhere: set it to https://..."


def _webhooks(settings: Settings) -> Iterator[str]:
    if settings.WEBHOOKS_ALLOW_PRIVATE:
        yield (
            "WEBHOOKS_ALLOW_PRIVATE: whoever may register a webhook can have requests sent to machines"
            " of this network"
        )


def _switched_off(settings: Settings) -> Iterator[str]:
    if not settings.FEATURE_RATE_LIMITING:
        yield "FEATURE_RATE_LIMITING: it is off: passwords can be guessed as fast as they are checked"
    if not settings.FEATURE_SECURITY_AUDIT:
        yield "FEATURE_SECURITY_AUDIT: it is off: nobody will know who logged in, or tried to"
