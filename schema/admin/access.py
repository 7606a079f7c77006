"""Access to the staff's endpoint: signing in, staff accounts, integrations and their tokens."""

from collections.abc import Iterable
from datetime import date, datetime
from enum import Enum
from typing import Annotated, Any, cast
from uuid import UUID

import strawberry
from strawberry import relay

from gamification.core.actors import Role
from gamification.members import errors, models, queries, service
from schema.context import Info
from schema.nodes import key_of
from schema.permissions import Allow
from schema.permissions import Staff as IsStaff
from schema.refusals import Refusal
from schema.sessions import (
    Device,
    Everywhere,
    RefreshSessionResult,
    RefreshTokenArgument,
    SessionTokens,
    SignedOut,
    admits,
    forget,
    refresh,
    sign_out,
    tokens_of,
)
from schema.usual_refusals import NotFound

OWNERS = Allow(IsStaff("owner"))


@strawberry.enum(description="What a member of staff may do.")
class StaffRole(Enum):
    OWNER = strawberry.enum_value("owner", description="Everything.")
    OPERATOR = strawberry.enum_value("operator", description="Runs the programme.")
    CASHIER = strawberry.enum_value("cashier", description="Serves members in stores.")
    AUDITOR = strawberry.enum_value("auditor", description="Reads.")


@strawberry.type(description="A person who works for the brand.")
class Staff(relay.Node):
    id: relay.NodeID[UUID]
    login: str = strawberry.field(description="What the person signs in with.")
    name: str = strawberry.field(description="The person's name.")
    role: StaffRole = strawberry.field(description="What the person may do.")
    stores: list[str] = strawberry.field(description="The stores that a cashier serves.")
    disabled_at: datetime | None = strawberry.field(description="Since when the account is disabled.")

    @classmethod
    def of(cls, row: models.Staff) -> "Staff":
        return cls(
            id=row.id,
            login=row.login,
            name=row.name,
            role=StaffRole(row.role),
            stores=row.stores,
            disabled_at=row.disabled_at,
        )

    @classmethod
    async def resolve_nodes(cls, *, info: Any, node_ids: Iterable[str], required: bool = False) -> Any:
        """Owners see every account, others their own."""
        own = info.context.actor.id
        return [
            await staff_of(each, info) if admits(OWNERS, info) or each == own else None for each in map(UUID, node_ids)
        ]


async def staff_of(staff_id: UUID, info: Info) -> Staff | None:
    """The account with that id, read together with others."""
    row: models.Staff | None = await info.context.load(queries.staff_by_ids, staff_id)
    return Staff.of(row) if row else None


@strawberry.type(description="A machine that speaks to this endpoint, such as the till.")
class Integration(relay.Node):
    id: relay.NodeID[UUID]
    name: str = strawberry.field(description="Its name.")
    scopes: list[str] = strawberry.field(description="What it may do, such as orders:write.")
    disabled_at: datetime | None = strawberry.field(description="Since when it is disabled.")
    last_used_on: date | None = strawberry.field(description="The last business day on which it was used.")

    @classmethod
    def of(cls, row: models.Integration) -> "Integration":
        return cls(
            id=row.id,
            name=row.name,
            scopes=row.scopes,
            disabled_at=row.disabled_at,
            last_used_on=row.last_used_on,
        )

    @classmethod
    async def resolve_nodes(cls, *, info: Any, node_ids: Iterable[str], required: bool = False) -> Any:
        """Owners see every integration, an integration itself."""
        own = info.context.actor.id
        return [
            await integration_of(each, info) if admits(OWNERS, info) or each == own else None
            for each in map(UUID, node_ids)
        ]


async def integration_of(integration_id: UUID, info: Info) -> Integration | None:
    """The integration with that id, read together with others."""
    row: models.Integration | None = await info.context.load(queries.integrations_by_ids, integration_id)
    return Integration.of(row) if row else None


class LoginRefused(Refusal, of=errors.LoginRefused):
    pass


class LoginLocked(Refusal, of=errors.LoginLocked, describe={"until": "When it may be tried again."}):
    pass


class LoginTaken(Refusal, of=errors.LoginTaken, describe={"login": "The login."}):
    pass


class PasswordTooShort(Refusal, of=errors.PasswordTooShort, describe={"length_min": "The least length."}):
    pass


class LastOwnerStays(Refusal, of=errors.LastOwnerStays):
    pass


class IntegrationNameTaken(Refusal, of=errors.IntegrationNameTaken, describe={"name": "The name."}):
    pass


@strawberry.type(description="Staff who are signed in.")
class StaffSignedIn:
    staff: Staff = strawberry.field(description="Who it is.")
    tokens: SessionTokens = strawberry.field(description="What carries the session.")


@strawberry.type(description="A new integration.")
class IntegrationCreated:
    integration: Integration = strawberry.field(description="What was made.")
    token: str = strawberry.field(description="Its token for the Authorization header; shown this once.")


