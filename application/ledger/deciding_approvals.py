"""Whose accounts the commands are about that need a second person: none of the owners is that one."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from application.ledger.book import Book
from domain.approvals import Askable
from domain.bank_transfers import RequestBankTransfer
from domain.funds import Fund
from domain.investments import RequestInvestment
from domain.loans import FundLending, Loan, RepayLoan
from domain.transfers import PostTransfer


def accounts_of(asked: Askable, book: Book) -> Iterator[UUID]:
    """The accounts that a command moves money from or to, as far as it is known which. Of an application
    it is decided with the application who may not agree, and of a role with the approval."""
    match asked:
        case PostTransfer():
            yield asked.source_id
            yield asked.destination_id
        case RequestInvestment():
            yield asked.investor_account_id
            if isinstance(fund := book.get(asked.fund_id), Fund):
                yield fund.opened.account_id
        case RequestBankTransfer():
            yield asked.account_id
        case RepayLoan():
            yield asked.account_id
            if isinstance(loan := book.get(asked.loan_id), Loan):
                yield loan.opened.loan_account_id
        case FundLending():
            yield asked.source_id


def owners_of(asked: Askable, book: Book) -> set[UUID]:
    """Whose accounts they are."""
    found = map(book.account, accounts_of(asked, book))
    return {a.owner_id for a in found if a is not None and a.owner_id is not None}
