"""What the measurements share: databases on one server, and posters that are made when first needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from api.bench.badge import Badge
from api.bench.databases import Databases
from api.bench.posting import Poster
from api.bench.sizes import EVENTS, Sizes
from api.local.postgres import EmbeddedPostgres


class Stage:
    """Databases and posters of one run; `folder` goes away with it."""

    def __init__(self, folder: Path, databases: Databases, sizes: Sizes) -> None:
        self.folder = folder
        self.databases = databases
        self.sizes = sizes
        self.badge = Badge()
        self._posters: list[Poster] = []

    @cached_property
    def spread(self) -> Poster:
        """Posts between 1,000 accounts."""
        return self.poster()

    @cached_property
    def hot(self) -> Poster:
        """Posts to and from one account."""
        return self.poster(hot=True)

    def long_log(self) -> str:
        """The URL of the database of `spread`, once its log has at least `log_events`."""
        while self.spread.transfers * EVENTS < self.sizes.log_events:
            self.spread.post()
        return self.spread.url

    def poster(self, *, hot: bool = False, random_ids: bool = False) -> Poster:
        """A poster on a new database."""
        url, transfers = self.databases.migrated(), self.sizes.round_transfers
        made = Poster(url, transfers, hot=hot, random_ids=random_ids)
        self._posters.append(made)
        return made

    def close(self) -> None:
        for poster in self._posters:
            poster.ledger.close()


@contextmanager
def opened(folder: Path, sizes: Sizes) -> Iterator[Stage]:
    """A stage on a server of its own in `folder`, which runs with the product's settings."""
    with EmbeddedPostgres(folder) as server:
        stage = Stage(folder, Databases(server), sizes)
        try:
            yield stage
        finally:
            stage.close()
