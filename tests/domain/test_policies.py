"""Who may do what, spelled out here once more from the rules in words, so that a slip is seen."""

from __future__ import annotations

from uuid import UUID

import pytest

from domain.policies import RULES, SCOPES, may, reach, scopes_of

ROLES = ("user", "support", "admin", "auditor", "operator", "officer")
SOMEBODY, ANOTHER = UUID(int=1), UUID(int=2)

# By column as in ROLES: a(ll), o(wn), or a dash for not at all.
TABLE = {
    # Customers keep their own accounts; admins keep all; support stops and lets go again.
    "accounts.open": "o-a---",
    "accounts.read": "oaaa--",
    "accounts.freeze": "oaa---",
    "accounts.unfreeze": "-aa---",
    "accounts.suspend": "--a---",
    "accounts.activate": "--a---",
    "accounts.deactivate": "o-a---",
    "accounts.close": "o-a---",
    # Money is moved by its owner or by an admin; support gives pending transfers up.
    "transfers.post": "o-a---",
    "transfers.read": "oaaa--",
    "transfers.process": "o-a---",
    "transfers.void": "oaa---",
    "transfers.reverse": "o-a---",
    # Funds are for all to look at and for admins to run; who has a seat, its owner and they know.
    "funds.read": "aaaaaa",
    "funds.manage": "--a---",
    "allocations.read": "o-aa--",
    # What takes days is asked for as transfers are.
    "investments.request": "o-a---",
    "investments.read": "oaaa--",
    "bank_transfers.request": "o-a---",
    "bank_transfers.read": "oaaa--",
    "notices.read": "oaaa--",
    # Credit is asked for by customers, or for them by those who decide on it; support sees what comes of
    # it, and auditors everything. Of countries anybody may know.
    "applications.submit": "o-a--a",
    "applications.answer": "o-a---",
    "applications.read": "oaaa-a",
    "applications.review": "--a--a",
    "applications.totals": "--aa-a",
    "applications.disclose": "--aa-a",
    "applications.disclosures": "o-aa--",
    "applications.erase": "--a---",
    "countries.read": "aaaaaa",
    # Loans are repaid by who owes them; admins provide what is lent. Tables are tried by who reads them.
    "loans.read": "oaaa-a",
    "loans.repay": "o-a---",
    "loans.fund": "--a---",
    "loans.totals": "--aa-a",
    "decisions.read": "--aa-a",
    "decisions.dry_run": "--aa-a",
    "decisions.replay": "--aa-a",
    # Operators hold what banks tell against what they were asked; auditors look.
    "reconciliations.make": "--a-a-",
    "reconciliations.read": "--aaa-",
    # Totals and everybody's events are for admins, and for auditors, who read everything.
    "totals.read": "--aa--",
    "events.read": "--aa--",
    "audit.read": "--aa--",
    "checkpoints.read": "aaaaaa",
    "security.read": "--aa--",
    # Operators keep it running.
    "projections.read": "--aaa-",
    "projections.operate": "--a-a-",
    "processes.read": "--aaa-",
    "processes.operate": "--a-a-",
    "jobs.read": "--aaa-",
    "jobs.operate": "--a-a-",
    "health.read": "--aaa-",
    "cache.read": "--aaa-",
    "cache.clear": "--a-a-",
    # Messages about what is one's own go where one wants; what banks tell is the house's.
    "webhooks.read": "o-aa--",
    "webhooks.manage": "o-a---",
    "webhooks.received": "--aaa-",
    # Users are the admins' business; auditors look.
    "users.create": "--a---",
    "users.create_staff": "--a---",
    "users.list": "--aa--",
    "users.read": "--aa--",
    "users.update": "--a---",
    "users.change_role": "--a---",
    "users.change_status": "--a---",
    "users.delete": "--a---",
    "users.erase": "--a---",
    "users.disclose": "--aa--",
    # Everybody has a profile and sessions of one's own.
    "profile.read": "oooooo",
    "profile.update": "oooooo",
    "sessions.own": "oooooo",
    # An auditor has no key that writes, nor any other.
    "api_keys.read": "ooaaoo",
    "api_keys.issue": "ooo-oo",
    "api_keys.revoke": "ooaooo",
    # Two admins, or a customer and an admin; two officers where it is about an application.
    "approvals.read": "o-aa-a",
    "approvals.decide": "--a--a",
    "approvals.withdraw": "o-o--o",
}

