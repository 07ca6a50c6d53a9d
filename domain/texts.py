"""What text the ledger takes: how long each kind may be, and no character that deceives a reader."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from domain.sealed import is_sealed

MAX_NAME = 100
MAX_DESCRIPTION = 255
MAX_REFERENCE = 140

MAX_METADATA_KEYS = 16
MAX_METADATA_KEY = 40
MAX_METADATA_VALUE = 500
MAX_METADATA_INT = 2**53
"""Whole numbers below this are exact in every JSON reader."""

DECEIVING = r"\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069"
"""Ends of lines, terminal escapes, and marks that turn the direction of what follows: with them a
description could draw another line of a statement. As the inside of a regular expression's brackets."""

_UNFIT = re.compile(rf"[{DECEIVING}\ud800-\udfff]")


def is_fit(text: str) -> bool:
    """Whether a text can be stored, encoded, and shown on one line as what it is: not as a sealed one,
    which it would pass for."""
    return _UNFIT.search(text) is None and not is_sealed(text)


def unfit_metadata_key(metadata: Mapping[Any, object]) -> str | None:
    """The first key that is none, or whose value is none; None when all are fit.

    Keys have 1 to 40 characters; values are strings up to 500, whole numbers below 2^53, true, false.
    """
    for key, value in metadata.items():
        if not (isinstance(key, str) and 1 <= len(key) <= MAX_METADATA_KEY and is_fit(key)):
            return str(key)
        if isinstance(value, str):
            good = len(value) <= MAX_METADATA_VALUE and is_fit(value)
        else:
            good = isinstance(value, int) and abs(value) < MAX_METADATA_INT
        if not good:
            return key
    return None
