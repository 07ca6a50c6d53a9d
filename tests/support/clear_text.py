"""Looks for texts that must be nowhere in clear: in a whole database, a Redis, files, and log lines."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import redis
from psycopg import sql

from tests.conftest import Database

Planted = Mapping[str, str]
"""What each text is, and the text; none so short that it could be there by chance."""

_TABLES = (
    "SELECT schemaname, tablename FROM pg_tables"
    " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
)


def spellings(text: str) -> set[bytes]:
    """How a text may be written and still be read by everybody, in lower case: as it is, in hex, and in
    base64 wherever in a longer text it stands."""
    raw = text.encode()
    found = {raw.lower(), raw.hex().encode()}
    for before in range(3):
        encoded = b64encode(b"x" * before + raw)
        # Without the ends, which depend on what stands next to it.
        inner = encoded[2 if before else 0 :].rstrip(b"=")[2 if before else 0 : -1]
        found |= {inner.lower(), inner.translate(bytes.maketrans(b"+/", b"-_")).lower()}
    return found


def found_in(content: bytes, planted: Planted) -> set[str]:
    """What of it is in there."""
    low = content.lower()
    return {what for what, text in planted.items() if any(s in low for s in spellings(text))}


def found_in_database(database: Database, planted: Planted) -> set[tuple[str, str]]:
    """Which of it is in which table, in any column of any schema."""
    found = set()
    with database.connect(superuser=True) as conn:
        for schema, table in conn.execute(_TABLES).fetchall():
            query = sql.SQL("SELECT t::text FROM {} AS t").format(sql.Identifier(schema, table))
            for (row,) in conn.execute(query):
                found |= {(f"{schema}.{table}", what) for what in found_in(row.encode(), planted)}
    return found


def found_in_redis(url: str, planted: Planted) -> set[tuple[str, str]]:
    """Which of it is in which key or its value."""
    with redis.Redis.from_url(url) as client:
        return {
            (key.decode(errors="replace"), what)
            for key in client.scan_iter()
            for what in found_in(key + b"\n" + b"\n".join(_values(client, key)), planted)
        }


def _values(client: Any, key: bytes) -> Iterator[bytes]:
    match client.type(key):
        case b"string":
            yield client.get(key) or b""
        case b"hash":
            for name, value in client.hgetall(key).items():
                yield from (name, value)
        case b"list":
            yield from client.lrange(key, 0, -1)
        case b"set":
            yield from client.smembers(key)
        case b"zset":
            yield from client.zrange(key, 0, -1)
        case b"none":
            return  # its time was over meanwhile
        case other:
            raise AssertionError(f"not looked into: {other!r}")


def found_in_files(folder: Path, planted: Planted) -> set[tuple[str, str]]:
    """Which of it is in which file, but for the mailbox, whose mail is for people."""
    return {
        (str(path.relative_to(folder)), what)
        for path in folder.rglob("*")
        if path.is_file() and "mailbox" not in path.relative_to(folder).parts
        for what in found_in(path.read_bytes() + str(path).encode(), planted)
    }
