"""The bank's HTTP interface: movements that take their time, accounts, statements, and its faults."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse

from api.sandbox.answering import AnswerError, go_wrong, go_wrong_after, require
from api.sandbox.bank import Bank, BankConfig
from api.sandbox.faults import Call, read_rules
from api.sandbox.frame import asked_for, create_service, running
from api.sandbox.records import Instruction, Movement, told
from api.sandbox.statements import camt053, mt940, statements


def create_bank(config: BankConfig, clock: Callable[[], float] = time.time) -> FastAPI:
    """The bank as an application."""
    guard = require(config.token)
    app = create_service("Sandbox bank", guard, lambda: Bank(config, clock), read_rules)
    guarded = [guard]
    app.post("/v1/movements", status_code=202, dependencies=guarded)(_instruct)
    app.get("/v1/movements/{movement_id}", dependencies=guarded)(_status)
    app.post("/v1/movements/{movement_id}/cancel", dependencies=guarded)(_cancel)
    app.get("/v1/accounts/{account:path}/balance", dependencies=guarded)(_balance)
    app.get("/v1/statement", dependencies=guarded)(_statement)
    app.get("/accepted", dependencies=guarded)(_accepted)
    return app


def _bank(request: Request) -> Bank:
    bank = running(request)
    assert isinstance(bank, Bank)
    return bank


async def _instruct(request: Request) -> Response:
    """Take on a movement: 202, or 200 for one that was taken on before by the same Idempotency-Key."""
    bank = _bank(request)
    asked = await asked_for(request, Instruction)
    rules = bank.faults.of(Call("instruct", asked.kind, asked.account, asked.amount))
    await go_wrong(rules)
    status, movement = bank.instruct(request.headers["idempotency-key"], asked, rules)
    await go_wrong_after(request, rules)
    return JSONResponse(told(movement), status)


async def _found(request: Request, movement_id: UUID, on: Literal["status", "cancel"]) -> Movement:
    bank = _bank(request)
    found = bank.book.by_id(str(movement_id))
    kind, account, amount = (
        (found.kind, found.account, found.amount) if found else (None, None, None)
    )
    await go_wrong(bank.faults.of(Call(on, kind, account, amount)))
    found = bank.book.by_id(str(movement_id))
    if found is None:
        raise AnswerError(404, "movement_not_found")
    return found


async def _status(request: Request, movement_id: UUID) -> Response:
    """Where a movement is, and how it came there."""
    found = await _found(request, movement_id, "status")
    history = _bank(request).book.history(found.number)
    return JSONResponse({**told(found), "history": history})


async def _cancel(request: Request, movement_id: UUID) -> Response:
    """Stop a movement that is not completed; 409 when it is too late."""
    book = _bank(request).book
    found = await _found(request, movement_id, "cancel")
    if found.status in ("CREATED", "IN_PROGRESS"):
        book.cancel(found)
    elif found.status != "CANCELLED":
        raise AnswerError(409, "too_late", f"it is {found.status}")
    now = book.by_key(found.key)
    assert now is not None
    return JSONResponse(told(now))


async def _balance(request: Request, account: str) -> Response:
    """What is in an outside account, as moved from and to it: it may be below zero."""
    bank = _bank(request)
    await go_wrong(bank.faults.of(Call("balance", account=account)))
    balances = bank.book.balances(account)
    if balances is None:
        raise AnswerError(404, "account_not_found")
    return JSONResponse({"account": account, "balances": balances})


async def _statement(
    request: Request,
    first: Annotated[date, Query(alias="from")],
    last: Annotated[date, Query(alias="to")],
    format: Literal["camt053", "mt940"] = "camt053",
    currency: str | None = None,
) -> Response:
    """What was booked from one day to another, both included."""
    bank = _bank(request)
    made_at = datetime.fromtimestamp(bank.clock(), UTC)
    found = statements(bank.book, first, last, made_at, currency)
    if format == "mt940":
        return Response(mt940(found), media_type="text/plain; charset=utf-8")
    return Response(camt053(found, made_at), media_type="application/xml")


async def _accepted(request: Request) -> Response:
    """How often each movement was taken on: more than once would be money moved twice."""
    return JSONResponse(_bank(request).book.accepted())
