"""One application in a window: what one may do about it, and the forms for a new one."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import httpx2
import pytest

from application.countries import COUNTRIES
from tests.api.conftest import Json
from tests.api.console.conftest import LIST, Open, person
from tests.conftest import Database
from tests.support.credit import Desk, new_document, submit
from tests.support.serving import client_of, serving
from tests.support.staff import as_user
from tests.support.waiting import until
from tests.support.windows import Window


@pytest.fixture(scope="module")
def base_url(api_database: Database) -> Iterator[str]:
    with serving(api_database.url, FOUR_EYES_ABOVE="EUR:60000.00") as url:
        yield url


def test_an_officer_takes_an_application_and_approves_it_for_less(
    window_of: Open, officer: Json, annas: httpx2.Client, desk: Desk
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
        hers.shows("Credit score", "750")
        hers.shows_no("Reject", "Approve", "Banco Uno")
        window.shows("Reject", "Banco Uno")
        window.press("Reject")
        assert window.focused() == "reject-reason"
        window.type("Reason", "the payslips are not his")
        window.press("Reject")
        for each in (window, hers):
            each.shows("Rejected", "the payslips are not his")
            each.shows_no("Withdraw")


def test_what_one_officer_may_not_approve_alone_waits_for_a_second(
    window_of: Open, officer: Json, base_url: str, annas: httpx2.Client, desk: Desk
) -> None:
    id_ = submit(annas, "ES", amount_requested="61000.00")["id"]
    desk.report(id_, 750)
    with client_of(base_url, "admin", uuid4()) as another:  # who registered both could act as both
        colleague = person(another, "officer")
    with (
        window_of(officer, f"{LIST}/{id_}") as window,
        window_of(colleague, f"{LIST}/{id_}") as others,
    ):
        for each in (window, others):
            each.shows("Approve")
            each.shows_no("Waits for a second officer")
        for amount, button, end in (
            ("61000.00", "Ask no longer", "Manual review"),
            ("60500.00", "Refuse", "Manual review"),
            ("60600.00", "Agree", "Approved up to"),
        ):
            window.type("Amount in EUR, at most EUR 61,000.00", amount)
            window.press("Approve")
            window.shows(
                "Waits for a second officer", f"You approved EUR {amount[:2]},{amount[2:]}"
            )
            assert window.said() == "It waits for a second officer to agree."
            others.visit(f"{LIST}/{id_}")
            others.shows(f"Officer {officer['id']} approved EUR", "Agree", "Refuse")
            assert "Agree" not in window.text()
            who = window if button == "Ask no longer" else others
            who.press(button)
            who.shows(end)
            who.shows_no("Waits for a second officer")
            window.visit(f"{LIST}/{id_}")
            window.shows(end)
        window.shows("EUR 60,600.00")


def test_the_applicant_sees_who_saw_her_document(
    window_of: Open, anna: Json, officer: Json, annas: httpx2.Client, base_url: str, desk: Desk
) -> None:
    id_ = submit(annas, "ES")["id"]
    with window_of(anna, f"{LIST}/{id_}") as hers, window_of(officer, f"{LIST}/{id_}") as window:
        hers.shows("Who saw the document", "Nobody so far")
        desk.open(id_)
        hers.shows("Opened for the credit bureau: Document number, Full name", "Equifax")
        with as_user(base_url, officer) as client:
            asked = {"fields": ["phone"], "reason": "to call <b>back</b>"}
            assert client.post(f"/api/applications/{id_}/disclose", json=asked).is_success
        hers.shows("Shown in clear: Phone", "to call <b>back</b>", officer["id"])
        window.shows("Disclosed")
        window.shows_no("Who saw the document")


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


def test_the_applicant_asks_for_something_else_and_it_is_decided_anew(
    window_of: Open, anna: Json, annas: httpx2.Client, desk: Desk
) -> None:
    id_ = submit(annas, "ES", amount_requested="60000.00")["id"]
    desk.report(id_, 750)
    with window_of(anna, f"{LIST}/{id_}") as window:
        window.shows("Manual review", "EUR 60,000.00")
        window.type("Months", "many")
        window.press("Ask for this instead")
        window.shows("Months: Input should be a valid integer.")
        window.type("Amount in EUR", "900.50")
        window.type("Months", "18")
        window.press("Ask for this instead")
        window.shows("EUR 900.50", "18", "Pending")
        desk.report(id_, 750)
        window.shows("Approved")
        window.shows_no("Ask for this instead")


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
        window.shows("Nobody can apply with this document in MX now")


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
