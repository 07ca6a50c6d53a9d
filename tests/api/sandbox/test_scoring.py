"""What the bureau knows of people: the CIBIL score by its table, and reports that each country can read."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from hashlib import sha256
from itertools import count, product
from uuid import UUID, uuid4

import msgspec
import pytest

from api.sandbox.report_shapes import SHAPES, garbled, report_of
from api.sandbox.scoring import OTHERS, RANGES, Asked, Fixed, Known, fixed, known_of
from application.countries.catalogue import COUNTRIES
from application.countries.country import UnreadableReportError
from domain.money import parse_decimal

NOBODY = fixed({})


def asked(country: str = "IN", document: str = "AAAPA0000A", **more: object) -> Asked:
    given: dict[str, object] = {
        "report_id": uuid4(), "application_id": uuid4(), "country": country,
        "document_type": "pan", "document_number": document, "full_name": "Jo",
        "monthly_income": Decimal(50_000), **more,
    }  # fmt: skip
    return msgspec.convert(given, Asked)


def _with_drift(drift: int) -> UUID:
    """An application whose score differs by this."""
    ids = (UUID(int=number) for number in count(1))
    return next(
        id_
        for id_ in ids
        if int.from_bytes(sha256(str(id_).encode()).digest()[:8], "big") % 11 - 5 == drift
    )


DRIFTS = {drift: _with_drift(drift) for drift in range(-5, 6)}

INCOMES = {
    "0.01": -20, "29999.99": -20, "30000": 0, "75000": 0, "75000.01": 40, "1e9": 40,
}  # fmt: skip
LOANS = {"PERSONAL": -10, "HOME": 10, "AUTO": 0, "": 0}


def test_a_cibil_score_is_what_the_table_says_in_every_combination() -> None:
    for (income, more), (loan, for_loan), drift in product(INCOMES.items(), LOANS.items(), DRIFTS):
        about = asked(application_id=DRIFTS[drift], monthly_income=Decimal(income), loan_type=loan)
        known = known_of(about, NOBODY)
        assert known.score == 650 + more + for_loan + drift, (income, loan, drift)


@pytest.mark.parametrize(("pan", "score"), [("ABCDE1234F", 790), ("FGHIJ5678K", 610)])
def test_a_test_pan_has_its_score_whatever_else_is_asked(pan: str, score: int) -> None:
    for income, loan, drift in product(INCOMES, LOANS, (-5, 5)):
        about = asked(
            document=pan,
            application_id=DRIFTS[drift],
            monthly_income=Decimal(income),
            loan_type=loan,
        )
        assert known_of(about, NOBODY).score == score


def test_the_same_application_has_the_same_score_each_time() -> None:
    for country in (*RANGES, "ZZ"):
        about = asked(country)
        again = asked(country, application_id=about.application_id)
        assert known_of(about, NOBODY) == known_of(again, NOBODY)


def test_scores_and_debts_are_those_of_the_country_and_reach_its_ends() -> None:
    for country, range_ in {**RANGES, "ZZ": OTHERS}.items():
        found = [
            known_of(asked(country, application_id=UUID(int=number)), NOBODY)
            for number in range(3_000)
        ]
        scores = {known.score for known in found if known.score is not None}
        debts = {int(known.debt) for known in found}
        # In India nothing but the drift is left of what the score depends on.
        low, high = (645, 655) if country == "IN" else range_.scores
        assert (min(scores), max(scores)) == (low, high), country
        assert range_.debts[0] <= min(debts) <= max(debts) <= range_.debts[1], country
    assert (RANGES["MX"].scores, RANGES["CO"].scores) == ((650, 799), (700, 899))
    assert (RANGES["MX"].debts, RANGES["CO"].debts) == ((0, 0), (500_000, 5_500_000))


def test_what_is_said_of_a_document_holds_however_it_is_written() -> None:
    said = fixed({"390.533.447-05": 640, "12345678z": None, "X": Fixed(700, Decimal("12.5"))})
    for document, known in (
        ("39053344705", Known(640)),
        ("12345678Z", Known(None)),
        ("x", Known(700, Decimal("12.5"))),
        ("ABCDE1234F", Known(790)),
    ):
        assert known_of(asked(document=document), said) == known
    assert known_of(asked(document="ABCDE1234F"), fixed({"ABCDE1234F": 300})) == Known(300)


KNOWN = [
    Known(None), Known(300), Known(599), Known(600), Known(900), Known(712, Decimal("0.01")),
    Known(712, Decimal(999)), Known(712, Decimal("5000.01")), Known(712, Decimal("1234567.89")),
]  # fmt: skip


@pytest.mark.parametrize("code", sorted(COUNTRIES))
def test_a_country_reads_what_its_bureau_writes(code: str) -> None:
    country = COUNTRIES[code]
    for known in KNOWN:
        text = msgspec.json.encode(report_of(asked(code), known))
        report = country.read_report(msgspec.json.decode(text))
        assert report.credit_score == known.score
        if report.total_debt is not None or known.score is not None:
            assert report.total_debt == parse_decimal(str(known.debt), country.currency)
        if known.score is not None:
            status = "current" if known.score >= 600 else "in_arrears"
            assert (report.account_status, report.bank_name != "") == (status, True)
            assert report.is_verified or status == "in_arrears"


def test_each_country_has_a_bureau_with_a_way_of_its_own() -> None:
    assert set(SHAPES) == set(COUNTRIES)
    shapes: dict[str, Callable[..., object]] = dict(SHAPES)
    written = {frozenset(report_of(asked(code), Known(700))) for code in (*shapes, "ZZ")}
    assert len(written) == len(shapes) + 1


def test_no_country_can_read_what_is_garbled() -> None:
    for code, country in COUNTRIES.items():
        with pytest.raises(UnreadableReportError):
            country.read_report(garbled(report_of(asked(code), Known(700))))
