"""Figures about applications by country: how many, how they were decided, how fast, and by what scores."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

BAND = 50
"""Points of score that are counted together."""

_STATS = f"""
WITH asked AS (
    SELECT country, currency, status, amount_requested,
           credit_score / {BAND} * {BAND} AS band,
           extract(epoch FROM decided_at - submitted_at)::float8 AS took
      FROM applications.application
     WHERE (%(country)s::text IS NULL OR country = %(country)s)
       AND first_position > (SELECT CASE WHEN %(since)s::timestamptz IS NULL THEN 0
                ELSE position_at(%(since)s::timestamptz - interval '1 microsecond') END)
       AND (%(until)s::timestamptz IS NULL OR first_position <=
                (SELECT position_at(%(until)s::timestamptz - interval '1 microsecond')))
)
SELECT counted.*, p50_s, p95_s
  FROM (SELECT country, currency, status, band, count(*), sum(amount_requested), count(took)
          FROM asked GROUP BY country, currency, status, band) AS counted
  LEFT JOIN (SELECT country, currency,
                    percentile_cont(0.5) WITHIN GROUP (ORDER BY took) AS p50_s,
                    percentile_cont(0.95) WITHIN GROUP (ORDER BY took) AS p95_s
               FROM asked WHERE took IS NOT NULL GROUP BY country, currency) AS timed
    USING (country, currency)
 ORDER BY country, currency, status, band
"""


class StatusCount(Struct, frozen=True):
    """Applications with a status now; the amount is theirs together, in minor units."""

    status: str
    applications: int
    amount_requested: int


class ScoreBand(Struct, frozen=True):
    """Applications with a score from `from_score` up to 49 points above."""

    from_score: int
    applications: int


class CountryStats(Struct, frozen=True):
    """Applications of a country and currency; amounts are minor units.

    `decided` were approved, pre-approved or rejected at some time: half of them within `p50_s` seconds,
    and 95 of 100 within `p95_s`. `approved` (or pre-approved) and `rejected` are those that are so now.
    """

    country: str
    currency: str
    applications: int
    amount_requested: int
    statuses: list[StatusCount]
    decided: int
    p50_s: float | None
    p95_s: float | None
    scores: list[ScoreBand]
    without_score: int

    @property
    def approved(self) -> int:
        return sum(
            s.applications for s in self.statuses if s.status in ("approved", "pre_approved")
        )

    @property
    def rejected(self) -> int:
        return sum(s.applications for s in self.statuses if s.status == "rejected")

    @property
    def approval_rate(self) -> float | None:
        """Of those that are approved or rejected now; None when there are none."""
        both = self.approved + self.rejected
        return self.approved / both if both else None


async def stats(
    conn: AsyncConnection[Any],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    country: str | None = None,
) -> list[CountryStats]:
    """Of what was submitted from `since` up to but not at `until`, by country."""
    cursor = await conn.execute(
        _STATS.encode(), {"since": since, "until": until, "country": country}
    )
    found: dict[tuple[str, str], list[tuple[Any, ...]]] = defaultdict(list)
    for country_, currency, *rest in await cursor.fetchall():
        found[country_, currency].append(tuple(rest))
    return [_stats_of(*place, parts) for place, parts in found.items()]


def _stats_of(country: str, currency: str, parts: list[tuple[Any, ...]]) -> CountryStats:
    """`parts` are rows of the query without their first two columns: one a status and band."""
    statuses: Counter[str] = Counter()
    amounts: Counter[str] = Counter()
    bands: Counter[int | None] = Counter()
    decided = 0
    for status, band, many, amount, of_them_decided, _, _ in parts:
        statuses[status] += many
        amounts[status] += int(amount)  # a numeric: together they may be more than a bigint holds
        bands[band] += many
        decided += of_them_decided
    without_score = bands.pop(None, 0)
    *_, p50_s, p95_s = parts[0]
    return CountryStats(
        country,
        currency,
        statuses.total(),
        amounts.total(),
        [StatusCount(status, many, amounts[status]) for status, many in statuses.items()],
        decided,
        p50_s,
        p95_s,
        [ScoreBand(band, many) for band, many in sorted(bands.items()) if band is not None],
        without_score,
    )
