"""The master keys that all other keys are wrapped with: the current one, and older ones that still open."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import NamedTuple

from application.privacy.errors import PrivacyError
from application.privacy.sealing import KEY_BYTES, decrypt, encrypt, new_key

_ID_PREFIX = b"daybook master key\n"
_MIN_VARIETY = 8
"""32 random bytes have about 30 different ones; fewer than this never happens by chance."""


class MasterKeyError(PrivacyError):
    """A setting is no master key; the message names the setting and never its value."""


class MasterKeyMissingError(PrivacyError):
    """Something is wrapped with a master key that is not here."""

    def __init__(self, master_key_id: str) -> None:
        super().__init__(
            f"the master key {master_key_id} is not here: add it to ENCRYPTION_KEYS_OLD; when that is"
            " done, `daybook keys rotate` wraps anew what it still holds"
        )
        self.master_key_id = master_key_id


class Wrapped(NamedTuple):
    """A key as it is kept: encrypted, with the id of the master key that opens it."""

    master_key_id: str
    wrapped: bytes


class MasterKeys:
    """Wraps with the current key, and unwraps with whichever was used. Its printed form has ids only."""

    def __init__(self, current: bytes, older: Sequence[bytes] = ()) -> None:
        self.current_id = key_id(current)
        self._keys = {key_id(key): key for key in (current, *older)}

    @classmethod
    def parse(cls, current: str, older: Iterable[str] = ()) -> MasterKeys:
        """Keys from ENCRYPTION_KEY and the items of ENCRYPTION_KEYS_OLD. Raises `MasterKeyError`."""
        return cls(
            _parse(current, "ENCRYPTION_KEY"),
            [
                _parse(text, f"key {number} of ENCRYPTION_KEYS_OLD")
                for number, text in enumerate(older, start=1)
            ],
        )

    @property
    def ids(self) -> list[str]:
        """Of all keys that are here, the current one first."""
        return list(self._keys)

    @property
    def older_ids(self) -> list[str]:
        return [id_ for id_ in self._keys if id_ != self.current_id]

    def wrap(self, key: bytes, name: str) -> Wrapped:
        """A key under the current master key, to be unwrapped by the same name only."""
        return Wrapped(self.current_id, encrypt(self._keys[self.current_id], key, name))

    def unwrap(self, wrapped: Wrapped, name: str) -> bytes:
        """The key again. Raises `MasterKeyMissingError`, `SealBrokenError`."""
        master = self._keys.get(wrapped.master_key_id)
        if master is None:
            raise MasterKeyMissingError(wrapped.master_key_id)
        return decrypt(master, wrapped.wrapped, name)

    def __repr__(self) -> str:
        return f"MasterKeys({', '.join(self.ids)})"


def key_id(key: bytes) -> str:
    """Eight hexadecimal digits that tell master keys apart and say nothing about them."""
    return sha256(_ID_PREFIX + key).hexdigest()[:8]


def generate() -> str:
    """A new master key, as ENCRYPTION_KEY takes it: 32 random bytes in base64."""
    return b64encode(new_key()).decode()


def is_weak(key: bytes) -> bool:
    """Whether a key cannot have been made at random: too few of its bytes differ."""
    return len(set(key)) < _MIN_VARIETY


def _parse(text: str, what: str) -> bytes:
    digits = text.strip().rstrip("=").replace("-", "+").replace("_", "/")
    try:
        key = b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except ValueError:
        key = b""
    # One that is not spelt as it was made has a typing mistake in it, even if it can be read.
    if len(key) != KEY_BYTES or b64encode(key).decode().rstrip("=") != digits:
        raise MasterKeyError(
            f"{what} is not {KEY_BYTES} bytes in base64: make one with `daybook keys generate`"
        ) from None
    return key
