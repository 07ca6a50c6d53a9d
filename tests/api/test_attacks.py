"""Whatever text is sent wherever one goes in: it is stored as that text, or refused, and does nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from api.problems import CATALOGUE
from api.wiring import create_app
from tests.api.conftest import Bank, Json, problem_of
from tests.conftest import Database
from tests.support import people
from tests.support.made_up import operations
from tests.support.places import BODIES, Place, kind_of, places, put
from tests.support.staff import as_user, make

DESCRIPTION = create_app(people.settings(), "").openapi()
PLACES = list(places(DESCRIPTION))
ROUTES = sorted({place.route for place in PLACES})

NASTY = {
    "a condition that always holds": "' OR '1'='1",
    "a second statement": "'; DROP TABLE events; select pg_sleep(9); --",
    "a comment": "x'/**/union/**/select/**/state/**/from/**/events--",
    "placeholders": "%s %(id)s {0} {detail} $1",
    "a NUL": "x\x00y",
    "ends of lines": "x\r\nSet-Cookie: planted=1\r\n\r\n<script>",
    "half a character": "x\ud800y",
    "another direction": "x\u202ey",
    "a path": "../../../../etc/passwd",
    "a number too large": "9" * 400,
    "no number": "NaN",
}
INSIDE = ("psycopg", "Traceback", "SELECT ", "UPDATE ", "pg_catalog", 'relation "', "root:x:")
"""What would tell of the database or of this program."""
FOR_OTHERS = ("a condition that always holds", "a NUL", "a number too large")
"""Tried where only an id, a time or a number may be."""


def written(database: Database) -> int:
    """How many events there are, but for the security log, which tells of what is refused."""
    with database.connect(superuser=True) as conn:
        row = conn.execute("SELECT count(*) FROM events WHERE topic NOT LIKE 'security.%'")
        return int((row.fetchone() or (0,))[0])


def shapes(database: Database) -> list[tuple[Any, ...]]:
    """Every table that there is, with its columns."""
    with database.connect(superuser=True) as conn:
        return conn.execute(
            "SELECT attrelid::regclass::text, attname, atttypid FROM pg_attribute"
            " JOIN pg_class ON pg_class.oid = attrelid WHERE relkind IN ('r', 'p', 'v')"
            " AND relnamespace::regnamespace::text !~ '^pg_' ORDER BY 1, 2"
        ).fetchall()


@pytest.fixture(scope="module")
def admin(base_url: str, client: httpx2.Client) -> Iterator[httpx2.Client]:
    """Somebody who may do nearly all, and has a profile."""
    with as_user(base_url, make(client, "admin")) as admin:
        yield admin


def check_quiet(answer: httpx2.Response, said: str) -> None:
    """An answer of the API's own, which tells of nothing inside and does as it was not told."""
    assert answer.status_code < 500, said
    assert "set-cookie" not in answer.headers, said
    if not answer.is_stream_consumed:  # it goes on for ever
        return
    assert not [inside for inside in INSIDE if inside in answer.text], said
    if answer.status_code >= 400:
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json", said
        assert (problem["status"], problem["reason"] in CATALOGUE) == (answer.status_code, True)


def is_text(place: Place) -> bool:
    """Whether any text may stand there, and not only an id, a time, a number or one of some words."""
    schema = place.schema
    return schema.get("type", "string") == "string" and not schema.keys() & {"format", "enum"}


def attempts(route: str) -> Iterator[tuple[Place, str, str]]:
    """Places of a route, with what is put there and what that is."""
    for place in PLACES:
        if place.route == route:
            for what, text in NASTY.items():
                can_be_sent = place.where != "header" or text.isprintable()
                if can_be_sent and (is_text(place) or what in FOR_OTHERS):
                    yield place, text, f"{place.where} {place.name}: {what}"


@pytest.mark.parametrize("route", ROUTES)
def test_no_text_does_anything_but_be_a_text(
    route: str, admin: httpx2.Client, api_database: Database
) -> None:
    before, tables, accepted = written(api_database), shapes(api_database), 0
    for place, text, said in attempts(route):
        answer = put(admin, place, text)
        check_quiet(answer, f"{said}: {answer.status_code}")
        accepted += answer.status_code < 400
        if place.where == "query" and answer.status_code == 200 and is_text(place):
            assert answer.json()["data"] == [], f"{said}: it found something"
    assert written(api_database) == before or accepted, "what was refused left something behind"
    assert shapes(api_database) == tables
