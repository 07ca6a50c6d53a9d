"""Whose application is no user's is erased with it, once it is over."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from domain.credit_applications import (
    EraseApplicant,
    Submitted,
    WithdrawApplication,
)
from tests.support.credit_situations import (
    ACCEPTED,
    COMMANDS,
    NEW,
    NOBODYS,
    SITUATIONS,
    given,
    outcome,
)
from tests.support.credit_world import (
    APPLICATION,
    decided,
    reported,
    submitted,
)
from tests.support.given import refused


def test_who_is_no_user_is_erased_with_an_application_that_is_over() -> None:
    over = decided("rejected", "reject")
    for changes, told in (
        ({}, "belongs_to_user"),
        ({"owner_id": None}, "belongs_to_user"),  # sealed for its person: a user
        ({"owner_id": None, "person_id": None}, "belongs_to_user"),
        (NOBODYS, "erased"),
    ):
        facts = [*submitted(**changes), *reported(), *over]
        assert outcome(given(*facts), EraseApplicant(APPLICATION)) == told, changes


@pytest.mark.parametrize("name", [*SITUATIONS])
def test_nobody_is_erased_while_there_is_something_to_be_decided_or_paid(name: str) -> None:
    country = "IN" if name == "pre-approved" else "MX"
    facts = [
        (id_, replace(event, **NOBODYS) if isinstance(event, Submitted) else event)
        for id_, event in SITUATIONS[name]
    ]
    world = given(*facts, country=country)
    there = world.application()
    is_over = there.status in ("rejected", "withdrawn") or there.offer_status in (
        "declined", "expired",
    )  # fmt: skip
    if name == "erased":
        assert outcome(world, COMMANDS["erase"]) == "nothing_new"
    elif is_over:
        assert outcome(world, COMMANDS["erase"]) == "erased"
        assert outcome(world, COMMANDS["erase"]) == "nothing_new"
    else:
        with refused("application_open", status=there.status):
            world.submit(COMMANDS["erase"])
        world.submit(WithdrawApplication(APPLICATION))
        assert outcome(world, COMMANDS["erase"]) == "erased"


def test_who_has_borrowed_can_be_erased_and_owes_it_still() -> None:
    world = given(*submitted(**NOBODYS), *ACCEPTED[len(NEW) :])
    world.submit(COMMANDS["disburse"])
    assert outcome(world, COMMANDS["erase"]) == "erased"
    there = world.application()
    assert (there.is_erased, there.offer_status) == (True, "disbursed")
