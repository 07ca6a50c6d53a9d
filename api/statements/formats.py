"""The formats of a statement, how one is chosen, and how a file of it is written piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, NamedTuple, Protocol, get_args

from psycopg import AsyncConnection

from api.statements.camt053 import Camt053
from api.statements.plain import Plain
from api.statements.rows import Rows
from domain.refusals import Refusal
from projections.entries.queries import EntryRow, entries_between
from projections.entries.statements import (
    BrokenStatementError,
    Statement,
    Sums,
    sums_of,
)

Format = Literal["camt.053", "csv", "pdf", "json"]
FORMATS: tuple[Format, ...] = get_args(Format)

MAX_ON_PAPER = 5_000
"""Movements in a PDF, some 200 pages: it is made as a whole, which takes a second and 20 MB, and twice
that where all texts are as long as they may be."""

_PAGE_ENTRIES = 500

Connect = Callable[[], AbstractAsyncContextManager[AsyncConnection[Any]]]
"""Lends a connection for as long as one query takes: who reads a file slowly keeps none from others."""


class Writer(Protocol):
    """Writes one statement: its beginning, its entries in order, as many at a time as there are, its end."""

    def begin(self) -> bytes: ...

    def entries(self, entries: Sequence[EntryRow]) -> bytes: ...

    def end(self) -> bytes: ...


class Kind(NamedTuple):
    media_type: str
    ending: str
    """Of files' names."""


KINDS: dict[Format, Kind] = {
    "camt.053": Kind("application/xml", "xml"),
    "csv": Kind("text/csv; charset=utf-8", "csv"),
    "pdf": Kind("application/pdf", "pdf"),
    "json": Kind("application/json", "json"),
}

_OF_TYPE: dict[str, Format] = {
    "application/xml": "camt.053",
    "text/xml": "camt.053",
    "text/csv": "csv",
    "application/pdf": "pdf",
    "application/json": "json",
}


def accepted(accept: str) -> Format:
    """The format that a header Accept likes best; JSON when it names none of them."""
    offers: list[tuple[float, int, Format]] = []
    for place, piece in enumerate(accept.lower().split(",")):
        name, *parameters = (part.strip() for part in piece.split(";"))
        if name in _OF_TYPE and (weight := _weight(parameters)) > 0:
            offers.append((-weight, place, _OF_TYPE[name]))
    return min(offers)[2] if offers else "json"


def _weight(parameters: Sequence[str]) -> float:
    given = next((text[2:] for text in parameters if text.startswith("q=")), "1")
    try:
        return float(given)
    except ValueError:
        return 1.0


def file_name(statement: Statement, format: Format) -> str:
    """A name that says whose it is and of which days, in letters that every system takes."""
    first, last = statement.period
    return f"statement-{statement.account_id}-{first}-to-{last}.{KINDS[format].ending}"


def writer_of(statement: Statement, format: Format) -> Writer:
    """Refuses `statement_too_long` where a format cannot hold that many movements."""
    match format:
        case "camt.053":
            return Camt053(statement)
        case "csv":
            return Rows(statement)
        case "json":
            return Plain(statement)
        case "pdf":
            if statement.sums.count > MAX_ON_PAPER:
                raise Refusal("statement_too_long", count=statement.sums.count, most=MAX_ON_PAPER)
            from api.statements.paper import Paper  # takes a moment that others need not wait

            return Paper(statement)


async def pieces(statement: Statement, writer: Writer, connect: Connect) -> AsyncGenerator[bytes]:
    """The file, of which only a piece is in memory at a time, unless the format is made as a whole: that
    is one piece, so that what goes wrong with it is known before any of it is sent.

    Raises `BrokenStatementError` before the end of what does not come out even.
    """
    if begin := writer.begin():
        yield begin
    sums, after = Sums(statement.sums.opening), statement.span.after
    while True:
        async with connect() as conn:
            found = await entries_between(
                conn, statement.account_id, after, statement.span.to, _PAGE_ENTRIES
            )
        if not found:
            break
        sums, after = sums_of(found, sums), found[-1].position
        if lines := writer.entries(found):
            yield lines
    if sums != statement.sums:
        raise BrokenStatementError(
            f"entries of {statement.account_id} changed meanwhile: ask again"
        )
    yield await asyncio.to_thread(writer.end)
