"""The terms of the programme as anybody reads them."""

from __future__ import annotations

from datetime import datetime

import pytest

from gamification.core.actors import ANONYMOUS
from gamification.core.clock import FixedClock
from tests.staff.publishing import GOOD, NO_MODES, POINTS_TERMS, SHOWN, publish
from tests.staff.rooms import CALLERS, Office

TERMS = f"""{{ programme {{
    points {{ {POINTS_TERMS} }}
    earning {{ pointsRateBp growthRateBp ladder {{ fromFen rateBp }} }}
    tiers {{ code name threshold }}
    checkIns {{ cycleDays rewards {{ cycleDay points }} }} }} }}"""


@pytest.mark.parametrize("caller", CALLERS)
async def test_anybody_reads_the_terms(office: Office, caller: str) -> None:
    """Signed in or not, the terms are those in force, with tiers named in the reader's language."""
    for kind in GOOD:
        await publish(office, kind)
    actor = CALLERS[caller]
    english, chinese = (
        await office.ask_as_member(TERMS, actor),
        await office.ask_as_member(TERMS, actor, locale="zh-CN"),
    )
    assert english["programme"] == {
        "points": GOOD["POINTS"],
        "earning": GOOD["EARNING"],
        "tiers": [
            {"code": "BASIC", "name": "Basic", "threshold": 0},
            {"code": "SILVER", "name": "Silver", "threshold": 1000},
        ],
        "checkIns": SHOWN["CHECK_INS"],
    }
    assert [tier["name"] for tier in chinese["programme"]["tiers"]] == ["普通会员", "银卡会员"]
    assert {**chinese["programme"], "tiers": None} == {**english["programme"], "tiers": None}


async def test_what_is_not_published_yet_is_null(office: Office) -> None:
    """A programme without policies answers, and one with some answers with those."""
    nothing = {"points": None, "earning": None, "tiers": None, "checkIns": None}
    assert await office.ask_as_member(TERMS) == {"programme": nothing}
    await publish(office, "POINTS", {"activationDays": 0, "clawBack": "TO_DEBT"})
    points = {"expiry": None, "activationDays": 0, "clawBack": "TO_DEBT", **NO_MODES}
    assert await office.ask_as_member(TERMS) == {"programme": {**nothing, "points": points}}


async def test_the_ladder_shown_is_the_one_the_month_began_with(office: Office, clock: FixedClock) -> None:
    """A new earning policy changes the rates at once and the ladder with the next month."""
    terms = "{ programme { earning { pointsRateBp ladder { rateBp } } } }"
    await publish(office, "EARNING")
    changed = {"pointsRateBp": 300, "growthRateBp": 0, "ladder": [{"fromFen": 1, "rateBp": 900}]}
    await publish(office, "EARNING", changed)
    steps = [{"rateBp": 100}, {"rateBp": 150}, {"rateBp": 200}]
    assert (await office.ask_as_member(terms, ANONYMOUS))["programme"] == {
        "earning": {"pointsRateBp": 300, "ladder": steps}
    }
    clock.set(datetime.fromisoformat("2026-04-01T00:00:00+08:00"))
    assert (await office.ask_as_member(terms))["programme"] == {
        "earning": {"pointsRateBp": 300, "ladder": [{"rateBp": 900}]}
    }
