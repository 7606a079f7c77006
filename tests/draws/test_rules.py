"""Who wins, who may buy, what a plan may say: decisions on plain values."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamification.core.chance import commitment, shuffled
from gamification.core.clock import FixedClock
from gamification.draws.models import Draw
from gamification.draws.rules import (
    STATES,
    TRANSITIONS,
    Chosen,
    DrawsPolicy,
    Limit,
    PrizeUnits,
    Win,
    choose_winners,
    is_on_sale,
    leaf,
    limit_reached,
    masked,
    terms_of,
)
from tests.draws.builders import a_plan, a_prize

SEED = bytes(range(32))
DRAW = UUID("019c0000-0000-7000-8000-000000000001")
NOW = datetime(2026, 3, 2, 2, tzinfo=UTC)
CLOCK = FixedClock(NOW)

prizes = st.lists(
    st.builds(lambda quantity, limit: (quantity, limit), st.integers(1, 8), st.none() | st.integers(1, 3)),
    min_size=1, max_size=4,
).map(lambda each: [PrizeUnits(place, *terms) for place, terms in enumerate(each, 1)])  # fmt: skip
buyers = st.lists(st.sampled_from("abc"), max_size=40)


@given(buyers, prizes, st.integers(0, 9))
def test_winners_are_those_of_the_plain_reading(buyers: list[str], prizes: list[PrizeUnits], reserves: int) -> None:
    """For each unit of each prize in declared order: the first ticket in order that may still win it; the first of
    those that won nothing are the reserves."""
    left = shuffled(SEED, str(DRAW), len(buyers))
    expected: list[Win] = []
    for prize in prizes:
        won: Counter[str] = Counter()
        for _ in range(prize.quantity):
            able = (number for number in left if prize.per_member is None or won[buyers[number - 1]] < prize.per_member)
            number = next(able, None)
            if number is not None:
                won[buyers[number - 1]] += 1
                left.remove(number)
                expected.append(Win(len(expected) + 1, number, prize.place))
    assert choose_winners(SEED, DRAW, buyers, prizes, reserves) == Chosen(expected, left[:reserves])


@given(buyers, prizes)
def test_no_ticket_wins_twice_and_no_limit_is_passed(buyers: list[str], prizes: list[PrizeUnits]) -> None:
    """Ranks run from 1, prizes in declared order, and only tickets that cannot win leave a prize unawarded."""
    wins = choose_winners(SEED, DRAW, buyers, prizes).wins
    assert [win.rank for win in wins] == list(range(1, len(wins) + 1))
    assert [win.prize for win in wins] == sorted(win.prize for win in wins)
    assert len({win.number for win in wins}) == len(wins)
    for prize in prizes:
        winners = Counter(buyers[win.number - 1] for win in wins if win.prize == prize.place)
        assert winners.total() <= prize.quantity
        assert prize.per_member is None or max(winners.values(), default=0) <= prize.per_member


def test_the_winners_of_a_small_draw_are_pinned() -> None:
    """Ten tickets of three buyers; the first prize goes to each of them once at most."""
    assert shuffled(SEED, str(DRAW), 10) == [6, 7, 8, 10, 2, 3, 1, 4, 5, 9]
    chosen = choose_winners(SEED, DRAW, list("aaaabbbbcc"), [PrizeUnits(1, 4, 1), PrizeUnits(2, 3, None)], 3)
    assert chosen.wins == [
        Win(1, 6, 1), Win(2, 10, 1), Win(3, 2, 1), Win(4, 7, 2), Win(5, 8, 2), Win(6, 3, 2),
    ]  # fmt: skip
    assert chosen.reserves == [1, 4, 5]


def test_a_ticket_passed_over_stands_first_in_line_for_the_next_prize() -> None:
    """Tickets 7 and 8 belong to the winner of ticket 6, so ticket 10 wins the first prize too; then they come first."""
    chosen = choose_winners(SEED, DRAW, list("aaaabbbbcc"), [PrizeUnits(1, 2, 1), PrizeUnits(2, 3, None)])
    assert chosen.wins == [
        Win(1, 6, 1), Win(2, 10, 1), Win(3, 7, 2), Win(4, 8, 2), Win(5, 2, 2),
    ]  # fmt: skip
    assert choose_winners(SEED, DRAW, list("aaaabbbbcc"), [PrizeUnits(1, 2, 1)], 3).reserves == [7, 8, 2]


@given(st.dictionaries(st.sampled_from([date(2026, 3, 1), date(2026, 3, 2)]), st.integers(1, 9)))
def test_a_limit_of_none_is_no_limit(bought: dict[date, int]) -> None:
    """Unlimited is None, never 0."""
    assert limit_reached(None, None, bought, date(2026, 3, 2)) is None


def test_limits_count_all_days_and_the_business_day() -> None:
    """The limit of the whole draw comes first, since no new day lifts it."""
    on, before = date(2026, 3, 2), date(2026, 3, 1)
    assert limit_reached(5, 3, {before: 2, on: 2}, on) is None
    assert limit_reached(5, 3, {before: 1, on: 3}, on) == Limit("DAY", 3, 3)
    assert limit_reached(5, 3, {before: 2, on: 3}, on) == Limit("TOTAL", 5, 5)
    assert limit_reached(5, 3, {before: 3}, on) is None


def test_tickets_sell_from_opening_until_just_before_closing() -> None:
    """The closing instant itself is too late, and only an open draw sells."""
    closes_at = NOW + timedelta(hours=1)
    moments = [NOW - timedelta(microseconds=1), NOW, closes_at - timedelta(microseconds=1), closes_at]
    assert [is_on_sale("OPEN", NOW, closes_at, at) for at in moments] == [False, True, True, False]
    assert {state for state in STATES if is_on_sale(state, NOW, closes_at, NOW)} == {"OPEN"}


def test_every_state_is_reached_and_the_table_of_the_database_is_the_same() -> None:
    """The states of the CHECK are those of the transition table; SETTLED and VOIDED lead nowhere."""
    reached = {"DRAFT", *TRANSITIONS.values()}
    assert reached == set(STATES) == {state for state in STATES if f"'{state}'" in _state_check()}
    assert {state for state in STATES if not any(start == state for start, _ in TRANSITIONS)} == {"SETTLED", "VOIDED"}


def _state_check() -> str:
    return next(each.check for each in Draw.Meta.constraints if each.name == "draw_state_known")


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"title_zh": " "}, "titleZh"),
        ({"title_en": "x" * 101}, "titleEn"),
        ({"ticket_points": 0}, "ticketPoints"),
        ({"tickets_min": -1}, "ticketsMin"),
        ({"tickets_per_member": 0}, "ticketsPerMember"),
        ({"tickets_per_member_day": 0}, "ticketsPerMemberDay"),
        ({"free_tickets_per_member": -1}, "freeTicketsPerMember"),
        ({"reserves": -1}, "reserves"),
        ({"reserves": 10_001}, "reserves"),
        ({"claim_seconds": 59}, "claimSeconds"),
        ({"claim_seconds": 366 * 86_400 + 1}, "claimSeconds"),
        ({"closes_at": NOW}, "closesAt"),
        ({"prizes": (replace(a_prize(), quantity=0),)}, "prizes"),
        ({"prizes": (a_prize(), a_prize(points=0))}, "prizes.1.points"),
        ({"prizes": (a_prize(), replace(a_prize(), per_member=0))}, "prizes.1.perMember"),
        ({"prizes": tuple(a_prize() for _ in range(101))}, "prizes"),
        ({"prizes": (replace(a_prize(), name_en=""),)}, "prizes.0.nameEn"),
    ],
)
def test_a_plan_that_cannot_be_a_draw_says_where(given: dict[str, object], path: str) -> None:
    """The path is that of the input, so that staff find the field."""
    problem = replace(a_plan(CLOCK), **given).problem()  # type: ignore[arg-type]
    assert problem is not None and problem.path == path


def test_a_sound_plan_has_no_problem_and_its_terms_say_everything() -> None:
    """The published text holds price, times, limits, every prize with its worth, the method and the commitment."""
    plan = a_plan(
        CLOCK, a_prize(500, 2, 1), tickets_per_member=9, tickets_per_member_day=3, tickets_min=4,
        free_tickets_per_member=2, reserves=5, claim_seconds=86400,
    )  # fmt: skip
    assert plan.problem() is None
    terms = orjson.loads(terms_of(DRAW, plan, commitment(SEED)))
    assert terms.pop("method").keys() == {"zh-CN", "en"}
    assert terms == {
        "algorithm": "jifen-draw-2", "beacon": {"kind": "none"}, "proof_level": "OPERATOR", "draw": str(DRAW),
        "commitment": commitment(SEED).hex(),
        "title": {"zh-CN": "周末抽奖", "en": "Weekend draw"}, "ticket_points": 50,
        "opens_at": "2026-03-02T02:00:00Z", "closes_at": "2026-03-03T02:00:00Z",
        "tickets_per_member": 9, "tickets_per_member_day": 3, "tickets_min": 4, "free_tickets_per_member": 2,
        "reserves": 5, "claim_seconds": 86400,
        "gate": {"tier_min": None, "early_tier_min": None, "early_seconds": 0},
        "prizes": [
            {"place": 1, "kind": "POINTS", "name": {"zh-CN": "奖品", "en": "Prize"}, "points": 500, "value_fen": 500,
             "quantity": 2, "per_member": 1}
        ],
    }  # fmt: skip


def test_a_leaf_is_a_line_of_text() -> None:
    """Pinned: what was hashed into a root once must be written the same way for ever."""
    assert leaf(DRAW, 7, UUID(int=1), "0a" * 16) == (
        b"019c0000-0000-7000-8000-000000000001|7|00000000-0000-0000-0000-000000000001|0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"
    )


def test_a_winner_is_named_by_one_character() -> None:
    """Enough to recognise oneself, not enough to be recognised."""
    assert [masked(name) for name in ("王小美", "Li", "", None)] == ["王**", "L**", "**", "**"]


def test_the_default_price_is_bounded() -> None:
    """A policy without a price, or with a mad one, cannot be published."""
    assert DrawsPolicy().ticket_points == 50 and not DrawsPolicy().problems()
    assert [problem.path for points in (0, 5 * 10**12 + 1) for problem in DrawsPolicy(50, points).problems()] == [
        "prize_points_max"
    ] * 2
    assert [problem.path for points in (0, 10**7) for problem in DrawsPolicy(points).problems()] == [
        "ticket_points"
    ] * 2
