"""Where and with what the figures were measured: without that they mean little."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psycopg

_PACKAGES = ("daybook", "psycopg", "eventsourcing", "fastapi", "uvicorn", "pydantic", "msgspec")


def describe(folder: Path, database_url: str) -> dict[str, str | int]:
    """The machine, the file system that holds `folder`, and the versions that take part."""
    with psycopg.connect(database_url) as conn:
        postgres = conn.execute("SHOW server_version").fetchone()
    assert postgres is not None
    return {
        "cpu": _cpu_model(),
        "cores": _cores(),
        "memory_gib": round(_memory_bytes() / 2**30),
        "kernel": f"{platform.system()} {platform.release()}",
        "filesystem": _file_system(folder),
        "python": platform.python_version(),
        "postgres": str(postgres[0]),
        **{name: _version(name) for name in _PACKAGES},
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _cores() -> int:
    """Cores that this process may use, which a container may have fewer of than the machine."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _file_system(folder: Path) -> str:
    """The type of the mount that holds `folder`: an fsync costs nothing on some of them."""
    try:
        mounts = Path("/proc/self/mounts").read_text().splitlines()
    except OSError:
        return "unknown"
    found, kind = "", "unknown"
    for line in mounts:
        _, mount, type_, *_ = line.split()
        mount = mount.encode().decode("unicode_escape")  # spaces are written \040
        if folder.resolve().is_relative_to(mount) and len(mount) >= len(found):
            found, kind = mount, type_
    return kind


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "from source"
