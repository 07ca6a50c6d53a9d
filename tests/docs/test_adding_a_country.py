"""Who follows the document has a country: its two files in place, and nothing else touched."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from application.countries import COUNTRIES, Country
from tests.conftest import Database
from tests.docs.documents import blocks
from tests.support.processes import ROOT

DOCUMENT = ROOT / "docs" / "adding-a-country.md"
LANGUAGES = ("python", "json")
PRODUCT = ("api", "application", "domain", "migrations", "projections")

TRIES_IT = """
import json
from datetime import date

from application.countries import COUNTRIES, InvalidDocumentError, country_of
from application.countries.forms import form_of
from application.decisions import Decisions, Facts

day = date(2026, 6, 1)
country = country_of("ZZ")
kind = country.documents[0]


def checked(number):
    try:
        return kind.check(number)
    except InvalidDocumentError as error:
        return str(error)


decisions = Decisions.load(COUNTRIES)


def judged(score, amount):
    report = country.read_report({"score": score, "debt": "1250.00", "bank": "B", "status": "active"})
    facts = Facts(
        country="ZZ", document_type=kind.code, credit_score=report.credit_score,
        monthly_income=5_000_00, amount_requested=amount, total_debt=report.total_debt,
        currency=country.currency, months=country.terms.months,
    )
    verdict = decisions.judge(facts, day)
    return [verdict.decision, list(verdict.reasons), verdict.row, verdict.version]


print(json.dumps({
    "countries": list(COUNTRIES),
    "form": {field.name: field.default for field in form_of(country, day)},
    "checked": [checked(n) for n in ("ru 402-917-9", "RU4029178", "RU402917", "ＲＵ4029179")],
    "masked": kind.masked(kind.example),
    "judged": [
        judged(*facts)
        for facts in ((500, 30_000_00), (499, 30_000_00), (500, 30_000_01), (None, 1_00))
    ],
    "rules": len(decisions.rules_in_words("ZZ", day)),
    "health": decisions.health(),
}))
"""

TAKES_APPLICATIONS = """
import json
import sys

import api
from api.workers import running_worker
from tests.support import people
from tests.support.bureau import sandbox_bureau
from tests.support.credit import until_status
from tests.support.serving import client_of, serving
from tests.support.waiting import until

house, folder, url = sys.argv[1:]
assert api.__file__.startswith(house), "another product"


def applied(client, document, amount):
    body = {
        "country": "ZZ", "full_name": "Rudolf Rassendyll", "document_number": document,
        "monthly_income": "5000.00", "amount_requested": amount,
    }
    return client.post("/api/applications", json=body).json()


with sandbox_bureau() as bureau, serving(url) as base, client_of(base) as client:
    there = client.get("/api/countries/ZZ").json()
    good, bad = there["documents"][0]["example"], "RU4029187"
    bureau.set_scores({good: 500, bad: 499})
    yes, no = applied(client, good, "30000.00"), applied(client, bad, "1.00")
    wrong = applied(client, "RU4029178", "1.00")
    settings = people.settings(BUREAU_URL=bureau.url, BUREAU_TOKEN=bureau.token, DATA_DIR=folder)
    with running_worker(settings, url):
        rejected = until_status(client, no["id"], "rejected")
        until_status(client, yes["id"], "approved")
        path = "/api/applications/" + yes["id"]
        until(lambda: client.get(path).json()["offer"])
        approved = client.get(path).json()

print(json.dumps({
    "rules": there["rules"],
    "before": [yes["status"], no["status"]],
    "wrong": [wrong["reason"], wrong["details"]["document_type"]],
    "rejected": rejected["decision_reasons"],
    "approved": {name: approved[name] for name in ("status", "currency", "document_number")},
    "offer": [approved["offer"][name] for name in ("amount", "months", "annual_rate_bps")],
    "bank": approved["report"]["bank_name"],
}))
"""


def files_shown() -> dict[str, str]:
    """By path, each file as the document shows it: its path is said in the paragraph before."""
    paths = re.findall(r"^`(application/countries/zz/[^`]+)`", DOCUMENT.read_text(), re.MULTILINE)
    texts = [b.text for b in blocks() if b.document == DOCUMENT.name and b.language in LANGUAGES]
    return dict(zip(paths, texts, strict=True))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the product in which the document was followed."""
    house = tmp_path_factory.mktemp("house")
    for package in PRODUCT:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, house / package, ignore=ignored)
    for path, text in files_shown().items():
        (house / path).parent.mkdir(parents=True, exist_ok=True)
        (house / path).write_text(text)
    return house


def run(house: Path, program: str, *arguments: object, beside: tuple[Path, ...] = ()) -> Any:
    """What a program prints that sees the product in that house and no other; tests may be `beside` it."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, *map(str, arguments)],
        cwd=house,
        env={
            "PYTHONPATH": os.pathsep.join(map(str, (house, *beside))),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUTF8": "1",
        },
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_the_document_shows_a_package_and_its_table() -> None:
    assert list(files_shown()) == [
        "application/countries/zz/__init__.py",
        "application/countries/zz/decisions/2026-01-01.json",
    ]


def test_a_country_that_was_added_is_served_like_the_others(house: Path) -> None:
    found = run(house, TRIES_IT)
    assert found["countries"] == [*COUNTRIES, "ZZ"]
    assert found["form"]["document_type"] == "id_number"
    assert found["form"]["months"] == "24"
    assert found["checked"] == [
        "RU4029179",
        "The check digit does not match: is a character mistyped, or are two of them swapped?",
        "An identity number has RU and 7 digits.",
        "It has characters other than A to Z, 0 to 9, space, dot and dash.",
    ]
    assert found["masked"] == "RU*****79"
    assert found["judged"] == [
        ["approve", ["Passes all business rules"], "passes", "2026-01-01"],
        ["reject", ["Very low credit score"], "very-low-score", "2026-01-01"],
        [
            "manual_review",
            ["Requested amount exceeds 6x monthly income"],
            "amount-over-6x-income",
            "2026-01-01",
        ],
        ["manual_review", ["Banking data missing"], "", "2026-01-01"],
    ]
    assert found["rules"] == 3
    assert found["health"] == {**dict.fromkeys(COUNTRIES, "ok"), "ZZ": "ok"}


def test_who_lives_there_can_apply(house: Path, tmp_path: Path, database: Database) -> None:
    found = run(house, TAKES_APPLICATIONS, house, tmp_path, database.url, beside=(ROOT,))
    assert len(found["rules"]) == 3
    assert found["wrong"] == ["invalid_document", "id_number"]
    assert found["before"] == ["pending", "pending"], "no worker runs yet"
    assert found["rejected"] == ["Very low credit score"]
    assert found["approved"] == {
        "status": "approved", "currency": "CHF", "document_number": "RU*****79",
    }  # fmt: skip
    assert found["offer"] == ["30000.00", 24, 950]
    assert found["bank"]


def row_of(country: Country) -> str:
    terms = country.terms
    cells = (
        f"{country.code} {country.name}",
        country.currency,
        ", ".join(document.code for document in country.documents),
        country.bureau,
        f"{terms.annual_rate_bps // 100}.{terms.annual_rate_bps % 100:02} %",
        f"{terms.min_months}–{terms.max_months} ({terms.months})",
        terms.method,
        terms.day_count,
        f"{terms.offer_days} days",
    )
    return f"| {' | '.join(cells)} |"


def test_the_document_has_the_countries_and_their_terms() -> None:
    rows = re.findall(r"^\| [A-Z]{2} .*$", DOCUMENT.read_text(), re.MULTILINE)
    assert rows == [row_of(country) for country in COUNTRIES.values()]
