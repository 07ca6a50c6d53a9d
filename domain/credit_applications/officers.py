"""What officers decide: one at a time, and never on an application of their own."""

from __future__ import annotations

from uuid import UUID

from domain.credit_applications.commands import (
    ClaimApplication,
    ReleaseApplication,
    ReviewApplication,
)
from domain.credit_applications.events import Claimed, Released, Reviewed
from domain.credit_applications.state import CreditApplication
from domain.credit_applications.work import Work, nothing_new, owner_of
from domain.refusals import Refusal

REVIEWED = frozenset({"manual_review", "pre_approved"})
"""What waits for an officer, next to what was referred to one."""


def claim(work: Work, command: ClaimApplication) -> None:
    """Refuses `own_application`, `claimed_by_another`, `not_in_review`."""
    _check_may(work, command.officer_id)
    _check_in_review(work.application)
    work.add(Claimed(command.officer_id, command.until))


def release(work: Work, command: ReleaseApplication) -> None:
    there = work.application
    if there.officer_id != command.officer_id or there.claimed_until is None:
        nothing_new()
    work.add(Released(command.officer_id))


def review(work: Work, command: ReviewApplication) -> None:
    """Approve or reject. Refuses `own_application`, `claimed_by_another`, `invalid_transition`,
    `not_in_review`, `application_changed`, `reason_required` of a rejection, and of an approval
    `negative_amount` and `amount_exceeds_request`."""
    there = work.application
    _check_may(work, command.officer_id, command.second_id)
    work.check_may_move("rejected" if command.decision == "reject" else "approved")
    _check_in_review(there)
    decided_on = (command.round, command.report_id)
    if command.round is not None and decided_on != (there.round, report_id_of(there)):
        raise Refusal("application_changed", application_id=there.id)
    if command.decision == "reject":
        if not command.reason:
            raise Refusal("reason_required", application_id=there.id)
        work.add(Reviewed("rejected", command.officer_id, command.reason))
    else:
        amount = command.amount if command.amount is not None else amount_of(there)
        if amount <= 0:
            raise Refusal("negative_amount")
        if amount > there.asked.amount_requested:
            raise Refusal(
                "amount_exceeds_request",
                currency=there.asked.currency,
                requested_minor=there.asked.amount_requested,
                amount_minor=amount,
            )
        work.add(
            Reviewed("approved", command.officer_id, command.reason, amount, command.second_id)
        )
    work.close()


def _check_in_review(there: CreditApplication) -> None:
    """Refuses `not_in_review`: before that nobody has looked at it, and while a report is under way nobody
    has looked at what is asked for now."""
    if there.is_waiting or not (there.status in REVIEWED or there.is_referred):
        raise Refusal(
            "not_in_review",
            application_id=there.id,
            status=there.status,
            is_waiting=there.is_waiting,
        )


def report_id_of(there: CreditApplication) -> UUID | None:
    """The last report that has come: one that was given up may come late, in the same round."""
    return None if there.report is None else there.report.report_id


def amount_of(there: CreditApplication) -> int:
    """What an officer approves who does not say how much, in minor units."""
    asked = there.asked.amount_requested
    return asked if there.approved_amount is None else min(asked, there.approved_amount)


def _check_may(work: Work, officer_id: UUID, second_id: UUID | None = None) -> None:
    there = work.application
    authors = (there.submitted.submitted_by, *there.changed_by)
    deciding = [id_ for id_ in (officer_id, second_id) if id_ is not None]
    for id_ in deciding:
        if id_ == there.owner_id or str(id_) in authors:
            raise Refusal("own_application", application_id=there.id)
        if owner_of(work.lookup, there.account_id) == id_:  # the money would be his
            raise Refusal("own_application", application_id=there.id)
    if there.officer_id not in deciding:
        work.check_is_free()
