"""Builders and readings that the tests of members share."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from argon2 import PasswordHasher

from gamification.core.actors import SYSTEM
from gamification.core.clock import FixedClock
from gamification.core.database import fetch, fetch_value
from gamification.members import service as members
from gamification.members.credentials import Passwords
from gamification.members.invariants import INVARIANTS
from gamification.members.models import Member, Staff
from gamification.members.phones import PhoneVault
from gamification.members.ports import WechatIdentity
from gamification.members.references import Origin, Reference

AT_THE_TILL = Origin("store", "SH-01")
IMPORTED = Origin("import")
PASSWORD = "correct horse battery"
CHEAP = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@dataclass
class Somebody:
    """WeChat as one person's phone sees it: every login code gives this identity, every phone code this number."""

    openid: str = "o-mei"
    unionid: str | None = None
    appid: str = "wx-one"
    phone: str = "+8613800138000"
    asked: list[str] = field(default_factory=list)

    async def identity(self, code: str) -> WechatIdentity:
        self.asked.append(code)
        return WechatIdentity(self.appid, self.openid, self.unionid)

    async def phone_number(self, code: str) -> str:
        self.asked.append(code)
        return self.phone


async def a_member(clock: FixedClock, *references: Reference, **given: Any) -> Member:
    """A claimed member who joined at the till."""
    return await members.register(origin=AT_THE_TILL, now=clock.now(), references=references, **given)


async def a_member_of_staff(clock: FixedClock, vault: PhoneVault, login: str = "lin", **given: Any) -> Staff:
    """An owner, unless told otherwise."""
    given = {"role": "owner", "name": "Lin", "password": PASSWORD, **given}
    return await members.create_staff(login=login, actor=SYSTEM, passwords=CHEAP, vault=vault, now=clock.now(), **given)


async def references_of(member_id: UUID) -> set[tuple[str, str]]:
    rows = await fetch("SELECT namespace, value FROM member_reference WHERE member_id = $1", member_id)
    return {(row["namespace"], row["value"]) for row in rows}


async def count(table: str) -> int:
    found: int = await fetch_value(f'SELECT count(*) FROM "{table}"')
    return found


async def broken_invariants() -> list[str]:
    """The invariants of the slice that do not hold."""
    return [name for name, sql in INVARIANTS.items() if await fetch(sql)]


def no_history() -> Any:
    async def probe(member_id: UUID) -> bool:
        return False

    return probe


def some_history() -> Any:
    async def probe(member_id: UUID) -> bool:
        return True

    return probe


MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
