"""Four eyes: what one person asks for and has to wait with until another one agrees."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from itertools import count
from uuid import UUID, uuid5

from fastapi import Request, Response

from api.callers import Caller, caller_of
from api.credit_asking import while_key_is_there
from api.flow_asking import begun
from api.ids import new_id
from api.problems import ProblemError
from api.state import Policy, State
from api.views import Json
from api.writing import Beside, View, change, create
from domain import bank_transfers
from domain.approvals import Approval, Kind, RequestApproval, Requested, kind_of
from domain.asked import BankTransferAsked, ReviewAsked
from domain.bank_transfers import RequestBankTransfer
from domain.credit_applications import ReviewApplication, Submitted
from domain.investments import RequestInvestment
from domain.loans import FundLending, RepayLoan
from domain.money import format_amount
from domain.sealed import ERASED
from domain.transfers import PostTransfer
from domain.users import ChangeRole
from projections.histories import last_version, state_at

Payment = RequestInvestment | RequestBankTransfer | RepayLoan | FundLending
"""What moves money, besides transfers."""

_NAMESPACE = UUID("da4b0000-0000-4000-8000-0000000004e7")


def needs_second_person(policy: Policy, command: PostTransfer) -> bool:
    """Whether a transfer moves more than one person may move alone, whoever it is."""
    return is_above(policy, command.currency, command.amount)


def is_above(policy: Policy, currency: str, amount: int) -> bool:
    """Whether an amount in minor units is more than one person may move alone."""
    limit = policy.four_eyes_above.get(currency)
    return limit is not None and amount > limit


class Alone:
    """What one request moves without a second person: no more from an account than one transfer may,
    in however many parts."""

    def __init__(self, policy: Policy) -> None:
        self._limits = policy.four_eyes_above
        self._moved: Counter[UUID] = Counter()

    def add(self, command: PostTransfer) -> None:
        """Raises `approval_required` for a transfer that is too much, with those before it."""
        limit = self._limits.get(command.currency)
        if limit is None:
            return
        if self._moved[command.source_id] + command.amount > limit:
            raise ProblemError(
                "approval_required",
                currency=command.currency,
                limit=format_amount(limit, command.currency),
            )
        self._moved[command.source_id] += command.amount


async def create_or_ask(
    request: Request,
    state: State,
    command: Payment,
    *,
    currency: str,
    status: int = 201,
    place: str = "",
    view: View | None = None,
) -> Response:
    """As `create`; what moves more than one person may move alone is asked for instead."""
    if is_above(state.policy, currency, command.amount):
        asked = RequestApproval(
            approval_of(*_ids_of(command)), caller_of(request).user_id, command, currency
        )
        return await create(
            request, state, asked, status=status, place=place, view=view, finish=without_erased
        )
    return await create(
        request, state, command, status=status, place=place, view=view, finish=without_erased
    )


async def ask(request: Request, state: State, command: PostTransfer | ChangeRole) -> Response:
    """Ask for what needs a second person, and answer with the approval that waits (202), or with the
    problem: what could not be done now is refused at once.

    The same transfer asked for again is answered as the first time, and one that was made as it was
    then (201).
    """
    maker_id = caller_of(request).user_id
    if isinstance(command, PostTransfer):
        approval_id = approval_of(command.transfer_id)
        return await create(request, state, RequestApproval(approval_id, maker_id, command))
    return await change(request, state, RequestApproval(new_id(), maker_id, command))


async def ask_for_review(
    request: Request, state: State, command: ReviewApplication, currency: str, beside: Beside
) -> Response:
    """Ask another officer to agree to an approval of an application. The same asked for again while that
    waits, or once it is done, is answered as the first time; after that it is asked for anew."""
    of = (
        command.officer_id,
        command.application_id,
        command.round,
        command.report_id,
        command.amount,
    )
    for attempt in count():
        approval_id = approval_of(*of, attempt, command.reason)
        async with state.pool.connection() as conn:
            version = await last_version(conn, approval_id)
            there = (await state_at(conn, approval_id, version)).state if version else None
        if not isinstance(there, Approval) or not _is_over(there):
            break
    asked = RequestApproval(approval_id, command.officer_id, command, currency)
    return await change(request, state, asked, beside=beside)


def _is_over(there: Approval) -> bool:
    """Whether nothing comes of it any more."""
    if there.status == "pending":
        return datetime.now(UTC) >= there.requested.expires_at
    return there.status != "approved"


def _ids_of(command: Payment) -> tuple[UUID, ...]:
    """What a payment is told by: a repayment's id is of its loan alone."""
    match command:
        case RequestInvestment():
            return (command.investment_id,)
        case RequestBankTransfer():
            return (command.bank_transfer_id,)
        case FundLending():
            return (command.transfer_id,)
        case RepayLoan():
            return (command.loan_id, command.repayment_id)


def approval_of(*of: object) -> UUID:
    """The id of an approval, by what that which is asked for is told by: mostly an id."""
    return uuid5(_NAMESPACE, ":".join(map(str, of)))


async def requested_in_reach(state: State, caller: Caller, approval_id: UUID) -> Requested | None:
    """What was asked for, as the log has it: that never changes. None where nothing was: the ledger says so.
    Raises `approval_not_found` where the caller may not see it, and `insufficient_permissions` where he
    may not do it himself for everybody."""
    requested = await begun(state, approval_id)
    if not isinstance(requested, Requested):
        return None
    kind = kind_of(requested)
    if not sees_kind(caller, kind):
        raise ProblemError("approval_not_found", approval_id=approval_id)
    if not caller.reaches_all(kind.action):
        raise ProblemError("insufficient_permissions", action=kind.action, role=caller.role)
    return requested


def sees_kind(caller: Caller, kind: Kind) -> bool:
    """Whether the caller sees what others ask for of a kind: whoever may see what comes of it does."""
    return caller.reaches_all(kind.reading)


async def while_person_known(state: State, requested: Requested | None) -> Beside | None:
    """What goes beside an agreement: refuses `person_erased` when the key was destroyed of whom it is for,
    in the transaction of what is agreed to."""
    match requested and requested.asked:
        case ReviewAsked(application_id=application_id):
            submitted = await begun(state, application_id)
            assert isinstance(submitted, Submitted), "its approval was asked for"
            return while_key_is_there(submitted.person_id or application_id)
        case BankTransferAsked(person_id=UUID() as person_id):
            return while_key_is_there(person_id)
        case _:
            return None


async def without_erased(state: State, told: Json) -> Json:
    """A bank transfer, or an approval, as it is answered, with nothing of an account of who is erased.
    Whatever else is told stays as it is."""
    asked = told.get("bank_transfer")  # there was none in approvals' answers that were kept before
    if not asked and "bank_account" not in told:
        return told
    match await begun(state, UUID(told["id"])):
        case Requested(asked=BankTransferAsked(person_id=person_id)):
            pass
        case bank_transfers.Requested(person_id=person_id):
            pass
        case other:
            raise AssertionError(f"{other} has no account at another bank")
    async with state.pool.connection() as conn:
        if person_id is None or await state.vault.keys(conn, [person_id]):
            return told
    if asked:
        return {**told, "bank_transfer": {**asked, "bank_account": ERASED}}
    return {**told, "bank_account": ERASED}
