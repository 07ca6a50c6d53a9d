"""Signs messages and proves them, as Standard Webhooks 1.0.0 says (symmetric keys, `v1`)."""

from __future__ import annotations

import binascii
import hmac
import os
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

PREFIX = "whsec_"
SECRET_BYTES = 32
TOLERANCE_S = 300
"""So old, or so far ahead, a message may be: whoever kept an old one cannot send it again."""

_LEAST_BYTES, _MOST_BYTES = 24, 64
_VERSION = "v1"
# Without a full stop, which ends the id in what is signed: else two messages could be signed alike.
_ID = re.compile(r"[\x21-\x2d\x2f-\x7e]{1,200}")
_SECONDS = re.compile(r"[0-9]{1,12}")
_MOST_SIGNATURES = 20


class SecretError(ValueError):
    """This is no secret of a webhook; the message never has it in it."""


class SignatureError(Exception):
    """Nobody who has the secret signed this message just now. Why is for logs, not for who sent it."""


class Proven(NamedTuple):
    """What the headers of a message say, once they are proven."""

    message_id: str
    sent_at: datetime


def make_secret() -> str:
    """A new secret: `whsec_` and 32 random bytes in base64."""
    return PREFIX + b64encode(os.urandom(SECRET_BYTES)).decode()


def key_of(secret: str) -> bytes:
    """The bytes of a secret. Raises `SecretError`."""
    try:
        key = b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or not _LEAST_BYTES <= len(key) <= _MOST_BYTES:
        raise SecretError(
            f"a secret is {PREFIX} and {_LEAST_BYTES} to {_MOST_BYTES} bytes in base64 after it"
        )
    return key


def sign(secret: str, message_id: str, at: datetime, body: bytes) -> str:
    """The signature of a message sent at this time, of whatever time zone. Raises `SecretError`."""
    signed = hmac.digest(key_of(secret), _signed(message_id, _seconds(at), body), "sha256")
    return f"{_VERSION},{b64encode(signed).decode()}"


def headers_for(
    secrets: Sequence[str], message_id: str, at: datetime, body: bytes
) -> dict[str, str]:
    """The three headers of a message, signed with each of these secrets. Raises `SecretError`."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": _seconds(at),
        "webhook-signature": " ".join(sign(secret, message_id, at, body) for secret in secrets),
    }


def verify(
    headers: Mapping[str, str],
    body: bytes,
    secrets: Sequence[str],
    now: datetime,
    tolerance_s: int = TOLERANCE_S,
) -> Proven:
    """Prove that one of these secrets signed the message, `tolerance_s` ago at most. `headers` have
    names in lower case.

    Raises `SignatureError` for whatever is missing, malformed, too old, too new or wrong; `SecretError`
    when a secret cannot be used.
    """
    message_id, seconds = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not _ID.fullmatch(message_id) or not _SECONDS.fullmatch(seconds):
        raise SignatureError("headers that say which message it is are missing or malformed")
    if abs(now.timestamp() - int(seconds)) > tolerance_s:
        raise SignatureError("the message is of another time")
    given = _signatures(headers.get("webhook-signature", ""))
    signed = _signed(message_id, seconds, body)
    # All of them, whichever fits: how long it takes tells nothing.
    fits = [
        hmac.compare_digest(one, wanted)
        for wanted in [hmac.digest(key_of(secret), signed, "sha256") for secret in secrets]
        for one in given
    ]
    if not any(fits):
        raise SignatureError("no signature fits")
    return Proven(message_id, datetime.fromtimestamp(int(seconds), UTC))


def _signatures(header: str) -> list[bytes]:
    """Those that are of a kind that we know, as bytes; others stand beside them and are passed over."""
    found = []
    for part in header.split(" ")[:_MOST_SIGNATURES]:
        version, _, text = part.partition(",")
        if version == _VERSION:
            try:
                found.append(b64decode(text, validate=True))
            except (binascii.Error, ValueError):  # not ASCII, or not base64
                continue
    return found


def _signed(message_id: str, seconds: str, body: bytes) -> bytes:
    return b".".join((message_id.encode(), seconds.encode(), body))


def _seconds(at: datetime) -> str:
    if at.tzinfo is None:
        raise ValueError("a time without its zone is another one on each machine")
    return str(int(at.timestamp()))
