"""Applications for credit under rules that nobody has checked; what must hold all the same is checked
with each event."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import get_args
from uuid import UUID

from application.decisions import DECISIONS, Facts, Verdict
from application.ledger.outcomes import Command
from application.ledger.steps import ALL_DEADLINES
from application.processes import credit
from domain import credit_applications
from domain.accounts import Account
from domain.credit_applications import (
    OPEN,
    Accepted,
    Claimed,
    CreditApplication,
    Decided,
    Disbursed,
    ErasedEvent,
    Moved,
    Offered,
    OfferExpired,
    ReportRequested,
    Reviewed,
    SubmitApplication,
)
from domain.credit_applications.work import Transitions
from domain.events import Event
from domain.refusals import Refusal
from domain.transfers import Decided as Events
from tests.support.credit_world import CreditWorld
from tests.support.flow_world import KnownBook


def careless(facts: Facts, on: date) -> Verdict:
    """A decision table that nobody has checked: it approves of what it knows nothing about."""
    score = facts.credit_score
    most = {1: 0, 2: 600_00}.get(score or 0)
    decision = DECISIONS[(score or 0) % len(DECISIONS)]
    return Verdict(decision=decision, reasons=("because",), max_approved_amount=most)


class World(CreditWorld):
    """The log with its process, under rules of the test's own."""

    def __init__(self, rules: dict[str, Transitions], lending: int = 0) -> None:
        self.rules = rules
        self.seen = 0
        self.asked: list[tuple[UUID, UUID]] = []
        self.deadlines: dict[tuple[UUID, str], datetime] = {}
        super().__init__(lending=lending)

    def submit(self, command: Command) -> Events:
        if not isinstance(command, get_args(credit_applications.Command)):
            return super().submit(command)
        book = KnownBook(self.states)
        while missing := {*credit_applications.needs(command, book.get)} - book.known:
            book.known |= missing
        if isinstance(command, SubmitApplication):
            rules: Transitions = {}
        else:
            there = book.get(command.application_id)
            assert isinstance(there, CreditApplication)
            rules = self.rules[there.country]
        found = credit_applications.decide(command, book.get, self.now, rules)
        self.append(found)
        return found

    def append(self, decided: Iterable[tuple[UUID, Event]]) -> None:
        for stream_id, event in decided:
            before = self.states.get(stream_id)
            super().append([(stream_id, event)])
            after = self.states[stream_id]
            if isinstance(after, CreditApplication):
                assert before is None or isinstance(before, CreditApplication)
                self._check_step(before, event, after)

    def _check_step(
        self, before: CreditApplication | None, event: Event, after: CreditApplication
    ) -> None:
        if before is None:
            assert after.status == "pending"
            return
        if before.status != after.status:
            self._check_move(before, after.status)
        until = before.claimed_until
        is_claimed = until is not None and self.now < until
        match event:
            case Decided():
                assert before.assessed
                assert not before.is_waiting
                assert not is_claimed
                if after.status in ("approved", "pre_approved"):
                    assert after.report is not None
                    assert after.report.report_id == after.report_id
                    assert after.report.credit_score is not None
                    assert after.report.is_verified
                    assert not after.partner
            case Moved():
                assert not is_claimed
                if after.status in ("approved", "pre_approved"):
                    assert after.report is not None
                    assert after.report.report_id == after.report_id
                    assert after.report.credit_score is not None
            case Claimed(officer_id=officer_id):
                assert not is_claimed or before.officer_id == officer_id
            case Reviewed(officer_id=officer_id):
                assert not is_claimed or before.officer_id == officer_id
                assert officer_id != before.owner_id
                assert str(officer_id) not in (before.submitted.submitted_by, *before.changed_by)
                assert not before.is_waiting
                assert before.status == "pre_approved" or is_for_an_officer(before)
                assert self.owner_of(before.account_id) != officer_id
            case ReportRequested():
                assert after.round <= 10
            case Offered(amount=amount):
                assert before.status == "approved"
                assert before.offer is None
                assert 0 < amount <= before.asked.amount_requested
                assert before.approved_amount is None or amount <= before.approved_amount
            case Accepted():
                assert before.offer is not None
                assert before.attempts or self.now < before.offer.expires_at
                assert (
                    before.officer_id is None
                    or self.owner_of(after.account_id) != before.officer_id
                )
            case OfferExpired():
                assert before.offer is not None
                assert self.now >= before.offer.expires_at
            case Disbursed():
                assert (before.status, before.offer_status) == ("approved", "accepted")
            case ErasedEvent():
                assert (before.owner_id, before.is_erased) == (None, False)

    def owner_of(self, account_id: UUID | None) -> UUID | None:
        account = None if account_id is None else self.states[account_id]
        return account.owner_id if isinstance(account, Account) else None

    def _check_move(self, before: CreditApplication, to: str) -> None:
        if to == "withdrawn":
            assert before.status not in ("rejected", "withdrawn")
            assert before.offer_status in ("", "made", "accepted")
        else:
            assert to in self.rules[before.country].get(before.status, ())
            assert before.status in OPEN or before.status == "pre_approved"
            assert before.status in OPEN or to not in OPEN

    # What happens by itself.
    def react(self) -> bool:
        """The process sees the next event; whether there was one."""
        if self.seen == len(self.events):
            return False
        event = self.events[self.seen]
        self.seen += 1
        if event.topic not in PROCESS.topics:
            return True
        reaction = PROCESS.react(event)
        assert reaction is not None
        if reaction.command is not None:
            self.as_process(reaction.command)
        for job in reaction.jobs:
            ids = job.payload["application_id"], job.payload["report_id"]
            self.asked.append((UUID(ids[0]), UUID(ids[1])))
        for name, due in reaction.deadlines.items():
            over = [
                one for one in self.deadlines
                if one[0] == event.stream_id and name in (one[1], ALL_DEADLINES)
            ]  # fmt: skip
            for one in over:
                del self.deadlines[one]
            if due is not None:
                self.deadlines[event.stream_id, name] = due
        return True

    def as_process(self, command: Command) -> None:
        try:
            self.submit(command)
        except Refusal as refusal:
            if refusal.reason != "nothing_new":
                raise AssertionError(f"stuck: {command} is refused: {refusal.details}") from refusal

    def pass_time(self, time: timedelta) -> None:
        """Deadlines that are over by then are noticed."""
        self.now += time
        assert PROCESS.on_deadline is not None
        for (key, name), due in list(self.deadlines.items()):
            if due <= self.now and self.deadlines.pop((key, name), None) is not None:
                command = PROCESS.on_deadline(key, name).command
                assert command is not None
                self.as_process(command)

    def go_on(self) -> None:
        while self.react():
            pass


PROCESS = credit.process(careless)


def is_for_an_officer(there: CreditApplication) -> bool:
    return there.status == "manual_review" or there.is_referred
