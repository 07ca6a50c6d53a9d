"""Texts of customers, and days, as a file can show them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

from domain.texts import DECEIVING

_UNSHOWABLE = re.compile(f"[{DECEIVING}\ud800-\udfff\ufffe\uffff]")


def shown(text: str) -> str:
    """One line that every format can hold. The log keeps what it was given before that was refused, and
    Unicode has characters that are none and that no XML may have."""
    return _UNSHOWABLE.sub("\ufffd", text)


def parts(text: str, width: int) -> list[str]:
    """A text in parts of at most so many characters, cut at spaces where there are any."""
    found = []
    while len(text) > width:
        cut = text.rfind(" ", 1, width + 1)
        if cut > 0:
            found.append(text[:cut])
            text = text[cut + 1 :]
        else:
            found.append(text[:width])
            text = text[width:]
    return [*found, text] if text else found


def day(moment: datetime) -> date:
    """The day of UTC, whatever zone the database answers in."""
    return moment.astimezone(UTC).date()
