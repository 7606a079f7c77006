"""How a person joins: at the till, or by a first login through WeChat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from gamification.core.database import execute, fetch_row
from gamification.core.errors import DEFAULT_LOCALE, LOCALES, InvalidInput
from gamification.core.ids import new_id
from gamification.core.transactions import retrying, transaction
from gamification.members.credentials import RefreshChain
from gamification.members.errors import MemberBlocked, MemberNotActive, ReferenceTaken, WechatIdentityConflict
from gamification.members.models import Member
from gamification.members.ports import Wechat, WechatIdentity
from gamification.members.references import Origin, Reference, wechat_reference
from gamification.members.rules import NICKNAME_LENGTH_MAX, clean_nickname
from gamification.members.service.directory import attach, ensure_members, free_numbers
from gamification.members.service.sessions import SessionGrant, open_member_session


@dataclass(frozen=True, slots=True)
class Login:
    """The answer to a login: who it is, whether this login made the member, and the session."""

    member: Member
    registered: bool
    grant: SessionGrant


async def register(
    *,
    origin: Origin,
    now: datetime,
    references: Sequence[Reference] = (),
    nickname: str | None = None,
    locale: str = DEFAULT_LOCALE,
    claimed: bool = True,
) -> Member:
    """Make a member who is known by the given references. Refuses: ReferenceTaken, InvalidInput."""
    member = Member(
        id=new_id(),
        number=(await free_numbers(1))[0],
        nickname=checked_nickname(nickname) if nickname is not None else None,
        locale=checked_locale(locale),
        status="ACTIVE",
        joined_at=now,
        claimed_at=now if claimed else None,
        origin_channel=origin.channel,
        origin_store=origin.store,
    )
    async with transaction():
        await member.save(force_create=True)
        for reference in sorted(set(references)):
            if await attach(reference, member.id, now) != member.id:
                raise ReferenceTaken(namespace=reference.namespace)
    return member


async def login_with_wechat(
    *,
    code: str,
    wechat: Wechat,
    chain: RefreshChain,
    now: datetime,
    device: str | None = None,
    locale: str | None = None,
) -> Login:
    """Open a session for whoever stands behind a `wx.login` code; a person not known yet becomes a member.

    The identity is (appid, openid). A unionid that arrives later joins the member, or leads a new openid to the member
    who has it. Refuses: WechatCodeInvalid, WechatCodeUsed, WechatBusy, WechatUserBlocked, WechatIdentityConflict (the
    two belong to two members: nothing is merged), MemberBlocked. Locks: directory lines, then the member.
    """
    identity = await wechat.identity(code)
    chosen = checked_locale(locale or DEFAULT_LOCALE)

    async def run() -> Login:
        async with transaction():
            member_id, registered = await _member_of(identity, chosen, now)
            member = await _lock_for_login(member_id, now)
            return Login(member, registered, await open_member_session(member_id, chain=chain, now=now, device=device))

    return await retrying(run)


async def _member_of(identity: WechatIdentity, locale: str, now: datetime) -> tuple[UUID, bool]:
    """The member behind an identity, and whether it had to be made. A new one is made under the unionid where there is
    one, so that two first logins of a person through two apps meet in one directory line."""
    openid = wechat_reference(identity.appid, identity.openid)
    union = Reference("unionid", identity.unionid) if identity.unionid else None
    holder = await find_member(openid)
    registered = False
    if holder is None:
        key = union or openid
        registered = await find_member(key) is None
        ensured = await ensure_members([key], origin=Origin("wechat"), now=now, claimed_at=now, locale=locale)
        holder = ensured[key]
    for reference in filter(None, (openid, union)):
        if await attach(reference, holder, now) != holder:
            raise WechatIdentityConflict
    return holder, registered


async def find_member(reference: Reference) -> UUID | None:
    """Who is known by a reference, or nobody."""
    row = await fetch_row("SELECT member_id FROM member_reference WHERE namespace = $1 AND value = $2", *reference)
    return row["member_id"] if row else None


async def _lock_for_login(member_id: UUID, now: datetime) -> Member:
    """The member, locked and claimed by this login. Refuses: MemberBlocked, MemberNotActive."""
    member = await Member.filter(id=member_id).select_for_update(no_key=True).get()
    if member.status == "BLOCKED":
        raise MemberBlocked
    if member.status != "ACTIVE":
        raise MemberNotActive(status=member.status)
    if member.claimed_at is None:
        member.claimed_at = now
        await execute("UPDATE member SET claimed_at = $2 WHERE id = $1", member_id, now)
    return member


def checked_nickname(raw: str) -> str:
    """A nickname in canonical form. Refuses: InvalidInput."""
    nickname = clean_nickname(raw)
    if nickname is None:
        raise InvalidInput(field="nickname", reason=f"1 to {NICKNAME_LENGTH_MAX} characters")
    return nickname


def checked_locale(locale: str) -> str:
    """A language the programme speaks. Refuses: InvalidInput."""
    if locale not in LOCALES:
        raise InvalidInput(field="locale", reason=f"one of {', '.join(LOCALES)}")
    return locale
