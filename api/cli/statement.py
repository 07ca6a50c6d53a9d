"""`daybook statement`: what was booked on an account in some days, as a file."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from contextlib import nullcontext, suppress
from datetime import date
from pathlib import Path
from typing import Annotated, BinaryIO
from uuid import UUID

import typer
from psycopg import AsyncConnection

from api.cli.reading import catch_up
from api.databases import ready_database
from api.settings import load_settings
from api.statements.asking import span_of, statement_of
from api.statements.formats import KINDS, Format, pieces, writer_of
from domain.money import format_amount
from projections.entries.statements import Period, Span, Statement

_ENDINGS: dict[str, Format] = {f".{kind.ending}": format for format, kind in KINDS.items()}


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("give a day like 2026-01-31") from None


def statement(
    account_id: Annotated[UUID, typer.Argument(metavar="ACCOUNT", help="The account's id.")],
    from_: Annotated[
        str, typer.Option("--from", metavar="DAY", help="The first day, of UTC, by booking date.")
    ],
    to: Annotated[str, typer.Option("--to", metavar="DAY", help="The last day, included.")],
    format_: Annotated[
        Format | None, typer.Option("--format", help="Else as FILE ends, else CSV.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to it; else print.")
    ] = None,
) -> None:
    """Write an account's statement of some days: opening balance, movements, closing balance.

    A statement whose last day is over is the same for ever. FILE is written whole or not at all.
    """
    period = Period(_day(from_), _day(to))
    if period.first > period.last:
        raise typer.BadParameter(f"--from {period.first} is after --to {period.last}: swap them")
    format_ = format_ or _format_of(output)
    if output is None:
        if format_ == "pdf" and sys.stdout.isatty():
            raise typer.BadParameter("a PDF is nothing for a terminal: give --output FILE")
        _write(account_id, period, format_, sys.stdout.buffer)
        return
    written = _to_file(account_id, period, format_, output)
    typer.echo(_sentence(written, output))


def _format_of(output: Path | None) -> Format:
    if output is None:
        return "csv"
    format_ = _ENDINGS.get(output.suffix.lower())
    if format_ is None:
        raise typer.BadParameter(
            f"{output.name} does not say what it is to be: end it with"
            f" {', '.join(_ENDINGS)}, or give --format"
        )
    return format_


def _to_file(account_id: UUID, period: Period, format_: Format, output: Path) -> Statement:
    """Beside the file first, so that what fails half-way leaves what was there before."""
    descriptor, name = tempfile.mkstemp(prefix=f".{output.name}.", dir=output.parent)
    try:
        with open(descriptor, "wb") as file:
            written = _write(account_id, period, format_, file)
        os.replace(name, output)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(name)
        raise
    return written


def _write(account_id: UUID, period: Period, format_: Format, file: BinaryIO) -> Statement:
    with ready_database(load_settings()) as conninfo:

        async def end() -> Span:
            async with await AsyncConnection.connect(conninfo, autocommit=True) as conn:
                return await span_of(conn, period)

        async def write() -> Statement:
            async with await AsyncConnection.connect(conninfo, autocommit=True) as conn:
                found = await statement_of(conn, account_id, period, span)
                writer = writer_of(found, format_)
                async for piece in pieces(found, writer, lambda: nullcontext(conn)):
                    file.write(piece)
                return found

        span = asyncio.run(end())
        catch_up(conninfo)  # after its end is known, since others may go on writing
        return asyncio.run(write())


def _sentence(written: Statement, output: Path) -> str:
    sums, currency = written.sums, written.currency
    opening, closing = (format_amount(each, currency) for each in (sums.opening, sums.closing))
    final = "" if written.span.is_final else "; not final, since its last day is not over"
    return (
        f"wrote {output}: opening {opening}, {sums.count:,} movements, closing {closing} {currency},"
        f" as of position {written.span.to}{final}"
    )
