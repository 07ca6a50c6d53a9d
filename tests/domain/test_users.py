"""Users: who is registered, what changes, what somebody may not do to himself, and what is for good."""

from __future__ import annotations

from uuid import UUID

import pytest

from domain import users
from domain.events import Event
from domain.sealed import ERASED
from domain.users import (
    MAX_API_KEYS,
    ROLES,
    STATUSES,
    Activated,
    ApiKeyIssued,
    ApiKeyRevoked,
    ChangeProfile,
    ChangeRole,
    ChangeUserStatus,
    Command,
    Deleted,
    Disclosed,
    EmailChanged,
    EmailVerified,
    Erased,
    EraseUser,
    IssueApiKey,
    NoteDisclosure,
    NotePasswordChange,
    PasswordChanged,
    ProfileChanged,
    Registered,
    RegisterUser,
    RevokeApiKey,
    RoleChanged,
    Suspended,
    User,
    VerifyEmail,
    mark_of,
)
from tests.support.given import refused

ANNA, BOSS, KEY = UUID(int=11), UUID(int=12), UUID(int=21)
REGISTERED = Registered("sealed:1:mail", "sealed:1:name")


def user(*then: Event, role: str = "user", registered_by: UUID | None = None) -> User:
    """A user with such a history: registered, `then`."""
    first = Registered("sealed:1:mail", "sealed:1:name", role, registered_by)
    state: User | None = None
    for event in [first, *then]:
        state = users.evolve(state, event, ANNA)
    assert state is not None
    return state


def decide(there: User | None, command: Command) -> list[Event]:
    """What is decided; each event leads to the next version."""
    events = list(users.decide(there, command))
    after = there
    for event in events:
        after = users.evolve(after, event, ANNA)
    assert after is not None
    assert after.version == len(events) + (there.version if there else 0)
    return events


# Registration.
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("by", [None, BOSS])
def test_a_user_is_registered_in_any_role_and_who_did_it_is_kept(
    by: UUID | None, role: str
) -> None:
    command = RegisterUser(ANNA, "sealed:1:mail", "sealed:1:name", role, by)
    (event,) = decide(None, command)
    assert event == Registered("sealed:1:mail", "sealed:1:name", role, by)
    there = users.evolve(None, event, ANNA)
    assert (there.role, there.status, there.verified) == (role, "active", False)
    assert there.registered_by == by


@pytest.mark.parametrize("role", ["", "root", "Admin", "superuser"])
def test_there_are_no_other_roles(role: str) -> None:
    with refused("invalid_role", role=role, allowed=list(ROLES)):
        decide(None, RegisterUser(ANNA, "sealed:1:mail", "sealed:1:name", role))
    with refused("invalid_role", role=role):
        decide(user(), ChangeRole(ANNA, role, BOSS))


# Who is not there.
EVERY: list[Command] = [
    ChangeProfile(ANNA, full_name="sealed:1:new"),
    VerifyEmail(ANNA, mark_of("sealed:1:mail")),
    NotePasswordChange(ANNA),
    ChangeRole(ANNA, "admin", BOSS),
    ChangeUserStatus(ANNA, "suspended", by=BOSS),
    NoteDisclosure(ANNA, ("email",), "a court asked"),
    IssueApiKey(ANNA, KEY, "shop", ("accounts:read",)),
    RevokeApiKey(ANNA, KEY),
]


@pytest.mark.parametrize("command", [*EVERY, EraseUser(ANNA, by=BOSS)])
def test_nothing_is_done_to_nobody(command: Command) -> None:
    with refused("user_not_found", user_id=ANNA):
        decide(None, command)


@pytest.mark.parametrize("command", EVERY)
@pytest.mark.parametrize("history", [[Deleted()], [Deleted(), Erased()]])
def test_a_deleted_user_is_as_if_not_there(history: list[Event], command: Command) -> None:
    with refused("user_not_found", user_id=ANNA):
        decide(user(*history), command)


