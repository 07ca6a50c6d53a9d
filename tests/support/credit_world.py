"""Credit applications in a log of their own: what they ask for, what has happened to them, and the accounts
that they need."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from msgspec.structs import replace

from application.countries import COUNTRIES
from domain import credit_applicants
from domain.accounts import Account, OpenAccount
from domain.credit_applicants import CreditApplicant
from domain.credit_applications import (
    OPEN,
    Assessed,
    Changed,
    Claimed,
    CreditApplication,
    Decided,
    DocumentsChecked,
    Offered,
    Referred,
    ReportReceived,
    ReportRequested,
    ReportUnavailable,
    SubmitApplication,
    Submitted,
)
from domain.events import Event
from domain.house import house_account
from domain.loans import Loan, loan_account
from domain.transfers import PostTransfer
from tests.support.flow_world import Log
from tests.support.given import NOW

Fact = tuple[UUID, Event]

OWNER, STRANGER, OFFICER, COLLEAGUE, CLERK = (UUID(int=n) for n in range(801, 806))
APPLICATION, SECOND = UUID(int=811), UUID(int=812)
APPLICANT, SOMEBODY = UUID(int=821), UUID(int=822)
REPORT, NEW_REPORT = UUID(int=831), UUID(int=832)
ACCOUNT, ELSEWHERE, ANOTHERS, FOREIGN, OFFICERS = (UUID(int=n) for n in range(841, 846))
A_WEEK = timedelta(days=7)


def asked(country: str = "MX", **changes: object) -> Submitted:
    """1,000.00 at an income of 500.00 a month, for six months, but for the changes."""
    there = COUNTRIES[country]
    submitted = Submitted(
        country=country,
        full_name="sealed:1:AA",
        document_type=there.documents[0].code,
        document_number="sealed:1:BB",
        applicant_id=APPLICANT,
        currency=there.currency,
        monthly_income=500_00,
        amount_requested=1_000_00,
        months=6,
        annual_rate_bps=there.terms.annual_rate_bps,
        method=there.terms.method,
        day_count=there.terms.day_count,
        offer_days=7,
        owner_id=OWNER,
        person_id=OWNER,
        submitted_by=str(OWNER),
        document_hint="BO**09",
        account_id=ACCOUNT,
    )
    return replace(submitted, **changes)


def submission(
    id_: UUID = APPLICATION, country: str = "MX", *, report_id: UUID = REPORT, **changes: object
) -> SubmitApplication:
    """Asks for the same."""
    there = COUNTRIES[country]
    return SubmitApplication(
        id_, asked(country, **changes), report_id, there.bureau, there.same_document_hours
    )


def other_wishes(there: Submitted, **changes: object) -> Changed:
    """What is asked for in the end: 900.00, but for the changes."""
    changed = Changed(
        full_name=there.full_name,
        document_type=there.document_type,
        document_number=there.document_number,
        applicant_id=there.applicant_id,
        monthly_income=there.monthly_income,
        amount_requested=900_00,
        months=there.months,
        document_hint=there.document_hint,
        loan_type=there.loan_type,
        by=str(OWNER),
    )
    return replace(changed, **changes)


# What has happened.
def of(*events: Event, id_: UUID = APPLICATION) -> list[Fact]:
    return [(id_, event) for event in events]


def submitted(country: str = "MX", **changes: object) -> list[Fact]:
    there = asked(country, **changes)
    return [
        (APPLICATION, there),
        (APPLICATION, DocumentsChecked(there.document_type)),
        (there.applicant_id, credit_applicants.Opened(APPLICATION, country, NOW)),
        (APPLICATION, ReportRequested(REPORT, COUNTRIES[country].bureau)),
    ]


def reported(
    score: int | None = 700, *, country: str = "MX", is_verified: bool = True
) -> list[Fact]:
    """The bureau has answered, and the answer is put before the table."""
    received = ReportReceived(REPORT, score, 0, is_verified=is_verified)
    return of(received, assessment(country, score))


def given_up(country: str = "MX") -> list[Fact]:
    return of(ReportUnavailable(REPORT, "timeout"), assessment(country, None))


def assessment(country: str, score: int | None) -> Assessed:
    there = asked(country)
    checks = "risk_check" in COUNTRIES[country].transitions["pending"]
    return Assessed(
        "risk_check" if checks else "pending", REPORT, 1, country, there.document_type,
        there.currency, there.monthly_income, there.amount_requested, there.months,
        credit_score=score, total_debt=None if score is None else 0,
    )  # fmt: skip


def decided(status: str, decision: str, most: int | None = None) -> list[Fact]:
    said = Decided(status, decision, ("because",), 1, max_approved_amount=most)
    if status in OPEN:
        return of(said, Referred(("because",)))
    return [*of(said), closed(status)]


def closed(status: str) -> Fact:
    return (APPLICANT, credit_applicants.Closed(APPLICATION, status))


def claimed(until: timedelta) -> list[Fact]:
    return of(Claimed(OFFICER, NOW + until))


def offered(ends_in: timedelta = A_WEEK) -> list[Fact]:
    return of(Offered(1_000_00, 28_00, 6, NOW + ends_in))


class CreditWorld(Log):
    """The log, with a customer's accounts, another's, and money to lend."""

    def __init__(self, *facts: Fact, lending: int = 5_000_00, currency: str = "MXN") -> None:
        super().__init__()
        self.currency = currency
        self.ids = 20_000
        cash, lent_from = self.house("cash"), self.house("lending")
        for command in (
            OpenAccount(cash, f"Bank {currency}", "cash", currency),
            OpenAccount(lent_from, f"Lending {currency}", "lending", currency),
            OpenAccount(ACCOUNT, "mine", "checking", currency, OWNER),
            OpenAccount(ELSEWHERE, "mine too", "checking", currency, OWNER),
            OpenAccount(ANOTHERS, "another's", "checking", currency, STRANGER),
            OpenAccount(FOREIGN, "mine in dollars", "checking", "USD", OWNER),
            OpenAccount(OFFICERS, "the officer's", "checking", currency, OFFICER),
        ):
            self.submit(command)
        self.pay(lent_from, lending)
        self.append(facts)

    def new_id(self) -> UUID:
        self.ids += 1
        return UUID(int=self.ids)

    def house(self, type_: str) -> UUID:
        return house_account(type_, self.currency)  # type: ignore[arg-type]

    def pay(self, account_id: UUID, amount: int) -> None:
        """Money comes from outside."""
        if amount:
            command = PostTransfer(
                self.new_id(), self.house("cash"), account_id, amount, self.currency
            )
            self.submit(command)

    def application(self, id_: UUID = APPLICATION) -> CreditApplication:
        found = self.states[id_]
        assert isinstance(found, CreditApplication)
        return found

    def applicant(self, id_: UUID = APPLICANT) -> CreditApplicant:
        found = self.states[id_]
        assert isinstance(found, CreditApplicant)
        return found

    def balance(self, account_id: UUID) -> int:
        found = self.states.get(account_id)
        return found.balance if isinstance(found, Account) else 0

    @property
    def applications(self) -> list[CreditApplication]:
        return self.of(CreditApplication)

    def check(self) -> None:
        """What holds whatever has happened."""
        for account in self.of(Account):
            assert not account.has_floor or account.balance >= -account.credit_limit
        assert sum(account.balance for account in self.of(Account)) == 0
        check_registers(self.applications, self.of(CreditApplicant))
        check_loans(self)
        assert self.replayed() == self.states


def check_registers(
    applications: Iterable[CreditApplication], applicants: Iterable[CreditApplicant]
) -> None:
    """Whoever asks for credit has one open application, and it is the one that his register names."""
    by_id = {each.id: each for each in applications}
    registers = {each.id: each for each in applicants}
    for there in by_id.values():
        if there.status in OPEN:
            register = registers[there.asked.applicant_id]
            assert (register.application_id, register.status) == (there.id, "")
    for register in registers.values():
        there = by_id[register.application_id]
        if there.asked.applicant_id == register.id:
            assert register.status == ("" if there.status in OPEN else there.status)
        else:
            assert register.status == "changed"


def check_loans(world: CreditWorld) -> None:
    """What was paid out was offered, accepted, and is owed; and nothing else is."""
    paid = {a.loan_id: a for a in world.applications if a.loan_id is not None}
    assert {loan.id for loan in world.of(Loan)} == paid.keys()
    assert world.balance(world.house("loans")) == sum(loan.outstanding for loan in world.of(Loan))
    for loan in world.of(Loan):
        application = paid[loan.id]
        assert application.status == "approved"
        assert application.offer_status == "disbursed"
        assert application.offer is not None
        assert loan.opened.principal == application.offer.amount
        assert loan.opened.application_id == application.id
        assert loan.opened.customer_account_id == application.account_id
        assert world.balance(loan_account(loan.id)) == -loan.outstanding
