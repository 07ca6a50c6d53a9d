"""What one decision about an application comes to, each part seeing the ones before it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NoReturn
from uuid import UUID

from domain import credit_applicants
from domain.accounts import Account
from domain.credit_applicants import CreditApplicant
from domain.credit_applications.state import OPEN, CreditApplication, evolve
from domain.events import Event
from domain.refusals import Refusal
from domain.sheets import Lookup, Sheet
from domain.transfers import Decided

Transitions = Mapping[str, tuple[str, ...]]
"""Status -> what may follow, by the rules of a country."""


def nothing_new() -> NoReturn:
    """What is asked for has happened, or its time is over."""
    raise Refusal("nothing_new")


class Work:
    """Events of a decision, and the application as they leave it. `sheet` takes the postings."""

    def __init__(
        self,
        application: CreditApplication,
        lookup: Lookup,
        now: datetime,
        transitions: Transitions,
    ) -> None:
        self.application = application
        self.lookup = lookup
        self.now = now
        self.sheet = Sheet(lookup, now)
        self._transitions = transitions

    @property
    def decided(self) -> Decided:
        return self.sheet.decided

    @property
    def is_claimed(self) -> bool:
        """Whether an officer is looking at it right now."""
        until = self.application.claimed_until
        return until is not None and self.now < until

    def check_is_free(self) -> None:
        """Refuses `claimed_by_another` while an officer is looking at it."""
        there = self.application
        if self.is_claimed and there.claimed_until is not None:
            until = there.claimed_until.isoformat()
            raise Refusal("claimed_by_another", application_id=there.id, until=until)

    def may_move(self, status: str) -> bool:
        return status in self._allowed

    def check_may_move(self, status: str) -> None:
        """Refuses `invalid_transition`."""
        before, allowed = self.application.status, self._allowed
        if status not in allowed:
            # In the words of credit, and in those that accounts and users have for it.
            raise Refusal(
                "invalid_transition",
                **{"from": before, "to": status, "allowed": list(allowed)},
                current=before,
                requested=status,
            )

    @property
    def _allowed(self) -> tuple[str, ...]:
        before = self.application.status
        allowed = self._transitions.get(before, ())
        # What was decided is not undecided: its applicant may have applied again.
        return allowed if before in OPEN else tuple(each for each in allowed if each not in OPEN)

    def add(self, *events: Event) -> None:
        """Events of the application itself."""
        for event in events:
            self.sheet.add(self.application.id, event)
            self.application = evolve(self.application, event, self.application.id)

    def add_to(self, stream_id: UUID, event: Event) -> None:
        self.sheet.add(stream_id, event)

    def close(self) -> None:
        """The applicant may apply again, by the rules of the country."""
        there = self.application
        applicant = self.lookup(there.asked.applicant_id)
        if (
            isinstance(applicant, CreditApplicant)
            and applicant.application_id == there.id
            and applicant.status != there.status
        ):
            self.add_to(applicant.id, credit_applicants.Closed(there.id, there.status))


def owner_of(lookup: Lookup, account_id: UUID | None) -> UUID | None:
    """Whose an account is."""
    account = None if account_id is None else lookup(account_id)
    return account.owner_id if isinstance(account, Account) else None
