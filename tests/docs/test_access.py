"""The table of docs/access.md is the one that is enforced, and the README's limits are the defaults."""

from __future__ import annotations

import re

from api.demo import USERS
from api.settings import Settings
from domain.policies import RULES
from domain.users import ROLES
from tests.support.processes import ROOT


def row(action: str) -> str:
    rule = RULES[action]

    def names(roles: frozenset[str]) -> str:
        return "everybody" if roles == set(ROLES) else ", ".join(r for r in ROLES if r in roles)

    scope = f"`{rule.scope}`" if rule.scope else ""
    return f"| `{action}` | {names(rule.all)} | {names(rule.own)} | {scope} |"


def test_the_table_of_actions_is_the_one_that_is_enforced() -> None:
    text = (ROOT / "docs" / "access.md").read_text()
    shown = [re.sub(" +", " ", line) for line in text.splitlines() if line.startswith("| `")]
    assert shown == [re.sub(" +", " ", row(action)) for action in RULES]


def test_the_readme_tells_the_limits_that_there_are() -> None:
    text = (ROOT / "README.md").read_text()
    told = {name: figure for figure, name in re.findall(r"(\d+)[^(\d]*\(`(RATE_LIMIT\w*)`\)", text)}
    fields = {name: field.default for name, field in Settings.model_fields.items()}
    assert {name: f"{figure}/minute" for name, figure in told.items()} == {
        name: default for name, default in fields.items() if name.startswith("RATE_LIMIT")
    }


def test_the_sample_users_of_the_readme_are_those_of_the_demo() -> None:

    text = (ROOT / "README.md").read_text()
    told = set(re.findall(r"^\| `([^`]+@[^`]+)` \| `([^`]+)` \| (\w+)", text, re.MULTILINE))
    assert told == {(user.email, user.password, user.role) for user in USERS}
