"""Decides commands against a book, one after the other, each seeing what the ones before it did."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, cast, get_args
from uuid import UUID

from application.ledger import deciding_credit, deciding_flows
from application.ledger.book import Book
from application.ledger.deciding_approvals import accounts_of, owners_of
from application.ledger.outcomes import AlreadyDone, BookCommand, Command
from domain import (
    accounts,
    approvals,
    bank_transfers,
    credit_applications,
    investments,
    loans,
    reconciliations,
    statements,
    transfers,
    users,
)
from domain.accounts import Account, ChangeAccountStatus, OpenAccount
from domain.approvals import Approval, Approve, Askable, Reject, RequestApproval, Withdraw
from domain.bank_transfers import RequestBankTransfer
from domain.credit_applications import SubmitApplication
from domain.funds import OpenFund
from domain.house import check_is_free, check_may_be_reversed, check_status_may_change
from domain.investments import RequestInvestment
from domain.loans import FundLending
from domain.ownership import is_within_reach
from domain.reconciliations import MakeReconciliation, Reconciliation
from domain.refusals import Refusal
from domain.security import NoteSecurity, SecurityLog
from domain.statements import RecordStatement, Statement
from domain.transfers import (
    Decided,
    ExpirePending,
    PostPending,
    PostTransfer,
    ReverseTransfer,
    Transfer,
    VoidPending,
)
from domain.users import RegisterUser


def new_stream(command: Command) -> UUID | None:
    """The stream that the command starts, None when it changes one that is there."""
    match command:
        case PostTransfer():
            return command.transfer_id
        case OpenAccount():
            return command.account_id
        case ReverseTransfer():
            return command.reversal_id
        case RecordStatement():
            return command.statement_id
        case MakeReconciliation():
            return command.reconciliation_id
        case RegisterUser():
            return command.user_id
        case RequestApproval():
            return command.approval_id
        case OpenFund():
            return command.fund_id
        case RequestInvestment():
            return command.investment_id
        case RequestBankTransfer():
            return command.bank_transfer_id
        case SubmitApplication():
            return command.application_id
        case FundLending():
            return command.transfer_id
        case _:
            return None


_NEEDS = {**deciding_flows.NEEDS, **deciding_credit.NEEDS}


def needs(command: Command, book: Book) -> Iterator[UUID]:
    """The streams that must be known to decide: a transfer's own accounts once it is known itself."""
    ask = _NEEDS.get(type(command))
    if ask is None:
        return _needs(cast(BookCommand, command), book)
    # What the command starts is taken to be new.
    started = new_stream(command)
    return (id_ for id_ in ask(command, book) if id_ != started)


def _needs(command: BookCommand, book: Book) -> Iterator[UUID]:
    match command:
        case PostTransfer():
            yield command.source_id
            yield command.destination_id
        case ChangeAccountStatus():
            yield command.account_id
        case PostPending() | VoidPending() | ExpirePending() | ReverseTransfer():
            yield command.transfer_id
            if (transfer := book.transfer(command.transfer_id)) is not None:
                yield transfer.request.source_id
                yield transfer.request.destination_id
        case RecordStatement():
            yield command.imported.account_id
        case RequestApproval():
            yield from _needs_of_asked(command.command, book)
        case Approve():
            yield command.approval_id
            if (approval := _approval(command.approval_id, book)) is not None:
                asked = approvals.command_of(approval)
                yield from _needs_of_asked(asked, book)
                yield from accounts_of(asked, book)
                # One after the other: who registered somebody is known once that one is.
                yield from approvals.line(approval.requested.maker_id, book.user)
                yield from approvals.line(command.checker_id, book.user)
        case Reject() | Withdraw():
            yield command.approval_id
        case NoteSecurity():
            yield command.stream_id
        case OpenAccount() | RegisterUser() | MakeReconciliation():
            pass
        case _:  # on a user
            yield command.user_id


def _needs_of_asked(asked: Askable, book: Book) -> Iterator[UUID]:
    yield from needs(asked, book)
    if (started := new_stream(asked)) is not None:
        yield started


