"""Staff accounts: made and disabled by owners, signed in to with a password."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

import asyncpg
from tortoise.exceptions import IntegrityError

from gamification.core.actors import Actor, Role
from gamification.core.audit import audit
from gamification.core.database import execute, fetch_row, fetch_value
from gamification.core.errors import InvalidInput, NotFound
from gamification.core.ids import new_id
from gamification.core.transactions import retrying, transaction
from gamification.members.credentials import Passwords, RefreshChain, sha256
from gamification.members.errors import LastOwnerStays, LoginLocked, LoginRefused, LoginTaken, PasswordTooShort
from gamification.members.models import Staff
from gamification.members.phones import PhoneVault
from gamification.members.rules import (
    FAILURES_MAX,
    LOCK_OUT,
    PASSWORD_LENGTH_MAX,
    PASSWORD_LENGTH_MIN,
    ROLES,
    login_is_valid,
    normalise_phone,
)
from gamification.members.service.sessions import SessionGrant, open_staff_session, sign_out_everywhere

STORES_MAX = 500


async def create_staff(
    *,
    login: str,
    name: str,
    password: str,
    role: Role,
    actor: Actor,
    passwords: Passwords,
    vault: PhoneVault,
    now: datetime,
    stores: Collection[str] = (),
    phone: str | None = None,
) -> Staff:
    """Make a staff account. The phone is kept as its blind index only, so that draws can tell staff from members.

    Refuses: LoginTaken, PasswordTooShort, InvalidInput (a cashier needs stores).
    """
    _check(login, name, password, role, stores)
    staff = Staff(
        id=new_id(),
        login=login,
        name=name.strip(),
        password_hash=await passwords.hash(password),
        role=role,
        stores=sorted(set(stores)),
        phone_index=_phone_index(phone, vault),
        created_at=now,
    )
    try:
        async with transaction():
            await staff.save(force_create=True)
            made = {"role": role, "stores": staff.stores}
            await audit(actor, "staff.created", "staff", staff.id, now=now, after=made)
    except IntegrityError as taken:
        if isinstance(taken.__cause__, asyncpg.UniqueViolationError):
            raise LoginTaken(login=login) from None
        raise
    return staff


def _check(login: str, name: str, password: str, role: str, stores: Collection[str]) -> None:
    if not login_is_valid(login):
        raise InvalidInput(field="login", reason="3 to 64 small letters, digits and . _ - @")
    if not 0 < len(name.strip()) <= 64:
        raise InvalidInput(field="name", reason="1 to 64 characters")
    if len(password) < PASSWORD_LENGTH_MIN:
        raise PasswordTooShort(length_min=PASSWORD_LENGTH_MIN)
    if len(password) > PASSWORD_LENGTH_MAX:
        raise InvalidInput(field="password", reason=f"at most {PASSWORD_LENGTH_MAX} characters")
    if role not in ROLES:
        raise InvalidInput(field="role", reason=f"one of {', '.join(ROLES)}")
    if len(stores) > STORES_MAX or not all(0 < len(store) <= 64 for store in stores):
        raise InvalidInput(field="stores", reason=f"at most {STORES_MAX} of 1 to 64 characters")
    if role == "cashier" and not stores:
        raise InvalidInput(field="stores", reason="a cashier has at least one")


def _phone_index(phone: str | None, vault: PhoneVault) -> str | None:
    if phone is None:
        return None
    normal = normalise_phone(phone)
    if normal is None:
        raise InvalidInput(field="phone", reason="a phone number, with its country code outside the mainland")
    return vault.index(normal)


async def login_staff(
    *,
    login: str,
    password: str,
    passwords: Passwords,
    chain: RefreshChain,
    now: datetime,
    device: str | None = None,
) -> tuple[Staff, SessionGrant]:
    """Open a session of staff for 12 hours.

    A wrong login, a wrong password and a disabled account are refused alike and take as long; after five failures in a
    row a login is locked for 15 minutes, whether it exists or not. Refuses: LoginRefused, LoginLocked, InvalidInput.
    """
    if len(password) > PASSWORD_LENGTH_MAX:
        raise LoginRefused
    digest = sha256(login)
    await _take_attempt(digest, now)
    staff = await Staff.get_or_none(login=login, disabled_at=None)
    if not await passwords.agrees(staff.password_hash if staff else None, password) or staff is None:
        raise LoginRefused
    await execute("DELETE FROM login_attempt WHERE login_hash = $1", digest)
    return staff, await open_staff_session(staff.id, chain=chain, now=now, device=device)


async def _take_attempt(digest: bytes, now: datetime) -> None:
    """Count an attempt before it is judged, so that guesses in parallel are bounded like guesses in a row.

    Attempts that lie a lock-out's time back are forgotten. Refuses: LoginLocked.
    """
    counted = await fetch_row(
        """INSERT INTO login_attempt AS a (login_hash, failures, last_at) VALUES ($1, 1, $2)
           ON CONFLICT (login_hash) DO UPDATE SET
             last_at = $2,
             failures = CASE WHEN a.last_at <= $3 THEN 1 ELSE a.failures + 1 END,
             locked_until = CASE WHEN a.last_at > $3 AND a.failures + 1 >= $4 THEN $5::timestamptz END
           WHERE a.locked_until IS NULL OR a.locked_until <= $2
           RETURNING failures""",
        digest,
        now,
        now - LOCK_OUT,
        FAILURES_MAX,
        now + LOCK_OUT,
    )
    if counted is None:
        until = await fetch_value("SELECT locked_until FROM login_attempt WHERE login_hash = $1", digest)
        raise LoginLocked(until=until or now)


async def disable_staff(*, staff_id: UUID, actor: Actor, now: datetime) -> tuple[Staff, list[UUID]]:
    """Disable an account and end its sessions; once is enough. Refuses: NotFound, LastOwnerStays. Locks: all owners."""

    async def run() -> tuple[Staff, list[UUID]]:
        async with transaction():
            owners = await Staff.filter(role="owner", disabled_at=None).order_by("id").select_for_update()
            staff = await Staff.filter(id=staff_id).select_for_update().get_or_none()
            if staff is None:
                raise NotFound(kind="staff", id=str(staff_id))
            if [each.id for each in owners] == [staff_id]:
                raise LastOwnerStays
            if staff.disabled_at is None:
                staff.disabled_at = now
                await staff.save(update_fields=["disabled_at"])
                await audit(actor, "staff.disabled", "staff", staff_id, now=now, before={"role": staff.role})
            return staff, await sign_out_everywhere(staff_id=staff_id, now=now, because="STAFF_DISABLED")

    return await retrying(run)
