"""Reconciliations as they go out: a statement's figures, and what was found."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from domain.money import format_amount
from domain.reconciliations import Made
from projections.reconciliations.projection import Found
from projections.reconciliations.queries import ReconciliationRow

Json = dict[str, Any]


def reconciliation(id_: UUID, made: Made) -> Json:
    """A reconciliation as the ledger knows it, without the lists."""
    return {
        "id": id_,
        "account": made.account,
        "currency": made.currency,
        "from": made.opened_on,
        "to": made.closed_on,
        "statement_reference": made.statement_reference,
        "number": made.number,
        "source": made.source,
        "digest": made.digest,
        "opening": format_amount(made.opening, made.currency),
        "closing": format_amount(made.closing, made.currency),
        "lines": made.lines,
        "movements": made.movements,
        "totals": _totals(
            made.matched_total, made.missing_total, made.unexpected_total, made.mismatched_total
        ),
        "is_even": made.is_even,
    }


def row(of: ReconciliationRow) -> Json:
    """A reconciliation as the read model has it, without the lists."""
    return {
        "id": of.id,
        "account": of.account,
        "currency": of.currency,
        "from": of.opened_on,
        "to": of.closed_on,
        "statement_reference": of.statement_reference,
        "number": of.number,
        "source": of.source,
        "digest": of.digest,
        "opening": format_amount(of.opening, of.currency),
        "closing": format_amount(of.closing, of.currency),
        "lines": of.lines,
        "movements": of.movements,
        "totals": _totals(of.matched, of.missing, of.unexpected, of.mismatched),
        "is_even": of.is_even,
        "recorded_at": of.made_at,
        "position": of.position,
    }


def found(of: Found | Made, currency: str) -> Json:
    """The lists."""
    return {
        "matched": [
            {
                "line": one.line,
                "movement_id": one.movement_id,
                "amount": format_amount(one.amount, currency),
                "by": one.by,
            }
            for one in of.matched
        ],
        "missing": [
            {
                "movement_id": one.movement_id,
                "amount": format_amount(one.amount, currency),
                "settled": one.settled,
            }
            for one in of.missing
        ],
        "unexpected": [
            {
                "line": one.line,
                "on": one.on,
                "amount": format_amount(one.amount, currency),
                "reference": one.reference,
                "names_movement_id": one.names,
            }
            for one in of.unexpected
        ],
        "mismatched": [
            {
                "lines": one.lines,
                "movement_ids": one.movement_ids,
                "lines_amount": format_amount(one.lines_amount, currency),
                "movements_amount": format_amount(one.movements_amount, currency),
            }
            for one in of.mismatched
        ],
    }


def _totals(matched: int, missing: int, unexpected: int, mismatched: int) -> Json:
    return {
        "matched": matched,
        "missing": missing,
        "unexpected": unexpected,
        "mismatched": mismatched,
    }
