"""What a donation's decision rests on: the campaign, what the member gave lately, and the guard of the goal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from gamification.charity.rules import PLEDGE_MAX, CampaignState
from gamification.core.draft import Guard, Load, Price


class CampaignRow(NamedTuple):
    """A campaign as a decision reads it."""

    id: UUID
    state: CampaignState
    opens_at: datetime
    closes_at: datetime | None
    points_per_unit: int
    fen_per_unit: int
    goal_units: int | None
    goal_may_be_passed: bool
    pledged_units: int
    monthly_units_max: int | None
    title_zh: str
    title_en: str
    beneficiary: str
    agreement_reference: str


class GivenRow(NamedTuple):
    """What a member gave to a campaign in a month."""

    member_id: UUID
    campaign_id: UUID
    month: date
    units: int


def _campaigns_of(commands: Sequence[Any], now: datetime) -> list[UUID]:
    return list({command.campaign_id for command in commands})


def _most_units_of_one_member(commands: Sequence[Any], now: datetime) -> int:
    units: Counter[UUID] = Counter()
    for command in commands:
        units[command.member_id] += command.units
    return max(units.values(), default=1)


CAMPAIGNS = Load(
    name="charity.campaigns",
    row=CampaignRow,
    sql=f"SELECT {', '.join(CampaignRow._fields)} FROM charity_campaign WHERE id = ANY({{campaigns}})",
    arguments={"campaigns": ("uuid[]", _campaigns_of)},
    shared=True,
)
GIVEN = Load(
    name="charity.given",
    row=GivenRow,
    sql="""SELECT g.* FROM (SELECT id FROM charity_campaign WHERE id = ANY({campaigns})
                            AND monthly_units_max IS NOT NULL) AS limited(id)
           CROSS JOIN LATERAL (SELECT member_id, campaign_id, month, sum(units)::bigint FROM donation
                               WHERE member_id = ANY({members}) AND campaign_id = limited.id
                                 AND donated_at > {now} - interval '32 days'
                               GROUP BY member_id, campaign_id, month) g""",
    arguments={"campaigns": ("uuid[]", _campaigns_of)},
)
"""Of campaigns without a monthly limit nobody's donations are counted."""
PRICE = Price(
    "(SELECT max(points_per_unit)::numeric * {most} FROM charity_campaign WHERE id = ANY({campaigns}))",
    {"campaigns": ("uuid[]", _campaigns_of), "most": ("bigint", _most_units_of_one_member)},
)
PLEDGE = Guard(
    name="charity_pledge",
    sql=f"""UPDATE charity_campaign c SET pledged_units = c.pledged_units + k.amount FROM {{claims}} k
           WHERE c.id = k.key AND c.state = 'OPEN' AND c.opens_at <= {{now}}
             AND (c.closes_at IS NULL OR c.closes_at > {{now}})
             AND (c.goal_units IS NULL OR c.goal_may_be_passed OR c.pledged_units + k.amount <= c.goal_units)
             AND c.pledged_units + k.amount <= {PLEDGE_MAX}
           RETURNING c.id""",
)
