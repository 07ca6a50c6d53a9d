"""What a bank says of a movement changes it once, in whatever order it comes."""

from __future__ import annotations

from itertools import permutations
from uuid import UUID

import pytest
from msgspec.structs import replace

from domain import movements
from domain.accounts import StatusChanged
from domain.events import Event
from domain.movements import (
    MOVES,
    OVER,
    STATUSES,
    Accepted,
    CallOff,
    Cancelled,
    Command,
    Failed,
    GiveUp,
    Instructed,
    MarkOverdue,
    Movement,
    Overdue,
    ReportMovement,
    Returned,
    SendMovement,
    Sent,
    Settled,
    Unresolved,
    decide,
    derived_id,
)
from domain.refusals import Refusal
from tests.support.given import ALICE, account, refused

MOVEMENT, FLOW = UUID(int=201), UUID(int=202)
OF = ("investment", FLOW, "withdrawal")
INSTRUCTED = Instructed(*OF, "in", "DE02", "EUR", 10_00)


def movement(*then: Event) -> Movement:
    """A movement with this history."""
    state = movements.evolve(None, INSTRUCTED, MOVEMENT)
    for event in then:
        state = movements.evolve(state, event, MOVEMENT)
    return state


SENT = Sent(*OF)
ACCEPTED = Accepted(*OF, "B1", 1)
SETTLED = Settled(*OF, "B1", 2)

IN: dict[str, Movement] = {
    "initiated": movement(),
    "sent": movement(SENT),
    "pending": movement(SENT, ACCEPTED),
    "completed": movement(SENT, ACCEPTED, SETTLED),
    "failed": movement(SENT, Failed(*OF, reason="account_closed")),
    "cancelled": movement(Cancelled(*OF, reason="timeout")),
    "returned": movement(SENT, SETTLED, Returned(*OF, reason="refused_by_holder")),
}

ACCEPT, SETTLE, FAIL, RETURN, CANCEL = (
    ReportMovement(MOVEMENT, status, "B9", "why")
    for status in ("accepted", "settled", "failed", "returned", "cancelled")
)
SAYS_ACCEPTED = Accepted(*OF, "B9")
SAYS_SETTLED = Settled(*OF, "B9")
SAYS_LATE = Settled(*OF, "B9", late=True)
SAYS_FAILED = Failed(*OF, "B9", reason="why")
SAYS_CANCELLED = Cancelled(*OF, "B9", reason="why")
SAYS_RETURNED = Returned(*OF, "B9", reason="why")
IS_OVERDUE = Overdue(*OF)
IS_UNRESOLVED = Unresolved(*OF, reason="bank_silent")
CALLED_OFF = Cancelled(*OF, reason="cancelled")
OLD = "nothing_new"

SEND, CALL_OFF = SendMovement(MOVEMENT), CallOff(MOVEMENT, "cancelled")
OVERDUE, GIVE_UP = MarkOverdue(MOVEMENT), GiveUp(MOVEMENT, "bank_silent")

# A row a status, a column a command: the event, or why it is refused.
COMMANDS: tuple[Command, ...] = (
    SEND, ACCEPT, SETTLE, FAIL, CANCEL, RETURN, CALL_OFF, OVERDUE, GIVE_UP,
)  # fmt: skip
TABLE: dict[str, tuple[Event | str, ...]] = {
    "initiated": (
        SENT, SAYS_ACCEPTED, SAYS_SETTLED, SAYS_FAILED, SAYS_CANCELLED, SAYS_FAILED, CALLED_OFF,
        IS_OVERDUE, IS_UNRESOLVED,
    ),
    "sent": (
        OLD, SAYS_ACCEPTED, SAYS_SETTLED, SAYS_FAILED, SAYS_CANCELLED, SAYS_FAILED, "already_sent",
        IS_OVERDUE, IS_UNRESOLVED,
    ),
    "pending": (
        OLD, OLD, SAYS_SETTLED, SAYS_FAILED, SAYS_CANCELLED, SAYS_FAILED, "already_sent",
        IS_OVERDUE, IS_UNRESOLVED,
    ),
    "completed": (OLD, OLD, OLD, OLD, OLD, SAYS_RETURNED, "already_sent", OLD, OLD),
    "failed": (OLD, OLD, SAYS_LATE, OLD, OLD, OLD, "already_sent", OLD, OLD),
    "cancelled": (OLD, OLD, SAYS_LATE, OLD, OLD, OLD, "already_sent", OLD, OLD),
    "returned": (OLD, OLD, OLD, OLD, OLD, OLD, "already_sent", OLD, OLD),
}  # fmt: skip


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("number", range(len(COMMANDS)))
def test_each_command_does_in_each_status_what_the_table_says(status: str, number: int) -> None:
    there, command, expected = IN[status], COMMANDS[number], TABLE[status][number]
    assert there.status == status
    if isinstance(expected, str):
        with refused(expected, movement_id=MOVEMENT, status=status):
            decide(there, command)
        return
    assert decide(there, command) == expected
    after = movements.evolve(there, expected, MOVEMENT)
    assert after.version == there.version + 1
    if isinstance(expected, Overdue | Unresolved):
        assert after.status == status


