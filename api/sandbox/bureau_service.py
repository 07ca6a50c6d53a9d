"""The bureau's HTTP interface: reports, now or later, what is known of whom, and its faults."""

from __future__ import annotations

import time
from collections.abc import Callable
from uuid import UUID

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from api.sandbox.answering import AnswerError, go_wrong, go_wrong_after, require
from api.sandbox.bureau import Bureau, BureauConfig, Made
from api.sandbox.bureau_faults import Call, Rule, read_rules
from api.sandbox.frame import asked_for, create_service, running
from api.sandbox.report_shapes import garbled
from api.sandbox.scoring import Asked, Scores


def create_bureau(config: BureauConfig, clock: Callable[[], float] = time.time) -> FastAPI:
    """The bureau as an application."""
    guard = require(config.token)
    app = create_service("Sandbox credit bureau", guard, lambda: Bureau(config, clock), read_rules)
    guarded = [guard]
    app.post("/v1/reports", dependencies=guarded)(_request)
    app.get("/v1/reports/{report_id}", dependencies=guarded)(_look)
    app.put("/scores", status_code=204, dependencies=guarded)(_fix)
    app.get("/asked", dependencies=guarded)(_asked)
    return app


def read_scores(text: bytes) -> Scores:
    """From JSON. Raises `ValueError`, which says what is wrong."""
    return msgspec.json.decode(text, type=Scores)


def _bureau(request: Request) -> Bureau:
    bureau = running(request)
    assert isinstance(bureau, Bureau)
    return bureau


async def _request(request: Request) -> Response:
    """A report: 200 with it, or 202 when it takes longer. The same `report_id` is the same report."""
    bureau = _bureau(request)
    asked = await asked_for(request, Asked)
    bureau.asked[asked.report_id] += 1
    rules = bureau.faults.of(Call("request", asked.country, asked.document_number))
    await go_wrong(rules)
    made = bureau.request(asked, rules)
    await go_wrong_after(request, rules)
    return _told(made, rules, 202)


async def _look(request: Request, report_id: UUID) -> Response:
    """What has become of a report."""
    bureau = _bureau(request)
    made = bureau.found(report_id)
    country, document = (made.asked.country, made.asked.document_number) if made else (None, None)
    rules = bureau.faults.of(Call("look", country, document))
    await go_wrong(rules)
    made = bureau.found(report_id)
    if made is None:
        raise AnswerError(404, "report_not_found")
    return _told(made, rules, 200)


def _told(made: Made, rules: list[Rule], status_of_later: int) -> Response:
    told = made.told()
    if told["status"] == "later":
        return JSONResponse(told, status_of_later)
    if any(rule.fault == "garbage" for rule in rules):
        told["report"] = garbled(told["report"])
    return JSONResponse(told)


async def _fix(request: Request) -> None:
    """Say what is known of people, by the numbers of their documents: a score, null for none, or
    `{"score": 640, "debt": "1250.00"}`. It takes the place of what was said before."""
    try:
        scores = read_scores(await request.body())
    except ValueError as error:
        raise AnswerError(422, "invalid_request", str(error)) from error
    _bureau(request).fix(scores)


async def _asked(request: Request) -> Response:
    """How often each report was asked for, also when that went wrong."""
    return JSONResponse({str(id_): times for id_, times in _bureau(request).asked.items()})
