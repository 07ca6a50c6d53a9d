"""The table of who hears of what: a row for each event that somebody is told of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from msgspec import Struct

Who = Literal["investor", "fund_manager", "owner", "applicant", "house"]
Channel = Literal["webhook", "email", "log"]
Flow = Literal["investment", "deposit", "withdrawal", "application", "loan", "fraud_alarm"]

FLOWS: tuple[str, ...] = get_args(Flow)


class Rule(Struct, frozen=True):
    """Somebody and the channels that they hear by. `template` names the mail."""

    who: Who
    channels: tuple[Channel, ...]
    template: str = ""


_HOUSE_LOG = Rule("house", ("log",))


def _told(*rules: Rule) -> tuple[Rule, ...]:
    return (*rules, _HOUSE_LOG)


_APPLICANT = Rule("applicant", ("webhook",))
_DECIDED = Rule("applicant", ("webhook", "email"), "application-decided")

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
    "credit_application.assessed": _told(_APPLICANT),
    "credit_application.decided": _told(_DECIDED),
    "credit_application.reviewed": _told(_DECIDED),
    "credit_application.moved": _told(_DECIDED),
    "credit_application.withdrawn": _told(_APPLICANT),
    "credit_application.offered": _told(
        Rule("applicant", ("webhook", "email"), "application-offered")
    ),
    "credit_application.offer_expired": _told(_APPLICANT),
    "credit_application.disbursement_failed": _told(Rule("house", ("webhook",))),
    "credit_application.disbursed": _told(
        Rule("applicant", ("webhook", "email"), "application-disbursed")
    ),
    "loan.instalment_overdue": _told(Rule("owner", ("webhook", "email"), "loan-overdue")),
    "loan.settled": _told(Rule("owner", ("webhook", "email"), "loan-settled")),
    "fraud_alarm.raised": _told(Rule("house", ("webhook",))),
}
"""By the stored name of the event. Whoever sees everything hears by webhook of all that anybody does;
the house's own webhook is for them alone."""


_STATUS_UPDATED = frozenset(
    f"credit_application.{what}"
    for what in ("assessed", "decided", "reviewed", "moved", "withdrawn")
)
"""Partners hear one kind of message of them all, with the new status."""


def message_type(topic: str, flow: str) -> str:
    """What others know an event by: `deposit.completed` for a bank transfer that is a deposit."""
    if topic in _STATUS_UPDATED:
        return f"{flow}.status_updated"
    return f"{flow}.{topic.partition('.')[2]}"


_FLOWS: Mapping[str, tuple[Flow, ...]] = {
    "investment": ("investment",),
    "bank_transfer": ("deposit", "withdrawal"),
    "credit_application": ("application",),
    "loan": ("loan",),
    "fraud_alarm": ("fraud_alarm",),
}
"""By the stored name's first word."""


MESSAGE_TYPES: tuple[str, ...] = tuple(
    sorted(
        {
            message_type(topic, flow)
            for topic, rules in RULES.items()
            if any("webhook" in rule.channels for rule in rules)
            for flow in _FLOWS[topic.partition(".")[0]]
        }
    )
)
"""What endpoints can ask for, beside `investment.*` and the like."""

PATTERNS: tuple[str, ...] = (*MESSAGE_TYPES, *(f"{flow}.*" for flow in FLOWS))
