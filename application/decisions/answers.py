"""Makes a verdict of the rows that fit, and refuses what a table should not have said."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_FLOOR, Decimal, localcontext

from application.decisions.cells import DECISION, MOST, REASON
from application.decisions.engine import EngineError, Match
from application.decisions.expressions import literal
from application.decisions.files import Place
from application.decisions.tables import Table
from application.decisions.verdicts import DECISIONS, REJECT, Decision, Verdict
from application.decisions.words import Context
from domain.money import exponent_of

_MAX_REASON = 500
_MAX_DIGITS = 28


def verdict_of(table: Table, context: Context, matches: Sequence[Match]) -> Verdict:
    """The first row decides; every other one that says the same gives its reason too.

    Raises `EngineError` for what is no answer.
    """
    decided = [_decision(table, match) for match in matches]
    reasons = [
        _reason(table, match)
        for match, decision in zip(matches, decided, strict=True)
        if decision == decided[0]
    ]
    return Verdict(
        decision=decided[0],
        reasons=tuple(dict.fromkeys(reasons)),
        table=table.name,
        version=table.version,
        digest=table.digest,
        row=matches[0].row.id,
        inputs=table.looked_at(context),
        max_approved_amount=None
        if decided[0] == REJECT
        else _most(table, matches[0], str(context.get("currency", ""))),
    )


def _decision(table: Table, match: Match) -> Decision:
    """What the engine said must be what is written in the row."""
    for decision in DECISIONS:
        if decision == match.says.get(DECISION) == literal(match.row.says[DECISION]):
            return decision
    raise EngineError("odd decision", Place(table.name, match.row.id))


def _reason(table: Table, match: Match) -> str:
    reason = match.says.get(REASON)
    if not isinstance(reason, str) or not reason.strip() or len(reason) > _MAX_REASON:
        raise EngineError("odd reason", Place(table.name, match.row.id))
    return reason


def _most(table: Table, match: Match, currency: str) -> int | None:
    """Whole minor units, rounded down: it is the most that may be lent."""
    said = match.says.get(MOST)
    if said is None:
        return None
    try:
        amount = Decimal(said) if isinstance(said, str) else Decimal("NaN")
        with localcontext(prec=2 * _MAX_DIGITS):
            minor = amount.scaleb(exponent_of(currency)).to_integral_value(ROUND_FLOOR)
    except ArithmeticError:
        minor = Decimal("NaN")
    if not minor.is_finite() or not 0 <= minor < 10**_MAX_DIGITS:
        raise EngineError("odd amount", Place(table.name, match.row.id))
    return int(minor)
