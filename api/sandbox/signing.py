"""Signs webhooks after the Standard Webhooks specification, with the standard library only."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

_PREFIX = "whsec_"


def key_of(secret: str) -> bytes:
    """The bytes of a secret as it is written down. Raises `ValueError` with what is wrong."""
    if not secret.startswith(_PREFIX):
        raise ValueError(f"a secret of webhooks starts with {_PREFIX}")
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError(f"after {_PREFIX} come 24 to 64 bytes in base64") from None
    if not 24 <= len(key) <= 64:
        raise ValueError(f"after {_PREFIX} come 24 to 64 bytes in base64, not {len(key)}")
    return key


def headers_of(key: bytes, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """`timestamp` is in seconds since the epoch."""
    text = f"{message_id}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{signature}",
    }
