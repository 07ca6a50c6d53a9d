"""Flows end to end: a worker, a bank over HTTP, and what is in the books afterwards."""

from __future__ import annotations

from tests.support.bank import sandbox_bank
from tests.support.money import AMOUNT, Money, working


def test_an_investment_goes_from_the_investor_through_clearing_to_the_fund(money: Money) -> None:
    fund_id = money.fund(seats=2)
    investor = money.customer(AMOUNT)
    with sandbox_bank() as bank, working(money.conninfo, bank.url, bank.token):
        investment_id = money.invest(fund_id, investor)
        assert money.until_over([investment_id]) == {investment_id: "completed"}
        accepted = bank.accepted()
    assert money.balance(investor) == 0
    fund = money.state(fund_id)
    assert money.balance(fund.opened.account_id) == AMOUNT
    assert (fund.taken, fund.reserved, fund.seats_left) == (1, 0, 1)
    assert sorted(accepted.values()) == [1, 1]
    money.check_books()


def test_a_deposit_that_the_bank_refuses_is_refunded(money: Money) -> None:
    fund_id = money.fund(seats=1)
    investor = money.customer(AMOUNT)
    with sandbox_bank() as bank, working(money.conninfo, bank.url, bank.token):
        bank.set_faults({"fault": "reject:account_closed", "match": {"kind": "deposit"}})
        investment_id = money.invest(fund_id, investor)
        assert money.until_over([investment_id]) == {investment_id: "failed"}
    investment = money.state(investment_id)
    assert (investment.step, investment.reason) == ("deposit", "account_closed")
    assert money.balance(investor) == AMOUNT
    assert money.state(fund_id).seats_left == 1
    money.check_books()


def test_what_a_person_has_to_settle_with_the_bank_waits_for_one_with_the_banks_reason(
    money: Money,
) -> None:
    fund_id = money.fund(seats=1)
    investor = money.customer(AMOUNT)
    with sandbox_bank() as bank, working(money.conninfo, bank.url, bank.token):
        bank.set_faults({"fault": "reject:suspected_fraud"})
        investment_id = money.invest(fund_id, investor)
        assert money.until_over([investment_id]) == {investment_id: "needs_operator"}
    investment = money.state(investment_id)
    assert (investment.step, investment.reason) == ("withdrawal", "suspected_fraud")
    money.check_books()
