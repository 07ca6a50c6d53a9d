"""Checkpoints and proofs over HTTP: as JSON, and as the files that other tools read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from application.audit import proofs
from application.audit.checkpoints import Checkpoint, open_checkpoint, sign
from application.audit.making import make
from application.audit.notes import Signer
from tests.api.conftest import Bank, problem_of
from tests.conftest import Database
from tests.support.log import tampering
from tests.support.serving import client_of, serving

SIGNER = Signer.generate("example.com/ledger")
VERIFIERS = [SIGNER.verifier]
TEXT = {"Accept": "text/plain"}


SignNow = Callable[[], Checkpoint]


@pytest.fixture
def sign_now(api_database: Database, tmp_path: Path) -> SignNow:
    """Signs the log as it is then."""

    def sign() -> Checkpoint:
        with api_database.connect() as conn:
            return make(conn, SIGNER, VERIFIERS, tmp_path)

    return sign


def test_without_a_checkpoint_there_is_nothing_to_prove(database: Database) -> None:
    with serving(database.url, projecting=False) as url, client_of(url) as client:
        assert Bank(client).get("/api/audit/checkpoints") == {
            "data": [], "next_cursor": None, "has_more": False,
        }  # fmt: skip
        problem_of(client.get("/api/audit/checkpoints/latest"), 404, "checkpoint_not_found")
        problem_of(client.get("/api/audit/proof/1"), 404, "checkpoint_not_found")


def test_checkpoints_come_as_json_and_as_files(bank: Bank, sign_now: SignNow) -> None:
    bank.funded()
    first = sign_now()
    bank.funded()
    second = sign_now()
    latest = bank.get("/api/audit/checkpoints/latest")
    assert (latest["position"], latest["note"]) == (second.position, second.note)
    assert latest["origin"] == "example.com/ledger"
    file = bank.client.get("/api/audit/checkpoints/latest", headers=TEXT)
    assert file.headers["content-type"] == "text/plain; charset=utf-8"
    assert open_checkpoint(file.content.decode(), VERIFIERS) == second
    page = bank.get("/api/audit/checkpoints", limit=1)
    assert page["data"] == [latest]
    page = bank.get("/api/audit/checkpoints", limit=1, cursor=page["next_cursor"])
    assert page["data"][0]["note"] == first.note


def test_rows_that_are_no_checkpoint_are_left_out(
    bank: Bank, sign_now: SignNow, api_database: Database
) -> None:
    bank.funded()
    signed = sign_now()
    stranger = Signer.generate("example.com/other")
    notes = {2**62: "junk", 2**61: sign(stranger, 2**61, bytes(32), bytes(32)).note}
    with api_database.connect() as conn:
        for position, note in notes.items():
            conn.execute(
                "INSERT INTO audit_checkpoints (position, note) VALUES (%s, %s)", (position, note)
            )
    try:
        assert bank.get("/api/audit/checkpoints/latest")["position"] == signed.position
        page = bank.get("/api/audit/checkpoints", limit=1)
        assert [one["position"] for one in page["data"]] == [signed.position]
        assert bank.get("/api/audit/proof/2")["tree_size"] == signed.position
    finally:
        with api_database.connect(superuser=True) as conn, tampering(conn):
            conn.execute("DELETE FROM audit_checkpoints WHERE position = ANY(%s)", (list(notes),))


def test_a_proof_comes_as_json_and_as_a_file(bank: Bank, sign_now: SignNow) -> None:
    bank.funded()
    earlier = sign_now()
    bank.funded()
    later = sign_now()
    for query, against in (({}, later), ({"checkpoint": earlier.position}, earlier)):
        answer = bank.get("/api/audit/proof/2", **query)
        assert (answer["position"], answer["leaf_index"]) == (2, 1)
        assert answer["tree_size"] == against.position
        assert answer["checkpoint"] == against.note
        proven = proofs.check(answer["proof"], VERIFIERS)
        assert proven.checkpoint == against
        assert proven.event.hash.hex() == answer["hash"]
        assert str(proven.event.stream_id) == answer["event"]["stream_id"]
        file = bank.client.get("/api/audit/proof/2", params=query, headers=TEXT)
        assert file.headers["content-type"] == "text/plain; charset=utf-8"
        assert file.content.decode() == answer["proof"]


def test_what_can_not_be_proved_is_a_problem(bank: Bank, sign_now: SignNow) -> None:
    bank.funded()
    signed = sign_now().position
    bank.funded()
    far = bank.client.get("/api/audit/proof/100000")
    assert "the log ends at" in problem_of(far, 404, "event_not_found")["detail"]
    new = bank.client.get(f"/api/audit/proof/{signed + 1}")
    assert problem_of(new, 409, "event_not_signed")["details"]["signed"] == signed
    other = bank.client.get("/api/audit/proof/1", params={"checkpoint": 100_000})
    problem_of(other, 404, "checkpoint_not_found")
    for position in ("0", "-1", "x"):
        problem_of(bank.client.get(f"/api/audit/proof/{position}"), 400, "invalid_request")


def test_a_log_that_is_not_as_it_was_signed_proves_nothing(
    bank: Bank, sign_now: SignNow, api_database: Database
) -> None:
    bank.funded()
    sign_now()
    with api_database.connect(superuser=True) as conn, tampering(conn):
        conn.execute("UPDATE events SET state = state || ' ' WHERE notification_id = 2")
        refused = bank.client.get("/api/audit/proof/2")
        conn.execute(
            "UPDATE events SET state = substr(state, 1, length(state) - 1)"
            " WHERE notification_id = 2"
        )
    problem_of(refused, 409, "log_not_as_signed")
