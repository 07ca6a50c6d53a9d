"""A server that lacks a master key says so: what it cannot open is not taken for erased."""

from __future__ import annotations

from tests.api.conftest import problem_of
from tests.conftest import Database
from tests.support.serving import client_of, serving

ALICE = {
    "email": "alice@example.com",
    "full_name": "Alice Liddell",
    "password": "a fine password",
    "password_confirmation": "a fine password",
}


def test_what_cannot_be_opened_for_want_of_a_key_is_not_shown_as_erased(database: Database) -> None:
    with serving(database.url) as url, client_of(url) as client:
        made = client.post("/api/users", json=ALICE)
        assert made.status_code == 201, made.text
    with database.connect() as conn:
        # The index key would stop the server at its start: this is about one person's key only.
        conn.execute("UPDATE person_keys SET master_key_id = '00000000'")
    with serving(database.url) as url, client_of(url) as client:
        login = {name: ALICE[name] for name in ("email", "password")}
        answered = client.post("/api/auth/login", json=login)
        problem = problem_of(answered, 500, "configuration_error")
        assert "daybook keys list" in problem["detail"]
        assert "erased" not in answered.text
