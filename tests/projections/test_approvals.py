"""The approvals read model against folds of the log: what was asked for, and what became of it."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from msgspec.structs import replace

from application.ledger import Ledger
from application.privacy import person_keys
from application.privacy.master_keys import MasterKeys
from domain.approvals import (
    KINDS,
    STATUSES,
    Approval,
    Approved,
    Rejected,
    Requested,
    RoleAsked,
    TransferAsked,
    Withdrawn,
    kind_of,
)
from domain.approvals import (
    shown as without_sealed,
)
from domain.asked import (
    Asked,
    BankTransferAsked,
    FundingAsked,
    InvestmentAsked,
    RepaymentAsked,
    ReviewAsked,
)
from domain.events import Event, Recorded
from domain.transfers import Condition
from projections.approvals import queries
from projections.approvals.queries import ApprovalRow
from projections.catalogue import read_model
from tests.conftest import Database
from tests.projections.histories import append, busy_history, fold, log_of, recorded
from tests.projections.running import (
    ask,
    ask_pages,
    caught_up,
    project_all,
    projected,
    rows,
    running,
)

APPROVALS = read_model("approvals")
MASTERS = MasterKeys(b"0123456789abcdef0123456789abcdef")
MAKER, CHECKER = UUID(int=1), UUID(int=2)
NOON = datetime(2026, 1, 31, 12, 0, 0, 123456, UTC)

Conn = psycopg.Connection[Any]
What = TransferAsked | RoleAsked | Asked
Shown = dict[UUID, tuple[ApprovalRow, What]]


def shown(found: list[ApprovalRow]) -> Shown:
    """The rows apart from how they store what was asked for, and that."""
    return {row.id: (_without_stored(row), row.asked) for row in found}


def _without_stored(row: ApprovalRow) -> ApprovalRow:
    return ApprovalRow(*({} if n == "stored" else getattr(row, n) for n in row.__struct_fields__))


def approvals_by_fold(events: list[Recorded]) -> Shown:
    """What the read model must hold, by the domain's own rules."""
    firsts: dict[UUID, Recorded] = {}
    found: Shown = {}
    for event, state in fold(events):
        if not isinstance(state, Approval):
            continue
        first = firsts.setdefault(state.id, event)
        row = ApprovalRow(
            state.id, state.status, kind_of(state.requested).name,
            state.requested.maker_id, state.checker_id, {}, state.requested.expires_at,
            getattr(event.data, "reason", ""), first.recorded_at,
            event.recorded_at if event is not first else None, state.version, first.position,
            event.position,
        )  # fmt: skip
        found[state.id] = (row, without_sealed(state.requested))
    return found


def listed(url: str, size: int = 1_000, **filters: Any) -> list[ApprovalRow]:
    """Page after page, all of them full but the last."""
    pages = ask_pages(url, queries.list_approvals, limit=size, **filters)
    assert all(len(page) == size for page in pages[:-1])
    return [row for page in pages for row in page]


ROLE = RoleAsked(UUID(int=3), "auditor")
TRANSFER = TransferAsked(
    UUID(int=4), UUID(int=5), UUID(int=6), 2**62, "JPY", 'a "café"', "R-1", NOON,
    {"n": 2**53 + 1, "gift": True}, True, 3600, True, (Condition(UUID(int=7), 3, -1, None, 5),),
    UUID(int=8),
)  # fmt: skip
LEAST = TransferAsked(UUID(int=4), UUID(int=5), UUID(int=6), 1, "EUR")
PERSON = UUID(int=9)
WITHDRAWAL = BankTransferAsked(
    UUID(int=4),
    "withdrawal",
    UUID(int=5),
    "EUR",
    1,
    "sealed:1:iban",
    "**3000",
    PERSON,
    "R-1",
    PERSON,
)
ASKED: list[What] = [
    ROLE, TRANSFER, LEAST, WITHDRAWAL,
    InvestmentAsked(UUID(int=4), UUID(int=5), UUID(int=6), 2**62, "JPY", PERSON),
    RepaymentAsked(UUID(int=4), UUID(int=5), UUID(int=6), 1, "EUR"),
    FundingAsked(UUID(int=4), UUID(int=5), 1, "EUR"),
    ReviewAsked(UUID(int=4), 1, "EUR", 2, 'a "café"'),
]  # fmt: skip

