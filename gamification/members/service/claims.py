"""Binding a phone or a card, and claiming the imported member who is known by it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from gamification.core.actors import Actor
from gamification.core.audit import audit
from gamification.core.database import execute, fetch, fetch_row
from gamification.core.errors import NotFound
from gamification.core.transactions import retrying, transaction
from gamification.members.errors import ClaimNeedsStaff, MemberNotActive, PhoneTaken, ReferenceTaken
from gamification.members.models import Member
from gamification.members.phones import PhoneVault, SealedPhone
from gamification.members.ports import HistoryProbe, Wechat
from gamification.members.references import Reference
from gamification.members.service.directory import attach


@dataclass(frozen=True, slots=True)
class Binding:
    """Who holds the phone or card now; `claimed` says that this is the imported member, no longer the one who asked."""

    member_id: UUID
    claimed: bool


async def bind_phone(
    *, member_id: UUID, code: str, wechat: Wechat, vault: PhoneVault, has_history: HistoryProbe, now: datetime
) -> Binding:
    """Bind the phone that WeChat verified behind a phone button's code, in place of the one bound before.

    Where an unclaimed member is known by that phone, it is claimed: if ours has no history, it becomes a tombstone and
    its references and sessions move to the claimed member. Refuses: WechatCodeInvalid, WechatCodeUsed, WechatBusy,
    PhoneTaken, ClaimNeedsStaff, MemberNotActive. Locks: our member, the directory line, the other member, then what
    `has_history` reads.
    """
    phone = await wechat.phone_number(code)

    async def run() -> Binding:
        async with transaction():
            await lock_active(member_id)
            await _drop_other_phones(member_id, vault.reference(phone))
            holder = await attach(vault.reference(phone), member_id, now)
            if holder != member_id:
                await _claim(holder, member_id, PhoneTaken(), vault, has_history, now)
            await seal_phone(holder, phone, vault, now)
            return Binding(holder, claimed=holder != member_id)

    return await retrying(run)


async def bind_card(
    *, member_id: UUID, card: str, actor: Actor, vault: PhoneVault, has_history: HistoryProbe, now: datetime
) -> Binding:
    """Bind a card that staff have seen; claims an unclaimed member known by it as `bind_phone` does.

    Refuses: ReferenceTaken, ClaimNeedsStaff, MemberNotActive, InvalidInput. Locks: as `bind_phone`.
    """
    reference = Reference("card", card.strip())

    async def run() -> Binding:
        async with transaction():
            await lock_active(member_id)
            holder = await attach(reference, member_id, now)
            if holder != member_id:
                await _claim(holder, member_id, ReferenceTaken(namespace="card"), vault, has_history, now)
            await audit(actor, "member.card_bound", "member", holder, now=now, before={"member": str(member_id)})
            return Binding(holder, claimed=holder != member_id)

    return await retrying(run)


async def lock_active(member_id: UUID) -> Member:
    """The member, locked until the transaction ends. Refuses: NotFound, MemberNotActive."""
    member = await Member.filter(id=member_id).select_for_update(no_key=True).get_or_none()
    if member is None:
        raise NotFound(kind="member", id=str(member_id))
    if member.status != "ACTIVE":
        raise MemberNotActive(status=member.status)
    return member


async def _claim(
    holder_id: UUID,
    member_id: UUID,
    taken: PhoneTaken | ReferenceTaken,
    vault: PhoneVault,
    has_history: HistoryProbe,
    now: datetime,
) -> None:
    """Let our member become the holder, or refuse."""
    holder = await Member.filter(id=holder_id).select_for_update(no_key=True).get()
    if holder.claimed or holder.status != "ACTIVE":
        raise taken
    if await has_history(member_id):
        raise ClaimNeedsStaff
    await _move_phone(member_id, holder_id, vault, now)
    await execute("UPDATE member_reference SET member_id = $2 WHERE member_id = $1", member_id, holder_id)
    await execute("UPDATE session SET member_id = $2 WHERE member_id = $1 AND revoked_at IS NULL", member_id, holder_id)
    await execute(_ADOPT, member_id, holder_id, now)
    await execute("UPDATE member SET status = 'MERGED', merged_into_id = $2 WHERE id = $1", member_id, holder_id)


_ADOPT = """
UPDATE member h SET claimed_at = $3, locale = ours.locale, nickname = coalesce(h.nickname, ours.nickname),
    birthday_month = coalesce(h.birthday_month, ours.birthday_month),
    birthday_day = coalesce(h.birthday_day, ours.birthday_day),
    birthday_changed_on = coalesce(h.birthday_changed_on, ours.birthday_changed_on),
    adult_declared_at = coalesce(h.adult_declared_at, ours.adult_declared_at)
FROM member ours WHERE h.id = $2 AND ours.id = $1
"""


async def _move_phone(member_id: UUID, holder_id: UUID, vault: PhoneVault, now: datetime) -> None:
    """Our verified phone goes along, in place of one that the import merely stated; sealed anew for its new member."""
    phone = await read_phone(member_id, vault)
    if phone is not None:
        await _drop_other_phones(holder_id, vault.reference(phone))
        await execute("DELETE FROM member_phone WHERE member_id = $1", member_id)
        await seal_phone(holder_id, phone, vault, now)


async def _drop_other_phones(member_id: UUID, kept: Reference) -> None:
    """A member has one phone: the line of another goes, with its sealed copy."""
    dropped = await execute(
        "DELETE FROM member_reference WHERE member_id = $1 AND namespace = 'phone' AND value <> $2",
        member_id,
        kept.value,
    )
    if dropped:
        await execute("DELETE FROM member_phone WHERE member_id = $1", member_id)


async def read_phone(member_id: UUID, vault: PhoneVault) -> str | None:
    """The member's phone number in clear, or None."""
    row = await fetch_row("SELECT key_id, sealed FROM member_phone WHERE member_id = $1", member_id)
    return vault.open(member_id, SealedPhone(row["key_id"], row["sealed"])) if row else None


async def seal_phone(member_id: UUID, phone: str, vault: PhoneVault, now: datetime) -> None:
    """Keep a number under the vault's current key."""
    copy = vault.seal(member_id, phone)
    await execute(
        """INSERT INTO member_phone (member_id, key_id, sealed, tail_index, bound_at) VALUES ($1, $2, $3, $4, $5)
           ON CONFLICT (member_id) DO UPDATE SET key_id = excluded.key_id, sealed = excluded.sealed,
             tail_index = excluded.tail_index""",
        member_id,
        copy.key_id,
        copy.sealed,
        vault.tail_index(phone),
        now,
    )


async def reseal_phones(*, vault: PhoneVault, limit: int) -> int:
    """Seal up to `limit` numbers that stand under an older key anew under the current one; returns how many."""
    async with transaction():
        rows = await fetch(
            """SELECT member_id, key_id, sealed FROM member_phone WHERE key_id <> $1
               ORDER BY member_id LIMIT $2 FOR UPDATE SKIP LOCKED""",
            vault.current,
            limit,
        )
        for row in rows:
            copy = vault.seal(row["member_id"], vault.open(row["member_id"], SealedPhone(row["key_id"], row["sealed"])))
            await execute(
                "UPDATE member_phone SET key_id = $2, sealed = $3 WHERE member_id = $1",
                row["member_id"],
                copy.key_id,
                copy.sealed,
            )
    return len(rows)
