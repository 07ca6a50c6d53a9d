"""A fund takes what meets its criteria, one seat each, and never more than it has."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain import funds
from domain.events import Event
from domain.funds import (
    MAX_SEATS,
    STATUSES,
    TRANSITIONS,
    AllocationTaken,
    ChangeFundStatus,
    ChangeTerms,
    Fund,
    Opened,
    OpenFund,
    SeatReleased,
    SeatReserved,
    StatusChanged,
    TermsChanged,
    criteria,
    decide,
    is_same_opening,
    open_fund,
    release_seat,
    reserve_seat,
)
from domain.refusals import Refusal
from tests.support.given import ALICE, NOW, account, refused

FUND, MANAGER, INVESTMENT, OTHER = (UUID(int=n) for n in (301, 302, 303, 304))
ACCOUNT = account(ALICE, type="fund")
A_DAY = timedelta(days=1)

OPEN = OpenFund(FUND, "Wind I", "EUR", ALICE, 100, 500, 3, NOW, NOW + A_DAY, MANAGER)
OPENED = Opened("Wind I", "EUR", ALICE, 100, 500, 3, NOW, NOW + A_DAY, MANAGER)
RESERVED = SeatReserved(INVESTMENT, 200, 2)
TAKEN = AllocationTaken(INVESTMENT, 200)


def fund(*then: Event) -> Fund:
    """A fund with this history after its opening."""
    state = funds.evolve(None, OPENED, FUND)
    for event in then:
        state = funds.evolve(state, event, FUND)
    return state


# Opening.
def test_a_fund_opens_with_what_is_said_of_it() -> None:
    event = open_fund(OPEN, ACCOUNT)
    assert event == OPENED
    there = funds.evolve(None, event, FUND)
    assert (there.status, there.version, there.seats_left) == ("open", 1, 3)
    assert (there.minimum_investment, there.maximum_investment) == (100, 500)
    assert (there.opens_at, there.closes_at) == (NOW, NOW + A_DAY)


def test_the_money_goes_to_an_account_of_a_fund_s_own() -> None:
    with refused("account_not_found", account_id=ALICE):
        open_fund(OPEN, None)
    with refused("invalid_account_type", type="checking"):
        open_fund(OPEN, account(ALICE))
    with refused("currency_mismatch", requested="EUR", account="USD"):
        open_fund(OPEN, account(ALICE, type="fund", currency="USD"))
    with refused("invalid_currency_format"):
        open_fund(replace(OPEN, currency="euro"), ACCOUNT)


BAD_TERMS: list[tuple[dict[str, object], str]] = [
    ({"minimum_investment": 0}, "the minimum investment is more than zero"),
    ({"minimum_investment": -1}, "the minimum investment is more than zero"),
    ({"maximum_investment": 99}, "the maximum investment is less than the minimum"),
    ({"seats": 0}, f"a fund has 1 to {MAX_SEATS} seats"),
    ({"seats": MAX_SEATS + 1}, f"a fund has 1 to {MAX_SEATS} seats"),
    ({"closes_at": NOW}, "the fund would close before it opens"),
]


@pytest.mark.parametrize(("terms", "why"), BAD_TERMS)
def test_terms_that_nobody_could_meet_are_refused(terms: dict[str, object], why: str) -> None:
    with refused("invalid_terms", why=why):
        open_fund(replace(OPEN, **terms), ACCOUNT)
    with refused("invalid_terms", why=why):
        decide(fund(), replace(ChangeTerms(FUND), **terms))


def test_least_and_most_that_are_the_same_and_no_most_at_all_are_terms() -> None:
    assert open_fund(replace(OPEN, maximum_investment=100), ACCOUNT).maximum_investment == 100
    assert open_fund(replace(OPEN, maximum_investment=0), ACCOUNT).maximum_investment == 0
    assert open_fund(replace(OPEN, seats=MAX_SEATS), ACCOUNT).seats == MAX_SEATS


def test_a_repeat_is_told_from_another_opening() -> None:
    there = fund(RESERVED, StatusChanged("closed", "open"))
    assert is_same_opening(there, OPEN, ACCOUNT)
    assert not is_same_opening(there, replace(OPEN, seats=4), ACCOUNT)
    assert not is_same_opening(there, OPEN, None)


# Terms and statuses.
def test_what_is_not_said_of_the_terms_stays() -> None:
    event = decide(fund(RESERVED), ChangeTerms(FUND, seats=5))
    assert event == TermsChanged(100, 500, 5, NOW, NOW + A_DAY)
    there = funds.evolve(fund(RESERVED), event, FUND)
    assert (there.seats, there.seats_left, there.version) == (5, 4, 3)
    later = NOW + 2 * A_DAY
    changed = ChangeTerms(FUND, 200, 0, None, None, later)
    assert decide(fund(), changed) == TermsChanged(200, 0, 3, NOW, later)


def test_seats_in_use_are_not_taken_away() -> None:
    there = fund(RESERVED, TAKEN, replace(RESERVED, investment_id=OTHER, seats_left=1))
    assert decide(there, ChangeTerms(FUND, seats=2))
    with refused("invalid_terms", why="2 seats are reserved or taken"):
        decide(there, ChangeTerms(FUND, seats=1))


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("wanted", [*STATUSES, "gone"])
def test_only_the_listed_statuses_follow(status: str, wanted: str) -> None:
    there = fund() if status == "open" else fund(StatusChanged(status, "open"))
    command = ChangeFundStatus(FUND, wanted, "because")
    if wanted in TRANSITIONS[status]:
        event = decide(there, command)
        assert event == StatusChanged(wanted, status, "because")
        assert funds.evolve(there, event, FUND).status == wanted
    else:
        with refused("invalid_transition", current=status, requested=wanted):
            decide(there, command)


@pytest.mark.parametrize("command", [ChangeTerms(FUND), ChangeFundStatus(FUND, "closed")])
def test_a_decision_is_made_on_the_version_that_was_seen(
    command: ChangeTerms | ChangeFundStatus,
) -> None:
    assert decide(fund(RESERVED), replace(command, expected_versions=(2, 9)))
    with refused("precondition_failed", version=2):
        decide(fund(RESERVED), replace(command, expected_versions=(1,)))
    with refused("fund_not_found", fund_id=FUND):
        decide(None, command)


# Seats.
def test_a_seat_is_reserved_for_what_meets_all_criteria() -> None:
    for amount in (100, 500):
        assert reserve_seat(fund(), INVESTMENT, amount, "EUR", NOW) == SeatReserved(
            INVESTMENT, amount, 2
        )


UNMET: list[tuple[str, tuple[Event, ...], int, str, datetime, dict[str, object]]] = [
    ("fund_not_open", (StatusChanged("suspended", "open"),), 200, "EUR", NOW,
     {"status": "suspended"}),
    ("fund_not_open", (StatusChanged("closed", "open"),), 200, "EUR", NOW, {"status": "closed"}),
    ("fund_not_open", (), 200, "EUR", NOW - timedelta(seconds=1), {"opens_at": NOW.isoformat()}),
    ("fund_not_open", (), 200, "EUR", NOW + A_DAY, {"closes_at": (NOW + A_DAY).isoformat()}),
    ("currency_mismatch", (), 200, "USD", NOW, {"requested": "USD", "fund": "EUR"}),
    ("below_minimum_investment", (), 99, "EUR", NOW, {"minimum_minor": 100, "requested_minor": 99}),
    ("above_maximum_investment", (), 501, "EUR", NOW,
     {"maximum_minor": 500, "requested_minor": 501}),
    ("no_seats_available", (RESERVED, RESERVED, RESERVED), 200, "EUR", NOW,
     {"seats": 3, "seats_left": 0}),
    ("no_seats_available", (TermsChanged(100, 500, 1), RESERVED, TAKEN), 200, "EUR", NOW,
     {"seats": 1, "seats_left": 0}),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "history", "amount", "currency", "now", "details"), UNMET)
def test_the_first_criterion_that_is_not_met_is_told(
    reason: str,
    history: tuple[Event, ...],
    amount: int,
    currency: str,
    now: datetime,
    details: dict[str, object],
) -> None:
    with refused(reason, **details):
        reserve_seat(fund(*history), INVESTMENT, amount, currency, now)


def test_the_criteria_come_in_one_order() -> None:
    unmet = [c.reason for c in criteria(fund(), 200, "EUR", NOW) if not c.is_met]
    assert unmet == []
    assert [c.reason for c in criteria(fund(), 1, "USD", NOW + A_DAY)] == [
        "fund_not_open", "currency_mismatch", "below_minimum_investment",
        "above_maximum_investment", "no_seats_available",
    ]  # fmt: skip


def test_a_fund_without_dates_or_a_most_takes_any_amount_at_any_time() -> None:
    there = fund(TermsChanged(1, 0, 1))
    for now in (NOW - 999 * A_DAY, NOW + 999 * A_DAY):
        assert reserve_seat(there, INVESTMENT, 10**12, "EUR", now)


def test_a_reserved_seat_becomes_taken_or_free() -> None:
    reserved = fund(RESERVED)
    assert (reserved.reserved, reserved.reserved_amount, reserved.seats_left) == (1, 200, 2)
    taken = funds.evolve(reserved, TAKEN, FUND)
    assert (taken.reserved, taken.taken, taken.taken_amount, taken.seats_left) == (0, 1, 200, 2)
    freed = release_seat(reserved, INVESTMENT, 200)
    assert freed == SeatReleased(INVESTMENT, 200, 3)
    assert replace(funds.evolve(reserved, freed, FUND), version=1) == fund()
    given_back = release_seat(taken, INVESTMENT, 200, was_taken=True)
    assert given_back == SeatReleased(INVESTMENT, 200, 3, was_taken=True)
    assert replace(funds.evolve(taken, given_back, FUND), version=1) == fund()


@given(st.integers(1, 5), st.lists(st.tuples(st.sampled_from("rtfc"), st.integers(0, 9))))
def test_seats_never_run_below_nothing(seats: int, acts: list[tuple[str, int]]) -> None:
    """Reserving, taking, freeing and changing of terms, in any order that flows could ask for it."""
    there = fund(TermsChanged(1, 0, seats))
    reserved, taken = [], []
    for number, (act, choice) in enumerate(acts):
        event: Event
        if act == "r":
            id_ = UUID(int=number)
            try:
                event = reserve_seat(there, id_, 10, "EUR", NOW)
            except Refusal:
                assert there.seats_left == 0
                continue
            reserved.append(id_)
        elif act == "t" and reserved:
            taken.append(reserved.pop(choice % len(reserved)))
            event = AllocationTaken(taken[-1], 10)
        elif act == "f" and (reserved or taken):
            from_ = taken if taken and (choice % 2 or not reserved) else reserved
            event = release_seat(there, from_.pop(), 10, was_taken=from_ is taken)
        elif act == "c":
            try:
                event = decide(there, ChangeTerms(FUND, seats=choice))
            except Refusal:
                assert choice < max(1, len(reserved) + len(taken))
                continue
        else:
            continue
        there = funds.evolve(there, event, FUND)
        assert (there.reserved, there.taken) == (len(reserved), len(taken))
        assert there.reserved_amount + there.taken_amount == 10 * (there.seats - there.seats_left)
        assert there.seats_left >= 0
        if isinstance(event, SeatReserved | SeatReleased):
            assert event.seats_left == there.seats_left
