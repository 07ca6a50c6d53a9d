"""Sessions in windows, and the list: its filters, its pages, and its changes as they happen."""

from __future__ import annotations

import json

import httpx2

from tests.api.conftest import Json
from tests.api.console.conftest import LIST, Open, kept_of, person
from tests.support.credit import Desk, submit
from tests.support.staff import STAFF_PASSWORD, as_user
from tests.support.windows import Console, opened


def test_who_is_not_logged_in_logs_in_and_gets_where_he_wanted_to(
    console: Console, anna: Json
) -> None:
    with opened(console, f"{LIST}?status=pending") as window:
        window.shows("Log in")
        assert window.path() == "/console/login"
        window.type("E-mail", anna["email"])
        window.type("Password", "not the one")
        window.press("Log in")
        window.shows("Wrong e-mail or password")
        assert window.focused() == "password"
        window.log_in(anna["email"], STAFF_PASSWORD)
        window.shows("Credit applications")
        assert window.path() == f"{LIST}?status=pending"
        assert window.value("Status") == "pending"
        assert STAFF_PASSWORD not in json.dumps(window.kept())
        window.press("Log out")
        window.shows("You are logged out.")
        assert window.kept() == {}
        window.back()
        window.shows("Password")


def test_a_login_is_over_at_the_server_once_somebody_logs_out(
    window_of: Open, anna: Json, base_url: str
) -> None:
    with window_of(anna) as window:
        window.shows("Log out")
        session = json.loads(window.kept()["daybook.session"])
        window.press("Log out")
        window.shows("You are logged out.")
    bearer = {"Authorization": f"Bearer {session['access_token']}"}
    assert httpx2.get(f"{base_url}/api/auth/me", headers=bearer).status_code == 401
    body = {"refresh_token": session["refresh_token"]}
    assert httpx2.post(f"{base_url}/api/auth/refresh", json=body).status_code == 401


def test_tokens_are_renewed_before_they_expire_and_nobody_notices(
    console: Console, base_url: str, anna: Json
) -> None:
    body = {"email": anna["email"], "password": STAFF_PASSWORD}
    login = httpx2.post(f"{base_url}/api/auth/login", json=body).json()
    with opened(console, LIST, kept_of(login, expires_at=0)) as window:
        window.shows("Live")
        assert (
            json.loads(window.kept()["daybook.session"])["refresh_token"] != login["refresh_token"]
        )


def test_who_was_logged_out_elsewhere_is_told_and_goes_on_after_logging_in(
    window_of: Open, console: Console, anna: Json, base_url: str
) -> None:
    with window_of(anna) as window:
        window.shows("Live")
        token = json.loads(window.kept()["daybook.session"])["access_token"]
        bearer = {"Authorization": f"Bearer {token}"}
        httpx2.post(f"{base_url}/api/auth/logout-all", headers=bearer)
        window.shows("Your session has ended. Please log in again.")
        assert window.path() == "/console/login"
        window.log_in(anna["email"], STAFF_PASSWORD)
        window.shows("Live")
        assert window.path() == LIST


def test_the_list_is_filtered_and_says_so_in_its_address(
    window_of: Open, officer: Json, annas: httpx2.Client, desk: Desk
) -> None:
    small = submit(annas, "ES", amount_requested="1000.00")["id"]
    large = submit(annas, "ES", amount_requested="9000.00")["id"]
    submit(annas, "MX")
    desk.report(large, 400)
    with window_of(officer, f"{LIST}?country=ES") as window:
        window.shows("EUR 1,000.00", "EUR 9,000.00")
        window.shows_no("MXN")
        window.choose("Status", "Rejected")
        window.shows_no("EUR 1,000.00")
        window.shows("EUR 9,000.00")
        assert window.path() == f"{LIST}?country=ES&status=rejected"
        window.choose("Status", "All statuses")
        window.type("Amount to", "5000")
        window.leave("Amount to")
        window.shows("EUR 1,000.00")
        window.shows_no("EUR 9,000.00")
        window.type("Amount to", "much")
        window.leave("Amount to")
        window.shows("Invalid amount")
        window.press("Clear")
        window.shows("MXN 60,000.00")
        window.shows_no("Invalid amount")
        assert window.path() == LIST
        assert not window.can("Amount to"), "amounts are of one currency"
        window.type("Submitted from", "2190-01-01")
        window.leave("Submitted from")
        window.shows("There is no such application.")
        window.visit(f"{LIST}?status=pending&country=ES")
        window.shows("EUR 1,000.00")
        assert f"{LIST}/{small}" in window.links()
        assert f"{LIST}/{large}" not in window.links()