def decide(command: Command, book: Book, now: datetime) -> Decided:
    """The events of a command. Raises `Refusal`, or `AlreadyDone` for a repeat."""
    return _DECISIONS[type(command)](command, book, now)


def _post_transfer(command: PostTransfer, book: Book, now: datetime) -> Decided:
    there, source = book.get(command.transfer_id), book.account(command.source_id)
    # Before anything is told of another's transfer: not even that there is one.
    if there is not None and (
        command.owner_id is None or is_within_reach(source, command.owner_id)
    ):
        if isinstance(there, Transfer) and transfers.is_same_request(there, command):
            raise AlreadyDone(command.transfer_id)
        raise Refusal("id_reused", id=command.transfer_id)
    destination = book.account(command.destination_id)
    check_is_free(source, command.owner_id)
    check_is_free(destination, command.owner_id)
    return transfers.post_transfer(command, source, destination, now)


def _open_account(command: OpenAccount, book: Book, now: datetime) -> Decided:
    there = book.get(command.account_id)
    if there is not None:
        if isinstance(there, Account) and accounts.is_same_opening(there, command):
            raise AlreadyDone(command.account_id)
        raise Refusal("id_reused", id=command.account_id)
    return ((command.account_id, accounts.open_account(command)),)


def _change_status(command: ChangeAccountStatus, book: Book, now: datetime) -> Decided:
    account = book.account(command.account_id)
    if not is_within_reach(account, command.owner_id):
        raise Refusal("account_not_found", account_id=command.account_id)
    check_status_may_change(account)
    return ((account.id, accounts.change_status(account, command)),)


def _post_pending(command: PostPending, book: Book, now: datetime) -> Decided:
    transfer, source, destination = _transfer_and_accounts(command.transfer_id, book)
    return transfers.post_pending(command, transfer, source, destination, now)


def _void_pending(command: VoidPending, book: Book, now: datetime) -> Decided:
    transfer, source, destination = _transfer_and_accounts(command.transfer_id, book)
    return transfers.void_pending(command, transfer, source, destination)


def _expire_pending(command: ExpirePending, book: Book, now: datetime) -> Decided:
    transfer, source, _ = _transfer_and_accounts(command.transfer_id, book)
    return transfers.expire_pending(command, transfer, source, now)


def _reverse_transfer(command: ReverseTransfer, book: Book, now: datetime) -> Decided:
    there = book.get(command.reversal_id)
    if there is not None:
        if isinstance(there, Transfer) and transfers.is_same_reversal(there, command):
            raise AlreadyDone(command.reversal_id)
        raise Refusal("id_reused", id=command.reversal_id)
    transfer, source, destination = _transfer_and_accounts(command.transfer_id, book)
    check_may_be_reversed(source, destination)
    return transfers.reverse_transfer(command, transfer, source, destination)


def _record_statement(command: RecordStatement, book: Book, now: datetime) -> Decided:
    there = book.get(command.statement_id)
    if there is not None:
        if isinstance(there, Statement):
            raise AlreadyDone(command.statement_id)
        raise Refusal("id_reused", id=command.statement_id)
    account = book.account(command.imported.account_id)
    return ((command.statement_id, statements.record_statement(command, account)),)


def _make_reconciliation(command: MakeReconciliation, book: Book, now: datetime) -> Decided:
    there = book.get(command.reconciliation_id)
    if there is not None:
        if isinstance(there, Reconciliation) and there.made == command.made:
            raise AlreadyDone(command.reconciliation_id)
        raise Refusal("id_reused", id=command.reconciliation_id)
    made = reconciliations.make_reconciliation(command)
    return ((command.reconciliation_id, made),)


def _register_user(command: RegisterUser, book: Book, now: datetime) -> Decided:
    # What is sealed is never the same twice: whether it is a repeat cannot be told from the user.
    if book.get(command.user_id) is not None:
        raise Refusal("id_reused", id=command.user_id)
    return tuple((command.user_id, event) for event in users.decide(None, command))


def _on_user(command: users.Command, book: Book, now: datetime) -> Decided:
    events = users.decide(book.user(command.user_id), command)
    return tuple((command.user_id, event) for event in events)