@pytest.mark.parametrize("command", [EVERY[0], EVERY[1], EVERY[3], EVERY[5]])
def test_a_suspended_user_can_still_be_dealt_with(command: Command) -> None:
    """Whether a suspended person may ask for it is another matter: there is no way in."""
    assert decide(user(Suspended()), command)


# Profile.
def test_name_and_address_change_together_or_by_themselves() -> None:
    name, mail = ProfileChanged("sealed:1:new name"), EmailChanged("sealed:1:new mail")
    assert decide(user(), ChangeProfile(ANNA, "sealed:1:new name")) == [name]
    assert decide(user(), ChangeProfile(ANNA, email="sealed:1:new mail")) == [mail]
    both = ChangeProfile(ANNA, "sealed:1:new name", "sealed:1:new mail")
    assert decide(user(), both) == [name, mail]
    there = user(name, mail)
    assert (there.full_name, there.email) == ("sealed:1:new name", "sealed:1:new mail")


def test_a_change_of_nothing_is_refused() -> None:
    with refused("missing_fields", fields=["full_name", "email"]):
        decide(user(), ChangeProfile(ANNA))


def test_a_new_address_has_to_be_verified_again() -> None:
    assert user(EmailVerified()).verified
    assert not user(EmailVerified(), EmailChanged("sealed:1:new mail")).verified
    assert user(EmailVerified(), ProfileChanged("sealed:1:new name")).verified


# Verification.
def test_a_link_verifies_the_address_it_was_sent_to_once() -> None:
    assert decide(user(), VerifyEmail(ANNA, mark_of("sealed:1:mail"))) == [EmailVerified()]
    with refused("token_revoked"):
        decide(user(EmailVerified()), VerifyEmail(ANNA, mark_of("sealed:1:mail")))


def test_a_link_to_an_earlier_address_verifies_nothing() -> None:
    changed = user(EmailChanged("sealed:1:other"))
    with refused("token_revoked"):
        decide(changed, VerifyEmail(ANNA, mark_of("sealed:1:mail")))
    assert decide(changed, VerifyEmail(ANNA, mark_of("sealed:1:other"))) == [EmailVerified()]


def test_a_mark_says_nothing_of_the_address() -> None:
    assert mark_of("sealed:1:a") != mark_of("sealed:1:b")
    assert "mail" not in mark_of("sealed:1:mail")


def test_a_password_change_is_noted_and_no_password_with_it() -> None:
    assert decide(user(), NotePasswordChange(ANNA)) == [PasswordChanged(reset=False)]
    assert decide(user(), NotePasswordChange(ANNA, reset=True)) == [PasswordChanged(reset=True)]


# Role and status.
@pytest.mark.parametrize("before", ROLES)
@pytest.mark.parametrize("after", ROLES)
def test_a_role_changes_to_every_other(before: str, after: str) -> None:
    command = ChangeRole(ANNA, after, BOSS)
    if before == after:
        others = [role for role in ROLES if role != before]
        with refused("invalid_transition", current=before, requested=after, allowed=others):
            decide(user(role=before), command)
    else:
        assert decide(user(role=before), command) == [RoleChanged(after, before)]
        assert user(RoleChanged(after, before), role=before).role == after


MAY_FOLLOW = {
    ("active", "suspended"): Suspended("why"),
    ("active", "deleted"): Deleted("why"),
    ("suspended", "active"): Activated(),
    ("suspended", "deleted"): Deleted("why"),
}
HISTORY: dict[str, list[Event]] = {"active": [], "suspended": [Suspended()]}


@pytest.mark.parametrize("before", HISTORY)
@pytest.mark.parametrize("after", [*STATUSES, "frozen", "ACTIVE"])
def test_a_status_is_followed_by_what_the_rules_say(before: str, after: str) -> None:
    there = user(*HISTORY[before])
    command = ChangeUserStatus(ANNA, after, "why", BOSS)
    event = MAY_FOLLOW.get((before, after))
    if event is None:
        with refused("invalid_transition", current=before, requested=after):
            decide(there, command)
    else:
        assert decide(there, command) == [event]
        assert users.evolve(there, event, ANNA).status == after


