"""The embedded Postgres keeps what it was told, whatever happens to its processes and its folder."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from api.local import cluster, postmaster
from api.local.children import tied
from api.local.errors import LocalServerError
from api.local.postgres import EmbeddedPostgres
from api.local.server_user import server_user
from tests.api.local.conftest import Run, line_with

OWNER = """
import sys, signal
from contextlib import closing
from pathlib import Path
from api.local.postgres import EmbeddedPostgres

with EmbeddedPostgres(Path(sys.argv[1]), notice=print) as server:
    print("ready", server.pid)
    signal.pause()
"""

COMPUTING = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE state = 'active' AND query LIKE '%generate_series%' AND pid != pg_backend_pid()"
)


def superuser(server: EmbeddedPostgres) -> psycopg.Connection[Any]:
    return psycopg.connect(server.url(superuser=True), autocommit=True)


def kill(server: EmbeddedPostgres) -> None:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)


def test_data_outlive_a_restart(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server, superuser(server) as conn:
        conn.execute("CREATE TABLE kept AS SELECT 'ä' AS word")
    with EmbeddedPostgres(folder) as server, superuser(server) as conn:
        assert conn.execute("SELECT upper(word) FROM kept").fetchall() == [("Ä",)]


def test_data_outlive_a_killed_server(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server, superuser(server) as conn:
        conn.execute("CREATE TABLE kept AS SELECT 1 AS number")
        kill(server)
    with EmbeddedPostgres(folder) as server, superuser(server) as conn:
        assert conn.execute("SELECT number FROM kept").fetchall() == [(1,)]


def test_a_killed_server_starts_again_beside_a_long_query(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server, closing(superuser(server)) as conn:
        conn.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 10000000000)")
        with superuser(server) as other:
            while other.execute(COMPUTING).fetchone() == (0,):
                pass
        kill(server)
        server.stop()
        server.start()
        superuser(server).close()


def test_a_stopped_server_is_gone_and_can_be_stopped_again(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    server.start()
    pid = server.pid
    assert pid is not None
    server.stop()
    server.stop()
    assert server.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(LocalServerError, match=r"start\(\)"):
        server.url()


def test_nothing_is_lost_between_an_answer_and_a_power_cut(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server, superuser(server) as conn:
        for setting in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
            assert conn.execute(f"SHOW {setting}").fetchone() == ("on",)


def test_nobody_else_can_connect(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server, superuser(server) as conn:
        assert conn.execute("SHOW listen_addresses").fetchone() == ("",)
        assert stat.S_IMODE((folder / "run").stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "run" / ".s.PGSQL.5432").stat().st_mode) == 0o700


def test_the_second_to_start_uses_the_server_of_the_first(folder: Path) -> None:
    with EmbeddedPostgres(folder) as first:
        with EmbeddedPostgres(folder) as second:
            assert second.adopted
            assert not first.adopted
            assert (second.pid, second.url()) == (first.pid, first.url())
        superuser(first).close()


def test_a_server_ends_with_its_owner_however_that_ends(folder: Path, run_script: Run) -> None:
    owner = run_script(OWNER, str(folder))
    pid = int(line_with(owner, "ready").split()[1])
    owner.kill()
    owner.wait()
    with EmbeddedPostgres(folder) as server:
        assert not server.adopted
        assert server.pid != pid


def test_an_abandoned_server_is_replaced_by_one_that_is_watched(folder: Path) -> None:
    with EmbeddedPostgres(folder):
        pass
    command = [str(cluster.programs() / "postgres"), "-D", str(folder / "postgres")]
    command += ["-c", f"unix_socket_directories={folder / 'postgres'}", "-c", "listen_addresses="]
    command = tied(command, signal.SIGQUIT, server_user(folder / "postgres"))
    with subprocess.Popen(command, stderr=subprocess.PIPE, cwd="/") as abandoned:
        assert abandoned.stderr is not None
        assert any(b"ready to accept" in line for line in abandoned.stderr)
        with EmbeddedPostgres(folder) as server:
            assert abandoned.wait() == 0
            assert server.pid != abandoned.pid


def test_the_pid_file_of_a_dead_server_does_not_hinder(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server:
        lines = (folder / "postgres" / "postmaster.pid").read_text().splitlines()
    assert server.pid is None
    lines[0] = str(os.getpid())  # as in a container that starts again with the same process ids
    (folder / "postgres" / "postmaster.pid").write_text("\n".join(lines))
    postmaster.end_abandoned(folder / "postgres")
    assert postmaster.recorded(folder / "postgres") is None


def test_a_data_folder_is_made_whole_or_not_at_all(folder: Path, run_script: Run) -> None:
    killed = run_script(OWNER, str(folder))
    line_with(killed, "making a new Postgres data folder")
    killed.kill()
    killed.wait()
    (folder / "postgres.unfinished-older").mkdir()
    with EmbeddedPostgres(folder) as server:
        superuser(server).close()
        assert list(folder.glob("postgres.unfinished-*")) == []


def test_a_folder_of_another_version_is_left_alone(folder: Path) -> None:
    (folder / "postgres").mkdir()
    (folder / "postgres" / "PG_VERSION").write_text("17\n")
    with pytest.raises(LocalServerError, match="made by Postgres 17, and this is Postgres 18"):
        EmbeddedPostgres(folder).start()
    assert [path.name for path in (folder / "postgres").iterdir()] == ["PG_VERSION"]


def test_a_folder_with_other_files_is_left_alone(folder: Path) -> None:
    (folder / "postgres").mkdir()
    (folder / "postgres" / "thesis.txt").write_text("years of work")
    with pytest.raises(LocalServerError, match="not a data folder of Postgres: move it away"):
        EmbeddedPostgres(folder).start()
    assert (folder / "postgres" / "thesis.txt").exists()


@pytest.mark.parametrize("data_dir", ["file", "file/below"])
def test_a_file_in_the_place_of_the_folder_is_named(folder: Path, data_dir: str) -> None:
    (folder / "file").write_text("")
    with pytest.raises(LocalServerError, match=f"{data_dir} cannot be a folder"):
        EmbeddedPostgres(folder / data_dir).start()


def test_a_file_in_the_place_of_the_data_is_named(folder: Path) -> None:
    (folder / "postgres").write_text("")
    with pytest.raises(LocalServerError, match="postgres is a file where a folder must be"):
        EmbeddedPostgres(folder).start()


def test_a_folder_that_cannot_be_written_is_named(folder: Path) -> None:
    # Not by its permissions, which do not bind root.
    (folder / "postgres.log").mkdir()
    with pytest.raises(LocalServerError, match=f"make {folder} writable, or set DATA_DIR"):
        EmbeddedPostgres(folder).start()


def test_a_server_that_ends_while_it_starts_is_quoted(folder: Path) -> None:
    server = EmbeddedPostgres(folder, settings={"shared_buffers": "plenty"})
    with pytest.raises(LocalServerError, match='invalid value for parameter "shared_buffers"'):
        server.start()
    assert server.pid is None


@pytest.mark.parametrize("name", ["x" * 120, "100% mine, all of it"])
def test_any_name_of_a_folder_will_do(folder: Path, name: str) -> None:
    with EmbeddedPostgres(folder / name) as server:
        psql = [str(cluster.programs() / "psql"), server.url(superuser=True), "-Atc", "SELECT 1"]
        ended = subprocess.run(psql, capture_output=True, text=True, check=True)
    assert ended.stdout == "1\n"


def test_the_language_of_the_machine_does_not_matter(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"LANG": "xx_XX.UTF-8", "LC_ALL": "xx_XX.UTF-8", "TZ": "Nowhere"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PGDATA", "/nowhere")
    monkeypatch.setenv("PGPORT", "1")
    with EmbeddedPostgres(folder) as server, superuser(server) as conn:
        sorted_words = "SELECT w FROM unnest(ARRAY['b', 'a', 'B', 'é']) w ORDER BY w"
        assert conn.execute(sorted_words).fetchall() == [("B",), ("a",), ("b",), ("é",)]
        assert conn.execute("SHOW timezone").fetchone() == ("UTC",)
