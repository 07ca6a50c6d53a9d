"""Four eyes: what one person asks for and has to wait with until another one agrees."""

from __future__ import annotations

from collections import Counter
from uuid import UUID, uuid5

from fastapi import Request, Response

from api.callers import caller_of
from api.ids import new_id
from api.problems import ProblemError
from api.state import Policy, State
from api.writing import change, create
from domain.approvals import RequestApproval
from domain.money import format_amount
from domain.transfers import PostTransfer
from domain.users import ChangeRole

_NAMESPACE = UUID("da4b0000-0000-4000-8000-0000000004e7")


def needs_second_person(policy: Policy, command: PostTransfer) -> bool:
    """Whether a transfer moves more than one person may move alone, whoever it is."""
    limit = policy.four_eyes_above.get(command.currency)
    return limit is not None and command.amount > limit


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


def approval_of(transfer_id: UUID) -> UUID:
    """The id of the approval of a transfer."""
    return uuid5(_NAMESPACE, str(transfer_id))