ENDS: list[Event | None] = [
    None, Approved(CHECKER), Rejected(CHECKER, "too much"), Rejected(CHECKER), Withdrawn("why not"),
    Withdrawn(),
]  # fmt: skip


def asked_by(maker: UUID, asked: What = ROLE) -> Requested:
    if isinstance(asked, RoleAsked):
        return Requested(maker, NOON, role_change=asked)
    if isinstance(asked, TransferAsked):
        return Requested(maker, NOON, asked)
    return Requested(maker, NOON, asked=asked)


@pytest.mark.parametrize("size", [1, 2, 5, 1_000])
def test_batches_may_be_cut_anywhere(size: int, conn: Conn) -> None:
    happened: list[tuple[UUID, Event]] = []
    for asked, end in product(ASKED, ENDS):
        id_ = uuid4()
        happened.insert(len(happened) // 2, (id_, asked_by(MAKER, asked)))
        happened += [(id_, end)] if end is not None else []
    log = log_of(*happened)
    by_fold = approvals_by_fold(log)
    kinds = {(row.kind, row.status) for row, _ in by_fold.values()}
    assert kinds == set(product(KINDS, STATUSES))
    assert shown([ApprovalRow(*row) for row in projected(conn, APPROVALS, log, size)]) == by_fold


def test_every_approval_is_there_live_and_rebuilt(
    database: Database, ledger: Ledger, conn: Conn
) -> None:
    with running(database.url):
        busy_history(ledger)
        caught_up(conn, "approvals")
    by_fold = approvals_by_fold(recorded(conn))
    assert shown(listed(database.url)) == by_fold
    for id_ in by_fold:
        row = ask(database.url, queries.approval, id_)
        assert row is not None
        assert shown([row]) == {id_: by_fold[id_]}
    assert ask(database.url, queries.approval, uuid4()) is None
    live = rows(conn, "approvals")
    project_all(database.url, "approvals")
    assert rows(conn, "approvals") == live


def test_what_was_asked_for_comes_back_whole_but_for_what_is_sealed(
    database: Database, conn: Conn
) -> None:
    """And of who is erased there is not even what was shown of it."""
    requested = {uuid4(): asked_by(MAKER, asked) for asked in ASKED}
    append(database, *requested.items(), *((id_, Withdrawn("ill")) for id_ in requested))
    project_all(database.url, "approvals")
    people = {PERSON, UUID(int=8)}
    for person_id in people:
        person_keys.keep(conn, MASTERS, person_keys.new(person_id))
    for id_, event in requested.items():
        row = ask(database.url, queries.approval, id_)
        assert row is not None
        assert (row.asked, row.expires_at) == (without_sealed(event), NOON)
        assert row.reason == "ill"
    assert "sealed:1:" not in str(rows(conn, "approvals"))
    person_keys.destroy(conn, PERSON)
    found = [row.asked for row in listed(database.url, kinds=["bank_transfer"])]
    assert found == [replace(WITHDRAWAL, bank_account="", bank_account_hint="[erased]")]
    assert [row.kind for row in listed(database.url, application_id=UUID(int=4))] == ["review"]
    said = {(row.kind, row.reason) for row in listed(database.url)}
    forgotten = {kind for kind, reason in said if reason == "[erased]"}
    assert forgotten == {"bank_transfer", "investment"}
    assert {reason for kind, reason in said if kind not in forgotten} == {"ill"}


@pytest.mark.parametrize("size", [1, 3, 4, 6, 12, 13])
def test_lists_are_newest_first_and_exact_on_multiples(size: int, database: Database) -> None:
    ids = [uuid4() for _ in range(12)]
    others = [uuid4() for _ in range(4)]
    happened: list[tuple[UUID, Event]] = [
        (id_, asked_by(MAKER if id_ in ids else CHECKER))
        for id_ in [*others[:2], *ids, *others[2:]]
    ]
    ends = [(others[0], Approved(MAKER)), (ids[0], Rejected(CHECKER)), (ids[1], Withdrawn())]
    append(database, *happened, *ends)
    project_all(database.url, "approvals")

    def found(**filters: Any) -> list[UUID]:
        return [row.id for row in listed(database.url, size, **filters)]

    assert found(maker_id=MAKER) == ids[::-1]
    assert found(maker_id=MAKER, status="pending") == ids[:1:-1]
    assert found(status="rejected") == ids[:1]
    assert found(status="withdrawn", maker_id=CHECKER) == []
    assert found() == [*others[:1:-1], *ids[::-1], *others[1::-1]]
