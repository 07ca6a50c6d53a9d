"""`daybook decisions`: whoever writes a table looks it over and tries it before it decides about anybody."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from api.cli.decisions import app
from application.countries.catalogue import COUNTRIES, decision_files
from tests.application.decisions.building import cell, changed, document, rules
from tests.docs.documents import blocks


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


def asked(status: int, *arguments: object) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == status, result.output
    return json.loads(result.stdout)


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    return written(tmp_path, document())


def written(folder: Path, content: object, name: str = "table.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(content))
    return path


def test_a_sound_table_is_told_in_words(sound: Path) -> None:
    result = run("validate", sound)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "Credit (MX) may be used. The first rule that fits decides:",
        "- Score below 600: rejected (Low)",
        "- Amount above monthly income × 4: rejected (Much)",
        "- Score at least 600: approved (Fine)",
    ]
    (told,) = asked(0, "validate", sound)
    assert (told["country"], told["problems"], len(told["rules"])) == ("MX", [], 3)


def test_an_unsound_table_is_told_with_all_its_problems(tmp_path: Path) -> None:
    path = written(tmp_path, changed(cell(1, "a", "> salary"), cell(2, "s", "")))
    result = run("validate", path)
    assert result.exit_code == 1
    assert "2 problem(s)" in result.stderr
    for words in ("Credit", "much", "Amount", "salary is nothing known", "fine"):
        assert words in result.stdout
    (told,) = asked(1, "validate", path)
    assert [(one["row"], one["column"]) for one in told["problems"]] == [
        ("much", "Amount"),
        ("fine", ""),
    ]
    assert run("test", path).exit_code == 1


@pytest.mark.parametrize("content", ["", "{", "\x00" * 100_000])
def test_what_is_no_table_is_told_without_a_trace(tmp_path: Path, content: str) -> None:
    path = tmp_path / "table.json"
    path.write_text(content)
    result = run("validate", path)
    assert (result.exit_code, type(result.exception)) == (1, SystemExit)
    assert "may not be used: 1 problem(s)" in result.stderr


def test_each_row_of_the_tables_in_use_decides_somebody() -> None:
    for code in COUNTRIES:
        for path in decision_files(code):
            rows = asked(0, "test", path)
            assert all(row["decision"] and row["reasons"] for row in rows), path


def test_a_row_that_decides_nobody_is_told(tmp_path: Path) -> None:
    hidden = rules(
        ("low", "< 600", "", "reject", "Low"),
        ("lower", "< 500", "", "manual_review", "Lower"),
        ("fine", ">= 600", "", "approve", "Fine"),
    )
    rows = asked(1, "test", written(tmp_path, hidden))
    assert [row["row"] for row in rows if not row["as_expected"]] == ["lower"]
    assert "nothing found that it decides" in run("test", written(tmp_path, hidden)).stdout


def applicant(**more: object) -> dict[str, object]:
    return {
        "credit_score": 700,
        "monthly_income": "10000.00",
        "amount_requested": "40000.00",
        **more,
    }


def test_own_applications_are_held_against_what_is_expected(sound: Path, tmp_path: Path) -> None:
    cases = [
        applicant(expect="approve"),
        applicant(amount_requested="40000.01", expect="reject", reasons=["Much"]),
        applicant(credit_score=None, expect="manual_review"),
        applicant(credit_score=599),
    ]
    file = written(tmp_path, cases, "cases.json")
    assert [row["row"] for row in asked(0, "test", sound, "--facts", file)] == [
        "fine",
        "much",
        "",
        "low",
    ]
    wrong = [applicant(expect="reject"), applicant(expect="approve", reasons=["Much"])]
    file = written(tmp_path, [*cases, *wrong], "cases.json")
    rows = asked(1, "test", sound, "--facts", file)
    assert [row["as_expected"] for row in rows] == [True, True, True, True, False, False]


@pytest.mark.parametrize(
    ("cases", "words"),
    [
        ({}, "Expected `array`"),
        ([applicant(full_name="Ada")], "unknown field `full_name`"),
        ([applicant(), applicant(monthly_income="1.005")], "application 2: invalid_amount_format"),
        ([applicant(amount_requested=10.5)], "Expected `str`, got `float`"),
        ([applicant(expect="yes")], "Invalid enum value 'yes'"),
    ],
)
def test_applications_that_cannot_be_read_are_told(
    sound: Path, tmp_path: Path, cases: object, words: str
) -> None:
    result = run("test", sound, "--facts", written(tmp_path, cases, "cases.json"))
    assert (result.exit_code, type(result.exception)) == (1, SystemExit)
    assert words in result.stderr


def test_the_document_s_table_decides_the_document_s_applications(tmp_path: Path) -> None:
    table, cases = (
        written(tmp_path, json.loads(block.text), f"{at}.json")
        for at, block in enumerate(blocks())
        if (block.document, block.language) == ("decision-tables.md", "json")
    )
    rows = asked(0, "test", table, "--facts", cases)
    assert [row["decision"] for row in rows] == ["reject", "approve", "manual_review"]
    assert rows[1]["max_approved_amount"] == "32000.00"


def test_all_versions_are_listed_with_the_one_in_force() -> None:
    rows = asked(0, "list")
    assert {row["country"] for row in rows if row["in_force"]} == set(COUNTRIES)
    assert all(len(row["digest"]) == 64 for row in rows)
    assert "Credit in Mexico" in run("list").stdout