# A row a status of the customer's account, a column a kind: whether the bank is asked.
KINDS = ("withdrawal", "deposit", "refund", "collection", "payout")
ASKED: dict[str, tuple[bool, ...]] = {
    "active": (True, True, True, True, True),
    "frozen": (False, False, True, False, False),
    "inactive": (False, True, True, False, False),
    "suspended": (False, True, True, False, False),
    "closed": (False, True, True, False, False),
}


def test_the_bank_is_asked_for_what_the_account_s_status_lets_go_and_the_rest_is_called_off() -> (
    None
):
    for status, row in ASKED.items():
        changed = () if status == "active" else (StatusChanged(status, "active"),)
        for kind, is_asked in zip(KINDS, row, strict=True):
            instructed = replace(INSTRUCTED, kind=kind)
            there = movements.evolve(None, instructed, MOVEMENT)
            of = (instructed.flow, FLOW, kind)
            expected = Sent(*of) if is_asked else Cancelled(*of, reason=f"account_{status}")
            assert decide(there, SEND, account(ALICE, *changed)) == expected, (status, kind)
            with refused(OLD, movement_id=MOVEMENT, status="sent"):
                sent = movements.evolve(there, Sent(*of), MOVEMENT)
                decide(sent, SEND, account(ALICE, *changed))


def test_what_may_be_said_in_each_status_is_named() -> None:
    assert set(MOVES) == set(TABLE) == set(STATUSES)
    assert {status for status in STATUSES if TABLE[status][-1] == OLD} == OVER


@pytest.mark.parametrize("command", COMMANDS)
def test_what_was_never_instructed_is_not_there(command: Command) -> None:
    with refused("movement_not_found", movement_id=MOVEMENT):
        decide(None, command)


def test_a_word_that_no_bank_uses_is_refused() -> None:
    with refused("invalid_status", status="gone"):
        decide(IN["sent"], ReportMovement(MOVEMENT, "gone"))


# Numbers of reports.
@pytest.mark.parametrize("sequence", [1, 2])
def test_an_older_report_or_the_same_again_says_nothing(sequence: int) -> None:
    there = movement(SENT, replace(SETTLED, sequence=2))
    with refused("nothing_new"):
        decide(there, ReportMovement(MOVEMENT, "returned", sequence=sequence))


def test_a_newer_report_is_heard_whatever_was_missed() -> None:
    event = decide(IN["sent"], ReportMovement(MOVEMENT, "settled", "B1", sequence=7))
    assert event == Settled(*OF, "B1", 7)
    assert movements.evolve(IN["sent"], event, MOVEMENT).sequence == 7


def test_what_came_back_before_it_was_known_to_have_moved_has_failed_for_good() -> None:
    there = IN["pending"]
    event = decide(there, ReportMovement(MOVEMENT, "returned", "", "no_such_account", 3))
    assert event == Failed(*OF, "", 3, "no_such_account")
    there = movements.evolve(there, event, MOVEMENT)
    with refused("nothing_new"):
        decide(there, ReportMovement(MOVEMENT, "settled", sequence=2))


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_what_did_not_move_after_all_has_come_back(status: str) -> None:
    """The bank takes its word back, and says so by a higher number; without one it is old news."""
    there = IN["completed"]
    event = decide(there, ReportMovement(MOVEMENT, status, "B1", "clerical_error", 3))
    assert event == Returned(*OF, "B1", 3, "clerical_error")
    with refused("nothing_new"):
        decide(there, ReportMovement(MOVEMENT, status, "B1", "clerical_error"))


def test_what_came_back_has_moved_again_only_when_a_higher_number_says_so() -> None:
    """Without one it is what was said before, heard again."""
    there = movement(
        SENT, replace(SETTLED, sequence=2), Returned(*OF, "B1", 3, "refused_by_holder")
    )
    event = decide(there, ReportMovement(MOVEMENT, "settled", "B1", sequence=4))
    assert event == Settled(*OF, "B1", 4, late=True)
    with refused("nothing_new"):
        decide(there, ReportMovement(MOVEMENT, "settled", "B1"))


REPORTS = [
    ReportMovement(MOVEMENT, status, "B1", "", number)
    for number, status in enumerate(("accepted", "settled", "returned"), 1)
]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_in_whatever_order_numbered_reports_come_the_money_is_where_the_bank_has_it(
    order: tuple[int, ...],
) -> None:
    there = IN["sent"]
    for number in (*order, *order):
        try:
            event = decide(there, REPORTS[number])
        except Refusal as refusal:
            if refusal.reason != "nothing_new":
                raise
        else:
            there = movements.evolve(there, event, MOVEMENT)
    assert there.status in ("failed", "returned")
    assert there.sequence == 3


def test_the_bank_s_reference_and_the_last_reason_stay() -> None:
    there = movement(
        SENT, ACCEPTED, Failed(*OF, "", 2, "account_closed"), replace(SETTLED, sequence=3)
    )
    assert (there.bank_reference, there.reason, there.sequence) == ("B1", "account_closed", 3)


def test_ids_of_what_belongs_to_a_flow_are_always_the_same_and_each_its_own() -> None:
    assert derived_id(FLOW, "hold") == derived_id(FLOW, "hold")
    names = [("hold",), ("deposit", 1), ("deposit", 11), ("deposit", 1, 1)]
    assert len({derived_id(flow, *name) for flow in (FLOW, MOVEMENT) for name in names}) == 8
