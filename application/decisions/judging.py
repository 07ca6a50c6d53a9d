"""The judge: asks the table that is in force, and sends to an officer whatever it cannot answer for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from application.decisions.answers import verdict_of
from application.decisions.cells import DECISION, REASON
from application.decisions.engine import EngineError, evaluate
from application.decisions.files import Problem, UnsoundTableError
from application.decisions.reading import read_table
from application.decisions.tables import Table
from application.decisions.verdicts import MANUAL_REVIEW, Facts, Verdict
from application.decisions.wording import sentences
from application.decisions.words import Context, OddFactsError, context_of, made_up, unmet

if TYPE_CHECKING:  # countries are loaded where they are asked for: not every command needs them
    from application.countries.country import Country

_log = logging.getLogger("daybook.decisions")

NO_TABLE = "No decision table is in force"
NO_RULE = "No rule matches"
ENGINE_ERROR = "Engine error"

REMEMBERED = 4096
"""Verdicts that are kept: the same facts under the same version of a table are decided alike."""

Files = Callable[[str], Sequence[Path]]


class Version(Struct, frozen=True):
    """A table and the first day that it is in force."""

    since: date
    table: Table


class Matched(Struct, frozen=True):
    """A row that fits some facts, and what it says."""

    row: str
    decision: str
    reason: str


class Explained(Struct, frozen=True):
    """A verdict, and all rows that fit, in the table's order: none where no table could be asked."""

    verdict: Verdict
    matched: tuple[Matched, ...] = ()


class Remembered(Struct, frozen=True):
    """How often a verdict was known already, and how often the engine was asked."""

    hits: int
    asked: int


class Decisions:
    """All versions of all countries' tables. Any number of threads may ask at once."""

    def __init__(self, versions: Iterable[Version], remembered: int = REMEMBERED) -> None:
        by_country: dict[str, list[Version]] = {}
        for version in sorted(versions, key=lambda one: one.since):
            by_country.setdefault(version.table.country, []).append(version)
        self._versions = {code: tuple(some) for code, some in sorted(by_country.items())}
        self._decided = lru_cache(remembered)(_decided)

    @classmethod
    def load(cls, countries: Mapping[str, Country], files: Files | None = None) -> Decisions:
        """The tables in the countries' folders. Raises `UnsoundTableError` that names the file."""
        from application.countries.catalogue import decision_files

        of = files or decision_files
        return cls(version for code in countries for version in _versions(code, of(code)))

    @classmethod
    def of_file(cls, text: str | bytes, version: str = "draft") -> Decisions:
        """Of one file that is in force on every day, for what-if questions. Raises `UnsoundTableError`."""
        return cls([Version(date.min, read_table(text, version))])

    @property
    def versions(self) -> Sequence[Version]:
        """By country, each country's oldest first."""
        return [version for versions in self._versions.values() for version in versions]

    @property
    def remembered(self) -> Remembered:
        info = self._decided.cache_info()
        return Remembered(info.hits, info.misses)

    def table_on(self, country: str, on: date) -> Table | None:
        """The newest table of a country that is in force on that day."""
        begun = [one for one in self._versions.get(country, ()) if one.since <= on]
        return begun[-1].table if begun else None

    def judge(self, facts: Facts, on: date) -> Verdict:
        """By the table in force on that day. Raises nothing: in doubt `manual_review`, with the reason."""
        return self.explain(facts, on).verdict

    def explain(self, facts: Facts, on: date) -> Explained:
        """As `judge`, with the rows that fit."""
        try:
            context = context_of(facts)
        except OddFactsError as error:
            return _review(str(error))
        table = self.table_on(facts.country, on)
        if table is None:
            return _review(NO_TABLE)
        missing = unmet(context, table.required, table.properties)
        if missing:
            return _review(missing, table, context)
        try:
            return self._decided(table, tuple(context.items()))
        except EngineError as error:  # its detail may repeat a fact, and is for no log
            _log.warning("decision table %s %s: %s", table.country, table.version, error)
            return _review(f"{ENGINE_ERROR}: {error}", table, context)
        except Exception as error:  # noqa: BLE001 - whatever it was, an officer decides
            _log.exception("decision table %s %s", table.country, table.version)
            return _review(f"{ENGINE_ERROR}: {type(error).__name__}", table, context)

    def rules_in_words(self, country: str, on: date) -> tuple[str, ...]:
        """The rows of the table in force on that day, the first that fits decides; () where none is."""
        table = self.table_on(country, on)
        return sentences(table) if table else ()

    def health(self) -> dict[str, str]:
        """By country "ok", or what went wrong with a made-up application. Always asks the engine."""
        return {
            code: next((told for one in versions if (told := _ill(one.table)) != "ok"), "ok")
            for code, versions in self._versions.items()
        }


def _versions(code: str, paths: Sequence[Path]) -> Iterable[Version]:
    if not paths:
        raise UnsoundTableError([Problem(f"country {code} has no decision table")])
    for path in paths:
        try:
            since = date.fromisoformat(path.stem)
        except ValueError:
            why = "its name must be the day it is in force from, 2026-01-01.json"
            raise UnsoundTableError([Problem(why)], str(path)) from None
        try:
            table = read_table(path.read_bytes(), path.stem)
        except UnsoundTableError as error:
            raise UnsoundTableError(error.problems, str(path)) from None
        if table.country != code:
            why = f"it is for {table.country}, and lies in the folder of {code}"
            raise UnsoundTableError([Problem(why)], str(path))
        yield Version(since, table)


def _decided(table: Table, items: tuple[tuple[str, object], ...]) -> Explained:
    """Raises `EngineError`, which is not remembered: it may be another's turn next time."""
    context = dict(items)
    matches = evaluate(table, context)
    if not matches:
        return _review(NO_RULE, table, context)
    return Explained(
        verdict_of(table, context, matches),
        tuple(
            Matched(match.row.id, str(match.says.get(DECISION)), str(match.says.get(REASON)))
            for match in matches
        ),
    )


def _review(why: str, table: Table | None = None, context: Context | None = None) -> Explained:
    if table is None:
        return Explained(Verdict(decision=MANUAL_REVIEW, reasons=(why,)))
    return Explained(
        Verdict(
            decision=MANUAL_REVIEW,
            reasons=(why,),
            table=table.name,
            version=table.version,
            digest=table.digest,
            inputs=table.looked_at(context or {}),
        )
    )


def _ill(table: Table) -> str:
    try:
        verdict = _decided(table, tuple(made_up(table.properties).items())).verdict
    except EngineError as error:
        return f"{table.version}: {error}"
    return "ok" if verdict.row else f"{table.version}: {verdict.reasons[0]}"
