"""Statements to import: those that ship with the product, faulty ones, and ones made to measure."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

SAMPLES = Path(str(files("api") / "samples" / "statements"))
FAULTY = Path(__file__).parents[2] / "data" / "statements"

LINE = ":61:2402010201C25,50NTRFINVOICE 7//BANK0001\n:86:Paid by Ann"


def mt940(
    *lines: str,
    account: str = "NL01BANK0000000001",
    reference: str = "REF1",
    number: str = "7/1",
    opening: str = "C240131EUR100,00",
    closing: str = "C240201EUR125,50",
) -> str:
    """A statement of these lines; balances as after `:60F:` and `:62F:`."""
    head = f":20:{reference}\n:25:{account}\n:28C:{number}\n:60F:{opening}"
    return "\n".join([head, *lines, f":62F:{closing}\n-\n"])


def write(folder: Path, *statements: str, name: str = "bank.sta") -> Path:
    """A file of these statements."""
    path = folder / name
    path.write_text("".join(statements))
    return path
