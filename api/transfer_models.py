"""Transfers as they come in: one, a batch of them, and what must hold before they are made."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema

from api.models import (
    AS_WHOLE,
    FIT,
    Amount,
    Currency,
    Decimal,
    Id,
    In,
    Moment,
    Reason,
    Reference,
    Text,
    as_whole,
    enum,
    in_currency,
    one_of,
    problem,
)
from api.problems import ProblemError
from domain.money import parse_decimal
from domain.texts import (
    MAX_METADATA_INT,
    MAX_METADATA_KEY,
    MAX_METADATA_KEYS,
    MAX_METADATA_VALUE,
    unfit_metadata_key,
)
from domain.transfers import MAX_EXPIRY_S, Condition, Metadata, PostTransfer

MAX_BATCH = 10_000
_TRANSFER_STATUSES = ("pending", "posted", "voided", "expired")


def _check_metadata(value: object) -> Metadata:
    if not isinstance(value, dict) or len(value) > MAX_METADATA_KEYS:
        raise problem("invalid_metadata")
    found: Metadata = {name: as_whole(one) for name, one in value.items()}
    unfit = unfit_metadata_key(found)
    if unfit is not None:
        raise problem("invalid_metadata", key=unfit[:40].encode("utf-8", "replace").decode())
    return found


MetadataIn = Annotated[
    dict[str, str | int | bool],
    BeforeValidator(_check_metadata),
    WithJsonSchema(
        {
            "type": "object",
            "maxProperties": MAX_METADATA_KEYS,
            "propertyNames": {**FIT, "minLength": 1, "maxLength": MAX_METADATA_KEY},
            "additionalProperties": {
                "anyOf": [
                    {**FIT, "maxLength": MAX_METADATA_VALUE},
                    {
                        "type": "integer",
                        "exclusiveMinimum": -MAX_METADATA_INT,
                        "exclusiveMaximum": MAX_METADATA_INT,
                    },
                    {"type": "boolean"},
                ]
            },
        }
    ),
]
TransferStatus = Annotated[
    str, one_of("invalid_status", _TRANSFER_STATUSES), enum(_TRANSFER_STATUSES)
]


class ConditionIn(In):
    """What must hold of one of the two accounts just before the transfer."""

    account_id: Id
    version: Annotated[int, Field(ge=0, le=2**62, strict=True), AS_WHOLE] | None = None
    balance_at_least: Decimal | None = None
    balance_at_most: Decimal | None = None
    available_at_least: Decimal | None = None
    available_at_most: Decimal | None = None

    def condition(self, currency: str) -> Condition:
        def minor(text: str | None) -> int | None:
            return None if text is None else in_currency(text, currency, parse_decimal)

        wanted = (
            self.version,
            minor(self.balance_at_least),
            minor(self.balance_at_most),
            minor(self.available_at_least),
            minor(self.available_at_most),
        )
        if all(bound is None for bound in wanted):
            raise ProblemError("empty_condition", account_id=self.account_id)
        return Condition(self.account_id, *wanted)


_A_TRANSFER: dict[str, Any] = {
    "source_account_id": "0d4f7a52-11aa-4c55-9a4e-0a6b2f1c7e01",
    "destination_account_id": "0d4f7a52-11aa-4c55-9a4e-0a6b2f1c7e02",
    "amount": "12.50",
    "currency": "EUR",
    "description": "Lunch",
}


class TransferIn(In):
    model_config = ConfigDict(json_schema_extra={"examples": [_A_TRANSFER]})
    id: Id | None = None
    source_account_id: Id
    destination_account_id: Id
    amount: Amount
    currency: Currency
    description: Text = ""
    reference: Reference = ""
    effective_at: Moment | None = None
    metadata: MetadataIn = {}
    pending: Annotated[bool, Field(strict=True)] = False
    expires_in_s: Annotated[int, Field(ge=1, le=MAX_EXPIRY_S, strict=True), AS_WHOLE] | None = None
    up_to: Annotated[bool, Field(strict=True)] = False
    conditions: Annotated[list[ConditionIn], Field(max_length=4)] = []

    def command(self, transfer_id: UUID, owner_id: UUID | None = None) -> PostTransfer:
        """As asked by somebody who may touch this owner's accounts only (None: all).

        Raises `ProblemError` when an amount does not fit the currency, or parts do not fit together.
        """
        if self.expires_in_s is not None and not self.pending:
            raise ProblemError("expiry_without_pending")
        return PostTransfer(
            transfer_id,
            self.source_account_id,
            self.destination_account_id,
            in_currency(self.amount, self.currency),
            self.currency,
            self.description,
            self.reference,
            self.effective_at,
            self.metadata,
            self.pending,
            self.expires_in_s or 0,
            self.up_to,
            tuple(c.condition(self.currency) for c in self.conditions) if self.conditions else (),
            owner_id,
        )


class AmountIn(In):
    model_config = ConfigDict(json_schema_extra={"examples": [{"amount": "5.00"}, {}]})
    amount: Amount | None = None
    reason: Reason = ""


class BatchIn(In):
    """Each transfer is checked by itself: a bad one is refused in its place, the others go on."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"transfers": [_A_TRANSFER], "linked": True}]}
    )
    transfers: Annotated[
        list[Any],
        Field(
            min_length=1,
            max_length=MAX_BATCH,
            json_schema_extra={"items": {"$ref": "#/components/schemas/TransferIn"}},
        ),
    ]
    linked: Annotated[bool, Field(strict=True)] = False