def _request_approval(command: RequestApproval, book: Book, now: datetime) -> Decided:
    there = book.get(command.approval_id)
    if there is not None:
        if isinstance(there, Approval) and approvals.is_same_asking(there, command):
            raise AlreadyDone(command.approval_id)
        raise Refusal("id_reused", id=command.approval_id)
    # What could not be done now needs nobody's consent, and what was done before is answered as then.
    decide(command.command, book, now)
    return ((command.approval_id, approvals.request_approval(command, now)),)


def _approve(command: Approve, book: Book, now: datetime) -> Decided:
    """The agreement, and with it what was agreed to; when that is refused, neither."""
    approval = _approval(command.approval_id, book)
    owners = owners_of(approvals.command_of(approval), book) if approval is not None else ()
    approved = approvals.approve(approval, command, book.user, owners, now)
    assert approval is not None, "one that is not there is refused"
    try:
        done = decide(approvals.command_of(approval, now, command.checker_id), book, now)
    except AlreadyDone as other:
        raise Refusal("id_reused", id=other.stream_id) from None
    return ((approval.id, approved), *done)


def _reject(command: Reject, book: Book, now: datetime) -> Decided:
    approval = _approval(command.approval_id, book)
    return ((command.approval_id, approvals.reject(approval, command)),)


def _withdraw(command: Withdraw, book: Book, now: datetime) -> Decided:
    approval = _approval(command.approval_id, book)
    return ((command.approval_id, approvals.withdraw(approval, command)),)


def _approval(approval_id: UUID, book: Book) -> Approval | None:
    there = book.get(approval_id)
    return there if isinstance(there, Approval) else None


def _note_security(command: NoteSecurity, book: Book, now: datetime) -> Decided:
    there = book.get(command.stream_id)
    if there is not None and not isinstance(there, SecurityLog):
        raise Refusal("id_reused", id=command.stream_id)
    return tuple((command.stream_id, notice) for notice in command.notices)


def _transfer_and_accounts(transfer_id: UUID, book: Book) -> tuple[Transfer, Account, Account]:
    transfer = book.transfer(transfer_id)
    if transfer is None:
        raise Refusal("transfer_not_found", transfer_id=transfer_id)
    source = book.account(transfer.request.source_id)
    destination = book.account(transfer.request.destination_id)
    assert source is not None, "a transfer's accounts are there before it"
    assert destination is not None, "a transfer's accounts are there before it"
    check_is_free(source)
    check_is_free(destination)
    return transfer, source, destination


_DECISIONS: dict[type, Callable[[Any, Book, datetime], Decided]] = {
    PostTransfer: _post_transfer,
    OpenAccount: _open_account,
    ChangeAccountStatus: _change_status,
    PostPending: _post_pending,
    VoidPending: _void_pending,
    ExpirePending: _expire_pending,
    ReverseTransfer: _reverse_transfer,
    RecordStatement: _record_statement,
    MakeReconciliation: _make_reconciliation,
    RegisterUser: _register_user,
    **dict.fromkeys(get_args(users.Command)[1:], _on_user),
    RequestApproval: _request_approval,
    Approve: _approve,
    Reject: _reject,
    Withdraw: _withdraw,
    NoteSecurity: _note_security,
    **deciding_flows.DECISIONS,
    **deciding_credit.DECISIONS,
}


_FLOW_OF: dict[type, str] = {
    **dict.fromkeys(get_args(investments.Command), "investment_id"),
    **dict.fromkeys(get_args(bank_transfers.Command), "bank_transfer_id"),
    **dict.fromkeys(get_args(credit_applications.Command), "application_id"),
    **dict.fromkeys(get_args(loans.Command), "loan_id"),
    FundLending: "transfer_id",
}


def subject(command: Command, decided: Decided) -> UUID:
    """The stream whose state answers a command: the flow's, whose events may come after those of the
    money, else that of the first event."""
    name = _FLOW_OF.get(type(command))
    return decided[0][0] if name is None else cast(UUID, getattr(command, name))


def missing(commands: Iterable[Command], book: Book) -> set[UUID]:
    """The streams that must be read before the commands can be decided."""
    return {
        stream_id
        for command in commands
        for stream_id in needs(command, book)
        if not book.is_known(stream_id)
    }
