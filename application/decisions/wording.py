"""A decision table's rows as sentences, made from the cells, so that the two cannot disagree."""

from __future__ import annotations

import re

from application.decisions.expressions import literal
from application.decisions.tables import Row, Table
from application.decisions.verdicts import APPROVE, MANUAL_REVIEW, PRE_APPROVE, REJECT

_DECIDED: dict[str, str] = {
    APPROVE: "approved",
    PRE_APPROVE: "pre-approved",
    REJECT: "rejected",
    MANUAL_REVIEW: "an officer decides",
}
_SIGNS = (
    ("<=", "at most "),
    (">=", "at least "),
    ("!=", "not "),
    ("==", ""),
    ("<", "below "),
    (">", "above "),
)
_INTERVAL = re.compile(r"\[\s*([^\[\]]+?)\s*\.\.\s*([^\[\]]+?)\s*\]")
_CALL = re.compile(r"\b(?:number|string)\(\s*([^()]*?)\s*\)")


def sentences(table: Table) -> tuple[str, ...]:
    """One a row of the table that decides, in its order: the first that fits is the decision."""
    return tuple(_sentence(table, row) for row in table.deciding.rows)


def _sentence(table: Table, row: Row) -> str:
    columns = table.deciding.columns
    conditions = [
        f"{columns[cell.column][0].lower()} {_phrase(cell.condition.text)}" for cell in row.cells
    ]
    decided = _DECIDED[str(literal(row.says["decision"]))]
    reason = literal(row.says["reason"])
    told = f"{' and '.join(conditions) or 'otherwise'}: {decided}"
    told = told[0].upper() + told[1:]
    return f"{told} ({reason})" if reason else told


def _phrase(cell: str) -> str:
    plain = _CALL.sub(r"\1", cell.strip())
    interval = _INTERVAL.fullmatch(plain)
    if interval:
        return f"from {interval[1]} to {interval[2]}"
    for sign, word in _SIGNS:
        if plain.startswith(sign):
            plain = word + plain[len(sign) :].strip()
            break
    return plain.replace("*", "×").replace("_", " ").replace('"', "")
