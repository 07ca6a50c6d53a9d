"""Signed notes and checkpoints: byte for byte as the format says, and nothing else is believed."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from stat import S_IMODE

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.audit import keys
from application.audit.checkpoints import open_checkpoint, read, sign
from application.audit.keys import KeyFileError
from application.audit.notes import (
    NoteError,
    Signer,
    Verifier,
    open_note,
    parse_signer,
    parse_verifier,
)

# From the documentation of golang.org/x/mod/sumdb/note, whose tools read and write the same.
GO_PRIVATE = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_PUBLIC = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
GO_NOTE = (
    GO_TEXT + "\n— PeterNeumann"
    " x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)

SIGNER, STRANGER = Signer.generate("example.com/ledger"), Signer.generate("example.com/other")
ROOT, CHAIN = sha256(b"root").digest(), sha256(b"chain").digest()
CHECKPOINT = sign(SIGNER, 3000, ROOT, CHAIN)


def test_notes_are_those_of_other_tools() -> None:
    assert parse_signer(GO_PRIVATE).sign(GO_TEXT) == GO_NOTE
    assert str(parse_signer(GO_PRIVATE).verifier) == GO_PUBLIC
    assert parse_signer(GO_PRIVATE).secret() == GO_PRIVATE
    assert open_note(GO_NOTE, [parse_verifier(GO_PUBLIC)])[0] == GO_TEXT


def test_a_checkpoint_says_what_was_signed() -> None:
    lines = CHECKPOINT.note.split("\n")
    assert lines[:3] == ["example.com/ledger", "3000", b64encode(ROOT).decode()]
    assert lines[3:5] == [f"chain-hash {b64encode(CHAIN).decode()}", ""]
    assert open_checkpoint(CHECKPOINT.note, [SIGNER.verifier]) == CHECKPOINT
    assert (CHECKPOINT.position, CHECKPOINT.root, CHECKPOINT.chain) == (3000, ROOT, CHAIN)


@given(st.integers(0, len(CHECKPOINT.note.encode()) - 1), st.integers(1, 255))
def test_no_byte_of_a_checkpoint_can_be_changed(place: int, change: int) -> None:
    raw = bytearray(CHECKPOINT.note.encode())
    raw[place] ^= change
    try:
        note = raw.decode()
    except UnicodeDecodeError:
        return
    with pytest.raises(NoteError):
        open_checkpoint(note, [SIGNER.verifier])


def test_a_checkpoint_of_another_key_is_told_apart() -> None:
    with pytest.raises(NoteError, match=r"signed by another key: example\.com/ledger\+"):
        open_checkpoint(CHECKPOINT.note, [STRANGER.verifier])
    same_name = Signer.generate(SIGNER.name)
    with pytest.raises(NoteError, match="signed by another key"):
        open_checkpoint(CHECKPOINT.note, [same_name.verifier])
    with pytest.raises(NoteError, match="known here: none"):
        open_checkpoint(CHECKPOINT.note, [])


def test_a_checkpoint_of_another_log_is_told_apart() -> None:
    text = CHECKPOINT.note.partition("\n\n")[0].replace("ledger", "another") + "\n"
    with pytest.raises(NoteError, match=r"of the log example\.com/another, not of example"):
        open_checkpoint(SIGNER.sign(text), [SIGNER.verifier])


def test_others_may_sign_too_and_are_left_alone() -> None:
    cosigned = CHECKPOINT.note + STRANGER.sign("x\n").rpartition("\n\n")[2]
    assert open_note(cosigned, [SIGNER.verifier])[1] == SIGNER.verifier
    with pytest.raises(NoteError, match=r"signature of example\.com/other"):
        open_note(cosigned, [SIGNER.verifier, STRANGER.verifier])


@pytest.mark.parametrize(
    "note",
    [
        "", "\n", "text", "text\n\n", "text\n\n— name\n", "text\n\n— name !!!!\n", "text\n\n— n AAAA\n",
        "text\n\n- name AAAAAAAA\n", "text\r\n\n— name AAAAAAAA\n", CHECKPOINT.note[:-1],
        CHECKPOINT.note + "\n", CHECKPOINT.note.replace("\n", "\r\n"), "a\n\n— na+me AAAAAAAA\n",
    ],
)  # fmt: skip
def test_what_is_no_note_is_said_to_be_none(note: str) -> None:
    with pytest.raises(NoteError, match=r"no sign|signature of the note is empty"):
        open_note(note, [SIGNER.verifier])


@pytest.mark.parametrize(
    "text",
    [
        "example.com/ledger\n",
        "example.com/ledger\n3000\nAAAA\nchain-hash AAAA\n",
        "example.com/ledger\n03000\n"
        + CHECKPOINT.note.split("\n", 2)[2].partition("\n\n")[0]
        + "\n",
        CHECKPOINT.note.partition("\nchain")[0] + "\n",
        CHECKPOINT.note.partition("\n\n")[0] + "\nchain-hash AAAA\n",
        CHECKPOINT.note.partition("\n\n")[0] + "\n\nmore\n",
    ],
)
def test_a_signed_text_that_is_no_checkpoint_is_said_to_be_none(text: str) -> None:
    with pytest.raises(NoteError, match="no checkpoint of a Daybook log"):
        read(SIGNER.sign(text))


@pytest.mark.parametrize(
    "line",
    ["", "name", "name+00000000", "a+b+c", GO_PUBLIC[:-4], GO_PUBLIC.replace("c74f", "c74g"), GO_PRIVATE],
)  # fmt: skip
def test_what_is_no_public_key_is_said_to_be_none(line: str) -> None:
    with pytest.raises(NoteError, match="is no public key"):
        parse_verifier(line)


def test_a_damaged_key_is_noticed() -> None:
    with pytest.raises(NoteError, match="does not fit to its id"):
        parse_verifier(GO_PUBLIC.replace("c74f20a3", "c74f20a4"))
    with pytest.raises(NoteError, match="does not fit to it"):
        parse_signer(GO_PRIVATE.replace("c74f20a3", "c74f20a4"))
    with pytest.raises(NoteError, match="no private key") as caught:
        parse_signer(GO_PRIVATE.replace("PRIVATE", "SECRET"))
    assert "AYEK" not in str(caught.value), "a secret in a message"


@pytest.mark.parametrize("name", ["", "two words", "a+b", "a\nb", "a\x9bb"])
def test_a_name_that_a_note_cannot_carry_is_refused(name: str) -> None:
    with pytest.raises(NoteError, match="cannot name a log"):
        Signer.generate(name)


def test_a_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "audit.key"
    made = keys.create(path, "example.com/ledger")
    assert S_IMODE(path.stat().st_mode) == 0o600
    assert S_IMODE(path.parent.stat().st_mode) == 0o700
    assert keys.load_signer(path).verifier == made.verifier
    assert keys.load_or_create(path).verifier == made.verifier
    assert path.with_suffix(".pub").read_text() == f"{made.verifier}\n"
    with pytest.raises(KeyFileError, match="there is a key at"):
        keys.create(path)
    assert sorted(p.name for p in path.parent.iterdir()) == ["audit.key", "audit.pub"]


def test_a_ledgers_own_key_gets_a_name_of_its_own(tmp_path: Path) -> None:
    names = {keys.load_or_create(tmp_path / f"{n}" / "audit.key").name for n in range(2)}
    assert len(names) == 2
    assert all(name.startswith("daybook.local/") for name in names)


def test_what_an_earlier_key_signed_is_still_checked(tmp_path: Path) -> None:
    path = tmp_path / "audit.key"
    earlier = keys.create(path, "example.com/ledger")
    signed = sign(earlier, 7, ROOT, CHAIN)
    path.rename(tmp_path / "retired.key")
    assert keys.load_verifiers(path) == [earlier.verifier]
    later = keys.create(path, "example.com/ledger")
    assert keys.load_verifiers(path) == [later.verifier, earlier.verifier]
    assert open_checkpoint(signed.note, keys.load_verifiers(path)) == signed


def test_a_missing_or_unreadable_key_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="make one with `daybook audit keygen`"):
        keys.load_verifiers(tmp_path / "audit.key")
    (tmp_path / "audit.key").mkdir()
    with pytest.raises(KeyFileError, match="cannot be read"):
        keys.load_signer(tmp_path / "audit.key")
    (tmp_path / "empty.pub").write_text("\n")
    with pytest.raises(KeyFileError, match="no public key in it"):
        keys.read_verifiers(tmp_path / "empty.pub")


def test_a_verifier_tells_signatures_apart() -> None:
    verifier = Verifier(*SIGNER.verifier)
    assert not verifier.holds("text\n", bytes(64))
