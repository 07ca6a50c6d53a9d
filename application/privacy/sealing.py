"""Seals texts with AES-256-GCM, each for the one place in the log that it is meant for."""

from __future__ import annotations

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from application.privacy.errors import PrivacyError
from domain.sealed import ERASED as ERASED
from domain.sealed import SEALED as SEALED
from domain.sealed import SEALED_PREFIX
from domain.sealed import is_sealed as is_sealed

KEY_BYTES = 32
_NONCE_BYTES = 12
_TAG_BYTES = 16


class SealBrokenError(PrivacyError):
    """Something sealed was changed, moved, cut off, or sealed with another key."""

    def __init__(self, where: str) -> None:
        super().__init__(
            f"what is sealed for {where} cannot be opened: it was changed or belongs elsewhere, or"
            " another key sealed it"
        )


def new_key() -> bytes:
    """32 random bytes."""
    return os.urandom(KEY_BYTES)


def place(stream_id: UUID, topic: str, field: str) -> str:
    """Where a text belongs in the log: sealed for one place, it opens at no other."""
    assert "|" not in topic, "else two places could be written alike"
    return f"{stream_id}|{topic}|{field}"


def seal(key: bytes, text: str, where: str) -> str:
    """The text as only this key opens it, and only at this place; another each time.

    It is `sealed:1:` and, in unpadded base64url, nonce (12 bytes), ciphertext, and tag (16 bytes).
    """
    return SEALED_PREFIX + _encode(encrypt(key, text.encode(), where))


def open_sealed(key: bytes, sealed: str, where: str) -> str:
    """The text that was sealed. Raises `SealBrokenError`."""
    body = sealed.removeprefix(SEALED_PREFIX)
    try:
        raw = urlsafe_b64decode(body + "=" * (-len(body) % 4))
    except ValueError:
        raise SealBrokenError(where) from None
    # Base64 can be misspelt without changing the bytes, and here no character may be changed.
    if not is_sealed(sealed) or _encode(raw) != body:
        raise SealBrokenError(where)
    return decrypt(key, raw, where).decode()


def encrypt(key: bytes, plain: bytes, where: str) -> bytes:
    """Nonce, ciphertext and tag; `where` is authenticated with them, and not in them."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + _cipher(key).encrypt(nonce, plain, where.encode())


def decrypt(key: bytes, sealed: bytes, where: str) -> bytes:
    """What `encrypt` was given. Raises `SealBrokenError`."""
    cipher = _cipher(key)
    if len(sealed) < _NONCE_BYTES + _TAG_BYTES:
        raise SealBrokenError(where)
    try:
        return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], where.encode())
    except InvalidTag:
        raise SealBrokenError(where) from None


def _cipher(key: bytes) -> AESGCM:
    if len(key) != KEY_BYTES:  # with 16 or 24 bytes it would work too, as a weaker cipher
        raise ValueError(f"a key has {KEY_BYTES} bytes, and this one has {len(key)}")
    return AESGCM(key)


def _encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")
