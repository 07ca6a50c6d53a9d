"""`daybook audit` as a person and a script use it: words, JSON, files, exit status."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from application.audit.making import make
from application.audit.notes import Signer
from tests.api.cli.conftest import CommandLine, Result
from tests.application.audit import forgery
from tests.application.audit.conftest import EVENTS, SIGNER, Audited
from tests.application.audit.test_proofs import SCRIPT
from tests.projections.running import caught_up, running
from tests.support.log import tampering
from tests.support.processes import settings_of


class Installation:
    """`daybook audit` for a ledger with a data folder of its own."""

    def __init__(self, audited: Audited, data: Path) -> None:
        self.audited = audited
        self.data = data
        self._daybook = CommandLine(settings_of(audited.database) | {"DATA_DIR": str(data)})

    def __call__(self, *arguments: object, **settings: str) -> Result:
        return self._daybook.here("audit", *arguments, **settings)

    def says(self, *arguments: object, **settings: str) -> str:
        """What a command that succeeds prints."""
        done = self(*arguments, **settings)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def sign(self) -> Path:
        """Sign with the installation's own key; answers the checkpoint's file."""
        path = self.data / "keys" / "audit.key"
        if not path.exists():
            path.parent.mkdir()
            path.write_text(SIGNER.secret())
        with self.audited.database.connect() as conn:
            made = make(conn, SIGNER, [SIGNER.verifier], self.data / "checkpoints")
        return self.data / "checkpoints" / f"{made.position}.txt"


@pytest.fixture
def daybook(audited: Audited, tmp_path: Path) -> Installation:
    return Installation(audited, tmp_path)


def test_from_the_first_key_to_a_proof_that_a_stranger_checks(
    daybook: Installation, tmp_path: Path
) -> None:
    unsigned = daybook("checkpoint")
    assert unsigned.returncode == 1
    assert "daybook audit keygen" in unsigned.stderr

    public_key = daybook.says("keygen", "--origin", "example.com/ledger")
    assert public_key == daybook.says("public-key")
    checkpoint = tmp_path / "kept.txt"
    checkpoint.write_text(daybook.says("checkpoint"))
    assert checkpoint.read_text() == (tmp_path / "checkpoints" / f"{EVENTS}.txt").read_text()

    proof = tmp_path / "event.tlog-proof"
    daybook.says("prove", 12, "-o", proof)
    # The stranger has no database, and no data folder either.
    elsewhere = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "DATA_DIR": "/nowhere"}
    shown = daybook.says(
        "check", proof, "--public-key", public_key.strip(), "--checkpoint", checkpoint, "--json",
        **elsewhere,
    )  # fmt: skip
    assert json.loads(shown)["event"]["position"] == 12
    assert json.loads(shown)["tree_size"] == EVENTS


def test_a_script_that_knows_nothing_of_daybook_checks_a_proof(
    daybook: Installation, tmp_path: Path
) -> None:
    checkpoint = daybook.sign()
    proof = tmp_path / "event.tlog-proof"
    daybook.says("prove", 12, "-o", proof)

    def check(*arguments: object) -> Result:
        # -I: without the folder of the script, without PYTHONPATH, from nowhere.
        return subprocess.run(
            [sys.executable, "-I", SCRIPT, *map(str, arguments)],
            cwd=tmp_path,
            env={"PATH": os.defpath, "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            text=True,
            check=False,
        )

    proved = check(SIGNER.verifier, proof, checkpoint)
    assert (proved.returncode, proved.stderr) == (0, "")
    assert "PROVED: in the log as it was signed with 40 events" in proved.stdout
    assert "position     12" in proved.stdout
    key_file = tmp_path / "stranger.pub"
    key_file.write_text(str(Signer.generate("example.com/ledger").verifier))
    assert "signed by another key" in check(key_file, proof).stderr
    proof.write_text(proof.read_text().replace("index 11", "index 12"))
    assert check(SIGNER.verifier, proof).returncode == 1


def test_the_script_imports_nothing_of_daybook() -> None:
    imported = set()
    for node in ast.walk(ast.parse(SCRIPT.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            imported.add(str(node.module).partition(".")[0])
    assert imported - set(sys.stdlib_module_names) == {"cryptography"}


def test_a_whole_log_is_verified_in_words(daybook: Installation) -> None:
    daybook.sign()
    said = daybook.says("verify")
    assert f"✓ The chain holds from event 1 to {EVENTS}: {EVENTS} events" in said
    assert "✓ Held against 1 checkpoint: the log extends what was signed." in said


def test_a_broken_log_is_told_in_words_and_by_the_exit_status(daybook: Installation) -> None:
    forgery.alter(daybook.audited.conn, 12, "state = state || ' '")
    done = daybook("verify")
    assert done.returncode == 1
    assert "Not held against any checkpoint" in done.stdout
    assert "✗ Altered: event 12 (or event 11, together with its hash)" in done.stdout


def test_findings_are_told_to_programs_too(daybook: Installation, tmp_path: Path) -> None:
    kept = daybook.sign().rename(tmp_path / "kept.txt")
    forgery.rewrite(daybook.audited.conn, 5, b"{}")
    done = daybook("verify", "--from", 2, "--checkpoint", kept, "--json")
    assert done.returncode == 1
    found: dict[str, Any] = json.loads(done.stdout)
    assert not found["ok"]
    (finding,) = found["findings"]
    assert (finding["kind"], finding["position"], finding["until"]) == ("rewritten", 1, EVENTS)
    assert found["notices"] == ["Begins at event 2, trusting the stored hash of event 1."]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["prove", 41], "there is no event 41: the log ends at 40"),
        (["prove", 7], "nothing is signed yet"),
        (["check", "/nowhere"], "no public key to check with: give it with --public-key"),
        (["check", "/nowhere", "--public-key", str(SIGNER.verifier)], "/nowhere cannot be read"),
        (["verify", "--checkpoint", "/nowhere"], "no public key to check with"),
        (["verify", "--to", 41], "give positions from 1 to 40"),
        (["verify", "--public-key", "name"], "'name' is no public key for checkpoints"),
    ],
)
def test_what_can_not_be_done_is_said_in_a_sentence(
    arguments: list[object], sentence: str, daybook: Installation
) -> None:
    done = daybook(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_checkpoint_that_was_damaged_or_is_a_strangers_is_not_relied_on(
    daybook: Installation, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.txt"
    note = daybook.sign().read_text()
    kept.write_text(note.replace("40", "39", 1))
    assert f"{kept}: the signature of" in daybook("verify", "--checkpoint", kept).stderr
    kept.write_text(Signer.generate("example.com/other").sign(note.partition("\n\n")[0] + "\n"))
    assert "signed by another key" in daybook("verify", "--checkpoint", kept).stderr


def test_one_log_is_proved_to_extend_another(daybook: Installation, tmp_path: Path) -> None:
    kept = daybook.sign().rename(tmp_path / "kept.txt")
    daybook.audited.fill(EVENTS + 20)
    daybook.sign()
    proof = tmp_path / "extension"
    proof.write_text(daybook.says("prove-extension", kept))
    assert "begins with the 40 events" in daybook.says("check-extension", kept, proof)
    assert [row["position"] for row in json.loads(daybook.says("checkpoints", "--json"))] == [
        60,
        40,
    ]


def test_read_models_are_held_against_the_log(daybook: Installation) -> None:
    done = daybook("verify", "--deep", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    models = {model["name"]: model["position"] for model in said["read_models"]}
    assert models == {
        "balances": 0, "entries": 0, "transfers": 0, "users": 0, "approvals": 0, "security": 0,
        "funds": 0, "flows": 0, "reconciliations": 0, "applications": 0, "loans": 0,
        "snapshots": EVENTS, "audit": 0,
    }  # fmt: skip
    assert any("`daybook projections verify audit`" in notice for notice in said["notices"])


def test_what_is_wrong_with_the_chain_is_told_though_the_log_can_not_be_folded(
    daybook: Installation,
) -> None:
    with daybook.audited.database.connect() as conn, running(daybook.audited.database.url):
        caught_up(conn)
    forgery.alter(daybook.audited.conn, 12, "state = '{}'")
    done = daybook("verify", "--deep")
    assert done.returncode == 1
    altered, not_folded = [line for line in done.stdout.splitlines() if line.startswith("✗")]
    assert "Altered: event 12 " in altered
    assert "read models were not held against the log: event 12 " in not_folded
    found = json.loads(daybook("verify", "--deep", "--json").stdout)
    assert [finding["kind"] for finding in found["findings"]] == ["altered", "read_model"]
    assert not found["ok"]


@pytest.mark.parametrize("left", ["the table", "the folder"])
def test_without_a_key_a_log_that_was_signed_is_not_called_right(
    left: str, daybook: Installation
) -> None:
    daybook.sign()
    shutil.rmtree(daybook.data / "keys")
    if left == "the table":
        shutil.rmtree(daybook.data / "checkpoints")
    else:
        with tampering(daybook.audited.conn):
            daybook.audited.conn.execute("TRUNCATE audit_checkpoints")
    done = daybook("verify", "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert not found["ok"]
    (finding,) = found["findings"]
    assert finding["kind"] == "checkpoint"
    assert "no public key here" in finding["sentence"]


def test_without_a_key_a_log_that_was_never_signed_is_right_with_a_notice(
    daybook: Installation,
) -> None:
    found = json.loads(daybook.says("verify", "--json"))
    assert found["ok"]
    assert "Not held against any checkpoint" in found["notices"][0]


@pytest.mark.parametrize(
    ("part", "looked_at"), [(("--to", 39), "1 to 39"), (("--from", 41), "41 to")]
)
def test_a_checkpoint_that_was_given_for_nothing_is_told(
    part: tuple[object, ...], looked_at: str, daybook: Installation, tmp_path: Path
) -> None:
    kept = daybook.sign().rename(tmp_path / "kept.txt")
    daybook.audited.fill(EVENTS + 10)
    said = daybook.says("verify", *part, "--checkpoint", kept)
    assert f"Not held against the checkpoint of position 40 in {kept}" in said
    assert f"only events {looked_at}" in said
    assert "Not held" not in daybook.says("verify", "--checkpoint", kept)


def test_rows_that_are_no_checkpoint_are_left_out_of_lists_and_proofs(
    daybook: Installation,
) -> None:
    daybook.sign()
    with daybook.audited.database.connect() as conn:
        conn.execute("INSERT INTO audit_checkpoints (position, note) VALUES (%s, 'junk')", (2**62,))
    assert [row["position"] for row in json.loads(daybook.says("checkpoints", "--json"))] == [40]
    assert daybook.says("checkpoint") == daybook.says("checkpoint")
    assert "tlog-proof" in daybook.says("prove", 12)
    assert f"The checkpoint of position {2**62} in the database" in daybook("verify").stdout


def test_after_a_change_of_keys_the_script_takes_the_file_with_both(
    daybook: Installation, tmp_path: Path
) -> None:
    """The steps are those of docs/audit.md."""
    daybook.says("keygen", "--origin", "example.com/ledger")
    daybook.says("checkpoint")
    (daybook.data / "keys" / "audit.key").rename(tmp_path / "retired.key")
    daybook.says("keygen", "--origin", "example.com/ledger")
    public_keys = tmp_path / "ledger.pub"
    public_keys.write_text(daybook.says("public-key"))
    assert len(public_keys.read_text().splitlines()) == 2
    older, newer = tmp_path / "older", tmp_path / "newer"
    older.write_text(daybook.says("prove", 12))
    daybook.audited.fill(EVENTS + 10)
    daybook.says("checkpoint")
    newer.write_text(daybook.says("prove", 12))
    for proof in (older, newer):
        done = subprocess.run(
            [sys.executable, "-I", SCRIPT, public_keys, proof],
            env={"PATH": os.defpath, "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
