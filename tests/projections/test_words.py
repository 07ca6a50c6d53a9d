"""What happened, in words: every type of event has its own."""

from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from domain import (
    bank_transfers,
    catalogue,
    credit_applicants,
    credit_applications,
    fraud_alarms,
    funds,
    investments,
    loans,
    movements,
)
from domain.accounts import Credited, Debited, Held, Opened, Released, StatusChanged
from domain.approvals import Approved, Rejected, Requested, RoleAsked, TransferAsked, Withdrawn
from domain.asked import (
    BankTransferAsked,
    FundingAsked,
    InvestmentAsked,
    RepaymentAsked,
    ReviewAsked,
)
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
from tests.projections.lending import asked

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
    *(
        (Requested(A, DAY, asked=wanted), f"{A} asked for {words}")
        for wanted, words in (
            (
                InvestmentAsked(T, A, B, 1250, "EUR"),
                f"an investment of 12.50 EUR from {A} in fund {B}",
            ),
            (
                BankTransferAsked(T, "deposit", A, "EUR", 1250, "sealed:1:x", "**3000", B),
                f"a deposit of 12.50 EUR to {A}",
            ),
            (
                BankTransferAsked(T, "withdrawal", A, "EUR", 1250),
                f"a withdrawal of 12.50 EUR from {A}",
            ),
            (
                RepaymentAsked(T, R, A, 1250, "EUR"),
                f"a repayment of 12.50 EUR of loan {T} from {A}",
            ),
            (FundingAsked(T, A, 1250, "EUR"), f"money to lend of 12.50 EUR from {A}"),
            (
                ReviewAsked(T, 1250, "EUR", 1, "payslips"),
                f"the approval of 12.50 EUR for application {T}: payslips",
            ),
        )
    ),
    (Approved(B), f"approved by {B}"),
    (Rejected(B, "too much"), f"rejected by {B}: too much"),
    (Withdrawn("no need"), "withdrawn"),
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
    (
        fraud_alarms.Raised("F-1", "low", "account", A, A, DAY, "odd hours"),
        f"low alarm F-1 about account {A}: odd hours",
    ),
    (
        fraud_alarms.Raised(
            "F-1", "high", "deposit", T, A, DAY, "stolen", B, is_called_off=True, is_frozen=True
        ),
        f"high alarm F-1 about deposit {T}: stolen; called off; account {A} frozen",
    ),
    (
        fraud_alarms.Raised("F-1", "high", "account", A, A, DAY, left="account_closed"),
        f"high alarm F-1 about account {A}; not frozen: account_closed",
    ),
    (
        asked(owner_id=A, loan_type="personal"),
        "asked for credit of 30.00 EUR in ES for 3 months at 12% a year (personal),"
        f" for owner {A}",
    ),
    (
        asked(months=1, annual_rate_bps=1250),
        "asked for credit of 30.00 EUR in ES for 1 month at 12.5% a year",
    ),
    (credit_applications.DocumentsChecked("dni"), "its dni passes the checks"),
    (
        credit_applications.Changed("sealed:1:x", "nie", "sealed:1:y", A, 9000, 1250, 6),
        "now asks for 12.50 EUR for 6 months, with a nie",
    ),
    (
        credit_applications.ReportRequested(R, "Equifax", 2),
        f"Equifax is to be asked for report {R}, in round 2",
    ),
    (
        credit_applications.ReportReceived(R, 700, 1250, "Bank", "current", True, "sealed:1:x"),
        f"report {R} has come: score 700, debt 12.50 EUR",
    ),
    (credit_applications.ReportReceived(R), f"report {R} has come: no score"),
    (
        credit_applications.ReportUnavailable(R, "bureau_silent"),
        f"report {R} is not to be had: bureau_silent",
    ),
    (
        credit_applications.Assessed(
            "risk_check", R, 2, "ES", "dni", "EUR", 9000, 1250, 6, credit_score=700
        ),
        "assessed with score 700, in round 2; risk_check",
    ),
    (
        credit_applications.Assessed("pending", R, 1, "ES", "dni", "EUR", 9000, 1250, 6),
        "assessed with no score, in round 1; pending",
    ),
    (
        credit_applications.Decided(
            "approved", "approve", ("Good", "Better"), 1, "ES", "2026-01-01", "ab", "row-1",
            {"credit_score": "700"}, 1250,
        ),
        "approved by decision approve of table ES 2026-01-01, row row-1, up to 12.50 EUR:"
        " Good; Better",
    ),
    (
        credit_applications.Decided("manual_review", "manual_review", (), 1),
        "manual_review by decision manual_review",
    ),
    (credit_applications.Referred(("No score", "Debt")), "referred to an officer: No score; Debt"),
    (
        credit_applications.Claimed(A, DAY),
        f"claimed by officer {A} until 2026-01-31T12:00:00+00:00",
    ),
    (credit_applications.Released(A), f"given back by officer {A}"),
    (
        credit_applications.Reviewed("approved", A, "known", 1250),
        f"approved by officer {A}, up to 12.50 EUR: known",
    ),
    (
        credit_applications.Reviewed("approved", A, "", 1250, B),
        f"approved by officer {A}, with whom {B} agreed, up to 12.50 EUR",
    ),
    (
        credit_applications.Reviewed("rejected", A, "no papers"),
        f"rejected by officer {A}: no papers",
    ),
    (
        credit_applications.Moved("approved", "Partner", "seen"), "approved by partner Partner: seen"
    ),
    (
        credit_applications.Offered(1250, 1205, 6, DAY),
        "offered 12.50 EUR for 6 months at 12.05% a year, until 2026-01-31T12:00:00+00:00",
    ),
    (credit_applications.Accepted(A), f"offer accepted, to be paid to {A}"),
    (credit_applications.Declined("too dear"), "offer declined"),
    (credit_applications.OfferExpired(), "offer expired"),
    (
        credit_applications.DisbursementFailed("account_inactive", 2),
        "could not be paid out, attempt 2: account_inactive",
    ),
    (credit_applications.Disbursed(R), f"paid out as loan {R}"),
    (credit_applications.Withdrawn("withdrawn", "no need"), "withdrawn"),
    (
        credit_applications.OpenedForBureau(R, "Equifax", ("document_number", "full_name")),
        f"document_number and full_name opened to ask Equifax for report {R}",
    ),
    (
        credit_applications.Disclosed(A, ("full_name", "phone"), "a call"),
        f"full_name and phone shown to {A} in clear: a call",
    ),
    (credit_applications.ErasedEvent(), "erased: the key of what is personal was destroyed"),
    (credit_applicants.Opened(R, "ES", DAY), f"application {R} begun in ES"),
    (credit_applicants.Closed(R, "approved"), f"application {R} closed as approved"),
    (
        loans.Opened(
            R, A, "EUR", 1250, 900, 6, "annuity", "30/360", DAY.date(), B, T, UUID(int=20)
        ),
        f"opened on application {R}: 12.50 EUR for 6 months at 9% a year (annuity, 30/360), to {B}",
    ),
    (
        loans.Disbursed((T, R), (loans.Instalment(1, DAY.date(), 1250, 5, 0),)),
        f"paid out by transfers {T} and {R}, in 1 instalment",
    ),
    (
        loans.Repaid(R, 1250, 50, 1200, DAY.date(), A, (T,), (), 800, True),
        f"repaid 12.50 EUR from {A}: interest 0.50, principal 12.00, ahead of time;"
        " 8.00 outstanding",
    ),
    (
        loans.Repaid(R, 1250, 50, 1200, DAY.date(), A, (T,), (), 0),
        f"repaid 12.50 EUR from {A}: interest 0.50, principal 12.00; 0.00 outstanding",
    ),
    (
        loans.InstalmentOverdue(2, DAY.date(), 1250),
        "instalment 2 of 2026-01-31 is overdue with 12.50 EUR",
    ),
    (
        loans.Rescheduled(2, (), DAY.date()), "laid out anew: 0 instalments from number 2 on"
    ),
    (loans.Settled(DAY.date()), "settled on 2026-01-31"),
]  # fmt: skip


@pytest.mark.parametrize(("event", "words"), WORDS, ids=[e.topic for e, _ in WORDS])
def test_every_event_has_words(event: Event, words: str) -> None:
    assert describe(event, "EUR") == words


def test_no_event_is_without_words() -> None:
    assert {type(event) for event, _ in WORDS} == set(catalogue.EVENT_TYPES.values())
    assert describe(Reversed(R, 5), "") == f"5 minor units went back by transfer {R}"
