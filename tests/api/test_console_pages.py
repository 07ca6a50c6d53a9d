"""The console as people use it: in windows that run its modules against a real API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol

import httpx2
import pytest

from application.countries import COUNTRIES
from application.ledger import Ledger
from tests.api.conftest import Bank, Json
from tests.conftest import Database
from tests.support.credit import Desk, new_document, submit
from tests.support.staff import STAFF_PASSWORD, as_user, make
from tests.support.visitors import new_email
from tests.support.waiting import until
from tests.support.windows import Console, Window, opened

LIST = "/console/credit-applications"


class Open(Protocol):
    """Opens a window in which somebody is logged in, at an address."""

    def __call__(self, user: Json, path: str = LIST) -> AbstractContextManager[Window]: ...


@pytest.fixture(scope="module")
def console(base_url: str, tmp_path_factory: pytest.TempPathFactory) -> Console:
    return Console(base_url, tmp_path_factory.mktemp("console"))


@pytest.fixture(scope="module")
def desk(api_database: Database) -> Iterator[Desk]:
    with Ledger(api_database.url) as ledger:
        yield Desk(ledger, api_database.url)


def person(client: httpx2.Client, role: str = "user") -> Json:
    """A new user with the address in clear."""
    email = new_email()
    return {**make(client, role, email), "email": email}


@pytest.fixture(scope="module")
def anna(client: httpx2.Client) -> Json:
    return person(client)


@pytest.fixture(scope="module")
def annas(base_url: str, anna: Json) -> Iterator[httpx2.Client]:
    with as_user(base_url, anna) as client:
        yield client


@pytest.fixture(scope="module")
def officer(client: httpx2.Client) -> Json:
    return person(client, "officer")


@pytest.fixture(scope="module")
def window_of(console: Console, base_url: str) -> Open:
    """Each user logs in by the page once; later windows are given a session of their own."""

    def open_(user: Json, path: str = LIST) -> AbstractContextManager[Window]:
        body = {"email": user["email"], "password": STAFF_PASSWORD}
        answer = httpx2.post(f"{base_url}/api/auth/login", json=body).json()
        return opened(console, path, kept_of(answer))

    return open_


def kept_of(login: Json, expires_at: int = 2**52) -> dict[str, str]:
    """What the console keeps of a login; `expires_at` in milliseconds."""
    kept = {name: login[name] for name in ("access_token", "refresh_token", "user")}
    return {"daybook.session": json.dumps({**kept, "expires_at": expires_at, "window": "w"})}


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


def test_tokens_are_renewed_once_before_they_expire_and_nobody_notices(
    console: Console, base_url: str, anna: Json
) -> None:
    body = {"email": anna["email"], "password": STAFF_PASSWORD}
    login = httpx2.post(f"{base_url}/api/auth/login", json=body).json()
    with opened(console, LIST, kept_of(login, expires_at=0)) as window:
        window.shows("Live")  # the list and the stream asked at once: a token used twice ends all
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
            detail.shows("Report requested", "There is none yet.")
            desk.report(id_, 600)
            for window in (own, every):
                window.shows("Rejected")
                assert window.said() == "The application of A. L. is now: Rejected"
            detail.shows("Rejected", "600")
            assert detail.said() == "The status is now: Rejected"
            own.choose("Status", "Pending")
            own.shows("There is no such application.")


def test_an_officer_takes_an_application_and_approves_it_for_less(
    window_of: Open, officer: Json, annas: httpx2.Client, desk: Desk, bank: Bank
) -> None:
    id_ = submit(annas, "ES", amount_requested="60000.00")["id"]
    desk.report(id_, 750)
    with window_of(officer, f"{LIST}?status=manual_review&country=ES") as window:
        window.shows("EUR 60,000.00")
        window.follow("A. L.")
        window.shows("Application of A. L.", "Manual review", "Take it from the queue")
        assert window.focused() == "H1"
        window.press("Take it from the queue")
        window.shows("Put back into the queue", "Claimed")
        window.type("Amount in EUR, at most EUR 60,000.00", "70000")
        window.press("Approve")
        window.shows("more than")
        window.type("Amount in EUR, at most EUR 60,000.00", "45000.00")
        window.press("Approve")
        window.shows("Approved", "EUR 45,000.00")
        window.shows_no("Reject")
        desk.go_on(id_)
        window.shows("Offer", "Made", "% a year")
        window.shows_no("Accept the offer")


def test_an_officer_rejects_with_a_reason_which_the_applicant_sees(
    window_of: Open, anna: Json, officer: Json, annas: httpx2.Client, desk: Desk
) -> None:
    id_ = submit(annas, "ES", amount_requested="60000.00")["id"]
    desk.report(id_, 750)
    with window_of(officer, f"{LIST}/{id_}") as window, window_of(anna, f"{LIST}/{id_}") as hers:
        hers.shows("Manual review")
        hers.shows_no("Reject", "Approve")
        window.shows("Reject")
        window.press("Reject")
        assert window.focused() == "reject-reason"
        window.type("Reason", "the payslips are not his")
        window.press("Reject")
        for each in (window, hers):
            each.shows("Rejected", "the payslips are not his")
            each.shows_no("Withdraw")


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


def test_what_changed_meanwhile_is_not_decided_on(
    window_of: Open, officer: Json, annas: httpx2.Client, desk: Desk
) -> None:
    id_ = submit(annas, "ES", amount_requested="60000.00")["id"]
    desk.report(id_, 750)
    with window_of(officer, f"{LIST}/{id_}") as window:
        window.shows("Approve")
        window.lose_streams()  # it shows what was, from now on
        changed = annas.put(f"/api/applications/{id_}", json={"amount_requested": "90000.00"})
        assert changed.status_code == 202, changed.text
        desk.report(id_, 750)
        window.press("Approve")
        window.shows("Changed meanwhile", "EUR 90,000.00")
        assert annas.get(f"/api/applications/{id_}").json()["status"] == "manual_review"


def test_the_applicant_accepts_an_offer_for_an_account_of_hers(
    window_of: Open, anna: Json, annas: httpx2.Client, desk: Desk
) -> None:
    id_ = submit(annas)["id"]
    desk.report(id_, 750)
    with window_of(anna, f"{LIST}/{id_}") as window:
        window.shows("Accept the offer", "You have no account in MXN")
        body = {"name": "For a car", "type": "checking", "currency": "MXN"}
        made = annas.post("/api/accounts", json=body).json()
        shown = annas.get("/api/accounts", params={"min_position": made["position"]})
        assert shown.status_code == 200, shown.text
        window.visit(f"{LIST}/{id_}")
        window.shows("Pay the money to")
        until(lambda: "For a car (MXN)" in window.choices("Pay the money to"))
        window.choose("Pay the money to", "For a car (MXN)")
        window.press("Accept the offer")
        window.shows("Accepted")
        window.shows_no("Decline the offer")


@pytest.mark.parametrize(
    ("button", "shown"), [("Decline the offer", "Declined"), ("Withdraw", "Withdrawn")]
)
def test_the_applicant_does_not_want_it(
    window_of: Open, anna: Json, annas: httpx2.Client, desk: Desk, button: str, shown: str
) -> None:
    id_ = submit(annas)["id"]
    desk.report(id_, 750)
    with window_of(anna, f"{LIST}/{id_}") as window:
        window.shows(button)
        window.press(button)
        window.shows(shown)
        window.shows_no("What you can do")


def test_the_form_of_each_country_asks_what_the_country_asks(window_of: Open, anna: Json) -> None:
    with window_of(anna) as window:
        for code, country in COUNTRIES.items():
            window.visit(LIST)
            window.shows("New application in")
            window.choose("New application in", country.name)
            window.press("Begin")
            window.shows(f"New application: {country.name}", country.bureau)
            assert window.path() == f"{LIST}/{code}/new"
            labels = [document.label for document in country.documents]
            asked = labels if len(labels) == 1 else ["Choose", *labels]
            assert window.choices("Document") == asked
            window.choose("Document", labels[-1])
            window.shows(f"Like {country.documents[-1].example}")
            assert ("What the loan is for" in window.text()) == bool(country.loan_types)


def test_what_is_typed_is_checked_while_it_is_typed(window_of: Open, anna: Json) -> None:
    with window_of(anna, f"{LIST}/MX/new") as window:
        window.shows("Monthly income")
        assert window.wrong("Monthly income") == ""
        window.type("Monthly income", "-100")
        assert window.wrong("Monthly income") == "must be greater than 0"
        window.type("Monthly income", "25000")
        assert window.wrong("Monthly income") == ""
        window.type("Full name", "A")
        assert window.wrong("Full name") == "", "it is still typed"
        window.leave("Full name")
        assert window.wrong("Full name") == "must have at least 2 characters"
        window.type("Document number", "12345")
        window.shows("A CURP mostly looks like")
        window.press("Apply")
        assert window.wrong("Amount") == "is required"
        assert window.focused() == "field-full_name"
        assert window.path() == f"{LIST}/MX/new"


def test_an_application_is_made_and_shown(
    window_of: Open, anna: Json, annas: httpx2.Client
) -> None:
    document = new_document("MX")
    number = document["document_number"]
    with window_of(anna, f"{LIST}/mx/new") as window:
        window.shows("Full name")
        fill(window, number[:-1] + str((int(number[-1]) + 1) % 10))
        window.press("Apply")
        window.shows("check digit")
        assert "check digit" in window.wrong("Document number")
        assert window.focused() == "field-document_number"
        window.type("Document number", number)
        window.press("Apply")
        window.shows("Application of A. L.", "It was taken in", "Pending", "MXN 60,000.00")
        id_ = window.path().removeprefix(f"{LIST}/")
        made = annas.get(f"/api/applications/{id_}").json()
        assert (made["monthly_income"], made["months"]) == ("25000.00", 12)
        assert number not in window.text(), "it is masked"
        window.visit(f"{LIST}/MX/new")
        window.shows("Full name")
        fill(window, number)
        window.press("Apply")
        window.shows("There is an application with this document in MX already")


def fill(window: Window, number: str) -> None:
    fields = {
        "Full name": "Ana López",
        "Document number": number,
        "Monthly income": "25000.00",
        "Amount": "60000",
        "Months (optional)": "12",
    }
    for label, text in fields.items():
        window.type(label, text)


def test_staff_bring_an_application_for_somebody(
    window_of: Open, anna: Json, officer: Json, annas: httpx2.Client
) -> None:
    with window_of(officer, f"{LIST}/MX/new") as window:
        window.shows("Full name")
        fill(window, new_document("MX")["document_number"])
        window.type("Id of the customer, if there is one (optional)", anna["id"])
        window.press("Apply")
        window.shows("Application of A. L.")
        window.shows_no("Take it from the queue")
        id_ = window.path().removeprefix(f"{LIST}/")
    assert annas.get(f"/api/applications/{id_}").json()["owner_id"] == anna["id"]


@pytest.mark.parametrize("role", ["auditor", "support", "operator"])
def test_who_may_not_apply_is_led_back_and_told(
    window_of: Open, client: httpx2.Client, role: str
) -> None:
    with window_of(person(client, role), f"{LIST}/MX/new") as window:
        window.shows(
            f"With the role {role} nobody applies for credit: ask an admin or a credit officer."
        )
        assert window.path() == LIST
        assert "Begin" not in window.text()
        if role == "operator":
            window.shows("Not allowed")


def test_what_is_not_there_is_said(
    window_of: Open, anna: Json, officer: Json, client: httpx2.Client
) -> None:
    others = submit(client)["id"]
    with window_of(anna, f"{LIST}/{others}") as window:
        window.shows("Application not found")
        window.visit(f"{LIST}/FR/new")
        window.shows("Country not found")
        window.visit("/console/nowhere")
        window.shows("No such page")
        window.follow("To the applications")
        window.shows("Credit applications")
