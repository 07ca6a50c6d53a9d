"""The bank that `daybook up` starts: a person who tries it gets at it, and nobody else does."""

from __future__ import annotations

from pathlib import Path

from api.local.sandboxes import bank_for
from api.settings import Settings


def test_the_token_is_left_for_curl_and_is_another_one_each_time(tmp_path: Path) -> None:
    seen = set()
    for _ in range(2):
        bank = bank_for(Settings(DATA_DIR=tmp_path))
        assert bank is not None
        assert bank.header.parent == tmp_path
        assert bank.header.read_text() == f"Authorization: Bearer {bank.secrets['SANDBOX_TOKEN']}\n"
        assert bank.header.stat().st_mode & 0o777 == 0o600
        assert bank.settings["BANK_TOKEN"] == bank.secrets["SANDBOX_TOKEN"]
        seen.add(bank.settings["BANK_TOKEN"])
    assert len(seen) == 2


def test_there_is_none_where_a_bank_is_set(tmp_path: Path) -> None:
    assert bank_for(Settings(DATA_DIR=tmp_path, BANK_URL="https://bank.example.com")) is None
    assert not list(tmp_path.iterdir())
