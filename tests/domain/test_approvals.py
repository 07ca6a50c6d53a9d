"""Four eyes: nothing is done without two different people, and once at most."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace

from domain import approvals, users
from domain.approvals import (
    LIFE,
    Approval,
    Approve,
    Approved,
    Reject,
    Rejected,
    RequestApproval,
    Requested,
    RoleAsked,
    TransferAsked,
    Withdraw,
    Withdrawn,
    approve,
    command_of,
    is_same_asking,
    line,
    reject,
    request_approval,
    withdraw,
)
from domain.events import Event
from domain.refusals import Refusal
from domain.transfers import Condition, PostTransfer
from domain.users import ChangeRole, Deleted, Erased, Registered, RoleChanged, Suspended, User
from tests.support.given import ALICE, AN_HOUR, BOB, NOW, TRANSFER, refused

APPROVAL = UUID(int=201)
MAKER, CHECKER, THIRD, ANNA = (UUID(int=n) for n in (11, 12, 13, 14))

PAYMENT = PostTransfer(
    TRANSFER, ALICE, BOB, 25_000_00, "EUR", "a house", "R1", NOW, {"lot": 7}, True, 3600, True,
    (Condition(ALICE, version=3, available_at_least=1),), MAKER,
)  # fmt: skip
PROMOTION = ChangeRole(ANNA, "admin", MAKER)

EXPIRY = NOW + LIFE
ASKED_PAYMENT = Requested(
    MAKER,
    EXPIRY,
    TransferAsked(
        TRANSFER, ALICE, BOB, 25_000_00, "EUR", "a house", "R1", NOW, {"lot": 7}, True, 3600, True,
        (Condition(ALICE, version=3, available_at_least=1),), MAKER,
    ),
)  # fmt: skip
ASKED_PROMOTION = Requested(MAKER, EXPIRY, role_change=RoleAsked(ANNA, "admin"))

OVER: dict[str, Event] = {
    "approved": Approved(CHECKER),
    "rejected": Rejected(CHECKER, "no"),
    "withdrawn": Withdrawn("not needed"),
}


def approval(*history: Event) -> Approval:
    """An approval with this history."""
    state: Approval | None = None
    for event in history:
        state = approvals.evolve(state, event, APPROVAL)
    assert state is not None
    return state


PAYMENT_WAITS, PROMOTION_WAITS = approval(ASKED_PAYMENT), approval(ASKED_PROMOTION)
HOUSE_PAYMENT_WAITS = approval(
    Requested(MAKER, EXPIRY, TransferAsked(TRANSFER, ALICE, BOB, 25_000_00, "EUR"))
)


def people(**registered: UUID | None) -> Callable[[UUID], User | None]:
    """Finds users: a name of the above in lower case, and who registered that one."""
    ids = {"maker": MAKER, "checker": CHECKER, "third": THIRD, "anna": ANNA}
    there = {
        ids[name]: users.evolve(None, Registered("m", "n", "admin", by), ids[name])
        for name, by in registered.items()
    }
    return there.get


STRANGERS = people()


# Asking.
@pytest.mark.parametrize(
    ("command", "event"), [(PAYMENT, ASKED_PAYMENT), (PROMOTION, ASKED_PROMOTION)]
)
def test_what_is_asked_for_is_kept_whole(
    command: PostTransfer | ChangeRole, event: Requested
) -> None:
    asked = RequestApproval(APPROVAL, MAKER, command)
    assert request_approval(asked, NOW) == event
    there = approval(event)
    assert (there.status, there.version, there.checker_id) == ("pending", 1, None)
    assert command_of(there) == command
    assert is_same_asking(there, asked)


@pytest.mark.parametrize(
    "other",
    [
        RequestApproval(APPROVAL, THIRD, PAYMENT),
        RequestApproval(APPROVAL, MAKER, replace(PAYMENT, amount=25_000_01)),
        RequestApproval(APPROVAL, MAKER, replace(PAYMENT, destination_id=ALICE)),
        RequestApproval(APPROVAL, MAKER, replace(PAYMENT, conditions=())),
        RequestApproval(APPROVAL, MAKER, replace(PAYMENT, owner_id=None)),
        RequestApproval(APPROVAL, MAKER, PROMOTION),
    ],
)
def test_something_else_is_not_the_same_asking(other: RequestApproval) -> None:
    assert not is_same_asking(PAYMENT_WAITS, other)


def test_a_change_of_role_is_carried_out_for_the_one_who_asked() -> None:
    """So that nobody raises himself by another's hand: the rule on oneself is about the maker."""
    assert command_of(PROMOTION_WAITS) == ChangeRole(ANNA, "admin", by=MAKER)


