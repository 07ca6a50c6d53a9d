"""Puts first answers together again from the log, for commands that come again."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from msgspec.structs import replace
from psycopg import Connection

from application.ledger.book import Book
from application.ledger.outcomes import Accepted
from domain import catalogue
from domain.accounts import Account, Credited, Debited, Held, Opened, Released, StatusChanged
from domain.bank_transfers import BankTransfer
from domain.credit_applications import CreditApplication
from domain.investments import Investment
from domain.loans import Loan
from domain.transfers import Reserved, Transfer

_FIRSTS = """
SELECT asked.id, first.notification_id, first.recorded_at, first.topic, first.state
  FROM unnest(%s::uuid[]) AS asked (id)
 CROSS JOIN LATERAL (
    SELECT notification_id, recorded_at, topic, state FROM events
     WHERE originator_id = asked.id ORDER BY originator_version LIMIT 1
 ) AS first
"""

_BEHIND = """
SELECT asked.id, event.notification_id, event.originator_id, event.originator_version,
       event.topic, event.state
  FROM unnest(%s::uuid[], %s::bigint[]) AS asked (id, position)
 CROSS JOIN LATERAL (
    SELECT * FROM events
     WHERE notification_id BETWEEN asked.position + 1 AND asked.position + 3
 ) AS event
"""
"""A command that starts a transfer writes at most three events behind the first."""

_REQUESTED = """
SELECT originator_id, notification_id, topic, state FROM events
 WHERE originator_id = ANY(%s) AND originator_version BETWEEN 2 AND 3
 ORDER BY originator_id, originator_version
"""
"""A deposit, a withdrawal or a loan is asked for with two or three events of its own, the last of which is
that the bank is to move it, or a bureau to report."""

_LATEST = """
SELECT DISTINCT ON (originator_id) originator_id, notification_id, recorded_at FROM events
 WHERE originator_id = ANY(%s) ORDER BY originator_id, originator_version DESC
"""

_ACCOUNTS = """
SELECT at.version, entry.topic, entry.state, change.topic, change.state
  FROM unnest(%s::uuid[], %s::bigint[], %s::bigint[])
       WITH ORDINALITY AS asked (id, position, version, number)
 CROSS JOIN LATERAL (SELECT coalesce(asked.version, version_at(asked.id, asked.position))) AS at (version)
 CROSS JOIN LATERAL (
    SELECT topic, state FROM events
     WHERE originator_id = asked.id AND originator_version <= at.version
       AND topic <> 'account.status_changed' ORDER BY originator_version DESC LIMIT 1
 ) AS entry
  LEFT JOIN LATERAL (
    SELECT topic, state FROM events
     WHERE originator_id = asked.id AND originator_version <= at.version
       AND topic = 'account.status_changed' ORDER BY originator_version DESC LIMIT 1
 ) AS change ON true
 ORDER BY asked.number
