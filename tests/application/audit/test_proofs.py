"""Proofs: for any event of a log of any size, checked without the database, and for nothing else."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import AsyncConnection

from application.audit import merkle, proofs
from application.audit.checkpoints import Checkpoint, sign
from application.audit.errors import AuditError
from application.audit.making import make
from application.audit.notes import NoteError, Signer, encode64
from application.audit.proofs import BadProofError, NoSuchEventError
from application.audit.tree import BLOCK_EVENTS
from tests.application.audit import forgery
from tests.application.audit.conftest import SIGNER, Audited
from tests.conftest import Database, MakeDatabase
from tests.support.log import rows, tampering

T = TypeVar("T")

SCRIPT = Path(__file__).parents[3] / "docs" / "verify_proof.py"
EVENTS = 3 * BLOCK_EVENTS + 70
VERIFIERS = [SIGNER.verifier]


def ask(database: Database, work: Callable[[AsyncConnection[Any]], Coroutine[Any, Any, T]]) -> T:
    async def asked() -> T:
        async with await AsyncConnection.connect(database.url, autocommit=True) as conn:
            return await work(conn)

    return asyncio.run(asked())


def prove(database: Database, position: int, checkpoint: Checkpoint) -> str:
    return ask(database, lambda conn: proofs.prove(conn, position, checkpoint))


def extend(database: Database, old: Checkpoint, new: Checkpoint) -> str:
    return ask(database, lambda conn: proofs.prove_extension(conn, old, new))


class Proving:
    """A log of some thousand events whose tree is kept as far as it goes."""

    def __init__(self, database: Database, conn: psycopg.Connection[Any], folder: Path) -> None:
        self.database = database
        self.audited = Audited(database, conn, folder)
        self.audited.fill(EVENTS)
        with database.connect() as maker:
            make(maker, SIGNER, VERIFIERS, folder)
        self.rows = rows(conn)

    def checkpoint(self, size: int) -> Checkpoint:
        """As it would have been made when the log had so many events."""
        hashes = [row.hash for row in self.rows[:size]]
        return sign(SIGNER, size, merkle.root_of(hashes), hashes[-1])

    def prove(self, position: int, checkpoint: Checkpoint) -> str:
        return prove(self.database, position, checkpoint)

    def extend(self, old: Checkpoint, new: Checkpoint) -> str:
        return extend(self.database, old, new)


@pytest.fixture(scope="module")
def proving(
    make_database: MakeDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proving]:
    with make_database() as database, database.connect(superuser=True) as conn:
        yield Proving(database, conn, tmp_path_factory.mktemp("checkpoints"))


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The checker that imports nothing of ours."""
    spec = importlib.util.spec_from_file_location("verify_proof", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


sizes = st.one_of(
    st.integers(1, 70),
    st.builds(
        lambda blocks, more: blocks * BLOCK_EVENTS + more, st.integers(1, 3), st.integers(-3, 70)
    ),
)
size_and_position = sizes.flatmap(lambda size: st.tuples(st.just(size), st.integers(1, size)))

quiet = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@quiet
@given(size_and_position)
def test_every_event_of_a_log_of_any_size_can_be_proved(
    proving: Proving, script: ModuleType, drawn: tuple[int, int]
) -> None:
    size, position = drawn
    checkpoint = proving.checkpoint(size)
    proof = proving.prove(position, checkpoint)
    proven = proofs.check(proof, VERIFIERS)
    assert proven.event == proving.rows[position - 1]
    assert proven.checkpoint == checkpoint
    assert len(proven.path) <= (size - 1).bit_length()
    event, said_size, *hashes = script.check(proof, str(SIGNER.verifier))
    assert (event["position"], said_size) == (position, size)
    assert hashes == [checkpoint.root, checkpoint.chain]
    assert event["hash"] == proven.event.hash.hex()


@quiet
@given(size_and_position)
def test_a_log_of_any_size_is_proved_to_extend_any_earlier_one(
    proving: Proving, drawn: tuple[int, int]
) -> None:
    size, position = drawn
    old, new = proving.checkpoint(position), proving.checkpoint(size)
    proof = proving.extend(old, new)
    assert proofs.check_extension(proof, old, VERIFIERS) == new
    if position > 1:
        with pytest.raises(BadProofError, match="the proof begins at"):
            proofs.check_extension(proof, proving.checkpoint(position - 1), VERIFIERS)
        forged = sign(SIGNER, position, bytes(32), old.chain)
        with pytest.raises(BadProofError, match="is not shown to extend"):
            proofs.check_extension(proof, forged, VERIFIERS)


def test_no_byte_of_a_proof_can_be_changed(proving: Proving, script: ModuleType) -> None:
    raw = proving.prove(30, proving.checkpoint(70)).encode()
    for place in range(len(raw)):
        for flip in (0x01, 0x20, 0x80):
            changed = raw[:place] + bytes([raw[place] ^ flip]) + raw[place + 1 :]
            try:
                text = changed.decode()
            except UnicodeDecodeError:
                continue
            with pytest.raises(AuditError):
                proofs.check(text, VERIFIERS)
            with pytest.raises((script.NotProvedError, ValueError)):
                script.check(text, str(SIGNER.verifier))


def test_no_byte_of_a_proof_of_extension_can_be_changed(proving: Proving) -> None:
    old = proving.checkpoint(30)
    raw = proving.extend(old, proving.checkpoint(70)).encode()
    for place in range(len(raw)):
        changed = raw[:place] + bytes([raw[place] ^ 0x01]) + raw[place + 1 :]
        try:
            text = changed.decode()
        except UnicodeDecodeError:
            continue
        with pytest.raises(AuditError):
            proofs.check_extension(text, old, VERIFIERS)


@pytest.mark.parametrize(
    "change",
    [
        lambda proof: "",
        lambda proof: proof[:-1],
        lambda proof: proof + "\n",
        lambda proof: proof.replace("\n", "\r\n"),
        lambda proof: proof.replace("\nindex 29\n", "\nindex 029\n"),
        lambda proof: proof.replace("\nindex 29\n", "\n"),
        lambda proof: proof.partition("\n\n")[2],
        lambda proof: proof.replace("\n\n", "\nAAAA\n\n", 1),
        lambda proof: proof.replace("\nindex", "\nextra AAAA\nindex"),
    ],
)
def test_what_is_no_proof_is_not_believed(
    change: Callable[[str], str], proving: Proving, script: ModuleType
) -> None:
    text = change(proving.prove(30, proving.checkpoint(70)))
    with pytest.raises(AuditError):
        proofs.check(text, VERIFIERS)
    with pytest.raises((script.NotProvedError, ValueError)):
        script.check(text, str(SIGNER.verifier))


STRANGER = Signer.generate("example.com/other")


def _signed(blob: bytes, name: str = SIGNER.name) -> str:
    return f"— {name} {encode64(blob)}\n"


def _resigned(change: Callable[[str], str]) -> Callable[[str], str]:
    """The same proof under another text, which the right key signs."""

    def changed(proof: str) -> str:
        head, text, _ = proof.split("\n\n")
        return f"{head}\n\n{SIGNER.sign(change(text + chr(10)))}"

    return changed


NOTES: dict[str, tuple[Callable[[str], str], bool]] = {
    "as it was signed": (lambda proof: proof, True),
    "signed by another, too": (lambda p: p + _signed(b"1234" + bytes(64), STRANGER.name), True),
    "a line more in the text": (_resigned(lambda text: text + "foo bar\n"), True),
    "a second, wrong signature of our key": (
        lambda p: p + _signed(SIGNER.verifier.key_id + bytes(64)), False,
    ),
    "a line that is no signature": (lambda p: p + "— x\n", False),
    "an empty signature": (lambda p: p + _signed(b"1234", STRANGER.name), False),
    "words before the signature": (
        lambda p: p.replace(f"— {SIGNER.name} ", f"— {SIGNER.name} foo bar "), False,
    ),
    "control characters in another's name": (
        lambda p: p + _signed(b"1234" + bytes(64), "o\x1b[31mther"), False,
    ),
    "a name that cannot be shown": (lambda p: p + _signed(b"1234" + bytes(64), "o\u202eo"), False),
    "very many signatures": (lambda p: p + 100 * _signed(b"1234" + bytes(64), "o"), False),
    "no chain hash": (_resigned(lambda text: text.partition("chain-hash")[0]), False),
    "two chain hashes": (_resigned(lambda text: text + text.split("\n", 3)[3]), False),
    "a chain hash that is too short": (_resigned(lambda t: t[:-45] + "AAAA\n"), False),
    "an empty line": (_resigned(lambda text: text + "\nfoo\n"), False),
    "a size of nothing": (_resigned(lambda text: text.replace("\n70\n", "\n0\n")), False),
    "another origin": (_resigned(lambda text: "x" + text), False),
}  # fmt: skip


@pytest.mark.parametrize("way", NOTES)
def test_the_script_takes_what_the_product_takes_and_nothing_else(
    way: str, proving: Proving, script: ModuleType
) -> None:
    change, is_right = NOTES[way]
    proof = change(proving.prove(30, proving.checkpoint(70)))
    if is_right:
        assert proofs.check(proof, VERIFIERS).event.position == 30
        assert script.check(proof, str(SIGNER.verifier))[0]["position"] == 30
    else:
        with pytest.raises(AuditError):
            proofs.check(proof, VERIFIERS)
        with pytest.raises(script.NotProvedError):
            script.check(proof, str(SIGNER.verifier))


def test_the_script_tries_all_keys_of_a_file(proving: Proving, script: ModuleType) -> None:
    proof = proving.prove(30, proving.checkpoint(70))
    later = Signer.generate(SIGNER.name).verifier
    for lines in ([later, SIGNER.verifier], [SIGNER.verifier, later]):
        assert script.check(proof, "\n".join(map(str, lines)) + "\n\n")[1] == 70
    with pytest.raises(script.NotProvedError, match="no public key"):
        script.check(proof, "\n")


def test_a_proof_is_worth_nothing_to_who_trusts_another_key(
    proving: Proving, script: ModuleType
) -> None:
    proof = proving.prove(30, proving.checkpoint(70))
    stranger = Signer.generate(SIGNER.name).verifier
    with pytest.raises(NoteError, match="signed by another key"):
        proofs.check(proof, [stranger])
    with pytest.raises(script.NotProvedError, match="signed by another key"):
        script.check(proof, str(stranger))


def test_an_event_that_is_not_under_the_checkpoint_is_not_proved(proving: Proving) -> None:
    for position in (0, 71):
        with pytest.raises(NoSuchEventError, match=f"event {position} is not under"):
            proving.prove(position, proving.checkpoint(70))


def test_a_younger_checkpoint_is_not_extended_by_an_older_one(proving: Proving) -> None:
    with pytest.raises(AuditError, match="give the older checkpoint first"):
        proving.extend(proving.checkpoint(70), proving.checkpoint(30))


def test_a_proof_is_small(proving: Proving) -> None:
    proof = proving.prove(2000, proving.checkpoint(EVENTS))
    assert len(proofs.check(proof, VERIFIERS).path) == 12
    assert len(proof) < 2_000


def test_nothing_is_proved_of_a_log_that_was_altered(audited: Audited) -> None:
    checkpoint = audited.sign()
    forgery.rewrite(audited.conn, 20, b"{}")
    for position in (5, 20, 30):
        with pytest.raises(AuditError, match="not what the checkpoint of position 40 signed"):
            prove(audited.database, position, checkpoint)
    another = sign(SIGNER, 40, bytes(32), bytes(32))
    with pytest.raises(AuditError, match="does not extend"):
        extend(audited.database, checkpoint, another)


def test_holes_are_told_in_a_sentence(audited: Audited) -> None:
    audited.fill(BLOCK_EVENTS + 40)
    checkpoint = audited.sign()
    with tampering(audited.conn):
        audited.conn.execute("DELETE FROM audit_nodes")
    with pytest.raises(AuditError, match="has a hole"):
        prove(audited.database, 1050, checkpoint)
    forgery.delete(audited.conn, 7, 7)
    for position in (7, 8):
        with pytest.raises(NoSuchEventError, match="is missing in the log"):
            prove(audited.database, position, checkpoint)