# Agreeing.
@pytest.mark.parametrize("there", [PAYMENT_WAITS, PROMOTION_WAITS])
def test_another_person_agrees(there: Approval) -> None:
    event = approve(there, Approve(APPROVAL, CHECKER), STRANGERS, (), NOW)
    assert event == Approved(CHECKER)
    after = approvals.evolve(there, event, APPROVAL)
    assert (after.status, after.checker_id, after.version) == ("approved", CHECKER, 2)


def test_who_asked_neither_agrees_nor_rejects() -> None:
    with refused("cannot_approve_own"):
        approve(PAYMENT_WAITS, Approve(APPROVAL, MAKER), STRANGERS, (), NOW)
    with refused("cannot_approve_own"):
        reject(PAYMENT_WAITS, Reject(APPROVAL, MAKER))


def test_who_gets_the_role_does_not_agree_to_it() -> None:
    with refused("cannot_approve_own"):
        approve(PROMOTION_WAITS, Approve(APPROVAL, ANNA), STRANGERS, (), NOW)


def test_who_gets_a_role_may_decline_it() -> None:
    assert reject(PROMOTION_WAITS, Reject(APPROVAL, ANNA)) == Rejected(ANNA)


@pytest.mark.parametrize(
    "user_of",
    [
        people(checker=MAKER),
        people(checker=THIRD, third=MAKER),
        people(checker=THIRD, third=ANNA, anna=MAKER),
        people(maker=CHECKER),
        people(maker=THIRD, third=CHECKER),
        people(maker=THIRD, checker=THIRD, third=None),
        people(maker=THIRD, checker=ANNA, anna=THIRD),
    ],
    ids=[
        "made",
        "made by one made",
        "further down",
        "maker",
        "maker of the maker's",
        "made by the same one",
        "whose makers were",
    ],
)
def test_one_person_does_not_make_himself_a_second_one(
    user_of: Callable[[UUID], User | None],
) -> None:
    why = "one person registered both, or one the other, and could act as either"
    with refused("cannot_approve_own", why=why):
        approve(PAYMENT_WAITS, Approve(APPROVAL, CHECKER), user_of, (), NOW)


@pytest.mark.parametrize(
    "user_of",
    [
        people(maker=None, checker=None),
        people(maker=THIRD, checker=ANNA),
    ],
)
def test_those_who_did_not_register_each_other_are_two(
    user_of: Callable[[UUID], User | None],
) -> None:
    assert approve(PAYMENT_WAITS, Approve(APPROVAL, CHECKER), user_of, (), NOW)


def test_whose_money_it_is_does_not_agree() -> None:
    with refused("cannot_approve_own"):
        approve(PAYMENT_WAITS, Approve(APPROVAL, CHECKER), STRANGERS, [ANNA, CHECKER], NOW)


def asker(role: str, *then: Event) -> Callable[[UUID], User | None]:
    """Finds the maker, in a role and with a history."""
    user = users.evolve(None, Registered("m", "n", role), MAKER)
    for event in then:
        user = users.evolve(user, event, MAKER)
    return {MAKER: user}.get


