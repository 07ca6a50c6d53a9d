"""The shapes that come in: parsed strictly, each mistake with a reason of the problem catalogue."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Any, get_args
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from api.freshness import Fresh
from api.problems import ProblemError
from domain.accounts import AccountStatus, AccountType, OpenAccount
from domain.currencies import EXPONENTS
from domain.money import parse_amount, parse_decimal
from domain.refusals import Refusal
from domain.texts import DECEIVING, MAX_DESCRIPTION, MAX_NAME, MAX_REFERENCE, is_fit

_DATE = re.compile(r"\d{4}-?(\d{2}-?\d{2}|\d{3}|W\d{2}(-?\d)?)", re.ASCII)
_LAST_YEAR, _FIRST_YEAR = 2200, 1900


def problem(reason: str, **details: object) -> PydanticCustomError:
    """A validation error that names its row of the problem catalogue."""
    return PydanticCustomError(reason, "{reason}", {"reason": reason, **details})


def text(reason: str, least: int, most: int) -> BeforeValidator:
    """Text of `least` to `most` characters, none of which deceives a reader."""

    def check(value: object) -> str:
        if (
            not isinstance(value, str)
            or not least <= len(value) <= most
            or not is_fit(value)
            or len(value.strip()) < least
        ):
            raise problem(reason, min_length=least, max_length=most)
        return value

    return BeforeValidator(check)


_PATTERN = f"^[^{DECEIVING}]*$"
FIT = {"type": "string", "pattern": _PATTERN}


def shape(least: int, most: int) -> Any:
    """What the API's description says of such a text."""
    return Field(min_length=least, max_length=most, json_schema_extra={"pattern": _PATTERN})


def one_of(reason: str, allowed: tuple[str, ...]) -> BeforeValidator:
    def check(value: object) -> str:
        if value not in allowed:
            raise problem(reason, allowed=list(allowed))
        return str(value)

    return BeforeValidator(check)


def enum(allowed: tuple[str, ...]) -> Any:
    return Field(json_schema_extra={"enum": list(allowed)})


def _check_currency(value: object) -> str:
    if not isinstance(value, str) or value not in EXPONENTS:
        raise problem("invalid_currency_format")
    return value


def _check_decimal(value: object) -> str:
    """Digits with a point: the currency, and so how many decimals it may have, comes later."""
    if not isinstance(value, str):
        raise problem("invalid_amount_format")
    try:
        parse_decimal(value, "CLF")
    except Refusal as refusal:
        raise problem(refusal.reason) from None
    return value


def _check_amount(value: object) -> str:
    text = _check_decimal(value)
    if text.startswith("-") or not text.strip("0."):
        raise problem("negative_amount")
    return text


def moment(value: object, *, end_of_day: bool = False) -> datetime:
    """An instant from RFC 3339 or a date (its start, or its end); without an offset it is UTC."""
    if not isinstance(value, str) or len(value) > 40:
        raise problem("invalid_datetime_format")
    # A plus sign in a query string that was not percent-encoded arrives as a space.
    text = re.sub(r" (\d\d:\d\d)$", r"+\1", value.strip()) if "T" in value else value.strip()
    try:
        parsed = datetime.fromisoformat(text)
        at = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
        at = at.astimezone(UTC)
        if end_of_day and _DATE.fullmatch(text):
            at = datetime.combine(at.date(), time.min, UTC) + timedelta(days=1)
    except (ValueError, OverflowError):
        raise problem("invalid_datetime_format") from None
    if not _FIRST_YEAR <= parsed.year <= _LAST_YEAR:
        raise problem("invalid_datetime_format", years=f"{_FIRST_YEAR} to {_LAST_YEAR}")
    return at


