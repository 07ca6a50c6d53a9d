"""Countries by the API: what their forms ask for and their rules in words are those that are enforced."""

from __future__ import annotations

import httpx2
import pytest

from application.countries import COUNTRIES
from tests.api.conftest import problem_of
from tests.support.credit import applying


def test_all_countries_are_told_of_by_their_codes(client: httpx2.Client) -> None:
    found = client.get("/api/countries").json()["data"]
    assert [country["code"] for country in found] == list(COUNTRIES)
    assert {"BR", "CO", "ES", "IN", "IT", "MX", "PT"} <= set(COUNTRIES)
    for country in found:
        assert country["rules_version"], country
        assert country["documents"], country


@pytest.mark.parametrize("code", COUNTRIES)
def test_a_country_tells_what_it_asks_for_and_how_it_decides(
    client: httpx2.Client, code: str
) -> None:
    answer = client.get(f"/api/countries/{code}")
    assert answer.status_code == 200, answer.text
    found, there = answer.json(), COUNTRIES[code]
    assert found["currency"] == there.currency
    assert found["transitions"] == {status: list(s) for status, s in there.transitions.items()}
    assert found["terms"]["annual_rate_bps"] == there.terms.annual_rate_bps
    fields = {field["name"]: field for field in found["form"]}
    assert {"full_name", "document_type", "document_number", "monthly_income"} <= set(fields)
    assert ("loan_type" in fields) == bool(there.loan_types)
    choices = {choice["value"] for choice in fields["document_type"]["choices"]}
    assert choices == {document.code for document in there.documents}
    assert any("500" in rule for rule in found["rules"])


def test_what_a_form_says_is_enough_to_apply(client: httpx2.Client) -> None:
    """With what is required, and nothing else."""
    for code in ("MX", "ES", "IN"):
        form = client.get(f"/api/countries/{code}").json()["form"]
        required = {field["name"] for field in form if field["is_required"]}
        body = applying(code)
        assert required == set(body) - {"country"}
        assert client.post("/api/applications", json=body).status_code == 202


def test_another_country_is_not_there(client: httpx2.Client) -> None:
    for code in ("FR", "mx", "M%C3%89"):
        answer = client.get(f"/api/countries/{code}")
        assert "MX" in problem_of(answer, 404, "country_not_found")["detail"]