@pytest.mark.parametrize(
    ("waiting", "user_of"),
    [
        (PAYMENT_WAITS, asker("admin", Suspended())),
        (PAYMENT_WAITS, asker("user", Deleted(), Erased())),
        (PAYMENT_WAITS, asker("support")),
        (PROMOTION_WAITS, asker("admin", RoleChanged("support", "admin"))),
        (HOUSE_PAYMENT_WAITS, asker("user")),
    ],
    ids=["suspended", "erased", "another role", "demoted", "the house's money"],
)
def test_what_its_maker_may_not_ask_for_any_more_is_not_done(
    waiting: Approval, user_of: Callable[[UUID], User | None]
) -> None:
    with refused("maker_may_not", maker_id=MAKER):
        approve(waiting, Approve(APPROVAL, CHECKER), user_of, (), NOW)


def test_what_its_maker_still_may_ask_for_is_done() -> None:
    assert approve(PAYMENT_WAITS, Approve(APPROVAL, CHECKER), asker("user"), (), NOW)
    assert approve(HOUSE_PAYMENT_WAITS, Approve(APPROVAL, CHECKER), asker("admin"), (), NOW)


def test_a_line_ends_where_nothing_is_known_and_never_goes_round() -> None:
    assert line(CHECKER, people(checker=THIRD, third=MAKER)) == [CHECKER, THIRD, MAKER]
    assert line(CHECKER, people(checker=THIRD, third=CHECKER)) == [CHECKER, THIRD]
    assert line(CHECKER, people(checker=CHECKER)) == [CHECKER]


def test_nobody_agrees_after_a_week_to_what_may_no_longer_be_wanted() -> None:
    assert timedelta(days=7) == LIFE
    command = Approve(APPROVAL, CHECKER)
    assert approve(PAYMENT_WAITS, command, STRANGERS, (), EXPIRY - AN_HOUR / 3600)
    with refused("approval_expired", expired_at=EXPIRY.isoformat()):
        approve(PAYMENT_WAITS, command, STRANGERS, (), EXPIRY)


# Not agreeing.
def test_a_rejection_and_a_withdrawal_say_why() -> None:
    assert reject(PAYMENT_WAITS, Reject(APPROVAL, CHECKER, "too much")) == Rejected(
        CHECKER, "too much"
    )
    assert withdraw(PAYMENT_WAITS, Withdraw(APPROVAL, MAKER, "a slip")) == Withdrawn("a slip")
    rejected = approval(ASKED_PAYMENT, Rejected(CHECKER, "too much"))
    assert (rejected.status, rejected.checker_id, rejected.reason) == (
        "rejected", CHECKER, "too much",
    )  # fmt: skip
    withdrawn = approval(ASKED_PAYMENT, Withdrawn("a slip"))
    assert (withdrawn.status, withdrawn.checker_id, withdrawn.reason) == (
        "withdrawn", None, "a slip",
    )  # fmt: skip


@pytest.mark.parametrize(
    "there", [PAYMENT_WAITS, *(approval(ASKED_PAYMENT, e) for e in OVER.values())]
)
@pytest.mark.parametrize("who", [CHECKER, THIRD])
def test_only_who_asked_withdraws_and_others_do_not_learn_of_it(who: UUID, there: Approval) -> None:
    with refused("approval_not_found", approval_id=APPROVAL):
        withdraw(there, Withdraw(APPROVAL, who, expected_versions=(9,)))


def decisions(there: Approval | None, versions: tuple[int, ...] | None = None) -> None:
    """Each of the three, of which every one is refused."""
    reasons = []
    for decide in (
        lambda: approve(there, Approve(APPROVAL, CHECKER, versions), STRANGERS, (), NOW),
        lambda: reject(there, Reject(APPROVAL, CHECKER, "", versions)),
        lambda: withdraw(there, Withdraw(APPROVAL, MAKER, "", versions)),
    ):
        with pytest.raises(Refusal) as caught:
            decide()
        reasons.append((caught.value.reason, caught.value.details))
    assert reasons[0] == reasons[1] == reasons[2]
    raise Refusal(reasons[0][0], **reasons[0][1])


