"""Credit decisions: dated tables that a business person can read, judged so that a doubt is never a yes."""

from __future__ import annotations

from application.decisions.files import Problem, UnsoundTableError
from application.decisions.judging import (
    ENGINE_ERROR,
    NO_RULE,
    NO_TABLE,
    Decisions,
    Explained,
    Matched,
    Version,
)
from application.decisions.reading import read_table
from application.decisions.replaying import Comparison, Difference, PastCase, compare
from application.decisions.tables import Table
from application.decisions.verdicts import (
    APPROVE,
    BANKING_DATA_MISSING,
    DECISIONS,
    MANUAL_REVIEW,
    PRE_APPROVE,
    REJECT,
    Facts,
    Verdict,
)

__all__ = [
    "APPROVE",
    "BANKING_DATA_MISSING",
    "DECISIONS",
    "ENGINE_ERROR",
    "MANUAL_REVIEW",
    "NO_RULE",
    "NO_TABLE",
    "PRE_APPROVE",
    "REJECT",
    "Comparison",
    "Decisions",
    "Difference",
    "Explained",
    "Facts",
    "Matched",
    "PastCase",
    "Problem",
    "Table",
    "UnsoundTableError",
    "Verdict",
    "Version",
    "compare",
    "read_table",
]
