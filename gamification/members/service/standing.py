"""Staff block a member and let the member in again."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from gamification.core.actors import Actor
from gamification.core.audit import audit, check_reason
from gamification.core.errors import NotFound
from gamification.core.transactions import retrying, transaction
from gamification.members.errors import MemberNotActive
from gamification.members.models import Member
from gamification.members.rules import STATUS_AFTER
from gamification.members.service.sessions import sign_out_everywhere


async def block_member(*, member_id: UUID, reason: str, actor: Actor, now: datetime) -> tuple[Member, list[UUID]]:
    """Block a member and end every session; returns the member and the sessions that ended.

    Blocking a blocked member changes nothing. Refuses: NotFound, MemberNotActive, InvalidInput. Locks: the member.
    """

    async def run() -> tuple[Member, list[UUID]]:
        async with transaction():
            member = await _step(member_id, "block", reason, actor, now)
            return member, await sign_out_everywhere(member_id=member_id, now=now, because="MEMBER_BLOCKED")

    return await retrying(run)


async def unblock_member(*, member_id: UUID, reason: str, actor: Actor, now: datetime) -> Member:
    """Let a blocked member in again; an active one stays as it is. Refuses: NotFound, MemberNotActive, InvalidInput."""

    async def run() -> Member:
        async with transaction():
            return await _step(member_id, "unblock", reason, actor, now)

    return await retrying(run)


async def _step(member_id: UUID, verb: str, reason: str, actor: Actor, now: datetime) -> Member:
    text = check_reason(reason)
    member = await Member.filter(id=member_id).select_for_update(no_key=True).get_or_none()
    if member is None:
        raise NotFound(kind="member", id=str(member_id))
    before = member.status
    after = next((to for (start, name), to in STATUS_AFTER.items() if name == verb and start == before), None)
    if after is None and before not in {to for (_, name), to in STATUS_AFTER.items() if name == verb}:
        raise MemberNotActive(status=before)
    if after is not None:
        member.status = after
        await member.save(update_fields=["status"])
        await audit(
            actor,
            f"member.{verb}ed",
            "member",
            member_id,
            now=now,
            before={"status": before},
            after={"status": after},
            reason=text,
        )
    return member