def test_more_than_a_page_is_shown_when_asked_for(
    window_of: Open, base_url: str, client: httpx2.Client
) -> None:
    bert = person(client)
    with as_user(base_url, bert) as berts:
        ids = [submit(berts, "ES")["id"] for _ in range(27)]
    with window_of(bert) as window:
        window.shows("Show more", "Live")
        assert f"{LIST}/{ids[2]}" in window.links()
        assert f"{LIST}/{ids[1]}" not in window.links()
        window.press("Show more")
        window.shows_no("Show more")
        shown = [
            link.removeprefix(f"{LIST}/") for link in window.links() if link.startswith(f"{LIST}/")
        ]
        assert shown == ids[::-1]


def test_a_change_appears_in_all_windows_by_itself(
    window_of: Open, anna: Json, officer: Json, annas: httpx2.Client, desk: Desk
) -> None:
    with (
        window_of(anna, f"{LIST}?country=IN") as own,
        window_of(officer, f"{LIST}?country=IN") as every,
    ):
        for window in (own, every):
            window.shows("Live", "There is no such application.")
        id_ = submit(annas, "IN")["id"]
        with window_of(anna, f"{LIST}/{id_}") as detail:
            for window in (own, every):
                window.shows("INR 60,000.00", "Pending")
            detail.shows("Report requested")
            desk.report(id_, 600)
            for window in (own, every):
                window.shows("Rejected")
                assert window.said() == "The application of A. L. is now: Rejected"
            detail.shows("Rejected", "600")
            assert detail.said() == "The status is now: Rejected"
            own.choose("Status", "Pending")
            own.shows("There is no such application.")


def test_what_was_missed_while_the_connection_was_lost_shows_when_it_is_back(
    window_of: Open, anna: Json, annas: httpx2.Client, desk: Desk
) -> None:
    id_ = submit(annas, "IN")["id"]
    with (
        window_of(anna, f"{LIST}?country=IN") as window,
        window_of(anna, f"{LIST}/{id_}") as detail,
    ):
        window.shows("Live", "Pending")
        detail.shows("Report requested")
        window.lose_streams()
        detail.lose_streams()
        window.shows("Not live just now: connecting again.")
        desk.report(id_, 600)
        window.let_streams()
        detail.let_streams()
        window.shows("Live", "Rejected")
        window.shows_no("Pending")
        detail.shows("Rejected", "600")


def test_officers_share_a_queue_which_changes_by_itself(
    window_of: Open,
    base_url: str,
    client: httpx2.Client,
    officer: Json,
    annas: httpx2.Client,
    desk: Desk,
) -> None:
    ids = [submit(annas, "ES", amount_requested=f"{60 + at}000.00")["id"] for at in range(2)]
    for id_ in ids:
        desk.report(id_, 750)
    other = person(client, "officer")
    with window_of(officer) as window, window_of(other, "/console/queue") as others:
        window.follow("Queue")
        for each in (window, others):
            each.shows("Live", "EUR 60,000.00", "EUR 61,000.00")
        links = [link for link in window.links() if link.startswith(f"{LIST}/")]
        assert links.index(f"{LIST}/{ids[0]}") < links.index(f"{LIST}/{ids[1]}")
        with as_user(base_url, officer) as officers:
            assert officers.post(f"/api/applications/{ids[0]}/claim").status_code == 200
        assert annas.delete(f"/api/applications/{ids[1]}").status_code == 204
        for each in (window, others):
            each.shows_no("EUR 61,000.00")
        others.shows_no("EUR 60,000.00")
        window.shows("EUR 60,000.00")
