"""Reads the statements of a file in any format that is known here."""

from __future__ import annotations

from typing import Literal, get_args

from application.importing import camt053, mt940
from application.importing.bank_statements import BankStatement, Unreadable

Format = Literal["mt940", "camt.053"]
FORMATS: tuple[Format, ...] = get_args(Format)


def read_bank_file(
    content: bytes | str, format: Format | None = None
) -> list[BankStatement | Unreadable]:
    """The statements of a file in its order; one that cannot be read says why. Without a format, what
    begins like XML is taken for camt.053."""
    if (format or _looks_like(content)) == "camt.053":
        return camt053.read_statements(content)
    return mt940.read_statements(content.encode() if isinstance(content, str) else content)


def _looks_like(content: bytes | str) -> Format:
    """Also of UTF-16, where every other byte is zero."""
    start = content[:64] if isinstance(content, str) else content[:64].decode("latin-1")
    text = start.lstrip("\ufeff\u00ef\u00bb\u00bf\u00ff\u00fe").replace("\0", "")
    return "camt.053" if text.lstrip().startswith("<") else "mt940"
