"""Read models as the command line names them: the product's by name, one of your own by its file."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg

from api import databases
from api.settings import load_settings
from projections import files
from projections.catalogue import READ_MODELS, ReadModel, UnknownReadModelError
from projections.files import ModelFileError
from projections.rebuild import RebuildFailedError, RebuildRefusedError

SUFFIX = ".py"
"""What tells a path from a name."""


class Chosen(NamedTuple):
    """Read models that somebody has named; `files` has those of one's own."""

    models: list[ReadModel]
    files: dict[str, Path]

    @property
    def names(self) -> list[str]:
        return [model.name for model in self.models]

    def with_files(self, advice: str) -> str:
        """Advice with commands that can be typed: a name of one's own becomes the path."""
        for name, path in self.files.items():
            typed = shlex.quote(str(path)).replace("\\", r"\\")
            advice = re.sub(rf"(daybook projections \w+) {name}\b", rf"\1 {typed}", advice)
        return advice


def choose(words: Sequence[str]) -> Chosen:
    """The read models of names and paths, each once. Raises `ModelFileError` and
    `UnknownReadModelError`."""
    known = {model.name: model for model in READ_MODELS}
    chosen: dict[str, ReadModel] = {}
    paths: dict[str, Path] = {}
    for word in words:
        if word.endswith(SUFFIX):
            path = Path(word)
            model = files.load(path)
            other = paths.setdefault(model.name, path)
            if other.resolve() != path.resolve():
                raise ModelFileError(path, f"its NAME is {model.name!r}, as that of {other} is")
        elif word in known:
            model = known[word]
        else:
            own = f"and one of your own by its file, as path/to/model{SUFFIX}"
            raise UnknownReadModelError(word, [*known, own])
        chosen[model.name] = model
    return Chosen(list(chosen.values()), paths)


@contextmanager
def ready_database(chosen: Chosen) -> Iterator[str]:
    """The connection string of a migrated database that can make the chosen models' tables.

    Refusals that come from the block name the files where a person is to type them.
    """
    try:
        with databases.ready_database(load_settings()) as conninfo:
            if chosen.files:
                with psycopg.connect(conninfo, autocommit=True) as conn:
                    for model in chosen.models:
                        if model.name in chosen.files:
                            files.check(conn, chosen.files[model.name], model)
            yield conninfo
    except (RebuildFailedError, RebuildRefusedError) as error:
        raise type(error)(chosen.with_files(str(error))) from error
