"""What root opens so that Postgres can run as somebody else, and no more than that."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from api.local.errors import LocalServerError
from api.local.server_user import (
    ServerUser,
    check_has_name,
    give,
    let_read,
    let_through,
    server_user,
)

SOMEBODY = ServerUser("somebody", os.getuid() + 1, os.getgid() + 1)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folders_are_opened_for_passing_only_and_only_where_they_are_closed(folder: Path) -> None:
    inner = folder / "closed" / "open"
    inner.mkdir(parents=True)
    folder.chmod(0o755)
    (folder / "closed").chmod(0o700)
    inner.chmod(0o711)
    told: list[str] = []
    let_through(inner, SOMEBODY, told.append)
    assert (mode(folder), mode(folder / "closed"), mode(inner)) == (0o755, 0o701, 0o711)
    assert [str(folder / "closed") in sentence for sentence in told] == [True]


def test_programs_can_be_run_and_files_read_but_not_written(folder: Path) -> None:
    (folder / "bin").mkdir(mode=0o700)
    (folder / "bin" / "program").touch(mode=0o700)
    (folder / "bin" / "text").touch(mode=0o600)
    told: list[str] = []
    let_read([folder / "bin"], SOMEBODY, told.append)
    assert mode(folder / "bin") == 0o705
    assert mode(folder / "bin" / "program") == 0o705
    assert mode(folder / "bin" / "text") == 0o604
    let_read([folder / "bin"], SOMEBODY, told.append)
    assert len(told) == 1


def test_without_root_postgres_runs_as_who_asks(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert server_user(folder) is None


def test_root_lends_an_unprivileged_user(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    user = server_user(folder / "not made yet")
    assert user is not None
    assert user.name == "nobody"
    assert user.uid != 0


def test_a_machine_without_that_user_is_told_what_to_do(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("api.local.server_user._UNPRIVILEGED", "no such user")
    with pytest.raises(LocalServerError, match="run daybook as an ordinary user"):
        server_user(folder / "not made yet")


def test_a_user_without_a_name_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 2_000_000_000)
    with pytest.raises(LocalServerError, match="number 2000000000 has none"):
        check_has_name()


def test_a_refused_change_of_owner_is_told_with_a_way_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chown", refuse)
    with pytest.raises(LocalServerError, match="set DATA_DIR to another folder"):
        give(folder, SOMEBODY)
