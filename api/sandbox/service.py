"""The bank's HTTP interface: movements that take their time, accounts, statements, and its faults."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from fastapi import FastAPI, Query, Request, Response, params
from fastapi.responses import JSONResponse

from api.sandbox.answering import (
    AnswerError,
    Target,
    answer_errors,
    go_wrong,
    go_wrong_after,
    health,
    require,
)
from api.sandbox.bank import Bank, BankConfig
from api.sandbox.faults import Call, read_rules
from api.sandbox.records import Instruction, Movement, told
from api.sandbox.statements import camt053, mt940, statements


def create_bank(config: BankConfig, clock: Callable[[], float] = time.time) -> FastAPI:
    """The bank as an application. Its server should offer `DROP`."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.bank = bank = Bank(config, clock)
        yield
        await bank.close()

    app = FastAPI(title="Sandbox bank", lifespan=lifespan)
    answer_errors(app)
    _add_routes(app, require(config.token))
    return app


def _add_routes(app: FastAPI, guard: params.Depends) -> None:
    guarded = [guard]
    app.get("/health")(health)
    app.post("/v1/movements", status_code=202, dependencies=guarded)(_instruct)
    app.get("/v1/movements/{movement_id}", dependencies=guarded)(_status)
    app.post("/v1/movements/{movement_id}/cancel", dependencies=guarded)(_cancel)
    app.get("/v1/accounts/{account:path}/balance", dependencies=guarded)(_balance)
    app.get("/v1/statement", dependencies=guarded)(_statement)
    app.put("/faults", dependencies=guarded)(_set_faults)
    app.delete("/faults", status_code=204, dependencies=guarded)(_clear_faults)
    app.put("/webhooks/target", status_code=204, dependencies=guarded)(_set_target)
    app.get("/accepted", dependencies=guarded)(_accepted)


def _bank(request: Request) -> Bank:
    bank = request.app.state.bank
    assert isinstance(bank, Bank)
    return bank


async def _instruct(request: Request) -> Response:
    """Take on a movement: 202, or 200 for one that was taken on before by the same Idempotency-Key."""
    bank = _bank(request)
    key = request.headers.get("idempotency-key", "")
    if not key:
        raise AnswerError(400, "invalid_request", "send an Idempotency-Key")
    try:
        asked = msgspec.json.decode(await request.body(), type=Instruction)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise AnswerError(400, "invalid_request", str(error)) from error
    rules = bank.faults.of(Call("instruct", asked.kind, asked.account, asked.amount))
    await go_wrong(rules)
    status, movement = bank.instruct(key, asked, rules)
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


async def _set_faults(request: Request) -> Response:
    """Go wrong by these rules from now on, and by no others; they are forgotten when the bank ends."""
    rules = read_rules(await request.body())
    _bank(request).faults.set(rules)
    return JSONResponse(msgspec.to_builtins(rules))


async def _clear_faults(request: Request) -> None:
    _bank(request).faults.set([])


async def _set_target(request: Request, target: Target) -> None:
    """Send webhooks there from now on."""
    _bank(request).tell(target.url)


async def _accepted(request: Request) -> Response:
    """How often each movement was taken on: more than once would be money moved twice."""
    return JSONResponse(_bank(request).book.accepted())
