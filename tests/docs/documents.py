"""Reads the documents: their fenced blocks, the commands in them, inline code and links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support.processes import ROOT

DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("**/*.md"))]

_FENCE = re.compile(r"^```(.*)\n((?:.*\n)*?)```$", re.MULTILINE)
_INLINE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


class Block(NamedTuple):
    document: str
    language: str
    """All that stands after the opening backticks."""
    text: str


def blocks() -> list[Block]:
    return [
        Block(path.name, language.strip(), text)
        for path in DOCUMENTS
        for language, text in _FENCE.findall(path.read_text())
    ]


def commands(text: str) -> Iterator[str]:
    """The commands of a shell block, each with its continuation lines, without comments."""
    command = ""
    for line in text.splitlines():
        if not command and (not line.strip() or line.startswith("#")):
            continue
        command += line + "\n"
        if not line.endswith("\\"):
            yield command
            command = ""


def inline_code() -> Iterator[tuple[str, str]]:
    """Document and text of all that stands between single backticks."""
    for path in DOCUMENTS:
        for text in _INLINE.findall(_FENCE.sub("", path.read_text())):
            yield path.name, text


def links() -> Iterator[tuple[Path, str]]:
    """Document and target of every link that is not to another site."""
    for path in DOCUMENTS:
        for target in _LINK.findall(path.read_text()):
            if "://" not in target and not target.startswith("#"):
                yield path, target.partition("#")[0]
