"""The transfers read model against folds of the log: what became of each, and search."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from msgspec.structs import replace

from application.ledger import Ledger
from domain.accounts import Credited, Debited
from domain.events import Recorded
from domain.transfers import (
    Captured,
    ExpirePending,
    Posted,
    PostTransfer,
    Reserved,
    Reversed,
    Transfer,
    Voided,
)
from projections.transfers import queries
from projections.transfers.queries import TransferRow
from tests.conftest import Database
from tests.projections.histories import a_day, busy_history, fold, open_accounts, recorded, write
from tests.projections.running import ask, ask_each, ask_pages, project_all
from tests.support.waiting import until


def transfers_by_fold(events: list[Recorded]) -> dict[UUID, TransferRow]:
    """What the read model must hold, by the domain's own rules, in order of their first events."""
    rows: dict[UUID, TransferRow] = {}
    for event, state in fold(events):
        data = event.data
        if isinstance(state, Transfer):
            rows[state.id] = _row(event, state, rows.get(state.id))
        elif isinstance(data, Debited):
            rows[data.transfer_id] = replace(rows[data.transfer_id], debit_position=event.position)
        elif isinstance(data, Credited):
            rows[data.transfer_id] = replace(rows[data.transfer_id], credit_position=event.position)
    return rows


def _row(event: Recorded, state: Transfer, before: TransferRow | None) -> TransferRow:
    request, data = state.request, event.data
    if before is None:
        before = TransferRow(
            state.id, "pending", request.source_id, request.destination_id, request.currency, 0,
            request.requested or request.amount, 0,
            request.reverses if isinstance(request, Posted) else None,
            request.description, request.reference, request.metadata, request.effective_at,
            request.expires_at if isinstance(request, Reserved) else None,
            event.recorded_at, event.recorded_at, event.position, event.position, None, None, "",
        )  # fmt: skip
    return replace(
        before,
        status=state.status,
        amount=state.amount,
        reversed=state.reversed,
        updated_at=event.recorded_at,
        position=event.position,
        reason=data.reason if isinstance(data, Posted | Captured | Voided) else before.reason,
    )


def test_every_transfer_is_what_its_events_come_to(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    busy_history(ledger)
    project_all(database.url, "transfers")
    events = recorded(conn)
    wanted = transfers_by_fold(events)
    assert {row.status for row in wanted.values()} == {"pending", "posted", "voided"}
    assert any(isinstance(e.data, Reversed) for e in events)
    assert any(row.amount < row.requested for row in wanted.values())
    found = ask_each(database.url, queries.transfer, [(id_,) for id_ in wanted])
    assert found == list(wanted.values())
    assert ask(database.url, queries.transfer, uuid4()) is None


def test_a_transfer_names_the_places_of_its_entries(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    a, b = open_accounts(ledger, 2)
    moved, held = uuid4(), uuid4()
    write(ledger, [PostTransfer(moved, b, a, 5, "EUR")])
    write(ledger, [PostTransfer(held, b, a, 5, "EUR", pending=True)])
    project_all(database.url, "transfers")
    row = ask(database.url, queries.transfer, moved)
    assert row is not None
    topics = {event.position: event.topic for event in recorded(conn)}
    assert topics[row.debit_position or 0] == "account.debited"
    assert topics[row.credit_position or 0] == "account.credited"
    row = ask(database.url, queries.transfer, held)
    assert row is not None
    assert (row.debit_position, row.credit_position) == (None, None)


def test_an_expired_transfer_is_expired(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    a, b = open_accounts(ledger, 2)
    id_ = uuid4()
    write(ledger, [PostTransfer(id_, b, a, 5, "EUR", pending=True, expires_in_s=1)])
    until(lambda: write(ledger, [ExpirePending(id_)]))
    project_all(database.url, "transfers")
    row = ask(database.url, queries.transfer, id_)
    assert row is not None
    assert row == transfers_by_fold(recorded(conn))[id_]
    assert row.status == "expired"


def test_search_finds_what_a_walk_through_the_log_finds(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    accounts = busy_history(ledger)
    project_all(database.url, "transfers")
    all_ = list(transfers_by_fold(recorded(conn)).values())[::-1]

    def found(**filters: Any) -> list[TransferRow]:
        return ask(database.url, queries.search_transfers, limit=1_000, **filters).rows

    someone = accounts["EUR"][3]
    theirs = [t for t in all_ if someone in (t.source_id, t.destination_id)]
    start, end = all_[-40].recorded_at, all_[40].recorded_at
    assert found() == all_
    assert found(account_ids=[someone]) == theirs != []
    for status in ("pending", "posted", "voided", "expired"):
        assert found(status=status) == [t for t in all_ if t.status == status]
    assert found(reference="INV-1") == [t for t in all_ if t.reference == "INV-1"] != []
    assert found(reference="") == [t for t in all_ if t.reference == ""] != []
    assert found(recorded_from=start) == [t for t in all_ if t.recorded_at >= start]
    assert found(recorded_to=end) == [t for t in all_ if t.recorded_at < end]
    assert found(
        account_ids=[someone],
        status="posted",
        reference="INV-2",
        recorded_from=start,
        recorded_to=end,
    ) == [
        t
        for t in theirs
        if t.status == "posted" and t.reference == "INV-2" and start <= t.recorded_at < end
    ]
    assert found(account_ids=[uuid4()]) == []
    assert found(recorded_from=a_day(0).replace(year=1)) == all_
    assert found(recorded_to=a_day(0).replace(year=1)) == []


@pytest.mark.parametrize("one_account", [False, True], ids=["all", "one account's"])
def test_pages_of_transfers_are_exact(
    one_account: bool, database: Database, ledger: Ledger
) -> None:
    a, b = open_accounts(ledger, 2)
    both = [PostTransfer(uuid4(), *((b, a) if n % 3 else (a, b)), n, "EUR") for n in range(1, 20)]
    write(ledger, [*both])
    project_all(database.url, "transfers")
    accounts = [b] if one_account else None
    for size in (1, 4, 5, 10, 20, 21):
        pages = ask_pages(database.url, queries.search_transfers, limit=size, account_ids=accounts)
        assert [row.amount for page in pages for row in page] == [*range(19, 0, -1), 10_000]
        assert len(pages) == -(-20 // size)
