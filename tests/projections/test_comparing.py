"""What counts as the same row, whatever the types, and what a comparison has an operator decide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from msgspec.structs import replace

from application.ledger import Ledger
from projections import files, parity, rebuild_state, schemas, swapping
from projections.catalogue import ReadModel, read_model
from projections.parity import Parity
from projections.rebuild import DEFAULTS, Options, Rebuilt, rebuild
from projections.rebuilder import ask
from projections.shadows import RebuildRefusedError
from projections.swapping import cancel
from tests.conftest import Database
from tests.projections.histories import open_accounts
from tests.projections.planted import journal
from tests.projections.running import no_progress, project_all, rows, schemas_of


def run(database: Database, model: ReadModel, options: Options = DEFAULTS) -> Rebuilt:
    return rebuild(database.url, model.name, no_progress, [model], options)


def compared(conn: psycopg.Connection[Any], columns: str, live: str, rebuilt: str) -> Parity:
    """How two tables of these columns and rows compare."""
    with conn.transaction(force_rollback=True):
        for schema, values in (("one", live), ("two", rebuilt)):
            conn.execute(f"CREATE SCHEMA {schema}; SET LOCAL search_path TO {schema}".encode())
            conn.execute(f"CREATE TABLE noted ({columns})".encode())
            if values:
                conn.execute(f"INSERT INTO noted VALUES {values}".encode())
        return parity.compare(conn, "one", "two", 0, expected=False)


@pytest.mark.parametrize(
    ("live", "rebuilt", "differing"),
    [
        ("(NULL, 1), (NULL, 2), ('a', 3)", "('a', 3), (NULL, 2), (NULL, 1)", []),
        ("(NULL, 1), (NULL, 2)", "(NULL, 1), (NULL, 3)", ["NULL"]),
        ("(NULL, 1), (NULL, 2), ('a', 1)", "(NULL, 1), ('a', 2)", ["a", "NULL"]),
        ("('a', 1)", "('a', 1), (NULL, 1)", ["NULL"]),
        ("(NULL, 1)", "", ["NULL"]),
        ("", "", []),
    ],
)
def test_rows_without_a_key_are_compared_with_each_other(
    live: str, rebuilt: str, differing: list[str], conn: psycopg.Connection[Any]
) -> None:
    found = compared(conn, "tag text, position bigint", live, rebuilt)
    assert found.is_equal == (not differing)
    assert [difference.key for difference in found.differences] == differing
    assert found.tables[0].differing_keys == len(differing)


def test_of_rows_without_a_key_those_that_differ_are_shown(conn: psycopg.Connection[Any]) -> None:
    found = compared(conn, "tag text, position int", "(NULL, 1), (NULL, 2)", "(NULL, 1), (NULL, 3)")
    (difference,) = found.differences
    assert difference.live == {"tag": None, "position": 2}
    assert difference.rebuilt == {"tag": None, "position": 3}


TYPES = [
    ("json", "'1'", "'2'"),
    ("json[]", "ARRAY['1'::json]", "ARRAY['2'::json]"),
    ("jsonb[]", "ARRAY['1'::jsonb]", "ARRAY['2'::jsonb]"),
    ("int[]", "ARRAY[1]", "ARRAY[2]"),
    ("text[]", "ARRAY['a']", "ARRAY['b']"),
    ("point[]", "ARRAY[point(1, 2)]", "ARRAY[point(2, 1)]"),
    ("int4range", "'[1,3)'", "'[1,4)'"),
    ("int4multirange", "'{[1,3)}'", "'{[1,4)}'"),
    ("int4range[]", "ARRAY['[1,3)'::int4range]", "ARRAY['[1,4)'::int4range]"),
    ("money", "'1'", "'2'"),
    ("bit varying", "'01'", "'10'"),
    ("bit varying[]", "ARRAY['01'::varbit]", "ARRAY['10'::varbit]"),
    ("public.mood", "'glad'", "'sad'"),
    ("public.mood[]", "ARRAY['glad'::public.mood]", "ARRAY['sad'::public.mood]"),
    ("public.bits", "'[01,10]'", "'[01,11]'"),
    ("public.pair", "ROW('1', 2)", "ROW('2', 2)"),
    ("public.pairs", "ARRAY[ROW('1', 2)::public.pair]", "ARRAY[ROW('2', 2)::public.pair]"),
]


@pytest.mark.parametrize(("type_", "one", "other"), TYPES)
def test_columns_of_any_type_are_compared(
    type_: str, one: str, other: str, database: Database, conn: psycopg.Connection[Any]
) -> None:
    with database.connect(superuser=True) as admin:
        admin.execute("CREATE TYPE mood AS ENUM ('glad', 'sad')")
        admin.execute("CREATE TYPE bits AS RANGE (SUBTYPE = bit varying)")
        admin.execute("CREATE TYPE pair AS (a json, b int)")
        admin.execute("CREATE DOMAIN pairs AS pair[]")
    columns = f"id int, what {type_}"
    assert compared(conn, columns, f"(1, {one})", f"(1, {one})").is_equal
    found = compared(conn, columns, f"(1, {one}), (2, {one})", f"(1, {one}), (2, {other})")
    assert [difference.key for difference in found.differences] == ["2"]


def test_a_read_model_whose_columns_only_have_a_text_is_checked_and_rebuilt(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    model = replace(
        journal(),
        tables="CREATE TABLE noted (position bigint, tags json[])",
        topics=frozenset({"account.opened"}),
        project=lambda batch, db: db.execute(
            "INSERT INTO noted SELECT p, ARRAY['1'::json] FROM unnest(%s::bigint[]) AS p",
            ([event.position for event in batch],),
        ),
    )
    files.check(conn, Path("x.py"), model)
    open_accounts(ledger, 3)
    run(database, model)
    done = run(database, model)
    assert (done.outcome, done.parity and done.parity.is_equal) == ("swapped", True)
    assert conn.execute("SELECT count(*) FROM journal.noted").fetchone() == (3,)


def test_verifying_does_not_cost_the_shadow_that_was_kept_to_look_at(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    open_accounts(ledger, 3)
    project_all(database.url, "entries")
    conn.execute("UPDATE entries.entry SET description = 'spoiled'")
    entries = read_model("entries")
    assert run(database, entries).outcome == "different"
    for verify in (lambda: run(database, entries, Options(only_verify=True)),
                   lambda: ask(database.url, "entries", Options(only_verify=True))):  # fmt: skip
        with pytest.raises(RebuildRefusedError, match="--accept-differences`, or drop it with"):
            verify()
    assert "entries_shadow" in schemas_of(conn)
    cancel(database.url, "entries")
    for _ in range(2):  # what a verification finds keeps nothing
        assert run(database, entries, Options(only_verify=True)).outcome == "different"


def newer(model: ReadModel, *, is_empty: bool) -> ReadModel:
    """Code of another version, which comes to other rows or to none."""

    def project(batch: Any, db: psycopg.Cursor[Any]) -> None:
        if not is_empty:
            model.project(batch, db)
            db.execute("UPDATE entry SET description = 'new'")

    return replace(model, version=model.version + 1, project=project)


def test_other_code_may_come_to_other_rows_but_not_to_none_without_being_asked_for(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    open_accounts(ledger, 3)
    project_all(database.url, "entries")
    empty = newer(read_model("entries"), is_empty=True)
    done = run(database, empty)
    assert (done.outcome, len(rows(conn, "entries"))) == ("different", 4)
    found = rebuild_state.find(conn, "entries")
    assert found is not None
    assert str(found.error).startswith("entry: no rows in the rebuilt entries, though the live one")
    assert "rebuild entries --accept-differences" in str(found.error)
    assert run(database, newer(read_model("entries"), is_empty=False)).outcome == "swapped"
    assert {row[9] for row in rows(conn, "entries")} == {"new"}
    accepted = replace(empty, version=empty.version + 1)
    done = run(database, accepted, Options(accept_differences=True))
    assert (done.outcome, rows(conn, "entries")) == ("swapped", [])


@pytest.mark.parametrize(("patience", "outcome"), [(3, "different"), (1_000, "swapped")])
def test_what_was_compared_long_ago_is_compared_again(
    patience: int,
    outcome: str,
    database: Database,
    ledger: Ledger,
    conn: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("projections.rebuild.VERIFIED_FOR_EVENTS", patience)
    open_accounts(ledger, 3)
    project_all(database.url, "entries")
    entries = read_model("entries")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(swapping, "swap_in", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(database, entries)
    found = rebuild_state.find(conn, "entries")
    assert found is not None
    assert (found.state, found.is_verified) == ("paused", True)
    open_accounts(ledger, 3)
    conn.execute("UPDATE entries.entry SET description = 'spoiled'")
    conn.execute("UPDATE checkpoints SET position = 18 WHERE name = 'entries'")
    assert run(database, entries).outcome == outcome
    assert schemas.exists(conn, "entries_shadow") == (outcome == "different")
