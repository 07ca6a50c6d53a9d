"""Bulk posting against its yardsticks: a bare COPY, plain `eventsourcing`, and one hot account."""

from __future__ import annotations

from api.bench.copying import Copier
from api.bench.library import LibraryPoster
from api.bench.rounds import interleave
from api.bench.rows import Row
from api.bench.sizes import EVENTS
from api.bench.stage import Stage


def measure(stage: Stage) -> list[Row]:
    """Bulk posting, each contestant on a database of its own; the COPY beside the rows it copies."""
    sizes, databases = stage.sizes, stage.databases
    copier = Copier(databases.admin_url(stage.spread.url))
    library = LibraryPoster(databases.empty(), sizes.library_transfers)
    try:
        rounds = interleave(
            {
                "spread": stage.spread.post,
                "copy": copier.copy,
                "hot": stage.hot.post,
                "library": library.post,
                "client ids": stage.poster(random_ids=True).post,
            },
            sizes.rounds,
        )
    finally:
        library.close()
        copier.close()
    return [
        rounds.ratio("bulk_vs_copy", "spread", "copy", EVENTS),
        rounds.ratio("bulk_vs_eventsourcing", "spread", "library"),
        rounds.ratio("hot_vs_spread", "hot", "spread"),
        rounds.rate("bulk_submit_per_s", "spread"),
        rounds.rate("bulk_client_ids_per_s", "client ids"),
        rounds.rate("hot_per_s", "hot"),
        rounds.rate("copy_rows_per_s", "copy"),
        rounds.rate("eventsourcing_per_s", "library"),
    ]
