"""Whatever text is sent wherever one goes in: it is stored as that text, or refused, and does nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

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


class Everything(NamedTuple):
    """What nothing here may change; the security log tells of what is refused."""

    tables: list[tuple[Any, ...]]
    events: int


def everything(database: Database) -> Everything:
    with database.connect(superuser=True) as conn:
        tables = conn.execute(
            "SELECT table_schema, table_name, column_name, data_type"
            " FROM information_schema.columns WHERE table_schema NOT IN ('pg_catalog')"
            " ORDER BY 1, 2, 3"
        ).fetchall()
        row = conn.execute("SELECT count(*) FROM events WHERE topic NOT LIKE 'security.%'")
        (events,) = row.fetchone() or (0,)
    return Everything(tables, events)


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


@pytest.mark.parametrize("route", ROUTES)
def test_no_text_does_anything_but_be_a_text(
    route: str, admin: httpx2.Client, api_database: Database
) -> None:
    before = everything(api_database)
    accepted = 0
    for place in PLACES:
        for what, text in NASTY.items() if place.route == route else ():
            if place.where == "header" and what in ("a NUL", "ends of lines", "half a character"):
                continue  # no client can send it
            said = f"{place.where} {place.name}: {what}"
            answer = put(admin, place, text)
            check_quiet(answer, f"{said}: {answer.status_code}")
            accepted += answer.status_code < 400 and not route.startswith("GET")
            if answer.status_code == 200 and place.schema.get("type") == "string":
                assert answer.json()["data"] == [], f"{said}: it found something"
    after = everything(api_database)
    assert after.tables == before.tables
    assert after.events - before.events <= accepted * 4, "what was refused left something behind"
    if not accepted:
        assert after.events == before.events
