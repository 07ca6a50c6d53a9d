"""The shape of a statement as JSON, for the API's description."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from api.responses import EntryOut

_AMOUNT = Field(examples=["12.50"])
_DISPOSITION = {
    "description": "a name for the file",
    "schema": {"type": "string"},
    "required": True,
}
_TEXT = {"type": "string"}

STATEMENT: dict[str, Any] = {
    "headers": {"Content-Disposition": _DISPOSITION},
    "content": {
        "application/xml": {"schema": _TEXT},
        "text/csv": {"schema": _TEXT},
        "application/pdf": {"schema": {"type": "string", "format": "binary"}},
    },
}
"""An answer in the format that is asked for."""


class MovementsOut(BaseModel):
    count: int
    amount: str = _AMOUNT


class StatementOut(BaseModel):
    """`opening_balance`, and `credits` less `debits`, make `closing_balance`."""

    account_id: UUID
    name: str
    currency: str
    from_: date = Field(alias="from")
    to: date
    is_final: bool = Field(description="whether the last day is over, so that nothing can be added")
    position: int = Field(description="the log's last one that it may show")
    as_of: datetime = Field(description="when the event at that position was recorded")
    opening_balance: str = _AMOUNT
    credits: MovementsOut
    debits: MovementsOut
    closing_balance: str = _AMOUNT
    entries: list[EntryOut] = Field(description="in the order of booking")
