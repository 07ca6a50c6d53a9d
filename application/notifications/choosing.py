"""Which jobs tell of an event: pure, so that the process that asks can be run again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID, uuid5

import msgspec
from msgspec import Struct

from application.jobs import NewJob
from application.notifications.rules import RULES, Channel, Flow, Rule, Who, message_type
from application.webhooks.delivering import FAN_OUT
from domain import funds
from domain.bank_transfers import BankTransfer
from domain.credit_applications import Assessed, CreditApplication
from domain.events import Recorded
from domain.fraud_alarms import FraudAlarm
from domain.investments import Investment
from domain.loans import Loan
from domain.money import format_amount

QUEUE = "notifications"
EMAIL, LOG = "notify.email", "notify.log"
"""Kinds of jobs. Payload of `notify.email`: {person_id, template, values}; of `notify.log`: {type, id,
values}. Nothing in them is personal."""

_NAMESPACE = UUID("da4b0000-0000-4000-8000-00000000407f")
_TOLD_OF_EVENT = {
    "step": "step",
    "reason": "reason",
    "status": "new_status",
    "reasons": "reasons",
    "number": "number",
}
"""What of an event others hear -> by which name."""


class Parties(Struct, frozen=True):
    """Whom a flow concerns, and what they may be told of it beside its id: no names, no accounts."""

    flow: Flow
    people: Mapping[Who, UUID | None]
    values: Mapping[str, str] = {}


def of_investment(investment: Investment, fund: funds.Opened | None) -> Parties:
    """The investor, and who manages the fund."""
    asked = investment.requested
    manager_id = None if fund is None else fund.manager_id
    return Parties(
        "investment",
        {"investor": asked.owner_id, "fund_manager": manager_id},
        {
            "fund_id": str(asked.fund_id),
            "amount": format_amount(asked.amount, asked.currency),
            "currency": asked.currency,
        },
    )


def of_bank_transfer(bank_transfer: BankTransfer) -> Parties:
    """The customer."""
    asked = bank_transfer.requested
    return Parties(
        "withdrawal" if asked.kind == "withdrawal" else "deposit",
        {"owner": asked.owner_id},
        {
            "account_id": str(asked.account_id),
            "amount": format_amount(asked.amount, asked.currency),
            "currency": asked.currency,
        },
    )


def of_application(application: CreditApplication) -> Parties:
    """Who asks for credit."""
    asked = application.asked
    return Parties(
        "application",
        {"applicant": asked.owner_id},
        {
            "application_id": str(application.id),
            "country": asked.country,
            "amount_requested": format_amount(asked.amount_requested, asked.currency),
            "currency": asked.currency,
        },
    )


def of_loan(loan: Loan) -> Parties:
    """Who owes it."""
    opened = loan.opened
    return Parties(
        "loan",
        {"owner": opened.owner_id},
        {"application_id": str(opened.application_id), "currency": opened.currency},
    )


def of_alarm(alarm: FraudAlarm) -> Parties:
    """Nobody but the house: whoever it is about is not to be warned."""
    raised = alarm.raised
    values = {
        "alert_id": raised.alert_id,
        "severity": raised.severity,
        "subject_kind": raised.subject_kind,
        "subject_id": str(raised.subject_id),
        "account_id": str(raised.account_id),
        "called_off": _yes_or_no(raised.is_called_off),
        "frozen": _yes_or_no(raised.is_frozen),
    }
    return Parties("fraud_alarm", {}, {**values, "left": raised.left} if raised.left else values)


def _yes_or_no(is_so: bool) -> str:
    return "yes" if is_so else "no"


def jobs_for(event: Recorded, parties: Parties) -> list[NewJob]:
    """What tells of an event, each of whom it concerns by each channel. The same event always comes to
    the same jobs, by their ids too; most events come to none."""
    rules = RULES.get(event.topic, ())
    if isinstance(event.data, Assessed) and event.data.status != "risk_check":
        rules = ()  # it has the status that it had
    channels = dict.fromkeys(channel for rule in rules for channel in rule.channels)
    return [
        job
        for channel in channels
        for job in CHANNELS[channel](
            event, parties, [rule for rule in rules if channel in rule.channels]
        )
    ]


def _webhook(event: Recorded, parties: Parties, rules: list[Rule]) -> list[NewJob]:
    """One message for all: who has several endpoints, or is two of the parties, hears of one thing."""
    people = {parties.people.get(rule.who) for rule in rules} - {None}
    payload = {
        "type": message_type(event.topic, parties.flow),
        "occurred_at": event.recorded_at.isoformat(),
        "data": {"id": str(event.stream_id), **_values(event, parties)},
        "owner_ids": sorted(map(str, people)),
    }
    return [_job(event, FAN_OUT, payload)]


def _email(event: Recorded, parties: Parties, rules: list[Rule]) -> list[NewJob]:
    found = []
    for rule in rules:
        person_id = parties.people.get(rule.who)
        if person_id is not None:
            values = {"id": str(event.stream_id), "flow": parties.flow}
            payload = {"person_id": str(person_id), "template": rule.template, "values": values}
            found.append(_job(event, EMAIL, payload, rule.who))
    return found


def _log(event: Recorded, parties: Parties, rules: list[Rule]) -> list[NewJob]:
    payload = {
        "type": message_type(event.topic, parties.flow),
        "id": str(event.stream_id),
        "values": _values(event, parties),
    }
    return [_job(event, LOG, payload)]


CHANNELS: Mapping[Channel, Callable[[Recorded, Parties, list[Rule]], list[NewJob]]] = {
    "webhook": _webhook,
    "email": _email,
    "log": _log,
}
"""A further channel is a line here, a word in `rules.Channel`, and a kind of jobs."""


class _Origin(Struct):
    """What is needed of an event's metadata."""

    correlation_id: str = ""


def _values(event: Recorded, parties: Parties) -> dict[str, Any]:
    found = {told: getattr(event.data, name, "") for name, told in _TOLD_OF_EVENT.items()}
    return {**parties.values, **{told: value for told, value in found.items() if value}}


def _job(event: Recorded, kind: str, payload: dict[str, Any], *what: str) -> NewJob:
    return NewJob(
        id=uuid5(_NAMESPACE, ":".join([str(event.position), kind, *what])),
        kind=kind,
        payload=payload,
        queue=QUEUE,
        correlation_id=msgspec.json.decode(event.metadata, type=_Origin).correlation_id,
        causation_id=str(event.position),
    )