@pytest.mark.parametrize(
    "command",
    [
        ChangeRole(ANNA, "admin", by=ANNA),
        ChangeRole(ANNA, "user", by=ANNA),
        ChangeUserStatus(ANNA, "suspended", by=ANNA),
        ChangeUserStatus(ANNA, "deleted", by=ANNA),
        EraseUser(ANNA, by=ANNA),
    ],
)
def test_nobody_does_it_to_himself(command: Command) -> None:
    with refused("insufficient_permissions"):
        decide(user(role="admin"), command)


def test_a_suspended_user_does_not_let_himself_in_again() -> None:
    with refused("insufficient_permissions"):
        decide(user(Suspended()), ChangeUserStatus(ANNA, "active", by=ANNA))


def test_the_house_itself_may_do_it_to_everybody() -> None:
    assert decide(user(), ChangeRole(ANNA, "admin")) == [RoleChanged("admin", "user")]
    assert decide(user(), ChangeUserStatus(ANNA, "suspended")) == [Suspended()]
    assert decide(user(), EraseUser(ANNA)) == [Deleted(), Erased()]


@pytest.mark.parametrize(
    "command",
    [
        ChangeProfile(ANNA, "sealed:1:new", expected_versions=(1,)),
        ChangeRole(ANNA, "admin", BOSS, expected_versions=(1,)),
        ChangeUserStatus(ANNA, "suspended", by=BOSS, expected_versions=(1,)),
    ],
)
def test_a_change_is_made_to_the_version_that_was_seen(command: Command) -> None:
    assert decide(user(), command)
    with refused("precondition_failed", version=2):
        decide(user(EmailVerified()), command)


# Erasure.
@pytest.mark.parametrize(
    "history", [[], [Suspended()], [EmailVerified(), RoleChanged("admin", "user")]]
)
def test_erasing_deletes_too(history: list[Event]) -> None:
    events = decide(user(*history), EraseUser(ANNA, "asked for", BOSS))
    assert events == [Deleted("asked for"), Erased()]
    there = user(*history, *events)
    assert (there.status, there.email, there.full_name) == ("deleted", ERASED, ERASED)
    assert there.is_erased


def test_a_deleted_user_is_erased_later() -> None:
    assert not user(Deleted()).is_erased
    assert decide(user(Deleted()), EraseUser(ANNA, by=BOSS)) == [Erased()]


def test_a_user_is_erased_once() -> None:
    with refused("user_erased", user_id=ANNA):
        decide(user(Deleted(), Erased()), EraseUser(ANNA, by=BOSS))


def test_a_disclosure_is_told_of() -> None:
    command = NoteDisclosure(ANNA, ("email", "full_name"), "a court asked")
    assert decide(user(), command) == [Disclosed(("email", "full_name"), "a court asked")]


# API keys.
def test_a_key_is_issued_and_revoked_once() -> None:
    issued = ApiKeyIssued(KEY, "shop", ("accounts:read",))
    assert decide(user(), IssueApiKey(ANNA, KEY, "shop", ("accounts:read",))) == [issued]
    assert user(issued).api_keys == {KEY}
    assert decide(user(issued), RevokeApiKey(ANNA, KEY)) == [ApiKeyRevoked(KEY)]
    with refused("api_key_not_found", key_id=KEY):
        decide(user(issued, ApiKeyRevoked(KEY)), RevokeApiKey(ANNA, KEY))


def test_a_key_of_somebody_else_is_not_there() -> None:
    with refused("api_key_not_found"):
        decide(user(ApiKeyIssued(KEY, "shop", ())), RevokeApiKey(ANNA, UUID(int=22)))


def test_a_user_has_so_many_keys_and_a_revoked_one_makes_room() -> None:
    issued: list[Event] = [ApiKeyIssued(UUID(int=n), "k", ()) for n in range(MAX_API_KEYS)]
    one_more = IssueApiKey(ANNA, KEY, "shop", ())
    assert decide(user(*issued[1:]), one_more)
    with refused("too_many_api_keys", most=MAX_API_KEYS):
        decide(user(*issued), one_more)
    assert decide(user(*issued, ApiKeyRevoked(UUID(int=3))), one_more)
