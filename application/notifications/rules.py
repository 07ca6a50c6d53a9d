"""The table of who hears of what: a row for each event that somebody is told of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from msgspec import Struct

Who = Literal["investor", "fund_manager", "owner", "house"]
Channel = Literal["webhook", "email", "log"]
Flow = Literal["investment", "deposit", "withdrawal"]

FLOWS: tuple[str, ...] = get_args(Flow)


class Rule(Struct, frozen=True):
    """Somebody and the channels that they hear by. `template` names the mail."""

    who: Who
    channels: tuple[Channel, ...]
    template: str = ""


_HOUSE_LOG = Rule("house", ("log",))


def _told(*rules: Rule) -> tuple[Rule, ...]:
    return (*rules, _HOUSE_LOG)


RULES: Mapping[str, tuple[Rule, ...]] = {
    "investment.requested": _told(Rule("investor", ("webhook",))),
    "investment.withdrawn": _told(Rule("investor", ("webhook",))),
    "investment.completed": _told(
        Rule("investor", ("webhook", "email"), "investment-completed"),
        Rule("fund_manager", ("webhook", "email"), "fund-joined"),
    ),
    "investment.refunded": _told(Rule("investor", ("webhook",))),
    "investment.failed": _told(
        Rule("investor", ("webhook", "email"), "investment-failed"),
    ),
    "investment.needs_operator": _told(Rule("house", ("webhook",))),
    "bank_transfer.requested": _told(Rule("owner", ("webhook",))),
    "bank_transfer.completed": _told(
        Rule("owner", ("webhook", "email"), "bank-transfer-completed")
    ),
    "bank_transfer.failed": _told(Rule("owner", ("webhook", "email"), "bank-transfer-failed")),
    "bank_transfer.returned": _told(Rule("owner", ("webhook", "email"), "bank-transfer-returned")),
    "bank_transfer.needs_operator": _told(Rule("house", ("webhook",))),
}
"""By the stored name of the event. Whoever sees everything hears by webhook of all that anybody does;
the house's own webhook is for them alone."""


def message_type(topic: str, flow: str) -> str:
    """What others know an event by: `deposit.completed` for a bank transfer that is a deposit."""
    return f"{flow}.{topic.partition('.')[2]}"


def _flows_of(topic: str) -> tuple[str, ...]:
    return ("investment",) if topic.startswith("investment.") else ("deposit", "withdrawal")


MESSAGE_TYPES: tuple[str, ...] = tuple(
    sorted(
        message_type(topic, flow)
        for topic, rules in RULES.items()
        if any("webhook" in rule.channels for rule in rules)
        for flow in _flows_of(topic)
    )
)
"""What endpoints can ask for, beside `investment.*` and the like."""

PATTERNS: tuple[str, ...] = (*MESSAGE_TYPES, *(f"{flow}.*" for flow in FLOWS))