REACH = {"a": "all", "o": "own", "-": None}

CHANGES = (
    "open", "freeze", "unfreeze", "suspend", "activate", "deactivate", "close", "post", "process",
    "void", "reverse", "operate", "create", "update", "change_role", "change_status", "delete",
    "erase", "issue", "decide", "withdraw", "clear", "request", "manage",
    "make", "submit", "answer", "review", "repay", "fund",
)  # fmt: skip


def test_the_table_has_every_action() -> None:
    assert sorted(RULES) == sorted(TABLE)


@pytest.mark.parametrize("action", TABLE)
def test_each_role_reaches_as_far_as_the_rules_say(action: str) -> None:
    assert {role: reach(role, action) for role in ROLES} == {
        role: REACH[mark] for role, mark in zip(ROLES, TABLE[action], strict=True)
    }


@pytest.mark.parametrize("action", TABLE)
@pytest.mark.parametrize("role", ROLES)
def test_own_is_ones_own_and_nobody_elses(role: str, action: str) -> None:
    mark = TABLE[action][ROLES.index(role)]
    assert may(role, SOMEBODY, action, SOMEBODY) == (mark != "-")
    assert may(role, SOMEBODY, action, ANOTHER) == (mark == "a")
    assert may(role, SOMEBODY, action, None) == (mark == "a")


@pytest.mark.parametrize("action", TABLE)
def test_an_unknown_role_may_nothing(action: str) -> None:
    assert reach("root", action) is None
    assert not may("", SOMEBODY, action, SOMEBODY)


@pytest.mark.parametrize("action", TABLE)
def test_an_auditor_changes_nothing_but_what_is_the_auditors_own(action: str) -> None:
    if action.rpartition(".")[2] in CHANGES and not action.startswith("profile"):
        assert reach("auditor", action) is None


@pytest.mark.parametrize(
    "action",
    [
        "users.change_role", "users.delete", "users.erase", "users.disclose", "profile.update",
        "sessions.own", "api_keys.read", "api_keys.issue", "api_keys.revoke", "approvals.read",
        "approvals.decide", "approvals.withdraw", "applications.review", "applications.disclose",
        "applications.erase",
    ],
)  # fmt: skip
def test_no_scope_of_an_api_key_is_enough_for_what_is_for_people(action: str) -> None:
    assert RULES[action].scope is None


def test_every_other_action_has_a_scope_that_says_whether_it_writes() -> None:
    for action, rule in RULES.items():
        if rule.scope is not None:
            writes = action.rpartition(".")[2] in CHANGES
            assert rule.scope.endswith(":write") == writes, action


@pytest.mark.parametrize(
    ("role", "scopes"),
    [
        ("user", "accounts:read accounts:write audit:read profile:read transfers:read"
                 " transfers:write funds:read investments:read investments:write"
                 " bank_transfers:read bank_transfers:write notices:read webhooks:read webhooks:write"
                 " applications:read applications:write countries:read loans:read loans:write"),
        ("support", "accounts:read accounts:write audit:read profile:read transfers:read"
                    " transfers:write funds:read investments:read bank_transfers:read"
                    " notices:read applications:read countries:read loans:read"),
        ("auditor", "accounts:read audit:read jobs:read ledger:read profile:read projections:read"
                    " transfers:read users:read funds:read investments:read"
                    " bank_transfers:read notices:read webhooks:read reconciliations:read"
                    " applications:read countries:read loans:read decisions:read"),
        ("operator", "audit:read jobs:read jobs:write profile:read projections:read projections:write"
                     " funds:read webhooks:read reconciliations:read reconciliations:write"
                     " countries:read"),
        ("officer", "applications:read applications:write audit:read countries:read funds:read"
                    " profile:read loans:read decisions:read"),
        ("admin", " ".join(SCOPES)),
        ("root", ""),
    ],
)  # fmt: skip
def test_a_role_has_use_for_the_scopes_of_what_it_may_do(role: str, scopes: str) -> None:
    assert scopes_of(role) == set(scopes.split())
