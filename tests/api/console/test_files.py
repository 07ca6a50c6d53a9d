"""The console's files as they are served, and what its modules say of fields, roles and colours."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api.routes.console import VERSION
from application.countries import COUNTRIES
from application.countries.forms import form_of
from domain.credit_applications import STATUSES
from domain.policies import reach
from domain.users import ROLES
from tests.api.conftest import problem_of
from tests.support.staff import STAFF_PASSWORD, make
from tests.support.visitors import new_email
from tests.support.windows import NODE, Console, Page

FOLDER = Path(__file__).parents[3] / "api" / "console"
ASSETS = f"/console/assets/{VERSION}"
SOME_ID = "01a20313-c7b4-7fda-93d5-f1cb05bdebc0"
"""Of nothing: the page is the same whatever there is."""


@pytest.fixture(scope="module")
def anybody(base_url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=base_url) as client:
        yield client


@pytest.mark.parametrize(
    "path",
    [
        "/console",
        "/console/",
        "/console/login",
        "/console/queue",
        "/console/credit-applications?country=MX",
        f"/console/credit-applications/{SOME_ID}",
        "/console/credit-applications/MX/new",
    ],
)
def test_every_address_is_the_same_page_which_runs_its_own_files_only(
    anybody: httpx2.Client, path: str
) -> None:
    answer = anybody.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    policy = dict(
        part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["form-action"] == policy["trusted-types"] == "'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.text == anybody.get("/console").text


def test_the_page_has_nothing_inline_and_all_that_it_names_is_there(anybody: httpx2.Client) -> None:
    page = Page(anybody.get("/console").text)
    assert page.tree[1]["lang"] == "en"
    named = []
    for tag, attributes in page.elements:
        assert tag != "style"
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        named += [attributes[name] for name in ("src", "href") if name in attributes]
    assert "script" in dict(page.elements)
    for address in named:
        if not address.startswith("#"):
            assert address.startswith("/"), "from this server"
            assert anybody.get(address).status_code == 200, address


@pytest.mark.parametrize("name", sorted(each.name for each in FOLDER.iterdir()))
def test_every_file_is_served_for_ever_under_the_version_of_all(
    anybody: httpx2.Client, name: str
) -> None:
    answer = anybody.get(f"{ASSETS}/{name}")
    if name == "index.html":
        problem_of(answer, 404, "route_not_found")
        return
    assert answer.content == (FOLDER / name).read_bytes()
    assert "immutable" in answer.headers["cache-control"]
    kinds = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
    assert answer.headers["content-type"].startswith(kinds[name.rpartition(".")[2]])
    assert anybody.head(f"{ASSETS}/{name}").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/console/nowhere",
        "/console/credit-applications/MX",
        "/console/credit-applications/MX/new/er",
        f"/console/assets/{'0' * 16}/main.js",
        f"{ASSETS}/nothing.js",
        f"{ASSETS}/..%2f..%2fwiring.py",
        f"{ASSETS}/%2e%2e/wiring.py",
        "/consoles",
    ],
)
def test_nothing_else_is_there(anybody: httpx2.Client, path: str) -> None:
    problem_of(anybody.get(path), 404, "route_not_found")


def test_the_modules_make_no_markup_of_text_and_leave_nothing_unused(console: Console) -> None:
    assert {*console.modules} == {each.name for each in FOLDER.glob("*.js")}
    for name, text in console.modules.items():
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|Function\(", text
        ), name
        assert not re.search(r"https?://", text), f"{name} asks somebody else"
        assert "localStorage" not in text, f"{name} keeps what is to be gone with the window"


def run(
    console: Console, module: str, expression: str, given: object = None, before: str = ""
) -> Any:
    """What an expression on a module's names and `given` is, after some statements."""
    code = f"const m = await import({json.dumps(str(console.script.parent / module))});"
    code += f"const given = {json.dumps(given)}; {before}"
    code += f"console.log(JSON.stringify({expression}))"
    done = subprocess.run(
        [NODE, "--input-type=module", "-e", code], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_roles_and_statuses_are_those_of_the_api(console: Console) -> None:
    may = run(console, "words.js", "m.MAY")
    for name, roles in may.items():
        assert set(roles) == {role for role in ROLES if reach(role, f"applications.{name}")}, name
    assert list(run(console, "words.js", "m.STATUSES")) == list(STATUSES)


MONEY = {"kind": "money", "is_required": True, "minimum": "0.01", "maximum": "1000000.00"}
WHOLE = {"kind": "whole", "is_required": False, "minimum": "6", "maximum": "60"}
DATE = {"kind": "date", "is_required": False, "minimum": "1926-01-01", "maximum": "2008-12-31"}
PHONE = {"kind": "phone", "is_required": False, "min_length": 10, "max_length": 15}
NAME = {"kind": "text", "is_required": True, "min_length": 2, "max_length": 5}

VALUES = [
    (MONEY, "-100", "must be greater than 0"),
    (MONEY, "0", "must be greater than 0"),
    (MONEY, "0.00", "must be greater than 0"),
    (MONEY, "0.01", ""),
    (MONEY, "0.001", "must have at most 2 decimals"),
    (MONEY, "1000000.00", ""),
    (MONEY, "1000000", ""),
    (MONEY, "1000000.01", "must be at most 1000000.00"),
    (MONEY, "1,000", "must be an amount like 25000.00"),
    (MONEY, "1e3", "must be an amount like 25000.00"),
    (MONEY, " ", "is required"),
    (MONEY | {"minimum": "1"}, "1.5", "must have at most 0 decimals"),
    (WHOLE, "", ""),
    (WHOLE, "5", "must be at least 6"),
    (WHOLE, "6", ""),
    (WHOLE, "61", "must be at most 60"),
    (WHOLE, "6.5", "must be a whole number"),
    (DATE, "1925-12-31", "must be 1926-01-01 or later"),
    (DATE, "2008-12-31", ""),
    (DATE, "2009-01-01", "must be 2008-12-31 or earlier"),
    (DATE, "31.12.2008", "must be a date like 1990-01-31"),
    (PHONE, "+525512345678", ""),
    (PHONE, "123456789", "must be 10 to 15 digits, with the country's number"),
    (PHONE, "55-1234-5678", "must be 10 to 15 digits, with the country's number"),
    (NAME, "A", "must have at least 2 characters"),
    (NAME, " Anna ", ""),
    (NAME, "Annabe", "must have at most 5 characters"),
    ({"kind": "email", "is_required": False}, "ana@", "must be an address like name@example.com"),
    ({"kind": "email", "is_required": False}, "ana@example.com", ""),
    ({"kind": "id", "is_required": False}, "ana", "must be an id"),
    ({"kind": "id", "is_required": False}, SOME_ID, ""),
]  # fmt: skip


def test_what_is_wrong_with_a_value_is_said_in_words(console: Console) -> None:
    said = run(console, "fields.js", "given.map(([field, value]) => m.check(field, value))", VALUES)
    assert said == [message for _, _, message in VALUES]


def test_what_countries_give_as_examples_looks_right_however_it_is_written(
    console: Console,
) -> None:
    documents = [document for country in COUNTRIES.values() for document in country.documents]
    given = [
        ({"pattern": each.pattern}, number)
        for each in documents
        for number in (
            each.example,
            f" {each.example.lower()} ",
            f"{each.example[:3]}-{each.example[3:]}",
            "?",
        )
    ]
    looks = run(
        console, "fields.js", "given.map(([choice, value]) => m.looksRight(choice, value))", given
    )
    assert looks == [True, True, True, False] * len(documents)


def test_every_kind_of_field_is_known(console: Console) -> None:
    kinds = {field.kind for each in COUNTRIES.values() for field in form_of(each, date(2026, 1, 1))}
    assert kinds == {"text", "choice", "money", "whole", "date", "email", "phone"}


STREAM = (
    b': still here\n\nevent: step\nid: 7\ndata: {"a":\ndata: 1}\n\n'
    b'event: end\r\ndata: "\xc3\xa9"\r\n\r\nid: 9\n\ndata: 3'
)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_events_are_read_however_their_bytes_come(console: Console, size: int) -> None:
    chunks = [list(STREAM[at : at + size]) for at in range(0, len(STREAM), size)]
    body = "new ReadableStream({start(c) { given.forEach((x) => c.enqueue(new Uint8Array(x))); c.close(); }})"
    events = run(console, "live.js", f"await Array.fromAsync(m.eventsOf({body}))", chunks)
    assert events == [
        {"id": "7", "name": "step", "data": '{"a":\n1}'},
        {"id": "", "name": "end", "data": '"é"'},
    ]


def test_a_broken_stream_goes_on_after_the_last_event(console: Console) -> None:
    """`given` are the bodies of one connection after the other."""
    before = """
        const asked = [], told = [], states = [];
        const stop = new AbortController();
        const api = { stream: async (_, last) => {
            asked.push(last);
            return new Response(given.shift()).body;
        } };
        await m.follow(api, "/stream", {
            signal: stop.signal,
            onOpen: () => states.push("open"),
            onLost: () => states.push("lost"),
            onEvent: (name, data) => { told.push(data); if (data === 3) stop.abort(); },
        });
    """
    bodies = ["id: 7\ndata: 1\n\ndata: 2\n\nid: 8\nda", "id: 9\ndata: 3\n\n"]
    found = run(console, "live.js", "[asked, told, states]", bodies, before)
    assert found == [["", "7"], [1, 2, 3], ["open", "lost", "open"]]


def test_requests_at_once_renew_the_token_once(console: Console, client: httpx2.Client) -> None:
    """Used a second time a refresh token ends the session."""
    email = new_email()
    make(client, "officer", email)
    login = client.post("/api/auth/login", json={"email": email, "password": STAFF_PASSWORD}).json()
    kept = {**login, "expires_at": 0, "window": "w"}
    before = """
        const kept = { getItem: () => JSON.stringify(given.kept), setItem() {}, removeItem() {} };
        Object.defineProperty(globalThis, "sessionStorage", { value: kept });
        const reach = globalThis.fetch;
        globalThis.fetch = (url, options) => reach(given.base + url, options);
        const api = new m.Api(() => {});
        const lists = [1, 2, 3].map(() => api.get("/api/applications"));
    """
    found = run(
        console,
        "api.js",
        "(await Promise.all([...lists, api.get('/api/countries')])).length",
        {"kept": kept, "base": console.base_url},
        before,
    )
    assert found == 4


def test_all_colours_can_be_read_in_both_schemes() -> None:
    """4.5 to 1 for text (WCAG 2.2, AA)."""
    css = (FOLDER / "console.css").read_text()
    schemes = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    assert len(schemes) == 2
    for scheme in schemes:
        colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", scheme))
        for ink in ("ink", "soft", "brand", "bad", "good", "wait"):
            for paper in ("paper", "shade"):
                assert contrast(colours[ink], colours[paper]) >= 4.5, (ink, paper)
        assert contrast(colours["on-brand"], colours["brand"]) >= 4.5


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
