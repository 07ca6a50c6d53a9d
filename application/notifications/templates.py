"""What mails say. Nothing in them is personal, no amount either: a mail passes through many hands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Template(NamedTuple):
    """`{flow}` is the word for what it is about, `{link}` where it can be read."""

    subject: str
    text: str


_SEE = "\n\nYou find all about it here, once you are logged in:\n\n{link}\n"

TEMPLATES: Mapping[str, Template] = {
    "investment-completed": Template(
        "Your investment is complete", "Your investment has reached the fund." + _SEE
    ),
    "fund-joined": Template(
        "An investment in your fund is complete",
        "An investment has reached the fund that you manage." + _SEE,
    ),
    "investment-failed": Template(
        "Your investment did not go through",
        "Your investment did not go through. What was taken for it has been given back." + _SEE,
    ),
    "bank-transfer-completed": Template(
        "Your {flow} is complete", "Your {flow} is complete." + _SEE
    ),
    "bank-transfer-failed": Template(
        "Your {flow} did not go through",
        "Your {flow} did not go through. Your account is as it was." + _SEE,
    ),
    "bank-transfer-returned": Template(
        "Your {flow} was returned", "The other bank has returned your {flow}." + _SEE
    ),
    "application-decided": Template(
        "News of your credit application", "There is news of your credit application." + _SEE
    ),
    "application-offered": Template(
        "An offer for you",
        "Your credit application has led to an offer. It can be accepted for some days." + _SEE,
    ),
    "application-disbursed": Template(
        "Your loan is paid out", "The money of your loan is in your account." + _SEE
    ),
    "loan-overdue": Template(
        "An instalment is overdue", "An instalment of your loan was not paid in time." + _SEE
    ),
    "loan-settled": Template("Your loan is paid back", "Your loan is paid back. Thank you." + _SEE),
}
"""By the name that rules give."""


def link_to(public_url: str, flow: str, id_: str) -> str:
    """Where a flow is read."""
    return f"{public_url}/api/{flow}s/{id_}"
