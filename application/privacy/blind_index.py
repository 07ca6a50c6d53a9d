"""Finds e-mail addresses, documents and requests again without keeping them: keyed digests of them."""

from __future__ import annotations

import hmac
import unicodedata

from application.privacy.sealing import KEY_BYTES

_LENGTH_BYTES = 4

_MAX_CHARACTERS = 320
"""No address or document is longer. Normalising takes the square of the time for many combining marks:
a longer text is digested as it is, and nobody's."""


class BlindIndex:
    """Digests under a key: who has the digests and not the key cannot try what they are of."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a blind index's key has {KEY_BYTES} bytes")
        self._key = key

    def email(self, address: str) -> bytes:
        """32 bytes, the same however the address is written: case, spaces around, composition."""
        return self._digest("email", normal_email(address))

    def document(self, kind: str, value: str) -> bytes:
        """32 bytes, the same however a document of this kind is written: case, spaces, `.`, `-`, `/`."""
        return self._digest("document", kind, normal_document(value))

    def request(self, content: bytes) -> bytes:
        """32 bytes of what a request asks for: there may be a password in it, to be guessed by nobody
        who only has the digest."""
        return self._digest("request", content)

    def _digest(self, *parts: str | bytes) -> bytes:
        """HMAC-SHA256 of all parts, each after its length: no two lists of parts are written alike."""
        mac = hmac.new(self._key, digestmod="sha256")
        for part in parts:
            # Half a character may come out of JSON; it is as good as any in what nobody has.
            raw = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
            mac.update(len(raw).to_bytes(_LENGTH_BYTES, "big") + raw)
        return mac.digest()


def normal_email(address: str) -> str:
    """The one spelling of an address: trimmed, lower case, NFC."""
    if len(address) > _MAX_CHARACTERS:
        return address
    # Composed last: a letter may have a composed form in lower case only.
    return unicodedata.normalize("NFC", address.strip().lower())


def normal_document(value: str) -> str:
    """The one spelling of a document's number: upper case, nothing that only divides it, NFC."""
    if len(value) > _MAX_CHARACTERS:
        return value
    # Composed first, since marks become letters of their own in upper case; and last, as above.
    composed = unicodedata.normalize("NFC", value)
    upper = "".join(c for c in composed if not _divides(c)).upper()
    return unicodedata.normalize("NFC", upper)


def _divides(character: str) -> bool:
    is_dash = unicodedata.category(character) == "Pd"
    return is_dash or character.isspace() or character in "./\\"
