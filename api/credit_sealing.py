"""What an applicant says of himself, checked by the rules of the country and sealed for the person."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple
from uuid import UUID, uuid5

from psycopg import Connection

from api.problems import ProblemError
from api.state import State
from api.writing import Beside
from application.countries.country import Country, DocumentType, InvalidDocumentError
from application.countries.forms import MAX_AGE, MIN_AGE, birth_dates, max_amount
from application.people.vault import Vault
from application.privacy import person_keys
from application.privacy.opening import open_text
from application.privacy.person_keys import PersonKey
from application.privacy.sealing import place, seal
from domain.money import format_amount

_APPLICANTS = UUID("da4b0000-0000-4000-8000-0000000a991c")
_AGGREGATE = "credit_application"


class Document(NamedTuple):
    """A document that there can be: the number in its one form, so much of it as may be shown, and an id
    that stands for it and does not tell it."""

    kind: str
    number: str
    hint: str
    applicant_id: UUID


class Person(NamedTuple):
    """Whose key seals an application, and what keeps a new one with the application's first event."""

    id: UUID
    key: bytes
    beside: Beside | None


def document_of(vault: Vault, country: Country, kind: str | None, number: str) -> Document:
    """Raises `invalid_document`, also for a kind that the country does not know."""
    found = _kind_of(country, kind)
    try:
        compact = found.check(number)
    except InvalidDocumentError as error:
        raise ProblemError(
            "invalid_document",
            document_type=found.code,
            why=str(error),
            code=f"INVALID_{found.code.upper()}_FORMAT",
        ) from None
    index = vault.index.document(f"{country.code}:{found.code}", compact)
    return Document(found.code, compact, found.masked(compact), uuid5(_APPLICANTS, index.hex()))


def _kind_of(country: Country, kind: str | None) -> DocumentType:
    codes = [each.code for each in country.documents]
    found = country.document(codes[0] if kind is None and len(codes) == 1 else kind or "")
    if found is None:
        raise ProblemError(
            "invalid_document",
            document_type="document_type" if kind is None else kind[:40],
            why=f"In {country.name} it is one of: {', '.join(codes)}.",
            allowed=codes,
        )
    return found


def check_amount(country: Country, amount: int) -> int:
    """Minor units that may be asked for. Raises `above_maximum_amount`."""
    most = max_amount(country)
    if amount > most:
        raise ProblemError(
            "above_maximum_amount",
            currency=country.currency,
            maximum=format_amount(most, country.currency),
            requested=format_amount(amount, country.currency),
        )
    return amount


def check_months(country: Country, months: int | None) -> int:
    """For how many months; those of the country's terms where nobody says. Raises `invalid_months`."""
    terms = country.terms
    if months is None:
        return terms.months
    if not terms.min_months <= months <= terms.max_months:
        raise ProblemError("invalid_months", least=terms.min_months, most=terms.max_months)
    return months


def check_loan_type(country: Country, loan_type: str | None) -> str:
    """Raises `invalid_loan_type` for one that is not the country's, and where it asks and none is given."""
    if (loan_type or "") not in (country.loan_types or ("",)):
        raise ProblemError("invalid_loan_type", allowed=list(country.loan_types))
    return loan_type or ""


def check_age(born: date | None, today: date) -> str:
    """The date of birth as it is kept, empty for none. Raises `invalid_age`."""
    if born is None:
        return ""
    earliest, latest = birth_dates(today)
    if not earliest <= born <= latest:
        raise ProblemError("invalid_age", least=MIN_AGE, most=MAX_AGE)
    return born.isoformat()


async def person_of(state: State, application_id: UUID, owner_id: UUID | None) -> Person:
    """The owner's key; who is no user gets one of his own for this application.

    Raises `user_not_found` for an owner who is none, or is erased.
    """
    if owner_id is None:
        made = person_keys.new(application_id)
        return Person(application_id, made.key, _keeping(state.vault, made))
    async with state.pool.connection() as conn:
        keys = await state.vault.keys(conn, [owner_id])
    if owner_id not in keys:
        raise ProblemError("user_not_found", user_id=owner_id)
    return Person(owner_id, keys[owner_id], None)


def _keeping(vault: Vault, made: PersonKey) -> Beside:
    def beside(conn: Connection[object]) -> None:
        person_keys.keep(conn, vault.masters, made)

    return beside


async def key_of(state: State, person_id: UUID | None) -> bytes | None:
    """The key that an application is sealed with, None when its person is erased."""
    if person_id is None:
        return None
    async with state.pool.connection() as conn:
        return (await state.vault.keys(conn, [person_id])).get(person_id)


def sealed(key: bytes, application_id: UUID, field: str, text: str | None) -> str:
    """A text of an application as the log has it, empty for none."""
    return seal(key, text, place(application_id, _AGGREGATE, field)) if text else ""


def opened(key: bytes | None, application_id: UUID, field: str, text: str) -> str:
    """The text that was sealed, `[erased]` when the key is gone, empty for none."""
    return open_text(key, text, place(application_id, _AGGREGATE, field)) if text else ""
