"""Members, as they see themselves: signing in through WeChat, the phone, the profile."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import strawberry
from strawberry import relay

from gamification.core.actors import Actor
from gamification.members import errors, models, queries, rules, service
from schema.benefits import MemberBenefits
from schema.context import Info, own_id
from schema.earning import EarningOfMember
from schema.execution.batches import Answers, batched
from schema.holds import HoldsOfMember
from schema.permissions import Allow
from schema.permissions import Member as IsMember
from schema.points import PointsOfMember
from schema.refusals import Refusal
from schema.sessions import (
    AccessToken,
    Device,
    Everywhere,
    RefreshSessionResult,
    RefreshTokenArgument,
    SessionTokens,
    SignedOut,
    access_token,
    refresh,
    sign_out,
    tokens_of,
)
from schema.statements import StatementsOfMember
from schema.tiers import TiersOfMember


@strawberry.enum(description="A language the programme speaks.")
class Language(Enum):
    ZH_CN = strawberry.enum_value("zh-CN", description="简体中文.")
    EN = strawberry.enum_value("en", description="English.")


@strawberry.type(description="A birthday; the year is never asked.")
class Birthday:
    month: int = strawberry.field(description="1 to 12.")
    day: int = strawberry.field(description="1 to 31.")


@strawberry.input(description="A birthday; the year is never asked.")
class BirthdayInput:
    month: int = strawberry.field(description="1 to 12.")
    day: int = strawberry.field(description="1 to 31.")


@strawberry.type(description="A person in the programme.")
class Member(
    PointsOfMember, StatementsOfMember, HoldsOfMember, TiersOfMember, MemberBenefits, EarningOfMember, relay.Node
):
    id: relay.NodeID[UUID]
    number: str = strawberry.field(description="The member number: what the member reads out at the till.")
    nickname: str | None = strawberry.field(description="The name the member chose.")
    language: Language = strawberry.field(description="The language of messages to the member.")
    birthday: Birthday | None = strawberry.field(description="The birthday the member declared.")
    joined_at: datetime = strawberry.field(description="When the member joined.")
    adult_declared_at: datetime | None = strawberry.field(
        description="When the member declared to be an adult; null for whoever has not."
    )

    @classmethod
    def of(cls, row: models.Member | queries.MemberLine) -> "Member":
        return cls(
            id=row.id,
            number=row.number,
            nickname=row.nickname,
            language=Language(row.locale),
            birthday=birthday_of(row),
            joined_at=row.joined_at,
            adult_declared_at=row.adult_declared_at,
        )

    @classmethod
    async def resolve_nodes(cls, *, info: Any, node_ids: Iterable[str], required: bool = False) -> Any:
        """A member sees nobody else."""
        own = info.context.actor.member_id
        ids = [UUID(each) for each in node_ids]
        return [await member_of(each, info) if each == own else None for each in ids]

    @batched(description="The bound phone number without its middle.")
    @staticmethod
    async def phone(members: Sequence[Any], info: Info) -> Answers[str | None]:
        reading = queries.MaskedPhones(info.context.desk.vault)
        return await info.context.load_many(reading, [member.id for member in members])


def birthday_of(row: models.Member | queries.MemberLine) -> Birthday | None:
    """A member's birthday as GraphQL shows it."""
    known = row.birthday_month is not None and row.birthday_day is not None
    return Birthday(month=row.birthday_month or 0, day=row.birthday_day or 0) if known else None


async def member_of(member_id: UUID, info: Info) -> Member | None:
    """The member with that id, read together with others."""
    row: queries.MemberLine | None = await info.context.load(queries.members_by_ids, member_id)
    return Member.of(row) if row else None


class WechatCodeInvalid(Refusal, of=errors.WechatCodeInvalid):
    pass


class WechatCodeUsed(Refusal, of=errors.WechatCodeUsed):
    pass


class WechatBusy(Refusal, of=errors.WechatBusy):
    pass


class WechatUserBlocked(Refusal, of=errors.WechatUserBlocked):
    pass


class WechatIdentityConflict(Refusal, of=errors.WechatIdentityConflict):
    pass


class MemberBlocked(Refusal, of=errors.MemberBlocked):
    pass


class MemberNotActive(Refusal, of=errors.MemberNotActive):
    pass


class PhoneTaken(Refusal, of=errors.PhoneTaken):
    pass


class ClaimNeedsStaff(Refusal, of=errors.ClaimNeedsStaff):
    pass


class BirthdayLocked(
    Refusal, of=errors.BirthdayLocked, describe={"changes_on": "The first business day on which it may change."}
):
    pass


@strawberry.type(description="A member who is signed in.")
class SignedIn:
    member: Member = strawberry.field(description="Who it is.")
    registered: bool = strawberry.field(description="Whether this login made the member.")
    tokens: SessionTokens = strawberry.field(description="What carries the session.")


@strawberry.type(description="A phone that is bound.")
class PhoneBound:
    member: Member = strawberry.field(description="Whose it is now.")
    claimed: bool = strawberry.field(
        description="Whether the caller became an earlier member with that phone. The old access token ends then."
    )
    access_token: AccessToken = strawberry.field(description="A token of the session for the member.")


