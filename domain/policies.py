"""Who may do what: one table from action to role, as pure functions.

An action is named by what it is done to and what is done. `own`: on one's own only, as if there were
nothing else. Sources of the rules: support reads and stops things, and changes no roles or users; only
admins see users and totals; an auditor reads everything and writes nothing; an operator keeps read
models running and sees no customer's data; an officer decides on applications for credit, and sees
loans, and nothing else of anybody.
"""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from msgspec import Struct

from domain.users import ROLES

Reach = Literal["all", "own"]


class Rule(Struct, frozen=True):
    """The roles that may do it to all, those that may to their own, and the scope that an API key needs
    for it; without a scope it is for people only."""

    all: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()
    scope: str | None = None


def _rule(all_: str = "", own: str = "", scope: str | None = None) -> Rule:
    return Rule(frozenset(all_.split()), frozenset(own.split()), scope)


_EVERYBODY = " ".join(ROLES)

RULES: dict[str, Rule] = {
    "accounts.open": _rule("admin", "user", "accounts:write"),
    "accounts.read": _rule("admin support auditor", "user", "accounts:read"),
    "accounts.freeze": _rule("admin support", "user", "accounts:write"),
    "accounts.unfreeze": _rule("admin support", scope="accounts:write"),
    "accounts.suspend": _rule("admin", scope="accounts:write"),
    "accounts.activate": _rule("admin", scope="accounts:write"),
    "accounts.deactivate": _rule("admin", "user", "accounts:write"),
    "accounts.close": _rule("admin", "user", "accounts:write"),
    "transfers.post": _rule("admin", "user", "transfers:write"),
    "transfers.read": _rule("admin support auditor", "user", "transfers:read"),
    "transfers.process": _rule("admin", "user", "transfers:write"),
    "transfers.void": _rule("admin support", "user", "transfers:write"),
    "transfers.reverse": _rule("admin", "user", "transfers:write"),
    "funds.read": _rule(_EVERYBODY, scope="funds:read"),
    "funds.manage": _rule("admin", scope="funds:write"),
    "allocations.read": _rule("admin auditor", "user", "funds:read"),
    "investments.request": _rule("admin", "user", "investments:write"),
    "investments.read": _rule("admin support auditor", "user", "investments:read"),
    "bank_transfers.request": _rule("admin", "user", "bank_transfers:write"),
    "bank_transfers.read": _rule("admin support auditor", "user", "bank_transfers:read"),
    "notices.read": _rule("admin support auditor", "user", "notices:read"),
    "applications.submit": _rule("admin officer", "user", "applications:write"),
    "applications.answer": _rule("admin", "user", "applications:write"),
    "applications.read": _rule("admin support auditor officer", "user", "applications:read"),
    "applications.review": _rule("admin officer"),
    "applications.totals": _rule("admin auditor officer", scope="applications:read"),
    "applications.disclose": _rule("admin auditor officer"),
    "applications.disclosures": _rule("admin auditor", "user", "applications:read"),
    "applications.erase": _rule("admin"),
    "loans.read": _rule("admin support auditor officer", "user", "loans:read"),
    "loans.repay": _rule("admin", "user", "loans:write"),
    "loans.fund": _rule("admin", scope="loans:write"),
    "loans.totals": _rule("admin auditor officer", scope="loans:read"),
    "decisions.read": _rule("admin auditor officer", scope="decisions:read"),
    "decisions.dry_run": _rule("admin auditor officer", scope="decisions:read"),
    "decisions.replay": _rule("admin auditor officer", scope="decisions:read"),
    "countries.read": _rule(_EVERYBODY, scope="countries:read"),
    "reconciliations.make": _rule("admin operator", scope="reconciliations:write"),
    "reconciliations.read": _rule("admin operator auditor", scope="reconciliations:read"),
    "totals.read": _rule("admin auditor", scope="ledger:read"),
    "events.read": _rule("admin auditor", scope="ledger:read"),
    "audit.read": _rule("admin auditor", scope="audit:read"),
    "checkpoints.read": _rule(_EVERYBODY, scope="audit:read"),
    "projections.read": _rule("admin operator auditor", scope="projections:read"),
    "projections.operate": _rule("admin operator", scope="projections:write"),
    "processes.read": _rule("admin operator auditor", scope="jobs:read"),
    "processes.operate": _rule("admin operator", scope="jobs:write"),
    "jobs.read": _rule("admin operator auditor", scope="jobs:read"),
    "jobs.operate": _rule("admin operator", scope="jobs:write"),
    "health.read": _rule("admin operator auditor", scope="projections:read"),
    "users.create": _rule("admin", scope="users:write"),
    "users.create_staff": _rule("admin"),
    "users.list": _rule("admin auditor", scope="users:read"),
    "users.read": _rule("admin auditor", scope="users:read"),
    "users.update": _rule("admin", scope="users:write"),
    "users.change_role": _rule("admin"),
    "users.change_status": _rule("admin", scope="users:write"),
    "users.delete": _rule("admin"),
    "users.erase": _rule("admin"),
    "users.disclose": _rule("admin auditor"),
    "profile.read": _rule(own=_EVERYBODY, scope="profile:read"),
    "profile.update": _rule(own=_EVERYBODY),
    "sessions.own": _rule(own=_EVERYBODY),
    "api_keys.read": _rule("admin auditor", "user support operator officer"),
    "api_keys.issue": _rule(own="user support admin operator officer"),
    "api_keys.revoke": _rule("admin", "user support operator auditor officer"),
    "approvals.read": _rule("admin auditor officer", "user"),
    "approvals.decide": _rule("admin officer"),
    "approvals.withdraw": _rule(own="admin user officer"),
    "security.read": _rule("admin auditor", scope="audit:read"),
    "webhooks.read": _rule("admin auditor", "user", "webhooks:read"),
    "webhooks.manage": _rule("admin", "user", "webhooks:write"),
    "webhooks.received": _rule("admin operator auditor", scope="webhooks:read"),
    "cache.read": _rule("admin operator auditor", scope="projections:read"),
    "cache.clear": _rule("admin operator", scope="projections:write"),
}

SCOPES: tuple[str, ...] = tuple(sorted({rule.scope for rule in RULES.values() if rule.scope}))
"""What an API key may be for."""


def reach(role: str, action: str) -> Reach | None:
    """How far a role's arm is for an action; None: it may not do it at all."""
    rule = RULES[action]
    if role in rule.all:
        return "all"
    return "own" if role in rule.own else None


def may(role: str, user_id: UUID, action: str, owner_id: UUID | None) -> bool:
    """Whether somebody may do this to what belongs to `owner_id` (None: to nobody)."""
    how_far = reach(role, action)
    return how_far == "all" or (how_far == "own" and owner_id == user_id)


def scopes_of(role: str) -> frozenset[str]:
    """The scopes that are of any use to somebody in this role."""
    return frozenset(
        rule.scope for action, rule in RULES.items() if rule.scope and reach(role, action)
    )
