"""What may be asked of a user. `by` is who asks; None is the house itself, such as its command line."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from domain.versions import Expected


class RegisterUser(Struct, frozen=True):
    """`email` and `full_name` are sealed."""

    user_id: UUID
    email: str
    full_name: str
    role: str = "user"
    by: UUID | None = None


class ChangeProfile(Struct, frozen=True):
    """New sealed texts; None leaves as it is."""

    user_id: UUID
    full_name: str | None = None
    email: str | None = None
    expected_versions: Expected = None


class VerifyEmail(Struct, frozen=True):
    """`mark` is that of the address to which the link was sent; see `mark_of`."""

    user_id: UUID
    mark: str


class NotePasswordChange(Struct, frozen=True):
    user_id: UUID
    reset: bool = False


class ChangeRole(Struct, frozen=True):
    user_id: UUID
    role: str
    by: UUID | None = None
    expected_versions: Expected = None


class ChangeUserStatus(Struct, frozen=True):
    """Suspend, activate or delete a user."""

    user_id: UUID
    status: str
    reason: str = ""
    by: UUID | None = None
    expected_versions: Expected = None


class EraseUser(Struct, frozen=True):
    """Delete a user for good, with all that is known of the person."""

    user_id: UUID
    reason: str = ""
    by: UUID | None = None


class NoteDisclosure(Struct, frozen=True):
    user_id: UUID
    fields: tuple[str, ...]
    purpose: str


class IssueApiKey(Struct, frozen=True):
    user_id: UUID
    key_id: UUID
    name: str
    scopes: tuple[str, ...]


class RevokeApiKey(Struct, frozen=True):
    user_id: UUID
    key_id: UUID


Command = (
    RegisterUser | ChangeProfile | VerifyEmail | NotePasswordChange | ChangeRole | ChangeUserStatus
    | EraseUser | NoteDisclosure | IssueApiKey | RevokeApiKey
)  # fmt: skip
