"""The mail that registration sends: its link proves whose an address is, once, within a day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx2
import pytest

from api import mailing
from api.mailing import LINK_LIFE_S
from application.identity.tokens import Signer
from application.ledger import Ledger
from domain.users import ChangeProfile, User, mark_of
from tests.api.conftest import problem_of
from tests.conftest import Database
from tests.support.ledgers import accepted
from tests.support.people import JWT_SECRET
from tests.support.serving import serving
from tests.support.visitors import Login, link_in, log_in, mails, new_email, register, visiting
from tests.support.waiting import until


@pytest.fixture
def served(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[httpx2.Client]:
    """A visitor of an API whose mail comes to `tmp_path`, and soon."""
    monkeypatch.setattr(mailing, "_PAUSE_S", 0.02)
    with serving(database.url, DATA_DIR=tmp_path) as url, visiting(url) as client:
        yield client


def only_link(data_dir: Path) -> str:
    until(lambda: len(mails(data_dir)) == 1)
    return link_in(mails(data_dir)[0])


def is_verified(client: httpx2.Client, login: Login) -> bool:
    return bool(client.get("/api/auth/me", headers=login.bearer).json()["verified"])


def test_the_link_in_the_mail_verifies_the_address_once(
    served: httpx2.Client, tmp_path: Path, database: Database
) -> None:
    email = new_email()
    user_id = register(served, email)["id"]
    login = log_in(served, email)
    assert not is_verified(served, login)
    link = only_link(tmp_path)
    assert link.startswith(str(served.base_url))
    (mail,) = mails(tmp_path)
    assert (mail["To"], mail["From"]) == (email, "daybook@localhost")
    answer = served.get(link)
    assert (answer.status_code, answer.json()) == (200, {"user_id": user_id, "verified": True})
    assert is_verified(served, login)
    problem_of(served.get(link), 401, "token_revoked")
    with database.connect() as conn:
        row = conn.execute(
            "SELECT metadata FROM events WHERE topic = 'user.email_verified'"
        ).fetchone()
    assert row is not None
    assert f'"user:{user_id}"'.encode() in bytes(row[0])


def test_what_looks_at_a_link_before_its_reader_does_not_use_it_up(
    served: httpx2.Client, tmp_path: Path
) -> None:
    email = new_email()
    register(served, email)
    login, link = log_in(served, email), only_link(tmp_path)
    for _ in range(2):
        assert served.head(link).status_code == 200
        assert served.head(f"{link}x").status_code == 401
    assert not is_verified(served, login)
    assert served.get(link).status_code == 200
    assert is_verified(served, login)


def test_a_program_may_bring_the_token_itself(served: httpx2.Client, tmp_path: Path) -> None:
    email = new_email()
    register(served, email)
    token = only_link(tmp_path).partition("token=")[2]
    answer = served.post("/api/auth/verify-email", json={"token": token})
    assert answer.status_code == 200
    assert is_verified(served, log_in(served, email))


def test_a_link_is_good_for_a_day_and_for_its_purpose_and_address(
    served: httpx2.Client, database: Database
) -> None:
    email = new_email()
    user_id = UUID(register(served, email)["id"])
    login = log_in(served, email)
    with Ledger(database.url) as ledger:
        changed = accepted(ledger, ChangeProfile(user_id, email="of another address"))
    assert isinstance(changed.state, User)
    mark = mark_of(changed.state.email)
    signer, now = Signer([JWT_SECRET]), datetime.now(UTC)

    def follow(purpose: str, mark: str, at: datetime) -> httpx2.Response:
        token = signer.issue_link(user_id, purpose, mark, at, LINK_LIFE_S).token
        return served.get("/api/auth/verify-email", params={"token": token})

    late = now - timedelta(days=1, seconds=1)
    problem_of(follow("verify-email", mark, late), 401, "token_expired")
    problem_of(follow("reset-password", mark, now), 401, "invalid_token_type")
    problem_of(follow("verify-email", mark_of("of another"), now), 401, "token_revoked")
    tokens = [(login.access, "invalid_token_type"), ("garbled", "invalid_token")]
    for token, reason in tokens:
        answer = served.get("/api/auth/verify-email", params={"token": token})
        problem_of(answer, 401, reason)
    problem_of(served.get("/api/auth/verify-email"), 400, "missing_fields")
    assert follow("verify-email", mark, now).status_code == 200


def test_another_mail_may_be_asked_for_until_the_address_is_verified(
    served: httpx2.Client, tmp_path: Path
) -> None:
    email = new_email()
    register(served, email)
    login = log_in(served, email)
    only_link(tmp_path)

    def ask() -> httpx2.Response:
        return served.post("/api/auth/verify-email/resend", headers=login.bearer)

    assert ask().status_code == 202
    until(lambda: len(mails(tmp_path)) == 2)
    first, second = (link_in(mail) for mail in mails(tmp_path))
    assert first != second
    assert served.get(second).status_code == 200
    problem_of(ask(), 409, "already_processed")
    problem_of(served.get(first), 401, "token_revoked")


def test_how_often_a_mail_may_be_asked_for_is_limited(database: Database) -> None:
    with serving(database.url, RATE_LIMIT_LOGIN="2/minute") as url, visiting(url) as client:
        email = new_email()
        register(client, email)
        login = log_in(client, email)

        def ask() -> httpx2.Response:
            return client.post("/api/auth/verify-email/resend", headers=login.bearer)

        assert [ask().status_code for _ in range(2)] == [202, 202]
        problem_of(ask(), 429, "rate_limited")


def test_the_mailbox_is_for_its_owner_only(served: httpx2.Client, tmp_path: Path) -> None:
    register(served)
    only_link(tmp_path)
    folder = tmp_path / "mailbox"
    (path,) = folder.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.suffix == ".eml"
