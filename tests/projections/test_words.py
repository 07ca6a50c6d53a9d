"""What happened, in words: every type of event has its own."""

from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from domain import bank_transfers, catalogue, funds, investments, movements
from domain.accounts import Credited, Debited, Held, Opened, Released, StatusChanged
from domain.approvals import Approved, Rejected, Requested, RoleAsked, TransferAsked, Withdrawn
from domain.events import Event
from domain.security import (
    AuthenticationFailed,
    AuthorizationFailed,
    RateLimited,
    SuspiciousRequest,
)
from domain.statements import Imported
from domain.transfers import (
    Captured,
    Expired,
    Posted,
    Reserved,
    Reversed,
    Voided,
)
from domain.users import (
    Activated,
    ApiKeyIssued,
    ApiKeyRevoked,
    Deleted,
    Disclosed,
    EmailChanged,
    EmailVerified,
    Erased,
    PasswordChanged,
    ProfileChanged,
    Registered,
    RoleChanged,
    Suspended,
)
from projections.audit.words import describe
from tests.projections.histories import EVEN

A, B, T, R = (UUID(int=n) for n in (10, 11, 12, 13))
DAY = datetime(2026, 1, 31, 12, tzinfo=UTC)

WORDS: list[tuple[Event, str]] = [
    (
        Opened("Al", "credit", "EUR", B, 5),
        f'opened "Al" (credit, EUR) with a credit limit of 0.05 for owner {B}',
    ),
    (Opened("Al", "cash", "JPY"), 'opened "Al" (cash, JPY)'),
    (StatusChanged("frozen", "active", "court"), "status from active to frozen: court"),
    (Debited(T, B, 1250, 8750), f"debited 12.50 EUR for transfer {T} to {B}; balance 87.50"),
    (Credited(T, B, 5, 5, 2), f"credited 0.05 EUR by transfer {T} from {B}; balance 0.05, held 0.02"),
    (Held(T, 5, 9, 5), f"held 0.05 EUR for transfer {T}; balance 0.09, held 0.05"),
    (Released(T, 5, 9), f"set 0.05 EUR free that was held for transfer {T}; balance 0.09"),
    (
        Posted(A, B, "EUR", 5, 9, reference="R1", description="rent", reverses=T, reason="back"),
        f'posted 0.05 EUR from {A} to {B} (asked for up to 0.09), reference R1, "rent",'
        f" reversing transfer {T}: back",
    ),
    (
        Reserved(A, B, "EUR", 5, expires_at=DAY),
        f"reserved 0.05 EUR from {A} to {B}, until 2026-01-31T12:00:00+00:00",
    ),
    (Captured(5, 2, "done"), "posted 0.05 EUR of what was reserved, 0.02 set free: done"),
    (Voided("no"), "voided: no"),
    (Expired(), "expired"),
    (Reversed(R, 5), f"0.05 EUR went back by transfer {R}"),
    (
        Imported(A, "NL1", "REF", "7", "EUR", 5, 9, 3, date(2026, 1, 1), date(2026, 1, 31)),
        "booked statement 7 (REF) of NL1, 2026-01-01 to 2026-01-31: lines 3, opening 0.05,"
        " closing 0.09 EUR",
    ),
    (
        EVEN,
        "held statement 3/1 (S1) of NL91ABNA0417164300, 2026-03-01 to 2026-03-31, against 2 movements:"
        " matched 1, missing 1, unexpected 0, mismatched 0",
    ),
    (Registered("sealed:1:x", "sealed:1:y"), "registered as user"),
    (Registered("sealed:1:x", "sealed:1:y", "admin", B), f"registered as admin by {B}"),
    (ProfileChanged("sealed:1:x"), "full name changed"),
    (EmailChanged("sealed:1:x"), "e-mail address changed"),
    (EmailVerified(), "e-mail address verified"),
    (PasswordChanged(), "password changed"),
    (PasswordChanged(reset=True), "password reset"),
    (RoleChanged("admin", "user"), "role from user to admin"),
    (Suspended(), "suspended"),
    (Suspended("fraud"), "suspended: fraud"),
    (Activated(), "activated"),
    (Deleted("left"), "deleted: left"),
    (Erased(), "erased: the key of what is personal was destroyed"),
    (Disclosed(("email", "full_name"), "court"), "email and full_name shown in clear: court"),
    (
        ApiKeyIssued(T, "shop", ("transfers:write", "accounts:read")),
        f'API key {T} "shop" issued for transfers:write, accounts:read',
    ),
    (ApiKeyIssued(T, "shop", ()), f'API key {T} "shop" issued for no scope'),
    (ApiKeyRevoked(T), f"API key {T} revoked"),
    (
        Requested(A, DAY, TransferAsked(T, A, B, 1250, "EUR")),
        f"{A} asked for a transfer of 12.50 EUR from {A} to {B}",
    ),
    (
        Requested(A, DAY, role_change=RoleAsked(B, "admin")),
        f"{A} asked for the role admin for user {B}",
    ),
    (Approved(B), f"approved by {B}"),
    (Rejected(B, "too much"), f"rejected by {B}: too much"),
    (Withdrawn(), "withdrawn"),
    (
        AuthenticationFailed("invalid_token", "GET /api/users", address="sealed:1:x"),
        "authentication failed: invalid_token at GET /api/users",
    ),
    (
        AuthorizationFailed("forbidden", "GET /api/users", "user:1"),
        "authorization failed: forbidden at GET /api/users, user:1",
    ),
    (
        RateLimited("rate_limited", "GET /api/users", "user:1", count=12),
        "asked too often: rate_limited at GET /api/users, user:1, 12 times",
    ),
    (
        SuspiciousRequest("sql_injection", "GET /api/users"),
        "suspicious request: sql_injection at GET /api/users",
    ),
    (
        funds.Opened("Forests", "EUR", A, 1000, 5000, 9),
        f'opened fund "Forests" on account {A} with 9 seats from 10.00 EUR to 50.00 EUR',
    ),
    (funds.TermsChanged(1000, 0, 7), "terms are now 7 seats from 10.00 EUR"),
    (funds.StatusChanged("closed", "open", "full"), "status from open to closed: full"),
    (funds.SeatReserved(T, 5, 3), f"reserved a seat with 0.05 EUR for investment {T}"),
    (funds.SeatReleased(T, 5, 4), f"gave back the seat of investment {T} with 0.05 EUR"),
    (
        funds.SeatReleased(T, 5, 4, was_taken=True),
        f"gave back the seat of investment {T} with 0.05 EUR, which had arrived",
    ),
    (funds.AllocationTaken(T, 5), f"took the reserved seat with 0.05 EUR for investment {T}"),
    (
        investments.Requested(A, B, R, "EUR", 1250),
        f"asked to invest 12.50 EUR from {A} in fund {B}",
    ),
    (investments.SourceHeld(T), f"held the money by transfer {T}"),
    (
        investments.Instructed("deposit", R),
        f"had the bank asked for the deposit, movement {R}",
    ),
    (investments.Withdrawn(T), f"brought the money into clearing by transfer {T}"),
    (investments.Deposited(T), f"brought the money to the fund by transfer {T}"),
    (investments.Completed(), "completed"),
    (
        investments.Undoing("deposit", "account_closed"),
        "is undone since it failed at deposit: account_closed",
    ),
    (investments.Refunded(T, R), f"brought the money back to the investor by transfer {T}"),
    (
        investments.TakenBack("deposit", R, T),
        f"took back the deposit, movement {R}, by transfer {T}",
    ),
    (investments.SetAside(T), f"set the money aside by transfer {T}"),
    (investments.TakenUp(T), f"took the money up again by transfer {T}"),
    (
        investments.Resumed("deposit", R),
        f"had the bank asked again for the deposit, movement {R}",
    ),
    (
        investments.FailedEvent("hold", "insufficient_funds", "source"),
        "failed at hold: insufficient_funds",
    ),
    (
        investments.NeedsOperator("refund", "account_closed", "suspense"),
        "needs an operator at refund: account_closed",
    ),
    (
        bank_transfers.Requested(
            "deposit", A, "EUR", 1250, "sealed:1:x", "**3000", B, B, "R-1"
        ),
        f"asked for a deposit of 12.50 EUR to {A}, reference R-1",
    ),
    (
        bank_transfers.Requested("withdrawal", A, "EUR", 5, "sealed:1:x"),
        f"asked for a withdrawal of 0.05 EUR from {A}",
    ),
    (bank_transfers.SourceHeld(T), f"held the money by transfer {T}"),
    (bank_transfers.Instructed(R), f"had the bank asked, movement {R}"),
    (bank_transfers.Booked("bank", T), f"booked the bank's side by transfer {T}"),
    (
        bank_transfers.TakenBack("customer", T),
        f"took back the customer's side by transfer {T}",
    ),
    (bank_transfers.Completed(T, R), f"completed by transfers {R} and {T}"),
    (bank_transfers.SetAside(T), f"set the money aside by transfer {T}"),
    (bank_transfers.TakenUp(T), f"took the money up again by transfer {T}"),
    (bank_transfers.ReturnedEvent("recalled", T), f"went back by transfer {T}: recalled"),
    (bank_transfers.FailedEvent("deposit", "no_answer"), "failed at deposit: no_answer"),
    (bank_transfers.Resumed(R), f"had the bank asked again, movement {R}"),
    (
        bank_transfers.NeedsOperator("return", "recalled", "suspense"),
        "needs an operator at return: recalled",
    ),
    (
        movements.Instructed("deposit", T, "collection", "in", "sealed:1:x", "EUR", 1250, B),
        f"the bank is to move 12.50 EUR in as the collection of deposit {T}",
    ),
    (
        movements.Sent("investment", T, "refund"),
        f"the refund of investment {T} is sent to the bank",
    ),
    (
        movements.Accepted("investment", T, "refund", "B-7", 1),
        f"the refund of investment {T} was accepted, the bank's reference B-7",
    ),
    (
        movements.Settled("investment", T, "refund"),
        f"the refund of investment {T} has settled",
    ),
    (
        movements.Settled("investment", T, "refund", "B-7", 2, late=True),
        f"the refund of investment {T} has settled, the bank's reference B-7, late",
    ),
    (
        movements.Failed("investment", T, "refund", reason="account_closed"),
        f"the refund of investment {T} has failed: account_closed",
    ),
    (
        movements.Cancelled("investment", T, "refund", reason="cancelled"),
        f"the refund of investment {T} is called off: cancelled",
    ),
    (
        movements.Returned("investment", T, "refund", reason="recalled"),
        f"the refund of investment {T} has come back: recalled",
    ),
    (
        movements.Overdue("investment", T, "refund"),
        f"the refund of investment {T} is overdue",
    ),
    (
        movements.Unresolved("investment", T, "refund", reason="no_answer"),
        f"the refund of investment {T} is unresolved: no_answer",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("event", "words"), WORDS, ids=[e.topic for e, _ in WORDS])
def test_every_event_has_words(event: Event, words: str) -> None:
    assert describe(event, "EUR") == words


def test_no_event_is_without_words() -> None:
    assert {type(event) for event, _ in WORDS} == set(catalogue.EVENT_TYPES.values())
    assert describe(Reversed(R, 5), "") == f"5 minor units went back by transfer {R}"
