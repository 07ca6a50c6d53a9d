"""The console in a real browser, for what only one does: keys, focus, layout, colours and the policy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol

import httpx2
import pytest
from playwright.sync_api import Browser, expect

from tests.api.conftest import Json
from tests.api.console.conftest import LIST, kept_of
from tests.support.browser import Tab, chromium, tab
from tests.support.credit import Desk, new_document, submit
from tests.support.staff import STAFF_PASSWORD


class OpenTab(Protocol):
    """Opens a tab at a path, in which a user is logged in when one is given."""

    def __call__(self, path: str, user: Json | None = None) -> AbstractContextManager[Tab]: ...


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture(scope="module")
def open_tab(browser: Browser, base_url: str) -> OpenTab:
    logins: dict[str, dict[str, str]] = {}

    def kept_by(user: Json) -> dict[str, str]:
        if user["id"] not in logins:
            body = {"email": user["email"], "password": STAFF_PASSWORD}
            answer = httpx2.post(f"{base_url}/api/auth/login", json=body)
            logins[user["id"]] = kept_of(answer.json())
        return logins[user["id"]]

    def open_(path: str, user: Json | None = None) -> AbstractContextManager[Tab]:
        return tab(browser, base_url + path, kept_by(user) if user else None)

    return open_


def log_in(here: Tab, user: Json) -> None:
    """By the keyboard, from where the focus is when the page has come."""
    here.shows("Password")
    assert here.focused() == "E-mail"
    here.page.keyboard.type(user["email"])
    here.page.keyboard.press("Tab")
    here.page.keyboard.type(STAFF_PASSWORD)
    here.page.keyboard.press("Enter")
    here.shows("Credit applications")


def test_somebody_logs_in_and_applies_by_the_keyboard_alone(
    open_tab: OpenTab, anna: Json, annas: httpx2.Client
) -> None:
    document = new_document("MX")["document_number"]
    with open_tab("/console") as here:
        log_in(here, anna)
        assert here.focused() == "Credit applications"
        here.tab_to("New application in")
        here.page.keyboard.type("Mexico")
        here.tab_to("Begin")
        here.page.keyboard.press("Enter")
        here.shows("New application: Mexico")
        for label, text in {
            "Full name": "Ana López",
            "Document number": document,
            "Monthly income": "25000.00",
            "Amount": "60000",
            "Months (optional)": "12",
        }.items():
            here.tab_to(label)
            here.page.keyboard.type(text)
        here.page.keyboard.press("Enter")
        here.shows("Application of A. L.", "It was taken in", "MXN 60,000.00")
        assert here.focused() == "Application of A. L."
        made = annas.get(f"/api/applications/{here.page.url.rpartition('/')[2]}").json()
        assert (made["monthly_income"], made["months"]) == ("25000.00", 12)


def test_what_an_officer_decides_shows_in_the_windows_of_the_applicant(
    open_tab: OpenTab, anna: Json, officer: Json, annas: httpx2.Client, desk: Desk
) -> None:
    id_ = submit(annas, "ES", amount_requested="60000.00")["id"]
    desk.report(id_, 750)
    with (
        open_tab(f"{LIST}?country=ES&status=manual_review", officer) as office,
        open_tab(f"{LIST}/{id_}", anna) as own,
        open_tab(f"{LIST}?country=ES", anna) as all_,
    ):
        row = all_.page.get_by_role("row").filter(has=all_.page.locator(f"a[href='{LIST}/{id_}']"))
        expect(row).to_contain_text("Manual review")
        own.shows("Manual review")
        office.page.locator(f"a[href='{LIST}/{id_}']").click()
        office.press("Take it from the queue")
        office.shows("Put back into the queue")
        office.page.get_by_label("Amount in EUR, at most EUR 60,000.00").fill("45000.00")
        office.press("Approve")
        expect(row).to_contain_text("Approved")
        desk.go_on(id_)
        own.shows("Approved", "Offer", "EUR 45,000.00")
        own.press("Decline the offer")
        office.shows("Declined")
        office.page.go_back()
        office.shows("Credit applications")
        assert office.page.url.endswith("?country=ES&status=manual_review")
        assert office.focused() == "Credit applications"


def test_every_page_fits_the_window_and_everybody_can_use_it(
    open_tab: OpenTab, anna: Json, officer: Json, annas: httpx2.Client, desk: Desk
) -> None:
    waiting = submit(annas, "ES", amount_requested="60000.00")["id"]
    desk.report(waiting, 750)
    offered = submit(annas)["id"]
    desk.report(offered, 750)
    pages = [
        ("/console/login", None, "Password"),
        (LIST, officer, "EUR 60,000.00"),
        ("/console/queue", officer, "EUR 60,000.00"),
        (f"{LIST}/{waiting}", officer, "Take it from the queue"),
        (f"{LIST}/{offered}", anna, "You have no account in MXN"),
        (f"{LIST}/ES/new", anna, "Telephone"),
    ]
    for path, user, text in pages:
        with open_tab(path, user) as here:
            here.shows(text)
            if path.endswith("/new"):
                here.press("Apply")
                here.shows("is required")
            assert here.unreached() == [], path
            assert here.faults() == [], path


def test_a_window_that_is_reloaded_stays_logged_in_and_a_copy_does_not(
    open_tab: OpenTab, officer: Json
) -> None:
    with open_tab("/console") as here:
        log_in(here, officer)
        here.page.reload()
        here.shows("Log out")
        with here.page.expect_popup() as opening:
            here.page.evaluate("() => void open(location.href)")
        copy = opening.value
        expect(copy.get_by_label("Password")).to_be_visible()
        assert copy.evaluate("() => sessionStorage.length") == 0
        here.page.reload()
        here.shows("Log out")


ATTACKS = """async () => {
  const paragraph = document.createElement("p");
  const tries = {
    markup: () => { paragraph.innerHTML = "<b>bold</b>"; },
    script: () => { document.createElement("script").text = "1"; },
    request: () => fetch("http://127.0.0.1:1/"),
  };
  const refused = [];
  for (const [name, attempt] of Object.entries(tries))
    try { await attempt(); } catch { refused.push(name); }
  paragraph.setAttribute("style", "position: fixed");
  document.body.append(paragraph);
  if (getComputedStyle(paragraph).position === "static") refused.push("style");
  const form = document.createElement("form");
  document.body.append(form);
  form.submit();
  return refused;
}"""


def test_the_browser_refuses_what_the_policy_forbids(open_tab: OpenTab) -> None:
    with open_tab("/console/login") as here:
        here.shows("Password")
        refused = here.page.evaluate(ATTACKS)
        assert refused == ["markup", "script", "request", "style"]
        for directive in ("require-trusted-types-for", "connect-src", "style-src", "form-action"):
            here.complains(f"refused by {directive}")
        here.complaints.clear()
