"""Command lines for child processes that never outlive the process that started them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from signal import Signals

from api.local.server_user import ServerUser

_LIFELINE = Path(__file__).with_name("lifeline.py")


def tied(
    program: Sequence[str], when_parent_dies: Signals, user: ServerUser | None = None
) -> list[str]:
    """The command line that runs `program` (an absolute path and its arguments) as a tied child.

    On Linux the kernel sends `when_parent_dies` to the child when the *thread* that started it ends,
    however that ends: start children from the main thread. With `user` the child runs as that user.
    """
    ids = ["-", "-"] if user is None else [str(user.uid), str(user.gid)]
    return [
        *(sys.executable, "-I", "-S", str(_LIFELINE)),
        *(str(int(when_parent_dies)), str(os.getpid()), *ids),
        *program,
    ]
