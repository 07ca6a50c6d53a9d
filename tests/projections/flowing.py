"""Funds and flows in histories: investments, deposits and withdrawals, with all that can become of them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle, product
from random import Random
from uuid import UUID

from application.ledger.outcomes import Command
from domain.accounts import OpenAccount
from domain.bank_transfers import (
    BookBankTransfer,
    CancelBankTransfer,
    CompensateBankTransfer,
    DoubtBankTransfer,
    FailBankTransfer,
    RequestBankTransfer,
    RetryBankTransfer,
    ReturnBankTransfer,
)
from domain.funds import ChangeFundStatus, ChangeTerms, OpenFund
from domain.investments import (
    BookLeg,
    CancelInvestment,
    CompensateInvestment,
    DoubtLeg,
    FailLeg,
    HoldSource,
    RequestInvestment,
    RetryInvestment,
    ReturnLeg,
)
from domain.movements import GiveUp, MarkOverdue, ReportMovement, SendMovement, derived_id

_LEGS = ("withdrawal", "deposit", "refund")


def said(movement_id: UUID, *statuses: str) -> list[Command]:
    """The bank is asked, and says this of it, one after the other."""
    reports = [
        ReportMovement(
            movement_id, status, f"bank {n}", "account_closed" if status == "failed" else "", n
        )
        for n, status in enumerate(statuses, 1)
    ]
    return [SendMovement(movement_id), *reports]


def legs_of(investment_id: UUID) -> list[UUID]:
    """The movements of an investment whose deposit fails: withdrawal, deposit, refund."""
    return [derived_id(investment_id, leg, n) for n, leg in enumerate(_LEGS)]


def withdrawn(id_: UUID) -> list[Command]:
    withdrawal = legs_of(id_)[0]
    return [
        HoldSource(id_), *said(withdrawal, "accepted", "settled"), BookLeg(id_, "withdrawal"),
    ]  # fmt: skip


def completed(id_: UUID) -> list[Command]:
    return [*withdrawn(id_), *said(legs_of(id_)[1], "accepted", "settled"), BookLeg(id_, "deposit")]


def deposit_failed(id_: UUID) -> list[Command]:
    failed = FailLeg(id_, "deposit", "account_closed")
    return [*withdrawn(id_), *said(legs_of(id_)[1], "failed"), failed]


def refunded(id_: UUID) -> list[Command]:
    return [*deposit_failed(id_), *said(legs_of(id_)[2], "settled"), BookLeg(id_, "refund")]


def stranded(id_: UUID) -> list[Command]:
    """Not even the refund works."""
    failed = FailLeg(id_, "refund", "account_closed")
    return [*deposit_failed(id_), *said(legs_of(id_)[2], "failed"), failed]


def doubted(id_: UUID) -> list[Command]:
    withdrawal = legs_of(id_)[0]
    return [
        HoldSource(id_), SendMovement(withdrawal), MarkOverdue(withdrawal),
        GiveUp(withdrawal, "no_answer"), DoubtLeg(id_, "withdrawal", "no_answer"),
    ]  # fmt: skip


def deposit_returned(id_: UUID) -> list[Command]:
    back = ReportMovement(legs_of(id_)[1], "returned", reason="wrong_account", sequence=9)
    return [*completed(id_), back, ReturnLeg(id_, "deposit", "wrong_account")]


def withdrawal_failed(id_: UUID) -> list[Command]:
    failed = FailLeg(id_, "withdrawal", "account_closed")
    return [HoldSource(id_), *said(legs_of(id_)[0], "failed"), failed]


def late(id_: UUID) -> list[Command]:
    """The bank has withdrawn after it said that it would not."""
    settled = ReportMovement(legs_of(id_)[0], "settled", sequence=9)
    return [*withdrawal_failed(id_), settled, BookLeg(id_, "withdrawal")]


INVESTMENTS: dict[str, Callable[[UUID], list[Command]]] = {
    "requested": lambda id_: [],
    "held": lambda id_: [HoldSource(id_)],
    "cancelled": lambda id_: [HoldSource(id_), CancelInvestment(id_)],
    "cancelled at once": lambda id_: [CancelInvestment(id_, "changed my mind")],
    "withdrawn": withdrawn,
    "completed": completed,
    "deposit failed": deposit_failed,
    "refunded": refunded,
    "stranded": stranded,
    "refunded after all": lambda id_: [
        *stranded(id_), RetryInvestment(id_), *said(derived_id(id_, "refund", 3), "settled"),
        BookLeg(id_, "refund"),
    ],
    "doubted": doubted,
    "resumed": lambda id_: [*doubted(id_), RetryInvestment(id_)],
    "given up": lambda id_: [*doubted(id_), CompensateInvestment(id_, "no hope")],
    "deposit returned": deposit_returned,
    "withdrawal failed": withdrawal_failed,
    "late": late,
}  # fmt: skip


def movement_of(bank_transfer_id: UUID) -> UUID:
    return derived_id(bank_transfer_id, "movement")


def booked(id_: UUID) -> list[Command]:
    return [*said(movement_of(id_), "accepted", "settled"), BookBankTransfer(id_)]


def refused_by_bank(id_: UUID) -> list[Command]:
    return [*said(movement_of(id_), "failed"), FailBankTransfer(id_, "account_closed")]


BANK_TRANSFERS: dict[str, Callable[[UUID], list[Command]]] = {
    "requested": lambda id_: [],
    "sent": lambda id_: [SendMovement(movement_of(id_))],
    "accepted": lambda id_: said(movement_of(id_), "accepted"),
    "cancelled": lambda id_: [CancelBankTransfer(id_)],
    "booked": booked,
    "failed": refused_by_bank,
    "late": lambda id_: [
        *refused_by_bank(id_), ReportMovement(movement_of(id_), "settled", sequence=9),
        BookBankTransfer(id_),
    ],
    "returned": lambda id_: [
        *booked(id_), ReportMovement(movement_of(id_), "returned", reason="recalled", sequence=9),
        ReturnBankTransfer(id_, "recalled"),
    ],
    "doubted": lambda id_: [
        SendMovement(movement_of(id_)), MarkOverdue(movement_of(id_)),
        GiveUp(movement_of(id_), "no_answer"), DoubtBankTransfer(id_, "no_answer"),
    ],
    "resumed": lambda id_: [
        SendMovement(movement_of(id_)), DoubtBankTransfer(id_, "no_answer"), RetryBankTransfer(id_),
    ],
    "given up": lambda id_: [
        SendMovement(movement_of(id_)), DoubtBankTransfer(id_, "no_answer"),
        CompensateBankTransfer(id_, "no hope"),
    ],
}  # fmt: skip
"""What may become of them, and the commands that make it so."""


class Flows:
    """Makes commands, which may well be refused: each flow goes its way, a few steps at a time."""

    def __init__(self, random: Random, accounts: list[UUID], currency: str = "EUR") -> None:
        self._random, self._accounts, self._currency = random, accounts, currency
        self._funds: list[UUID] = []
        self._going: list[list[Command]] = []
        self._investments = cycle(INVESTMENTS.values())
        self._bank_transfers = cycle(product(BANK_TRANSFERS.values(), ("deposit", "withdrawal")))

    def commands(self, new: int = 8) -> list[Command]:
        """Some more of what happens."""
        random = self._random
        made = [] if self._funds else self._open_funds()
        made += self._on_fund()
        self._going += [self._begin() for _ in range(new)]
        for way in self._going:
            steps = random.randint(3, 8)
            made += way[:steps]
            del way[:steps]
        self._going = [way for way in self._going if way]
        return made

    def _uuid(self) -> UUID:
        return UUID(int=self._random.getrandbits(128), version=4)

    def _open_funds(self) -> list[Command]:
        account_id = self._uuid()
        self._funds = [self._uuid(), self._uuid()]
        return [
            OpenAccount(account_id, "fund", "fund", self._currency),
            OpenFund(self._funds[0], "Forests", self._currency, account_id, 100, 0, 1_000),
            OpenFund(self._funds[1], "Rivers", self._currency, account_id, 100, 700, 5),
        ]

    def _on_fund(self) -> list[Command]:
        random, id_ = self._random, self._funds[1]
        return random.choice([
            [], [ChangeTerms(id_, seats=random.randint(1, 9))],
            [ChangeFundStatus(id_, "suspended", "too many"), ChangeFundStatus(id_, "open")],
        ])  # fmt: skip

    def _begin(self) -> list[Command]:
        random, id_ = self._random, self._uuid()
        account_id, amount = random.choice(self._accounts), random.randint(100, 900)
        if random.random() < 0.6:
            asked = RequestInvestment(
                id_, account_id, random.choice(self._funds), amount, self._currency
            )
            return [asked, *next(self._investments)(id_)]
        way, kind = next(self._bank_transfers)
        transfer = RequestBankTransfer(
            id_, kind, account_id, self._currency, amount,
            f"sealed:1:{random.getrandbits(128):032x}", "**3000",
            random.choice([self._accounts[0], self._uuid()]), random.choice(["", "R-1"]),
        )  # fmt: skip
        return [transfer, *way(id_)]
