"""Brazil: CPF, Serasa."""

from __future__ import annotations

from collections.abc import Mapping

from stdnum.br import cpf

from application.countries.country import (
    CHECKED_FIRST,
    Country,
    DocumentType,
    InvalidDocumentError,
    Report,
    Terms,
)
from application.countries.documents import checked, is_one_digit_repeated
from application.countries.reports import comma_money, is_yes, part, score, status, text

_STATUSES = {"ATIVA": "current", "NEGATIVADA": "in_arrears", "ENCERRADA": "closed"}

_check = checked(cpf.validate, "A CPF has 11 digits.")


def check_cpf(number: str) -> str:
    """One digit eleven times has the right check digits, and is nobody's."""
    compact = _check(number)
    if is_one_digit_repeated(compact):
        raise InvalidDocumentError("A CPF is not one digit repeated.")
    return compact


def read_report(raw: Mapping[str, object]) -> Report:
    """Serasa: an object a topic, money as `R$ 1.234,56`."""
    accounts = part(raw, "relacionamento")
    return Report(
        credit_score=score(part(raw, "serasa"), "score"),
        total_debt=_reais(part(raw, "pendencias"), "valor_total"),
        bank_name=text(accounts, "banco"),
        account_status=status(accounts, "conta", _STATUSES),
        is_verified=is_yes(accounts, "cpf_regular", True),
    )


def _reais(raw: Mapping[str, object], name: str) -> int | None:
    found = raw.get(name)
    if isinstance(found, str):
        # Brazilian software puts a space there that does not break the line.
        found = found.removeprefix("R$").lstrip(" \N{NO-BREAK SPACE}")
    return comma_money({name: found}, name, "BRL")


COUNTRY = Country(
    code="BR",
    name="Brazil",
    currency="BRL",
    bureau="Serasa",
    documents=(
        DocumentType(
            code="cpf",
            label="CPF",
            check=check_cpf,
            example="39053344705",
            pattern=r"[0-9]{3}\.?[0-9]{3}\.?[0-9]{3}-?[0-9]{2}",
        ),
    ),
    transitions=CHECKED_FIRST,
    terms=Terms(
        annual_rate_bps=36_00,
        months=24,
        min_months=3,
        max_months=60,
        method="equal_principal",
        day_count="30/360",
        offer_days=7,
    ),
    read_report=read_report,
)
