"""The search for texts in clear finds what is there: else that it finds nothing would prove nothing."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path

import pytest
import redis

from tests.api.conftest import some_id
from tests.conftest import Database
from tests.support.clear_text import found_in, found_in_database, found_in_files, found_in_redis
from tests.support.redis import RedisServer


def test_the_search_finds_what_is_there(database: Database, tmp_path: Path) -> None:
    planted = {"a name": "Somebody Planted", "an address": "planted@some.example"}
    with database.connect(superuser=True) as conn:
        conn.execute(
            "CREATE SCHEMA scratch CREATE TABLE things (a text, b bytea, c jsonb, d text[])"
        )
        assert found_in_database(database, planted) == set()
        for column, value in {
            "a": "it is SOMEBODY PLANTED there",
            "b": b"\x00it is Somebody Planted\xff",
            "c": json.dumps({"deep": ["Somebody Planted"]}),
            "d": ["x", "Somebody Planted"],
        }.items():
            conn.execute(f"INSERT INTO scratch.things ({column}) VALUES (%s)".encode(), (value,))
            assert found_in_database(database, planted) == {("scratch.things", "a name")}, column
            conn.execute("DELETE FROM scratch.things")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(b"\x00planted@some.example\x00")
    assert found_in_files(tmp_path, planted) == {("deep/file", "an address")}
    with RedisServer() as server, redis.Redis.from_url(server.url) as client:
        client.set("planted@some.example:7", 1)
        client.hset("h", "k", "Somebody Planted")
        client.zadd("z", {"planted@some.example": 1})
        assert found_in_redis(server.url, planted) == {
            ("planted@some.example:7", "an address"), ("h", "a name"), ("z", "an address"),
        }  # fmt: skip


@pytest.mark.parametrize("before", ["", "x", "xx", "xxx", "longer than that: "])
@pytest.mark.parametrize("after", ["", "y", "yy", "yyy"])
def test_it_sees_through_the_usual_encodings(before: str, after: str) -> None:
    planted = {"it": "planted@some.example"}
    text = f"{before}{planted['it']}{after}".encode()
    for encoded in (
        text,
        text.upper(),
        text.hex().encode(),
        b64encode(text),
        urlsafe_b64encode(text),
    ):
        assert found_in(encoded, planted) == {"it"}, encoded
    assert found_in(text[:-8], planted) == set() or after
    assert found_in(some_id().encode(), planted) == set()
