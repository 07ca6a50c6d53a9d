"""Loans in a log of their own, with the accounts that they need."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from uuid import UUID

from msgspec.structs import replace

from domain import loans
from domain.accounts import Account, OpenAccount
from domain.house import house_account
from domain.loans import Loan, Opened, loan_account, open_loan
from domain.sheets import Sheet
from domain.transfers import Decided, PostTransfer, Transfer
from tests.support.flow_world import KnownBook, Log

OWNER, STRANGER, APPLICATION = (UUID(int=n) for n in (601, 602, 603))
CASH, LENDING, CLAIMS, INTEREST = (
    house_account(type_, "EUR") for type_ in ("cash", "lending", "loans", "interest")
)  # fmt: skip
CUSTOMER, OTHER, DOLLARS = (UUID(int=n) for n in (611, 612, 613))
LOAN = UUID(int=621)
START = date(2026, 1, 31)


def opening_of(loan_id: UUID = LOAN, **changes: object) -> Opened:
    """1,000.00 EUR at 1 % a month, for three months, but for the changes."""
    opened = loans.opening(
        loan_id,
        application_id=APPLICATION,
        owner_id=OWNER,
        currency="EUR",
        principal=1_000_00,
        annual_rate_bps=12_00,
        months=3,
        method="annuity",
        day_count="30/360",
        started_on=START,
        customer_account_id=CUSTOMER,
    )
    return replace(opened, **changes)


class LoanWorld(Log):
    """The log, with what is lent and paid back. `lending` and `has` are minor units: what the house has to
    lend, and what the customer has of his own."""

    def __init__(self, *, lending: int = 5_000_00, has: int = 5_000_00) -> None:
        super().__init__()
        self.ids = 10_000
        for command in (
            OpenAccount(CASH, "Bank EUR", "cash", "EUR"),
            OpenAccount(LENDING, "Lending EUR", "lending", "EUR"),
            OpenAccount(CUSTOMER, "mine", "checking", "EUR", OWNER),
            OpenAccount(OTHER, "another's", "checking", "EUR", STRANGER),
            OpenAccount(DOLLARS, "mine", "checking", "USD", OWNER),
        ):
            self.submit(command)
        for account_id, amount in ((LENDING, lending), (CUSTOMER, has), (OTHER, has)):
            if amount:
                self.submit(PostTransfer(self.new_id(), CASH, account_id, amount, "EUR"))

    def new_id(self) -> UUID:
        self.ids += 1
        return UUID(int=self.ids)

    def lend(self, opened: Opened | None = None, loan_id: UUID = LOAN) -> Decided:
        """Pay a loan out, knowing what `needs_to_open` says. Raises `Refusal`."""
        asked = opening_of(loan_id) if opened is None else opened
        book = KnownBook(self.states)
        book.known |= {*loans.needs_to_open(loan_id, asked.customer_account_id, asked.currency)}
        sheet = Sheet(book.get, self.now)
        open_loan(sheet, asked, loan_id)
        self.append(sheet.decided)
        return sheet.decided

    def on(self, day: date) -> None:
        """It is noon of that day."""
        self.now = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)

    def loan(self, loan_id: UUID = LOAN) -> Loan:
        found = self.states[loan_id]
        assert isinstance(found, Loan)
        return found

    def balance(self, account_id: UUID) -> int:
        found = self.states.get(account_id)
        return found.balance if isinstance(found, Account) else 0

    def check(self) -> None:
        """What holds whatever has happened."""
        by_id = {account.id: account for account in self.of(Account)}
        sums: Counter[str] = Counter()
        for account in by_id.values():
            sums[account.currency] += account.balance
            assert not account.has_floor or account.balance >= -account.credit_limit
        assert set(sums.values()) == {0}
        assert self.balance(CLAIMS) == sum(loan.outstanding for loan in self.of(Loan))
        for loan in self.of(Loan):
            self._check_loan(loan)
        assert self.replayed() == self.states

    def _check_loan(self, loan: Loan) -> None:
        assert self.balance(loan_account(loan.id)) == -loan.outstanding <= 0
        missing = [loan.missing(each) for each in loan.instalments]
        assert all(part.interest >= 0 and part.principal >= 0 for part in missing)
        assert sum(part.principal for part in missing) == loan.outstanding
        assert (loan.status == "settled") == (loan.outstanding == 0)
        assert loan.arrears >= 0
        if loan.status == "settled":
            assert loan.arrears == 0
        numbers = [each.number for each in loan.instalments]
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) == loan.opened.months or loan.status == "settled"

    def transfers_of(self, loan_id: UUID = LOAN) -> list[tuple[UUID, UUID, int]]:
        """Source, destination and amount of all that was moved for a loan, in order."""
        return [
            (t.request.source_id, t.request.destination_id, t.amount)
            for t in self.of(Transfer)
            if t.request.reference == str(loan_id)
        ]