def test_what_nobody_asked_for_is_not_decided() -> None:
    with refused("approval_not_found", approval_id=APPROVAL):
        decisions(None)


@pytest.mark.parametrize("status", OVER)
def test_what_was_decided_stays_so(status: str) -> None:
    with refused("approval_not_pending", status=status):
        decisions(approval(ASKED_PAYMENT, OVER[status]))


def test_a_decision_is_made_on_the_version_that_was_seen() -> None:
    assert approve(PAYMENT_WAITS, Approve(APPROVAL, CHECKER, (1,)), STRANGERS, (), NOW)
    with refused("precondition_failed", version=1):
        decisions(PAYMENT_WAITS, (2,))


# Whatever people do, in whatever order.
EVERYBODY = st.sampled_from([MAKER, CHECKER, THIRD, ANNA])


class Life(RuleBasedStateMachine):
    """One approval, and four people of whom some registered others."""

    def __init__(self) -> None:
        super().__init__()
        self.there: Approval | None = None
        self.clock = NOW
        self.done: list[tuple[UUID, UUID]] = []
        """Maker and checker each time that what was asked for was carried out."""
        self.by: dict[UUID, UUID] = {}

    def try_(self, decide: Callable[[], Event]) -> Event | None:
        try:
            event = decide()
        except Refusal:
            return None
        self.there = approvals.evolve(self.there, event, APPROVAL)
        return event

    def user_of(self, user_id: UUID) -> User | None:
        by = self.by.get(user_id)
        return users.evolve(None, Registered("m", "n", "admin", by), user_id)

    @initialize(
        maker=EVERYBODY,
        is_promotion=st.booleans(),
        registrations=st.lists(st.tuples(EVERYBODY, EVERYBODY), max_size=4),
    )
    def ask(self, maker: UUID, is_promotion: bool, registrations: list[tuple[UUID, UUID]]) -> None:
        for user, by in registrations:
            if user not in line(by, self.user_of):
                self.by[user] = by
        command = replace(PROMOTION, by=maker) if is_promotion else PAYMENT
        self.try_(lambda: request_approval(RequestApproval(APPROVAL, maker, command), self.clock))

    @rule(days=st.integers(0, 5))
    def wait(self, days: int) -> None:
        self.clock += timedelta(days=days)

    @rule(who=EVERYBODY)
    def agree(self, who: UUID) -> None:
        command = Approve(APPROVAL, who)
        if self.try_(lambda: approve(self.there, command, self.user_of, (), self.clock)):
            assert self.there is not None
            assert self.clock < self.there.requested.expires_at
            self.done.append((self.there.requested.maker_id, who))

    @rule(who=EVERYBODY)
    def refuse(self, who: UUID) -> None:
        if self.try_(lambda: reject(self.there, Reject(APPROVAL, who))):
            assert self.there is not None
            assert who != self.there.requested.maker_id

    @rule(who=EVERYBODY)
    def take_back(self, who: UUID) -> None:
        if self.try_(lambda: withdraw(self.there, Withdraw(APPROVAL, who))):
            assert self.there is not None
            assert who == self.there.requested.maker_id

    @invariant()
    def two_people_and_once(self) -> None:
        assert len(self.done) <= 1
        for maker, checker in self.done:
            assert maker != checker
            assert self.by.get(maker) != checker
            assert self.by.get(checker) != maker
            assert self.by.get(maker) is None or self.by.get(maker) != self.by.get(checker)
        if self.there is not None:
            assert self.there.version == (1 if self.there.status == "pending" else 2)
            assert (self.there.status == "approved") == bool(self.done)
            role = self.there.requested.role_change
            assert role is None or self.there.checker_id != role.user_id or not self.done


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=300, stateful_step_count=6, deadline=None)
