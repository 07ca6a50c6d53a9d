"""Who Postgres runs as: it refuses to be root, so root lends it an unprivileged user."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from api.local.errors import LocalServerError

_UNPRIVILEGED = "nobody"


@dataclass(frozen=True)
class ServerUser:
    name: str
    uid: int
    gid: int


def server_user(data: Path) -> ServerUser | None:
    """None when the caller can run Postgres itself; for root the owner of `data`, or `nobody`."""
    if os.geteuid() != 0:
        return None
    if data.exists() and data.stat().st_uid != 0:
        # Made by an ordinary user who must be able to use it again without root.
        owner = data.stat()
        return ServerUser(owner_of(data), owner.st_uid, owner.st_gid)
    try:
        entry = pwd.getpwnam(_UNPRIVILEGED)
    except KeyError:
        raise LocalServerError(
            f"Postgres does not run as root, and this machine has no user '{_UNPRIVILEGED}' to run "
            "it as: run daybook as an ordinary user"
        ) from None
    return ServerUser(entry.pw_name, entry.pw_uid, entry.pw_gid)


def check_has_name() -> None:
    """initdb refuses a user that is only a number. Raises `LocalServerError`."""
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        raise LocalServerError(
            f"Postgres needs a user with a name, and number {os.geteuid()} has none on this machine: "
            "run daybook as a user that is in /etc/passwd, or set DATABASE_URL to another Postgres"
        ) from None


def owner_of(path: Path) -> str:
    """The name of a file's owner, or the number where it has no name, as in many containers."""
    try:
        return path.owner()
    except KeyError:
        return str(path.stat().st_uid)


def let_through(path: Path, user: ServerUser, notice: Callable[[str], None]) -> None:
    """Let `user` pass through `path` and the folders above it; not list or read them."""
    for folder in (path, *path.parents):
        status = folder.stat()
        if status.st_uid != user.uid and not status.st_mode & stat.S_IXOTH:
            _add(folder, status.st_mode, stat.S_IXOTH, user)
            notice(f"others may now pass through {folder} (o+x): Postgres runs as {user.name}")


def let_read(trees: Iterable[Path], user: ServerUser, notice: Callable[[str], None]) -> None:
    """Let everyone read the files of these folders and run their programs: `chmod -R o+rX`."""
    for tree in trees:
        changed = [path for path in (tree, *tree.rglob("*")) if _opened(path, user)]
        if changed:
            notice(f"others may now read {tree} (o+rX): Postgres runs as {user.name}")


def give(path: Path, user: ServerUser) -> None:
    """Make `user` the owner of a file or a whole folder. Raises `LocalServerError` when refused."""
    inside = path.rglob("*") if path.is_dir() else ()
    try:
        for each in (path, *inside):
            os.chown(each, user.uid, user.gid, follow_symlinks=False)
    except OSError as error:
        raise _refused(path, error, user) from error


def _opened(path: Path, user: ServerUser) -> bool:
    """Whether a file or folder had to be opened to others."""
    mode = path.stat().st_mode
    wanted = stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0)
    if mode & wanted == wanted:
        return False
    _add(path, mode, wanted, user)
    return True


def _add(path: Path, mode: int, bits: int, user: ServerUser) -> None:
    try:
        path.chmod(stat.S_IMODE(mode) | bits)
    except OSError as error:
        raise _refused(path, error, user) from error


def _refused(path: Path, error: OSError, user: ServerUser) -> LocalServerError:
    return LocalServerError(
        f"Postgres does not run as root, and {path} cannot be opened to the user '{user.name}' "
        f"({error.strerror}): run daybook as an ordinary user, or set DATA_DIR to another folder"
    )
