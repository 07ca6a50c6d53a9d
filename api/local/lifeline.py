"""Becomes another program that ends when its parent ends: LIFELINE SIGNAL PARENT UID GID PROGRAM...

Run as a script (`python -I -S`), not imported. A `preexec_fn` would do the same in fewer lines, but
it may deadlock in a process that has threads, and Python 3.12 and later warn about it.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def _become(uid: int, gid: int) -> None:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def _load_prctl() -> Callable[..., object] | None:
    """None where Python was built without ctypes: the child then only lacks this safety net."""
    with contextlib.suppress(ImportError):
        import ctypes

        return ctypes.CDLL(None).prctl
    return None


def _die_with_parent(prctl: Callable[..., object] | None, signal_number: int, parent: int) -> None:
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the process that started this one has ended")


def main(arguments: list[str]) -> None:
    signal_number, parent, uid, gid, *program = arguments
    # Before the change of user: root's Python may be where no other user can read it.
    prctl = _load_prctl() if sys.platform == "linux" else None
    if uid != "-":
        _become(int(uid), int(gid))
    if sys.platform == "linux":  # after the change of user, which clears it
        _die_with_parent(prctl, int(signal_number), int(parent))
    # Ignored signals stay ignored in the next program: Python ignores SIGPIPE, nohup and & others.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execv(program[0], program)  # noqa: S606 - a shell is what this is not
    except OSError as error:
        sys.exit(f"cannot run {program[0]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
