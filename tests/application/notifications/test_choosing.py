"""Each event is told to whom it concerns by the channels of the table, and always by the same jobs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest

from application.notifications.choosing import (
    CHANNELS,
    EMAIL,
    LOG,
    Parties,
    jobs_for,
    of_alarm,
    of_bank_transfer,
    of_investment,
)
from application.notifications.rules import MESSAGE_TYPES, PATTERNS, RULES, message_type
from application.notifications.templates import TEMPLATES
from application.webhooks.delivering import FAN_OUT
from application.webhooks.types import MAX_TYPES, is_pattern
from domain import bank_transfers, fraud_alarms, investments
from domain.catalogue import EVENT_TYPES
from domain.events import Event, Recorded

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
FLOW, INVESTOR, MANAGER, FUND = UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=4)
VALUES = {"fund_id": str(FUND), "amount": "100.00", "currency": "EUR"}
PARTIES = Parties("investment", {"investor": INVESTOR, "fund_manager": MANAGER}, VALUES)

COMPLETED = investments.Completed()
FAILED = investments.FailedEvent("withdrawal", "insufficient_funds", "source")
LOST = investments.NeedsOperator("refund", "account_closed", "suspense")


def recorded(event: Event, position: int = 7) -> Recorded:
    metadata = msgspec.json.encode({"actor": "test", "correlation_id": "request-7"})
    return Recorded(position, FLOW, 3, event.topic, AT, event, metadata)


def told(event: Event, parties: Parties = PARTIES) -> list[tuple[str, dict[str, Any]]]:
    return [(job.kind, job.payload) for job in jobs_for(recorded(event), parties)]


def test_a_completed_investment_is_told_to_the_investor_and_the_fund() -> None:
    data = {"id": str(FLOW), **VALUES}
    values = {"id": str(FLOW), "flow": "investment"}
    assert told(COMPLETED) == [
        (
            FAN_OUT,
            {
                "type": "investment.completed",
                "occurred_at": "2026-03-01T12:00:00+00:00",
                "data": data,
                "owner_ids": [str(INVESTOR), str(MANAGER)],
            },
        ),
        (
            EMAIL,
            {"person_id": str(INVESTOR), "template": "investment-completed", "values": values},
        ),
        (EMAIL, {"person_id": str(MANAGER), "template": "fund-joined", "values": values}),
        (LOG, {"type": "investment.completed", "id": str(FLOW), "values": VALUES}),
    ]


def test_why_something_failed_is_told() -> None:
    kinds = dict(told(FAILED))
    why = {"step": "withdrawal", "reason": "insufficient_funds"}
    assert kinds[FAN_OUT]["data"] == {"id": str(FLOW), **VALUES, **why}
    assert kinds[LOG]["values"] == {**VALUES, **why}
    assert kinds[FAN_OUT]["owner_ids"] == [str(INVESTOR)]


def test_what_a_person_of_the_house_has_to_settle_is_the_houses_alone() -> None:
    assert [(kind, payload.get("owner_ids")) for kind, payload in told(LOST)] == [
        (FAN_OUT, []),
        (LOG, None),
    ]


def test_who_is_nobody_is_told_nothing() -> None:
    nobody = Parties("investment", {"investor": None}, VALUES)
    assert [(kind, payload.get("owner_ids")) for kind, payload in told(COMPLETED, nobody)] == [
        (FAN_OUT, []),
        (LOG, None),
    ]


def test_most_events_are_told_to_nobody() -> None:
    assert told(investments.SourceHeld(UUID(int=9))) == []


def test_the_same_event_comes_to_the_same_jobs() -> None:
    jobs = jobs_for(recorded(COMPLETED), PARTIES)
    assert [job.id for job in jobs] == [job.id for job in jobs_for(recorded(COMPLETED), PARTIES)]
    later = jobs_for(recorded(COMPLETED, position=8), PARTIES)
    assert len({job.id for job in jobs + later}) == 8
    for job in jobs:
        assert (job.queue, job.correlation_id, job.causation_id) == (
            "notifications",
            "request-7",
            "7",
        )
        msgspec.json.encode(job.payload)


@pytest.mark.parametrize("kind", ["deposit", "withdrawal"])
def test_a_bank_transfer_is_called_by_its_kind(kind: str) -> None:
    request = bank_transfers.Requested(
        kind, UUID(int=5), "EUR", 12_50, "sealed:1:AAAA", "DE…51", INVESTOR, INVESTOR
    )
    state = bank_transfers.evolve(None, request, FLOW)
    event = bank_transfers.Completed(UUID(int=6), UUID(int=7))
    kinds = dict(told(event, of_bank_transfer(state)))
    assert kinds[FAN_OUT]["type"] == f"{kind}.completed"
    assert kinds[FAN_OUT]["data"]["amount"] == "12.50"
    assert kinds[EMAIL]["person_id"] == str(INVESTOR)
    # Not where the money comes from or goes to.
    assert "sealed" not in str(kinds)
    assert "DE…51" not in str(kinds)


@pytest.mark.parametrize("severity", ["low", "critical"])
def test_an_alarm_of_fraud_is_told_to_the_house_alone(severity: str) -> None:
    raised = fraud_alarms.Raised("F-1", severity, "deposit", FUND, INVESTOR, AT, "odd", MANAGER)
    kinds = dict(told(raised, of_alarm(fraud_alarms.evolve(None, raised, FLOW))))
    assert kinds[FAN_OUT]["type"] == kinds[LOG]["type"] == "fraud_alarm.raised"
    assert kinds[FAN_OUT]["owner_ids"] == []
    assert kinds[FAN_OUT]["data"] == {
        "id": str(FLOW), "alert_id": "F-1", "severity": severity, "subject_kind": "deposit",
        "subject_id": str(FUND), "account_id": str(INVESTOR), "called_off": "no", "frozen": "no",
        "reason": "odd",
    }  # fmt: skip
    assert EMAIL not in kinds


def test_the_parties_of_an_investment_are_its_owner_and_the_funds_manager() -> None:
    request = investments.Requested(UUID(int=5), FUND, UUID(int=6), "JPY", 500, INVESTOR)
    state = investments.evolve(None, request, FLOW)
    parties = of_investment(state, None)
    assert parties.people == {"investor": INVESTOR, "fund_manager": None}
    assert parties.values == {"fund_id": str(FUND), "amount": "500", "currency": "JPY"}


def test_every_rule_is_about_an_event_that_there_is() -> None:
    assert set(RULES) <= set(EVENT_TYPES)
    for topic, rules in RULES.items():
        for rule in rules:
            assert set(rule.channels) <= set(CHANNELS)
            assert ("email" in rule.channels) == bool(rule.template), topic
            assert not rule.template or rule.template in TEMPLATES


def test_every_type_can_be_asked_for() -> None:
    assert all(is_pattern(pattern) for pattern in PATTERNS)
    assert "investment.completed" in MESSAGE_TYPES
    assert "withdrawal.failed" in MESSAGE_TYPES
    assert len(MESSAGE_TYPES) <= MAX_TYPES
    assert message_type("bank_transfer.returned", "deposit") == "deposit.returned"


def test_mails_have_no_hole_in_them() -> None:
    for template in TEMPLATES.values():
        words = {"flow": "deposit", "link": "https://ledger.example.com/api/deposits/7"}
        assert words["link"] in template.text.format(**words)
        assert "{" not in template.subject.format(**words)