def as_whole(value: Any) -> Any:
    """In JSON 2.0 is a whole number as 2 is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _uuid_text(value: object) -> object:
    """Only the usual form of a UUID: braces, URNs and bare hex are typing mistakes more often than ids."""
    if isinstance(value, UUID):
        return value
    if not isinstance(value, str) or len(value) != 36:
        raise problem("invalid_uuid_format")
    try:
        return UUID(value)
    except ValueError:
        raise problem("invalid_uuid_format") from None


Id = Annotated[UUID, BeforeValidator(_uuid_text), Field(json_schema_extra={"format": "uuid"})]
Name = Annotated[str, text("invalid_name_format", 1, MAX_NAME), shape(1, MAX_NAME)]
Text = Annotated[str, text("invalid_text", 0, MAX_DESCRIPTION), shape(0, MAX_DESCRIPTION)]
Reason = Text
Reference = Annotated[str, text("invalid_text", 0, MAX_REFERENCE), shape(0, MAX_REFERENCE)]
Currency = Annotated[
    str,
    BeforeValidator(_check_currency),
    Field(json_schema_extra={"pattern": "^[A-Z]{3}$", "enum": sorted(EXPONENTS)}),
]
Decimal = Annotated[
    str,
    BeforeValidator(_check_decimal),
    Field(json_schema_extra={"pattern": r"^-?[0-9]{1,12}(\.[0-9]{1,4})?$"}),
]
Amount = Annotated[
    str,
    BeforeValidator(_check_amount),
    Field(
        description="decimal string with at most the currency's decimals",
        json_schema_extra={"pattern": r"^[0-9]{1,12}(\.[0-9]{1,4})?$"},
    ),
]
Moment = Annotated[
    datetime,
    BeforeValidator(moment),
    Field(
        description="RFC 3339, or a date, of the years 1900 to 2200; without an offset it is UTC"
    ),
]
EndMoment = Annotated[
    datetime,
    BeforeValidator(lambda value: moment(value, end_of_day=True)),
    Field(description="RFC 3339, or a date, which then is included"),
]
_TYPES = get_args(AccountType)
_STATUSES = get_args(AccountStatus)
_DIRECTIONS = ("credit", "debit")
Type = Annotated[str, one_of("invalid_account_type", _TYPES), enum(_TYPES)]
Status = Annotated[str, one_of("invalid_status", _STATUSES), enum(_STATUSES)]
Direction = Annotated[str, one_of("invalid_direction", _DIRECTIONS), enum(_DIRECTIONS)]
AS_WHOLE = BeforeValidator(as_whole)
"""For strict whole numbers of bodies, after their limits, which else are not described."""
Position = Annotated[int, Field(ge=0, le=2**62)]
Limit = Annotated[int, Field(ge=1, le=1000)]
Cursor = Annotated[str, Field(max_length=200)]


class In(BaseModel):
    """A body or the query of a request: unknown members are refused, so that no typing mistake hides."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Reading(In):
    """The query of a read that takes nothing else."""

    min_position: Fresh = None


def in_currency(text: str, currency: str, parse: Callable[[str, str], int] = parse_amount) -> int:
    """Minor units of a decimal string. Raises `ProblemError` when it does not fit the currency."""
    try:
        return parse(text, currency)
    except Refusal as refusal:
        raise ProblemError(refusal.reason, **{"currency": currency} | refusal.details) from None


class AccountIn(In):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "Alice", "type": "checking", "currency": "EUR"}],
        }
    )
    id: Id | None = None
    name: Name
    type: Type
    currency: Currency
    owner_id: Id | None = None
    credit_limit: Decimal = "0"

    def command(self, account_id: UUID) -> OpenAccount:
        """Raises `ProblemError` when the credit limit does not fit the currency."""
        limit = in_currency(self.credit_limit, self.currency, parse_decimal)
        if limit < 0:
            raise ProblemError("invalid_credit_limit", credit_limit=self.credit_limit)
        return OpenAccount(account_id, self.name, self.type, self.currency, self.owner_id, limit)


class ReasonIn(In):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "asked for by its owner"}]}
    )
    reason: Reason = ""
