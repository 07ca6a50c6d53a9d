"""Master keys are read strictly, wrap with the newest, open with all, and are never shown."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode

import pytest

from application.privacy.master_keys import (
    MasterKeyError,
    MasterKeyMissingError,
    MasterKeys,
    Wrapped,
    generate,
    is_weak,
)
from application.privacy.sealing import SealBrokenError, new_key

OLD, NEW = bytes(range(32)), bytes(range(100, 132))
# With `/`, `+` and `=`: the spelling of keys is what this is about.
SPELT = b64encode(bytes([0xFF, 0xEF, 0xBE] * 10 + [0xFB, 0xFF])).decode()


def test_a_wrapped_key_comes_back() -> None:
    masters, key = MasterKeys(OLD), new_key()
    wrapped = masters.wrap(key, "person:1")
    assert masters.unwrap(wrapped, "person:1") == key
    assert key not in wrapped.wrapped
    assert wrapped.master_key_id == masters.current_id


def test_after_a_rotation_the_old_key_opens_and_the_new_one_wraps() -> None:
    before, after = MasterKeys(OLD), MasterKeys(NEW, [OLD])
    key = new_key()
    kept = before.wrap(key, "person:1")
    assert after.unwrap(kept, "person:1") == key
    anew = after.wrap(key, "person:1")
    assert anew.master_key_id == after.current_id != kept.master_key_id
    assert MasterKeys(NEW).unwrap(anew, "person:1") == key


def test_a_missing_master_key_is_named_with_what_to_do() -> None:
    kept = MasterKeys(OLD).wrap(new_key(), "person:1")
    with pytest.raises(MasterKeyMissingError) as refused:
        MasterKeys(NEW).unwrap(kept, "person:1")
    assert refused.value.master_key_id == kept.master_key_id
    assert kept.master_key_id in str(refused.value)
    assert "ENCRYPTION_KEYS_OLD" in str(refused.value)


def test_a_wrapped_key_opens_under_its_own_name_only() -> None:
    masters = MasterKeys(OLD)
    wrapped = masters.wrap(new_key(), "person:1")
    for name in ("person:2", "service:1"):
        with pytest.raises(SealBrokenError, match=name):
            masters.unwrap(wrapped, name)


def test_a_changed_or_shortened_row_is_refused() -> None:
    masters = MasterKeys(OLD)
    id_, raw = masters.wrap(new_key(), "person:1")
    for changed in (raw[:-1], raw + b"\0", raw[:-1] + bytes([raw[-1] ^ 1]), b""):
        with pytest.raises(SealBrokenError, match="person:1"):
            masters.unwrap(Wrapped(id_, changed), "person:1")


def test_ids_tell_keys_apart_and_stay_the_same_for_ever() -> None:
    masters = MasterKeys(NEW, [OLD, NEW])
    assert masters.ids == ["2d78aca2", "5f0f1fa8"]
    assert masters.older_ids == ["5f0f1fa8"]
    assert masters.current_id == "2d78aca2"


def test_master_keys_are_never_printed() -> None:
    printed = f"{MasterKeys(OLD)!r} {MasterKeys(OLD)}"
    assert MasterKeys(OLD).current_id in printed
    for spelling in (repr(OLD), OLD.hex(), b64encode(OLD).decode()):
        assert spelling not in printed


def test_a_generated_key_can_be_used_and_is_another_each_time() -> None:
    made = {generate() for _ in range(50)}
    assert len(made) == 50
    assert len({MasterKeys.parse(key).current_id for key in made}) == 50


@pytest.mark.parametrize(
    "text",
    [
        SPELT,
        SPELT.rstrip("="),
        urlsafe_b64encode(bytes([0xFF, 0xEF, 0xBE] * 10 + [0xFB, 0xFF])).decode(),
        f"  {SPELT}\n",
    ],
    ids=["standard", "without padding", "urlsafe", "with spaces around"],
)
def test_all_usual_spellings_are_one_key(text: str) -> None:
    assert set(SPELT) >= set("/+="), "a key that has something to spell differently"
    assert MasterKeys.parse(text).ids == MasterKeys.parse(SPELT).ids


@pytest.mark.parametrize(
    "text",
    [
        "",
        "change_me",
        b64encode(bytes(16)).decode(),
        b64encode(bytes(31)).decode(),
        b64encode(bytes(33)).decode(),
        bytes(range(32)).hex(),
        SPELT[:-1] + "A",
        SPELT.replace("=", "", 1)[:-1] + "9=",
        SPELT[:20] + " " + SPELT[20:],
        SPELT[:20] + "ü" + SPELT[21:],
    ],
    ids=[
        "empty", "a word", "16 bytes", "31 bytes", "33 bytes", "hexadecimal", "more behind it",
        "last digit mistyped", "a space in it", "no base64",
    ],
)  # fmt: skip
def test_what_is_not_32_bytes_in_base64_is_refused_with_what_to_do(text: str) -> None:
    with pytest.raises(MasterKeyError, match=r"ENCRYPTION_KEY .*daybook keys generate") as refused:
        MasterKeys.parse(text)
    assert not text or text not in str(refused.value), "it may be nearly right"
    with pytest.raises(MasterKeyError, match=r"key 2 of ENCRYPTION_KEYS_OLD .*keys generate"):
        MasterKeys.parse(SPELT, [generate(), text])


@pytest.mark.parametrize(
    ("key", "answer"),
    [
        (bytes(32), True),
        (b"a" * 32, True),
        (b"secret!" * 4 + b"secr", True),
        (b"abcdefgh" * 4, False),
        (bytes(range(32)), False),
    ],
)
def test_keys_that_nobody_made_at_random_are_weak(key: bytes, answer: bool) -> None:
    assert is_weak(key) is answer


def test_random_keys_are_never_weak() -> None:
    assert not any(is_weak(new_key()) for _ in range(10_000))
