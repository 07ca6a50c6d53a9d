"""Users, for those who look after them: made, listed, changed, kept out, deleted. Personal data is masked."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from api import kept
from api.approval_responses import ASKED
from api.approving import ask
from api.callers import Caller, caller_of
from api.freshness import Fresh, be_fresh, be_whole, gaps
from api.guard import authorise
from api.ids import new_id, random_id
from api.mailing import link_for
from api.models import Cursor, EndMoment, Id, In, Moment, Reading, ReasonIn
from api.pages import MAX_PAGE_SIZE, Paged, decode_place, metadata, page
from api.people_changes import known_here, prepared_profile
from api.people_models import UserChangeIn, UserIn, UserRole, UserStatus, agreed_password
from api.people_responses import UserList, UserOut, UserPage, UserRead, UserStatsOut
from api.people_views import mask, masked, masked_rows, own_user
from api.preconditions import ExpectedVersions, IfNoneMatch
from api.problems import ProblemError
from api.responses import NOT_MODIFIED, TAGGED, problems
from api.sorting import parse_sort
from api.state import Running, State
from api.strict_json import StrictRoute
from api.writing import Beside, change, create, json_response, tagged_response
from application.ledger.outcomes import Command
from application.people.registering import registration
from domain.users import ChangeRole, ChangeUserStatus
from domain.versions import Expected
from projections.users import queries
from projections.users.queries import SORT_COLUMNS, Filters

router = APIRouter(prefix="/api/users", tags=["users"], route_class=StrictRoute)

_PROFILE = ("full_name", "email")


@router.post(
    "/admin",
    status_code=201,
    response_model=UserOut,
    responses={201: TAGGED, **problems(400, 409, 422)},
)
async def make_user(request: Request, body: UserIn, state: Running) -> Response:
    """Make a user in a role; staff are made by people, not by API keys. A mail goes out that asks the
    user to verify the address."""
    if body.role != "user":
        authorise(caller_of(request), "users.create_staff")
    password = agreed_password(body.password, body.password_confirmation, body.role)
    user_id = random_id(body.id)
    prepared = registration(
        state.vault,
        user_id,
        email=body.email,
        full_name=body.full_name,
        password_hash=await state.hasher.hash(password),
        role=body.role,
        by=caller_of(request).user_id,
        mail_id=new_id(),
        link_for=link_for(state, user_id),
    )
    answered = await create(request, state, prepared.command, beside=prepared.beside, finish=masked)
    if answered.status_code == 201:
        answered.headers["Location"] = f"{router.prefix}/{user_id}"
    return answered


class UserFilters(In):
    status: UserStatus | None = None
    role: UserRole | None = None
    verified: bool | None = None
    from_: Annotated[Moment | None, Query(alias="from", description="registered then or later")] = (
        None
    )
    to: Annotated[EndMoment | None, Query(description="registered before then")] = None
    min_position: Fresh = None

    def filters(self) -> Filters:
        """Without deleted users, unless these are asked for."""
        status = None if self.status is None else self.status.lower()
        return Filters(self.role, status, self.verified, self.from_, self.to)


class PageOfRole(Paged):
    sort: Annotated[
        str,
        Field(max_length=200, description=f"`field:asc` or `:desc`, of {', '.join(SORT_COLUMNS)}"),
    ] = "created_at:desc"
    min_position: Fresh = None


class PageOfUsers(UserFilters, PageOfRole):
    pass


class UsersAfter(UserFilters):
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE)] = 50
    cursor: Cursor | None = None


@router.get("", response_model=UserList, responses=problems(400))
async def list_users(asked: Annotated[PageOfUsers, Query()], state: Running) -> Response:
    """Users by number of page; who registers meanwhile moves others to a later one. Deleted ones are
    only there when their status is asked for."""
    return await _page(state, asked, asked.filters())


async def _page(state: State, asked: PageOfRole, filters: Filters) -> Response:
    sort = parse_sort(asked.sort, SORT_COLUMNS)
    await be_fresh(state, "users", asked.min_position)
    async with state.pool.connection() as conn:
        found = await queries.users_by_page(
            conn, page=asked.page, page_size=asked.page_size, sort=sort, filters=filters
        )
        rows = await masked_rows(conn, state.vault, found.rows)
    pagination = metadata(asked.page, asked.page_size, found.total_count)
    return json_response({"data": rows, "pagination": pagination}, await gaps(state, "users"))


@router.get("/keyset", response_model=UserPage, responses=problems(400))
async def list_users_after(asked: Annotated[UsersAfter, Query()], state: Running) -> Response:
    """Users, the last registered first. Following `next_cursor` shows each of them once, whoever
    registers meanwhile."""
    after = decode_place(asked.cursor)
    await be_fresh(state, "users", asked.min_position)
    async with state.pool.connection() as conn:
        found = await queries.users_after(
            conn, limit=asked.limit, after=after, filters=asked.filters()
        )
        if found is None:
            raise ProblemError("invalid_cursor")
        rows = await masked_rows(conn, state.vault, found.rows)
    shown = dict(zip((row.id for row in found.rows), rows, strict=True))
    body = page(found, lambda row: shown[row.id], lambda row: row.place)
    return json_response(body, await gaps(state, "users"))


@router.get("/stats", response_model=UserStatsOut, responses=problems(400))
async def user_statistics(reading: Annotated[Reading, Query()], state: Running) -> Response:
    """How many users there are, by status and by role; deleted ones count as such only."""
    await be_fresh(state, "users", reading.min_position)
    await be_whole(state, "users")
    return json_response(await kept.user_statistics(state, reading.min_position))


@router.get("/role/{role}", response_model=UserList, responses=problems(400))
async def list_users_in_role(
    role: UserRole, asked: Annotated[PageOfRole, Query()], state: Running
) -> Response:
    """As the list of users with this role."""
    return await _page(state, asked, Filters(role=role))


@router.get(
    "/{user_id}",
    response_model=UserRead,
    responses={200: TAGGED, 304: NOT_MODIFIED, **problems(400, 404)},
)
async def get_user(
    user_id: Id,
    state: Running,
    reading: Annotated[Reading, Query()],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """One user. What is personal is masked: `POST /api/users/{id}/disclosures` shows it."""
    await be_fresh(state, "users", reading.min_position, user_id)
    row = await kept.user(state, user_id, reading.min_position)
    if row is None:
        raise ProblemError("user_not_found", user_id=user_id)
    async with state.pool.connection() as conn:
        (body,) = await masked_rows(conn, state.vault, [row])
    return tagged_response(body, row.version, if_none_match)


@router.put(
    "/{user_id}",
    response_model=UserOut,
    responses={200: TAGGED, 202: ASKED, **problems(400, 404, 409, 412, 422)},
)
async def change_user(
    request: Request,
    user_id: Id,
    body: UserChangeIn,
    state: Running,
    expected: ExpectedVersions,
) -> Response:
    """Change what is given. A role takes a second person: it is asked for by itself, answered with 202,
    and waits at `/api/approvals`."""
    caller = caller_of(request)
    given = [name for name, value in body if value is not None]
    if not given:
        raise ProblemError("missing_fields", fields=list(UserChangeIn.model_fields))
    if body.role is not None:
        authorise(caller, "users.change_role")
        if len(given) > 1:
            raise ProblemError("conflicting_parameters", parameters=given)
        return await ask(request, state, ChangeRole(user_id, body.role, caller.user_id, expected))
    commands, beside = await _changes(state, caller, user_id, body, expected)
    answered = await change(request, state, *commands, beside=beside, finish=masked)
    return await known_here(state, answered)


async def _changes(
    state: State, caller: Caller, user_id: UUID, body: UserChangeIn, expected: Expected
) -> tuple[list[Command], Beside | None]:
    commands: list[Command] = []
    beside = None
    if body.full_name is not None or body.email is not None:
        await _refuse_masks(state, user_id, body)
        prepared = await prepared_profile(state, user_id, body.full_name, body.email, expected)
        commands.append(prepared.command)
        beside, expected = prepared.beside, None  # the first one has looked at the version
    if body.status is not None:
        status = body.status.lower()
        commands.append(ChangeUserStatus(user_id, status, "", caller.user_id, expected))
    return commands, beside


async def _refuse_masks(state: State, user_id: UUID, body: UserChangeIn) -> None:
    """What is shown masked is not what somebody means to have changed: it came back with the rest."""
    there = await own_user(state, user_id)
    shown = mask(there)
    for name, reason in (("full_name", "invalid_name_format"), ("email", "invalid_email_format")):
        if getattr(body, name) == shown[name] != there[name]:
            raise ProblemError(reason, why=f"{name} is the masked one: leave it out, or give all")


@router.delete(
    "/{user_id}",
    response_model=UserOut,
    responses={200: TAGGED, **problems(400, 404, 412)},
)
async def delete_user(
    request: Request, user_id: Id, state: Running, expected: ExpectedVersions
) -> Response:
    """Delete a user, who then cannot come in any more. What happened stays in the log, and the address
    stays taken; erasing frees it."""
    return await _change_status(request, state, user_id, "deleted", "", expected)


@router.post(
    "/{user_id}/suspend",
    response_model=UserOut,
    responses={200: TAGGED, **problems(400, 404, 412, 422)},
)
async def suspend_user(
    request: Request,
    user_id: Id,
    state: Running,
    expected: ExpectedVersions,
    body: ReasonIn | None = None,
) -> Response:
    """Keep a user out: sessions, open tokens and API keys are refused from now on."""
    reason = body.reason if body else ""
    return await _change_status(request, state, user_id, "suspended", reason, expected)


@router.post(
    "/{user_id}/activate",
    response_model=UserOut,
    responses={200: TAGGED, **problems(400, 404, 412, 422)},
)
async def activate_user(
    request: Request, user_id: Id, state: Running, expected: ExpectedVersions
) -> Response:
    """Let a suspended user in again."""
    return await _change_status(request, state, user_id, "active", "", expected)


async def _change_status(
    request: Request, state: State, user_id: UUID, status: str, reason: str, expected: Expected
) -> Response:
    by = caller_of(request).user_id
    command = ChangeUserStatus(user_id, status, reason, by, expected)
    return await known_here(state, await change(request, state, command, finish=masked))
