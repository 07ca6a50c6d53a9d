"""Names that outlast a stop of the machine."""

from __future__ import annotations

import os
from pathlib import Path


def sync(folder: Path) -> None:
    """Return once the names in a folder are on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