"""


class _Entry(NamedTuple):
    """Where an account's entry is: in the log, and in the account's stream."""

    position: int
    version: int


class _Begun(NamedTuple):
    """A transfer as its first event left it."""

    position: int
    transfer: Transfer


def first_answers(
    conn: Connection[Any], book: Book, stream_ids: Collection[UUID]
) -> dict[UUID, Accepted]:
    """What the commands that started these streams were answered. Three queries for any number of
    them: a large import that is sent again must not hold the head for long."""
    if not stream_ids:
        return {}
    answers: dict[UUID, Accepted] = {}
    begun: dict[UUID, _Begun] = {}
    for id_, position, at, topic, data in conn.execute(_FIRSTS, (list(stream_ids),)):
        state = catalogue.evolve(None, catalogue.decode(topic, data), id_)
        answers[id_] = Accepted(id_, position, at, state, replayed=True)
        if isinstance(state, Transfer):
            begun[id_] = _Begun(position, state)
    _complete_flows(conn, answers)
    _complete_loans(conn, book, answers)
    entries = _entries(conn, begun)
    last = {id_: max(entry.position for entry in both.values()) for id_, both in entries.items()}
    wanted = [
        (account_id, last[id_], entries[id_].get(account_id))
        for id_, (_, transfer) in begun.items()
        for account_id in (transfer.request.source_id, transfer.request.destination_id)
    ]
    found = iter(_accounts(conn, book, wanted))
    for id_, both in zip(begun, zip(found, found, strict=True), strict=True):
        answers[id_] = replace(answers[id_], position=last[id_], accounts=both)
    return answers


def _complete_flows(conn: Connection[Any], answers: dict[UUID, Accepted]) -> None:
    """Those of flows end with what the command did last."""
    asked: dict[UUID, BankTransfer | CreditApplication] = {}
    for id_, answer in answers.items():
        if isinstance(answer.state, Investment):  # the seat was reserved right behind
            answers[id_] = replace(answer, position=answer.position + 1)
        elif isinstance(answer.state, BankTransfer | CreditApplication):
            asked[id_] = answer.state
    if not asked:
        return
    for id_, position, topic, data in conn.execute(_REQUESTED, (list(asked),)).fetchall():
        if not _is_under_way(asked[id_]):
            state = catalogue.evolve(asked[id_], catalogue.decode(topic, data), id_)
            assert isinstance(state, BankTransfer | CreditApplication)
            asked[id_] = state
            answers[id_] = replace(answers[id_], position=position, state=state)


def _is_under_way(state: BankTransfer | CreditApplication) -> bool:
    if isinstance(state, BankTransfer):
        return state.movement_id is not None
    return state.report_id is not None


def _complete_loans(conn: Connection[Any], book: Book, answers: dict[UUID, Accepted]) -> None:
    """What comes again for a loan is a repayment: it is answered with the loan as it is now."""
    repaid = [id_ for id_, answer in answers.items() if isinstance(answer.state, Loan)]
    if not repaid:
        return
    for id_, position, at in conn.execute(_LATEST, (repaid,)).fetchall():
        state = book.get(id_)
        assert isinstance(state, Loan)
        answers[id_] = replace(answers[id_], position=position, recorded_at=at, state=state)


def _entries(conn: Connection[Any], begun: Mapping[UUID, _Begun]) -> dict[UUID, dict[UUID, _Entry]]:
    """The entries, by account, that each command wrote. What later commands wrote for the same
    transfer may follow at once, and is none of them."""
    entries: dict[UUID, dict[UUID, _Entry]] = {id_: {} for id_ in begun}
    positions = [position for position, _ in begun.values()]
    for id_, position, stream_id, version, topic, data in conn.execute(
        _BEHIND, (list(begun), positions)
    ):
        request = begun[id_].transfer.request
        if stream_id not in {request.source_id, request.destination_id}:
            continue
        event = catalogue.decode(topic, data)
        if isinstance(request, Reserved):
            is_one = isinstance(event, Held) and event.transfer_id == id_
        else:
            is_one = isinstance(event, Debited | Credited) and event.transfer_id == id_
        if is_one:
            entries[id_][stream_id] = _Entry(position, version)
    return entries


def _accounts(
    conn: Connection[Any], book: Book, wanted: Sequence[tuple[UUID, int, _Entry | None]]
) -> Iterator[Account]:
    """Accounts as they were right after a position, of which an entry may tell the version."""
    rows = conn.execute(
        _ACCOUNTS,
        (
            [id_ for id_, _, _ in wanted],
            [position for _, position, _ in wanted],
            [entry and entry.version for _, _, entry in wanted],
        ),
    )
    for (id_, _, _), (version, topic, data, *change) in zip(wanted, rows, strict=True):
        account = book.account(id_)
        assert account is not None, "a transfer's accounts are there before it"
        event = catalogue.decode(topic, data)
        balance = held = 0
        if not isinstance(event, Opened):
            assert isinstance(event, Debited | Credited | Held | Released)
            balance, held = event.balance, event.held
        status = _status(*change)
        yield replace(account, version=version, status=status, balance=balance, held=held)


def _status(topic: str | None, data: bytes | None) -> str:
    """The status after the last change, if there was one."""
    if topic is None or data is None:
        return "active"
    change = catalogue.decode(topic, data)
    assert isinstance(change, StatusChanged)
    return change.status