LoginWithWechatResult = Annotated[
    SignedIn
    | WechatCodeInvalid
    | WechatCodeUsed
    | WechatBusy
    | WechatUserBlocked
    | WechatIdentityConflict
    | MemberBlocked
    | MemberNotActive,
    strawberry.union("LoginWithWechatResult", description="Signed in, or why not."),
]
BindPhoneResult = Annotated[
    PhoneBound | WechatCodeInvalid | WechatCodeUsed | WechatBusy | PhoneTaken | ClaimNeedsStaff | MemberNotActive,
    strawberry.union("BindPhoneResult", description="Bound, or why not."),
]
UpdateProfileResult = Annotated[
    Member | BirthdayLocked | MemberNotActive,
    strawberry.union("UpdateProfileResult", description="The member as it is now, or why nothing changed."),
]

DeclareAdultResult = Annotated[
    Member | MemberNotActive,
    strawberry.union("DeclareAdultResult", description="The member as it is now, or why nothing changed."),
]

LoginCode = Annotated[str, strawberry.argument(description="The code of `wx.login`: good once, for five minutes.")]
PhoneCode = Annotated[
    str, strawberry.argument(description="The code of the phone button (`getPhoneNumber`), not that of `wx.login`.")
]


@strawberry.input(description="What changes in a profile; what is left out stays.")
class UpdateProfileInput:
    nickname: str | None = strawberry.field(default=None, description="1 to 32 characters.")
    language: Language | None = strawberry.field(default=None, description="The language of messages.")
    birthday: BirthdayInput | None = strawberry.field(default=None, description="May change once a year.")


@strawberry.type
class MembersQuery:
    @strawberry.field(description="The member who asks; null when nobody is signed in.")
    async def me(self, info: Info) -> Member | None:
        own = info.context.actor.member_id
        return await member_of(own, info) if own else None


@strawberry.type
class MembersMutation:
    @strawberry.mutation(description="Sign in through WeChat; whoever is not known yet joins.")
    async def login_with_wechat(self, info: Info, code: LoginCode, device: Device = None) -> LoginWithWechatResult:
        context, now = info.context, info.context.now
        login = await service.login_with_wechat(
            code=code,
            wechat=context.desk.wechat,
            chain=context.desk.chain,
            now=now,
            device=device,
            locale=context.locale,
        )
        return SignedIn(
            member=Member.of(login.member), registered=login.registered, tokens=tokens_of(login.grant, info, now)
        )

    @strawberry.mutation(description="Go on with a session: the next access token and the next refresh token.")
    async def refresh_session(self, info: Info, refresh_token: RefreshTokenArgument) -> RefreshSessionResult:
        return await refresh(info, refresh_token, "member")

    @strawberry.mutation(description="End this session, or all of the member's.", extensions=[Allow(IsMember())])
    async def sign_out(self, info: Info, everywhere: Everywhere = False) -> SignedOut:
        return await sign_out(info, everywhere)

    @strawberry.mutation(
        description="Bind the phone that WeChat verified; an earlier member known by it is claimed.",
        extensions=[Allow(IsMember())],
    )
    async def bind_phone(self, info: Info, code: PhoneCode) -> BindPhoneResult:
        return await bind_phone(info, code)

    @strawberry.mutation(description="Change the profile.", extensions=[Allow(IsMember())])
    async def update_profile(
        self,
        info: Info,
        input: Annotated[UpdateProfileInput, strawberry.argument(description="What changes.")],
    ) -> UpdateProfileResult:
        row = await service.update_profile(
            member_id=own_id(info),
            calendar=info.context.desk.calendar,
            now=info.context.now,
            nickname=input.nickname,
            locale=str(input.language.value) if input.language else None,
            birthday=rules.Birthday(input.birthday.month, input.birthday.day) if input.birthday else None,
        )
        return Member.of(row)

    @strawberry.mutation(
        description="Declare to be an adult (18 years), once and for ever: draws are for adults.",
        extensions=[Allow(IsMember())],
    )
    async def declare_adult(self, info: Info) -> DeclareAdultResult:
        return Member.of(await service.declare_adult(member_id=own_id(info), now=info.context.now))


async def bind_phone(info: Info, code: str) -> PhoneBound:
    """Bind, and give a token for whoever the session now speaks for."""
    context, now = info.context, info.context.now
    binding = await service.bind_phone(
        member_id=own_id(info),
        code=code,
        wechat=context.desk.wechat,
        vault=context.desk.vault,
        has_history=context.desk.has_history,
        now=now,
    )
    assert context.actor.session_id is not None, "members act in sessions"
    context.desk.tokens.forget(context.actor.session_id)
    member = await member_of(binding.member_id, info)
    assert member is not None, "a phone is bound to a member who exists"
    holder = Actor("member", binding.member_id, session_id=context.actor.session_id)
    return PhoneBound(member=member, claimed=binding.claimed, access_token=access_token(holder, info, now))
