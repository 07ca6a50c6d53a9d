"""Account numbers at other banks: their one written form, and whether an IBAN can be one."""

from __future__ import annotations

import re

from domain.refusals import Refusal

_SEPARATORS = str.maketrans("", "", " -")
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
_NUMBER = re.compile(r"[A-Z0-9]{6,34}")


def iban(text: str) -> str:
    """An IBAN (ISO 13616) in capitals and without spaces. Refuses `invalid_bank_account` when it has
    not the form of one, or its check digits are wrong (ISO 7064, MOD 97-10)."""
    compact = text.translate(_SEPARATORS).upper()
    if not _IBAN.fullmatch(compact):
        raise Refusal(
            "invalid_bank_account",
            why="An IBAN is a country, two check digits and 11 to 30 letters and digits.",
        )
    digits = "".join(str(int(character, 36)) for character in compact[4:] + compact[:4])
    if int(digits) % 97 != 1:
        raise Refusal(
            "invalid_bank_account", why="The check digits do not fit: the IBAN is mistyped."
        )
    return compact


def account_number(text: str) -> str:
    """A number that is no IBAN, in capitals and without what only divides it. Refuses
    `invalid_bank_account`."""
    compact = text.translate(_SEPARATORS).upper()
    if not _NUMBER.fullmatch(compact):
        raise Refusal(
            "invalid_bank_account", why="An account number has 6 to 34 letters and digits."
        )
    return compact