Viewer = Annotated[Staff | Integration, strawberry.union("Viewer", description="Who asks.")]
LoginStaffResult = Annotated[
    StaffSignedIn | LoginRefused | LoginLocked,
    strawberry.union("LoginStaffResult", description="Signed in, or why not."),
]
CreateStaffResult = Annotated[
    Staff | LoginTaken | PasswordTooShort, strawberry.union("CreateStaffResult", description="Made, or why not.")
]
DisableStaffResult = Annotated[
    Staff | LastOwnerStays | NotFound, strawberry.union("DisableStaffResult", description="Disabled, or why not.")
]
CreateIntegrationResult = Annotated[
    IntegrationCreated | IntegrationNameTaken,
    strawberry.union("CreateIntegrationResult", description="Made, or why not."),
]
DisableIntegrationResult = Annotated[
    Integration | NotFound, strawberry.union("DisableIntegrationResult", description="Disabled, or why not.")
]


@strawberry.input(description="A new staff account.")
class CreateStaffInput:
    login: str = strawberry.field(description="3 to 64 small letters, digits and . _ - @")
    name: str = strawberry.field(description="1 to 64 characters.")
    password: str = strawberry.field(description="12 to 256 characters.")
    role: StaffRole = strawberry.field(description="What the person may do.")
    stores: list[str] = strawberry.field(default_factory=list, description="For a cashier: which stores.")
    phone: str | None = strawberry.field(
        default=None, description="Kept as a blind index only, so that draws can exclude staff."
    )


@strawberry.type
class AccessQuery:
    @strawberry.field(description="Who asks; null when nobody is signed in.")
    async def viewer(self, info: Info) -> Viewer | None:
        actor = info.context.actor
        if actor.kind == "staff" and actor.id:
            return await staff_of(actor.id, info)
        return await integration_of(actor.id, info) if actor.kind == "integration" and actor.id else None


@strawberry.type
class AccessMutation:
    @strawberry.mutation(description="Sign in with a password, for 12 hours.")
    async def login_staff(
        self,
        info: Info,
        login: Annotated[str, strawberry.argument(description="The login.")],
        password: Annotated[str, strawberry.argument(description="The password.")],
        device: Device = None,
    ) -> LoginStaffResult:
        desk, now = info.context.desk, info.context.now
        staff, grant = await service.login_staff(
            login=login, password=password, passwords=desk.passwords, chain=desk.chain, now=now, device=device
        )
        return StaffSignedIn(staff=Staff.of(staff), tokens=tokens_of(grant, info, now))

    @strawberry.mutation(description="Go on with a session: the next access token and the next refresh token.")
    async def refresh_session(self, info: Info, refresh_token: RefreshTokenArgument) -> RefreshSessionResult:
        return await refresh(info, refresh_token, "staff")

    @strawberry.mutation(description="End this session, or all of the account's.", extensions=[Allow(IsStaff())])
    async def sign_out(self, info: Info, everywhere: Everywhere = False) -> SignedOut:
        return await sign_out(info, everywhere)

    @strawberry.mutation(description="Make a staff account.", extensions=[OWNERS])
    async def create_staff(
        self, info: Info, input: Annotated[CreateStaffInput, strawberry.argument(description="The account.")]
    ) -> CreateStaffResult:
        context = info.context
        staff = await service.create_staff(
            login=input.login,
            name=input.name,
            password=input.password,
            role=cast(Role, input.role.value),
            stores=input.stores,
            phone=input.phone,
            actor=context.actor,
            passwords=context.desk.passwords,
            vault=context.desk.vault,
            now=context.now,
        )
        return Staff.of(staff)

    @strawberry.mutation(description="Disable a staff account; its sessions end.", extensions=[OWNERS])
    async def disable_staff(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The account's global id.")]
    ) -> DisableStaffResult:
        context = info.context
        staff, ended = await service.disable_staff(staff_id=key_of(id, "Staff"), actor=context.actor, now=context.now)
        forget(info, ended)
        return Staff.of(staff)

    @strawberry.mutation(description="Make an integration; its token is shown this once.", extensions=[OWNERS])
    async def create_integration(
        self,
        info: Info,
        name: Annotated[str, strawberry.argument(description="1 to 64 characters.")],
        scopes: Annotated[list[str], strawberry.argument(description="What it may do, such as orders:write.")],
    ) -> CreateIntegrationResult:
        context = info.context
        integration, token = await service.create_integration(
            name=name, scopes=scopes, actor=context.actor, now=context.now
        )
        return IntegrationCreated(integration=Integration.of(integration), token=token.text)

    @strawberry.mutation(description="Disable an integration with all its tokens.", extensions=[OWNERS])
    async def disable_integration(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The integration's global id.")]
    ) -> DisableIntegrationResult:
        context = info.context
        integration = await service.disable_integration(
            integration_id=key_of(id, "Integration"), actor=context.actor, now=context.now
        )
        context.desk.tokens.forget_integrations()
        return Integration.of(integration)
