"""People in histories: users with all that happens to them, what they ask for, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

from application.ledger.outcomes import Command
from domain.approvals import Approve, Reject, RequestApproval, Withdraw
from domain.security import (
    AuthenticationFailed,
    AuthorizationFailed,
    NoteSecurity,
    RateLimited,
    SuspiciousRequest,
    stream_of,
)
from domain.transfers import PostTransfer
from domain.users import (
    ROLES,
    STATUSES,
    ChangeProfile,
    ChangeRole,
    ChangeUserStatus,
    EraseUser,
    IssueApiKey,
    NoteDisclosure,
    NotePasswordChange,
    RegisterUser,
    RevokeApiKey,
    VerifyEmail,
    mark_of,
)

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def sealed(random: Random) -> str:
    """What looks like a sealed text, and opens nowhere."""
    return f"sealed:1:{random.getrandbits(128):032x}"


class People:
    """Makes commands, which may well be refused."""

    def __init__(self, random: Random, accounts: list[UUID]) -> None:
        self._random = random
        self._accounts = accounts
        self._emails: dict[UUID, str] = {}
        self._makers: dict[UUID, UUID] = {}

    def commands(self, count: int = 30) -> list[Command]:
        """Some more of what happens."""
        made = [self._register() for _ in range(3)]
        for _ in range(count):
            made += self._random.choice([self._on_user, self._on_approval, self._notice])()
        return made

    def _uuid(self) -> UUID:
        return UUID(int=self._random.getrandbits(128), version=4)

    def _somebody(self) -> UUID:
        return self._random.choice(list(self._emails))

    def _register(self) -> Command:
        id_, random = self._uuid(), self._random
        self._emails[id_] = sealed(random)
        by = random.choice([None, id_])
        return RegisterUser(id_, self._emails[id_], sealed(random), random.choice(ROLES), by)

    def _on_user(self) -> Iterator[Command]:
        random, id_, key_id = self._random, self._somebody(), self._uuid()
        match random.randrange(10):
            case 0:
                yield ChangeProfile(id_, full_name=sealed(random))
            case 1:
                self._emails[id_] = sealed(random)
                yield ChangeProfile(id_, email=self._emails[id_])
            case 2 | 3:
                yield VerifyEmail(id_, mark_of(self._emails[id_]))
            case 4:
                yield NotePasswordChange(id_, random.random() < 0.5)
            case 5:
                yield ChangeRole(id_, random.choice(ROLES))
            case 6:
                yield ChangeUserStatus(id_, random.choice(STATUSES), random.choice(["", "fraud"]))
            case 7:
                yield NoteDisclosure(id_, ("email",), "court order 7")
            case 8:
                yield IssueApiKey(id_, key_id, "shop", ("transfers:write",))
                if random.random() < 0.5:
                    yield RevokeApiKey(id_, key_id)
            case 9 if random.random() < 0.3:
                yield EraseUser(id_, "asked for it")

    def _on_approval(self) -> Iterator[Command]:
        random, maker, checker = self._random, self._somebody(), self._somebody()
        if not self._makers or random.random() < 0.5:
            id_ = self._uuid()
            self._makers[id_] = maker
            yield RequestApproval(id_, maker, self._asked())
            return
        id_ = random.choice(list(self._makers))
        match random.randrange(3):
            case 0:
                yield Approve(id_, checker)
            case 1:
                yield Reject(id_, checker, random.choice(["", "too much"]))
            case 2:
                yield Withdraw(id_, self._makers[id_], random.choice(["", "changed my mind"]))

    def _asked(self) -> PostTransfer | ChangeRole:
        random = self._random
        if random.random() < 0.3:
            return ChangeRole(self._somebody(), random.choice(ROLES))
        source, destination = random.sample(self._accounts, 2)
        return PostTransfer(
            self._uuid(), source, destination, random.randint(1, 500), "EUR",
            random.choice(["", "café"]), effective_at=random.choice([None, NOON]),
            metadata=random.choice([{}, {"order": "é7"}]), pending=random.random() < 0.2,
        )  # fmt: skip

    def _notice(self) -> Iterator[Command]:
        random = self._random
        moment = NOON + timedelta(hours=random.randrange(3))
        kinds = [AuthenticationFailed, AuthorizationFailed, RateLimited, SuspiciousRequest]
        notices = tuple(
            random.choice(kinds)(
                random.choice(["invalid_token", "forbidden"]),
                random.choice(["POST /api/transfers", "GET /api/users"]),
                random.choice(["", "user:1", "user:2"]),
                random.choice(["", sealed(random)]),
                random.choice(["", sealed(random)]),
                f"request {random.randrange(5)}",
                random.choice([1, 1, 12]),
            )
            for _ in range(random.randint(1, 3))
        )
        yield NoteSecurity(stream_of(moment), notices)
