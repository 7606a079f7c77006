"""What an adjustment's decision rests on besides the member's accounts: who the people are, what was moved today."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from gamification.core.draft import Load


class Party(NamedTuple):
    """A member and one of the staff who act on the account: the member's status, whether both have the same phone."""

    member_id: UUID
    staff_id: UUID
    status: str
    is_own: bool


class Moved(NamedTuple):
    """What a member of staff moved alone on a business day, as the sum of absolute values over all members."""

    member_id: UUID
    staff_id: UUID
    made_on: date
    points: int


class ByStaff(Protocol):
    """A command on which staff act, alone or two of them."""

    member_id: UUID

    @property
    def people(self) -> tuple[UUID, ...]:
        """The staff who answer for it."""


def _members(commands: Sequence[ByStaff], now: Any) -> list[UUID]:
    return [each.member_id for each in commands for _ in each.people]


def _people(commands: Sequence[ByStaff], now: Any) -> list[UUID]:
    return [person for each in commands for person in each.people]


_PAIRS = {"whose": ("uuid[]", _members), "people": ("uuid[]", _people)}

PARTIES = Load(
    name="adjustments.parties",
    row=Party,
    sql="""SELECT p.member_id, p.staff_id, m.status, EXISTS (
             SELECT FROM member_reference r JOIN staff s ON s.phone_index = r.value
             WHERE r.member_id = p.member_id AND r.namespace = 'phone' AND s.id = p.staff_id)
           FROM unnest({whose}, {people}) AS p(member_id, staff_id) JOIN member m ON m.id = p.member_id""",
    arguments=_PAIRS,
)
MOVED_ALONE = Load(
    name="adjustments.moved_alone",
    row=Moved,
    sql="""SELECT DISTINCT p.member_id, moved.* FROM unnest({whose}, {people}) AS p(member_id, staff_id)
           CROSS JOIN LATERAL (
             SELECT made_by, made_on, sum(abs(points))::bigint FROM adjustment
             WHERE made_by = p.staff_id AND made_at > {now} - interval '2 days' AND because IS NULL
             GROUP BY made_by, made_on) moved""",
    arguments=_PAIRS,
)
"""No business day is longer than two of the clock's; the decision picks its own."""
