"""The house's own accounts: what flows hold and book there is moved by nobody else."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from application.ledger import Ledger, Refused, Submission
from application.ledger.outcomes import Command
from domain.accounts import ChangeAccountStatus
from domain.bank_transfers import BookBankTransfer
from domain.house import house_account
from domain.movements import ReportMovement
from domain.provenance import Provenance
from domain.transfers import PostPending, PostTransfer, ReverseTransfer, VoidPending
from tests.conftest import Database
from tests.support.money import AMOUNT, CURRENCY, Money

CLEARING = house_account("clearing", CURRENCY)


@pytest.fixture
def database(empty_database: Database) -> Database:
    return empty_database


@pytest.fixture
def money(ledger: Ledger, database: Database) -> Money:
    return Money(ledger, database.url)


def refusal(money: Money, command: Command) -> str:
    done = money.ledger.submit_and_wait(Submission([command], Provenance(actor="test")))
    (outcome,) = done.outcomes
    assert isinstance(outcome, Refused), outcome
    return outcome.reason


def test_what_a_flow_holds_is_posted_and_voided_by_the_flow_alone(money: Money) -> None:
    withdrawal_id = money.bank_transfer("withdrawal")
    hold_id: UUID = money.state(withdrawal_id).hold_id
    assert refusal(money, PostPending(hold_id)) == "reserved_account"
    assert refusal(money, VoidPending(hold_id)) == "reserved_account"


def test_what_a_flow_has_booked_is_reversed_by_the_flow_alone(money: Money) -> None:
    deposit_id = money.bank_transfer("deposit")
    money.submit(ReportMovement(money.state(deposit_id).movement_id, "settled"))
    money.submit(BookBankTransfer(deposit_id))
    deposit = money.state(deposit_id)
    for transfer_id in (deposit.bank_id, deposit.customer_id):
        assert refusal(money, ReverseTransfer(transfer_id, uuid4())) == "reserved_account"
    money.check_books()


@pytest.mark.parametrize("type_", ["clearing", "suspense", "cash"])
def test_customers_pay_into_no_account_of_the_house(type_: str, money: Money) -> None:
    owner_id = uuid4()
    customer = money.customer(AMOUNT, owner_id)
    open_house(money)
    account_id = house_account(type_, CURRENCY)  # type: ignore[arg-type]
    command = PostTransfer(uuid4(), customer, account_id, 1, CURRENCY, owner_id=owner_id)
    assert refusal(money, command) == "reserved_account"


def test_staff_pays_out_of_suspense_and_not_out_of_clearing(money: Money) -> None:
    customer = money.customer(AMOUNT)
    open_house(money)
    suspense = house_account("suspense", CURRENCY)
    money.submit(PostTransfer(uuid4(), suspense, customer, 1, CURRENCY))
    command = PostTransfer(uuid4(), CLEARING, customer, 1, CURRENCY)
    assert refusal(money, command) == "reserved_account"


@pytest.mark.parametrize("type_", ["clearing", "suspense", "cash"])
@pytest.mark.parametrize("status", ["frozen", "suspended", "closed", "inactive"])
def test_nobody_stops_an_account_of_the_house(type_: str, status: str, money: Money) -> None:
    open_house(money)
    command = ChangeAccountStatus(house_account(type_, CURRENCY), status)  # type: ignore[arg-type]
    assert refusal(money, command) == "reserved_account"


def open_house(money: Money) -> None:
    """A deposit that its account refuses needs all three."""
    account_id = money.customer()
    deposit_id = money.bank_transfer("deposit", account_id)
    money.submit(ChangeAccountStatus(account_id, "suspended"))
    money.submit(ReportMovement(money.state(deposit_id).movement_id, "settled"))
    money.submit(BookBankTransfer(deposit_id))
    assert money.house("suspense") == AMOUNT
