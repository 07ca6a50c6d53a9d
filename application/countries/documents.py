"""Checks the numbers of identity documents with python-stdnum, behind what all kinds have in common."""

from __future__ import annotations

import re
from collections.abc import Callable

from stdnum.exceptions import InvalidChecksum, InvalidComponent, ValidationError

from application.countries.country import InvalidDocumentError

MAX_CHARACTERS = 40
"""Of a number as it is written, with all that divides it; nothing longer is looked at."""

WRONG_CHECK = "The check digit does not match: is a character mistyped, or are two of them swapped?"
WRONG_PART = "A part of it names a date or a place that does not exist."

# The library takes full-width digits, typographic dashes and more for what they look like. What a person
# cannot tell apart on a screen is one person's number written in two ways: only plain ASCII goes in.
_WRITTEN = re.compile(r"[A-Za-z0-9 .-]*", re.ASCII)
_DIVIDES = str.maketrans("", "", " .-")


def written(number: str) -> str:
    """The number as somebody wrote it, when it can be one of any kind at all.

    Raises `InvalidDocumentError`: missing, too long, or with characters that no document's number has.
    """
    if len(number) > MAX_CHARACTERS:
        raise InvalidDocumentError(f"It is longer than {MAX_CHARACTERS} characters.")
    if not number.strip(" "):
        raise InvalidDocumentError("It is missing.")
    if not _WRITTEN.fullmatch(number):
        raise InvalidDocumentError(
            "It has characters other than A to Z, 0 to 9, space, dot and dash."
        )
    return number


def undivided(number: str) -> str:
    """A written number in capitals, without what only divides it; raises `InvalidDocumentError`."""
    return written(number).translate(_DIVIDES).upper()


def checked(validate: Callable[[str], str], form: str) -> Callable[[str], str]:
    """A check by a `validate` of stdnum: answers the compact form, raises `InvalidDocumentError`.

    `form` is the sentence that says what such a number looks like.
    """

    def check(number: str) -> str:
        try:
            return validate(undivided(number))
        except InvalidChecksum:
            raise InvalidDocumentError(WRONG_CHECK) from None
        except InvalidComponent:
            raise InvalidDocumentError(WRONG_PART) from None
        except ValidationError:
            raise InvalidDocumentError(form) from None

    return check


def is_one_digit_repeated(number: str) -> bool:
    """`00000000`, `1111111111`: what is typed to get past a form, and passes some check digits."""
    return len(set(number)) == 1
