"""Folders for exports."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.folders import data_folder


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In memory where there is plenty: an export waits for its disk after every file."""
    with data_folder() as folder:
        path = folder / "exports"  # the folder itself is locked, as exports lock theirs
        path.mkdir()
        yield path
