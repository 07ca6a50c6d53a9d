"""No secret is in the tree: what stands for one in tests and documents says that it is none."""

from __future__ import annotations

import re
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import ROOT

_NOT_OURS = {".git", ".venv", "var", "dist", "__pycache__"}

_WORDS = ("password", "secret", "hush", "hush%zz", "hu", "p%40ss", "[redacted]", "{}", "...")
"""The passwords of URLs in tests and documents: everybody sees that they are none."""

PATTERNS = {
    "private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "key that signs checkpoints": r"PRIVATE\+KEY\+[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]{40,}",
    "JWT": r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20,}",
    "API key": r"dbk_[A-Za-z0-9_-]{40,}",
    "key of a cloud": r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    "token of a forge": r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|glpat-[A-Za-z0-9_-]{20}|xox[abpr]-[0-9]+-\w+)",
    "setting": (
        r"\b(?:JWT_SECRET|ENCRYPTION_KEY|[A-Z_]*PASSWORD)(?:S?_OLD)?[\"']?\s*[=:]\s*[\"']?"
        r"(?!example-)([A-Za-z0-9+/_-]{32,}=*)"
    ),
    "URL with a password": (
        r"\b[a-z][a-z0-9+]*://[^\s:/@'\"]*:"
        rf"(?!(?:{'|'.join(map(re.escape, _WORDS))})@)[^\s/@'\"]+@"
    ),
}

# The example of the standard's own authors, which their programs and ours must read alike.
PUBLISHED = {("tests/application/audit/test_notes.py", "PRIVATE+KEY+PeterNeumann+c74f20a3+")}


def found_in(text: str) -> list[tuple[str, str]]:
    """Kind and beginning of all that looks like a secret."""
    return [
        (kind, match[0][:40])
        for kind, pattern in PATTERNS.items()
        for match in re.finditer(pattern, text)
        if kind != "setting" or not _is_phrase(match[1])
    ]


def _is_phrase(value: str) -> bool:
    """Whether a key in base64 is words that somebody typed, as tests have them: production refuses it."""
    try:
        return b64decode(value, validate=True).decode("ascii").isprintable()
    except ValueError:
        return False


def files() -> Iterator[Path]:
    """All that is kept, or may be before long; without git, all that is there."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    if (ROOT / ".git").exists():
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        paths = [
            path
            for path in ROOT.rglob("*")
            if not _NOT_OURS.intersection(path.relative_to(ROOT).parts)
            and not any(part.endswith("_cache") for part in path.relative_to(ROOT).parts)
        ]
    return (path for path in paths if path.is_file())


def test_no_file_has_a_secret_in_it() -> None:
    looked_at, found = 0, []
    for path in files():
        name = str(path.relative_to(ROOT))
        looked_at += 1
        found += [
            (name, kind, start)
            for kind, start in found_in(path.read_bytes().decode("utf-8", "replace"))
            if not any(name == where and start.startswith(known) for where, known in PUBLISHED)
        ]
    assert looked_at > 300
    assert not found


def test_what_keeps_secrets_is_never_kept() -> None:
    for name in (".env", "var/keys/jwt.key", "var/keys/encryption.key", "var/keys/audit.key"):
        ignored = (ROOT / ".gitignore").read_text().splitlines()
        assert any(f"/{name}".startswith(line) for line in ignored if line.startswith("/")), name


# Put together here, so that this file is clean.
PLANTED = {
    "private key": "-----BEGIN EC " + "PRIVATE KEY-----",
    "key that signs checkpoints": "PRIVATE" + "+KEY+ledger.example+0123abcd+" + "A" * 44,
    "JWT": ".".join(["eyJ" + "hbGciOiJIUzI1NiJ9", "eyJ" + "zdWIiOiIxIn0xx", "x" * 43]),
    "API key": "dbk_" + "a" * 43 + "_abcdef",
    "key of a cloud": "AKIA" + "A1B2C3D4" * 2,
    "token of a forge": "ghp_" + "a1" * 18,
    "setting": "JWT_SECRET" + ": " + "q7" * 20,
    "URL with a password": "postgresql://app:" + "Xk2-9@db.example/ledger",
}


@pytest.mark.parametrize("kind", PATTERNS)
def test_each_kind_of_secret_would_be_found(kind: str) -> None:
    assert [found for found, _ in found_in(f"a line\nx = '{PLANTED[kind]}'\n")] == [kind]
