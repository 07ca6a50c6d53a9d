"""Files that are there whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def replace_file(path: Path, content: str, *, mode: int) -> None:
    """Put a file in place, of whatever was there."""
    written = _written_beside(path, content, mode)
    os.replace(written, path)


def place_new_file(path: Path, content: str, *, mode: int) -> None:
    """As `replace_file`, but raises `FileExistsError` rather than replace anything."""
    written = _written_beside(path, content, mode)
    try:
        os.link(written, path)
    finally:
        written.unlink()


def _written_beside(path: Path, content: str, mode: int) -> Path:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w") as file:
        file.write(content)
        file.flush()
        os.fchmod(handle, mode)
        os.fsync(handle)
    return Path(name)
