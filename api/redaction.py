"""Takes secrets out of what is logged or answered, however deep they are."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from uuid import UUID

REDACTED = "[redacted]"

SECRETS = frozenset(
    {
        "password", "password_hash", "password_confirmation", "current_password", "new_password",
        "access_token", "refresh_token", "token", "secret", "client_secret", "private_key", "api_key",
        "authorization", "cookie", "set_cookie", "database_url", "database_admin_url", "redis_url",
        "smtp_url", "encryption_key", "encryption_keys_old", "jwt_secret", "jwt_secrets_old",
        "old_password", "id_token", "csrf_token", "reset_token", "verification_token", "jwt",
    }
)  # fmt: skip
"""Names whose values are never shown, in any letter case, with `-` as good as `_`."""

MAX_DEPTH = 50
"""Deeper than anything that is meant to be read; also the end of what contains itself."""

# Each takes time in proportion to the text, whatever a client has sent: what is never closed ends with
# the text instead of being tried again from every place.
_URL = re.compile(
    r"(\b(?:postgres(?:ql)?|rediss?|smtps?)://[^\s:/\[]{0,100}):(?!\d+(?:[/?,\s]|\Z))[^\s'\"]{0,1000}@",
    re.IGNORECASE,
)
"""Up to the last `@`, since a password may have one that ought to have been encoded; a port is none."""
_PARAMETER = re.compile(
    rf"\b((?:sslpassword|{'|'.join(sorted(SECRETS))})\s*=\s*)"
    r"(?:'(?:\\.|[^'\\])*(?:'|\\?\Z)|[^\s&'\"]+)",
    re.IGNORECASE | re.DOTALL,
)
"""As in `host=db password=...`, in `?password=...` and in `JWT_SECRET=...`."""
_PAIR = re.compile(
    rf"((['\"])(?:{'|'.join(name.replace('_', '[_-]') for name in sorted(SECRETS))})\2\s*:\s*)"
    r"(['\"])(?:\\.|(?!\3).)*(?:\3|\Z)",
    re.IGNORECASE | re.DOTALL,
)
"""As in JSON and in the printed form of a dictionary."""

_API_KEY = re.compile(r"dbk_[A-Za-z0-9_-]{9,}+")
"""More than `dbk_` and the eight characters that a key is recognised by."""
_JWT = re.compile(
    r"(?<![A-Za-z0-9_-])(?=[A-Za-z0-9_-]*+\.[A-Za-z0-9_-]{4,}+\.)([A-Za-z0-9_-]*?)"
    r"eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]*+\.[A-Za-z0-9_-]*+"
)
"""Three parts, the first of which begins with `{"`. Something may stand right before it, as the 20 in
`Bearer%20eyJ...`; only where the dots are right is it looked for."""


def is_secret(name: str) -> bool:
    """Whether values of this name are never shown."""
    return name.lower().replace("-", "_") in SECRETS


def redact_text(text: str) -> str:
    """A text without the passwords of its connection strings, without tokens and keys, and without
    quoted pairs of a secret."""
    text = _API_KEY.sub(f"dbk_{REDACTED}", text)
    text = _JWT.sub(rf"\1{REDACTED}", text)
    text = _URL.sub(rf"\1:{REDACTED}@", text)
    text = _PARAMETER.sub(rf"\1{REDACTED}", text)
    return _PAIR.sub(rf"\1\3{REDACTED}\3", text)


def redact(value: object, depth: int = 0) -> object:
    """A value without secrets, as JSON has them: mappings with texts as keys, lists, texts, numbers.

    Half a surrogate pair becomes `?`. What is none of these is left to the encoder.
    """
    if isinstance(value, str):
        return redact_text(value.encode("utf-8", "replace").decode())
    if isinstance(value, UUID) or (isinstance(value, float) and not math.isfinite(value)):
        return str(value)
    if not isinstance(value, Mapping | list | tuple | set | frozenset):
        return value
    if depth == MAX_DEPTH:
        return "..."
    if isinstance(value, Mapping):
        return {
            name: REDACTED if is_secret(name) else redact(item, depth + 1)
            for name, item in ((str(redact(name, depth + 1)), item) for name, item in value.items())
        }
    return [redact(item, depth + 1) for item in value]
