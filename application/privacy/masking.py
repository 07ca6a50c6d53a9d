"""Shows so much of personal data that a person recognises their own, and a stranger learns little."""

from __future__ import annotations

import unicodedata

from application.privacy.blind_index import normal_document

_HIDDEN = "***"
_PAN_LENGTH = 10
_MIN_LENGTH = 6
"""What is shorter would be shown nearly whole."""


def mask_email(address: str) -> str:
    """`a***@example.com`; nothing of a name that has only one character, and no text without an `@`."""
    name, at, domain = address.rpartition("@")
    first = name[:1] if len(name) > 1 else ""
    return f"{first}{_HIDDEN}{at}{domain}" if at else _HIDDEN


def mask_name(name: str) -> str:
    """The initials: `A. L.`"""
    words = unicodedata.normalize("NFC", name).split()
    letters = [next((c for c in word if c.isalnum()), "") for word in words]
    return " ".join(f"{letter}." for letter in letters if letter) or _HIDDEN


def mask_document(kind: str, value: str) -> str:
    """A document's number without the characters that only divide it, most of it hidden.

    `IN_PAN` shows the last five behind `X`; `IBAN` the country and the last four; `CARD` the last four;
    all others the first two and the last two.
    """
    number = normal_document(value)
    if kind == "IN_PAN" and len(number) == _PAN_LENGTH:
        return _mask(number, 0, 5, "X")
    if kind == "IBAN":
        return _mask(number, 2, 4)
    if kind == "CARD":
        return _mask(number, 0, 4)
    return _mask(number, 2, 2)


def _mask(text: str, first: int, last: int, hidden: str = "*") -> str:
    """A text with so many characters shown at its ends, none when too few would be hidden."""
    if len(text) < max(_MIN_LENGTH, first + last + 2):
        return hidden * len(text)
    return text[:first] + hidden * (len(text) - first - last) + text[-last:]
