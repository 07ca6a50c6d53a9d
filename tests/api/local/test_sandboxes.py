"""The services that `daybook up` starts: a person who tries them gets at them, and nobody else does."""

from __future__ import annotations

from pathlib import Path

from api.local.sandboxes import needed
from api.settings import Settings


def test_the_tokens_are_left_for_curl_and_are_others_each_time(tmp_path: Path) -> None:
    seen = set()
    for _ in range(2):
        bank, bureau = needed(Settings(DATA_DIR=tmp_path))
        for one, service in ((bank, "BANK"), (bureau, "BUREAU")):
            assert one.header == tmp_path / f"sandbox-{one.name}.txt"
            token = one.secrets["SANDBOX_TOKEN"]
            assert one.header.read_text() == f"Authorization: Bearer {token}\n"
            assert one.header.stat().st_mode & 0o777 == 0o600
            assert one.settings[f"{service}_TOKEN"] == token
            assert (
                one.settings[f"{service}_WEBHOOK_SECRET"] == one.secrets["SANDBOX_WEBHOOK_SECRET"]
            )
            assert str(one.url.rpartition(":")[2]) in one.command
            seen |= {token, one.secrets["SANDBOX_WEBHOOK_SECRET"]}
        assert bank.url != bureau.url
    assert len(seen) == 8


def test_there_is_none_for_a_service_that_is_set(tmp_path: Path) -> None:
    (bureau,) = needed(Settings(DATA_DIR=tmp_path, BANK_URL="https://bank.example.com"))
    assert bureau.name == "bureau"
    both = {f"{name}_URL": f"https://{name.lower()}.example.com" for name in ("BANK", "BUREAU")}
    assert needed(Settings.model_validate({"DATA_DIR": tmp_path, **both})) == []
    assert [path.name for path in tmp_path.iterdir()] == ["sandbox-bureau.txt"]


def test_there_are_ports_at_the_end_of_all_ports_too(tmp_path: Path) -> None:
    bank, bureau = needed(Settings(DATA_DIR=tmp_path, PORT=65_535))
    assert bank.url != bureau.url
