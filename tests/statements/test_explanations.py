"""Explanations: figures in the order of the calculation, in both languages, with nothing hidden."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest

from gamification.adjustments.rules import AdjustmentsPolicy
from gamification.benefits import service as benefits
from gamification.benefits.rules import BenefitsPolicy, TierBenefits
from gamification.checkins import service as checkins
from gamification.core.actors import SYSTEM
from gamification.core.clock import FixedClock
from gamification.core.database import execute, fetch
from gamification.draws import service as draws
from gamification.earning import service as earning
from gamification.earning.rulebook import Cap, Effect, Rule, RulesPolicy
from gamification.members import service as members
from gamification.orders import service as orders
from gamification.points import explanations
from gamification.points import service as points
from gamification.points.explanations import Explained, Step, explain, explained
from gamification.points.models import KINDS
from gamification.points.rules import ActivationEvent, DeductionPolicy, PointsPolicy
from gamification.points.service import HoldPoints
from tests.adjustments.builders import adjust, hire, waive
from tests.builders import TIERS, a_work, balance
from tests.charity.builders import a_campaign, give
from tests.draws.builders import DAY, a_prize, an_open_draw, buy, drawn, no_heartbeat, settled
from tests.instant_draws.builders import a_draw, a_table, play
from tests.instant_draws.builders import a_prize as a_prize_line
from tests.orders.builders import Shop
from tests.statements.asking import as_member
from tests.statements.conftest import A_YEAR, LADDER

NUMBER = "0198f2c4-0000-7000-8000-000000000001"


def steps(*pairs: tuple[str, str]) -> tuple[Step, ...]:
    return tuple(Step(label, value) for label, value in pairs)


def test_a_rate_is_told_from_base_to_result() -> None:
    """Base, rate, rounding, result, whatever the order in which the trace holds them."""
    trace = {
        "result": 123, "rounding": "floor", "policy": ["earning", 4], "rate_bp": 100, "rule": "base_rate",
        "base_fen": 12_345,
    }  # fmt: skip
    assert explained("ACCRUAL", "order", trace, "en") == Explained(
        "123.45 yuan at 1.00%, rounded down: 123 points.", "base_rate", "earning", 4,
        steps(("Base", "123.45 yuan"), ("Rate", "1.00%"), ("Rounding", "rounded down"), ("Result", "123")),
    )  # fmt: skip
    assert explained("ACCRUAL", "order", trace, "zh-CN") == Explained(
        "消费 123.45 元,按 1.00% 向下取整得 123 积分", "base_rate", "earning", 4,
        steps(("计算基数", "123.45 元"), ("比例", "1.00%"), ("取整", "向下取整"), ("结果", "123")),
    )  # fmt: skip


def test_the_ladder_is_told_by_its_month_before_and_after() -> None:
    """Net spend, rate and points of the month before the order and after it; what was forgiven comes last."""
    trace = {
        "rule": "ladder", "policy": ["earning", 1], "month": "2026-03-01", "net_before_fen": 35_000,
        "net_after_fen": 10_000, "rate_before_bp": 150, "rate_after_bp": 100, "points_before": 525,
        "points_after": 100, "forgiven": 5,
    }  # fmt: skip
    assert explained("LADDER_REVERSAL", "refund", trace, "en").steps == steps(
        ("Month", "2026-03"), ("Month's spend before", "350.00 yuan"), ("Month's spend after", "100.00 yuan"),
        ("Rate before", "1.50%"), ("Rate after", "1.00%"), ("Ladder points before", "525"),
        ("Ladder points after", "100"), ("Forgiven", "5"),
    )  # fmt: skip


def test_a_claw_back_is_told_with_all_that_it_counts() -> None:
    """Earned, refunded, paid, taken back before, expired unused, forgiven."""
    trace = {
        "rule": "claw_back", "order": "T-1", "refund": "R-1", "line": 0, "matched": True, "earned": 200,
        "refunded_fen": 5_000, "paid_fen": 20_000, "revoked_before": 10, "expired_unused": 3, "forgiven": 7,
    }  # fmt: skip
    found = explained("CLAW_BACK", "refund", trace, "en")
    assert found.sentence == "50.00 of 200.00 yuan of order T-1 were refunded; its points go back in proportion."
    assert found.steps == steps(
        ("Order", "T-1"), ("Refund", "R-1"), ("Order line", "0"), ("Order found by matching", "yes"),
        ("Earned by the line", "200"), ("Refunded so far", "50.00 yuan"), ("Paid", "200.00 yuan"),
        ("Taken back before", "10"), ("Expired unused", "3"), ("Forgiven", "7"),
    )  # fmt: skip
    assert (found.policy_kind, found.policy_version) == (None, None)


def test_what_no_table_knows_is_shown_under_its_own_name() -> None:
    """A rule and figures that the tables lack: a general sentence, and every figure as it is."""
    trace = {"rule": "moon_phase", "phase": "full", "factors": [1, {"a": None}], "result": 9}
    assert explained("ACCRUAL", "event", trace, "en") == Explained(
        "Points earned.", "moon_phase", None, None,
        steps(("phase", "full"), ("factors", '[1, {"a": null}]'), ("Result", "9")),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "trace", "chinese", "english"),
    [
        ("HOLD", {"order": "T-9"}, "积分已冻结,用于订单 T-9", "Points held for order T-9."),
        ("HOLD", {}, "积分已冻结", "Points held."),
        ("CAPTURE", {"order": "T-9"}, "冻结积分已用于订单 T-9", "The points held for order T-9 were used."),
        ("RELEASE", {"cause": "timed_out"}, "冻结积分已解冻(已超时)", "Held points are free again (timed out)."),
        ("RELEASE", {"cause": "RELEASED", "order": "T-9"}, "订单 T-9 的冻结积分已解冻(已取消)",
         "The points held for order T-9 are free again (undone)."),
        ("RELEASE", {"cause": "rest"}, "冻结积分已解冻(扣减后剩余)",
         "Held points are free again (the rest of what was captured)."),
        ("ADJUSTMENT", {}, "人工调整", "Adjusted by staff."),
        ("DEBT_WAIVER", {}, "免除欠分", "Points owed were waived."),
    ],
)  # fmt: skip
def test_kinds_that_no_rule_makes_have_sentences(kind: str, trace: dict[str, Any], chinese: str, english: str) -> None:
    """Holds, captures, releases with their cause, adjustments and waivers are told by kind."""
    assert (explain(kind, "hold", trace, "zh-CN"), explain(kind, "hold", trace, "en")) == (chinese, english)


def test_negative_money_keeps_its_sign() -> None:
    """A fen below zero is a hundredth of a yuan below zero."""
    assert explained("ACCRUAL", "", {"base_fen": -1}, "en").steps == steps(("Base", "-0.01 yuan"))


async def staff_adjust(shop: Shop, clock: FixedClock, member_id: UUID) -> None:
    """Points and growth up and down; then a debt, made by a refund when nothing is left, that is waived."""
    office = a_work(clock, A_YEAR, TIERS, AdjustmentsPolicy(1_000_000, 1_000_000, None, 3))
    lin = await hire(clock, "lin")
    await adjust(office, member_id, 30, lin)
    for growth in (30, -20):
        await adjust(office, member_id, growth, lin, currency="GROWTH")
    await adjust(office, member_id, -(await balance(office, member_id)).available, lin)
    await shop.sent(shop.refund("a2", "a", None, (0, 50_000), on="03-02T12:00"))
    await waive(office, member_id, None, lin)


async def points_pay(shop: Shop, member_id: UUID) -> None:
    """A hold that is released, one that a refunded order captured, and one whose order did not come about."""
    paying = a_work(shop.work.clock, A_YEAR, LADDER, TIERS, DeductionPolicy())
    till = Shop(paying, shop.prefix)
    for name in ("h1", "h2", "h3"):
        command = HoldPoints(member_id=member_id, actor=SYSTEM, order_external_id=till.named(name), points=300)
        held = await points.hold_points(paying, command)
        if name == "h1":
            await points.release_hold(paying, member_id=member_id, seq=held.seq, actor=SYSTEM)
        if name == "h3":
            await points.capture_hold(paying, member_id=member_id, seq=held.seq, points=300, actor=SYSTEM)
            await orders.cancel_deduction(paying, order_external_id=till.named(name), actor=SYSTEM)
    await till.sent(till.order("h2", 20_000, paid_fen=19_800, deduction_points=200, paid="03-01"))
    await till.sent(till.refund("h2r", "h2", on="03-02T11:00"))


async def shops_tell(shop: Shop, clock: FixedClock) -> None:
    """Goods arrive and a refund window closes: points that waited for it become usable."""
    events: tuple[ActivationEvent, ...] = ("RECEIVED", "REFUND_WINDOW_CLOSED")
    for event in events:
        waiting = Shop(a_work(clock, PointsPolicy(activation_event=event), LADDER, TIERS), shop.prefix)
        await waiting.sent(waiting.order(event, 10_000, paid="03-01"))
        name, now = waiting.named(event), clock.now()
        await orders.record_event(waiting.work, order_external_id=name, type=event, occurred_at=now, actor=SYSTEM)


async def a_rule_pays(shop: Shop, clock: FixedClock) -> None:
    """A bonus that a cap cuts."""
    multiplied = Effect(multiplier_bp=20_000)
    capped = Rule("DOUBLE", "双倍", "Double", "ORDER_PAID", multiplied, caps=(Cap("LIFETIME", 5),))
    await earning.publish_rules([capped], actor=SYSTEM, now=clock.now())
    ruled = Shop(a_work(clock, A_YEAR, LADDER, TIERS, RulesPolicy((capped,))), shop.prefix)
    await ruled.sent(ruled.order("ruled", 10_000, paid="03-02"))


async def a_tier_gives(shop: Shop, clock: FixedClock) -> None:
    """A multiplied order, and both gifts."""
    given = TierBenefits("GOLD", multiplier_bp=15_000, birthday_points=50, entry_points=30)
    office, mei = a_work(clock, A_YEAR, LADDER, TIERS, BenefitsPolicy((given,))), await shop.member()
    on = clock.now().date()
    await execute("UPDATE member SET birthday_month = $2, birthday_day = $3 WHERE id = $1", mei, on.month, on.day)
    await Shop(office, shop.prefix).sent(shop.order("given", 10_000, paid="03-02"))
    await benefits.give_entry_gift(office, member_id=mei, tier_code="GOLD")
    assert await benefits.give_birthday_gifts(office, heartbeat=no_heartbeat) == []


async def everything_happens(shop: Shop, clock: FixedClock) -> UUID:
    """Every movement that the slices have: orders, refunds, events, holds, deductions, check-in, ticket, prize, voided
    draw, instant draw, donation, adjustments, expiry."""
    work, mei = shop.work, await shop.member()
    await shop.sent(shop.order("a", 600_000, 400_000, paid="03-02"))
    await points_pay(shop, mei)
    await shops_tell(shop, clock)
    await shop.sent(shop.refund("a1", "a", None, (0, 50_000), on="03-02T11:00"))
    await checkins.check_in(work, member_id=mei)
    await give(work, await a_campaign(work), mei)
    won, voided = await an_open_draw(work, a_prize(40)), await an_open_draw(work, tickets_min=5)
    await members.declare_adult(member_id=mei, now=clock.now())
    for draw_id in (won, voided):
        await buy(work, draw_id, mei)
    await play(work, await a_draw(work, a_table(a_prize_line(30, 1_000_000))), mei)
    clock.advance(DAY)
    await drawn(work, won, clock.now())
    await settled(work, won)
    assert await draws.close_draw(work, draw_id=voided)
    await draws.restore_tickets(work, draw_id=voided, heartbeat=no_heartbeat)
    await staff_adjust(shop, clock, mei)
    await a_rule_pays(shop, clock)
    await a_tier_gives(shop, clock)
    await shop.sent(shop.order("y", 10_000, paid="03-02"))
    clock.advance(timedelta(days=800))
    await shop.sent(shop.order("z", 10_000, paid="03-02"))
    return mei


async def test_everything_that_is_posted_is_explained_in_full(shop: Shop, clock: FixedClock) -> None:
    """No entry of any slice falls back to a general text, and every figure of its trace is told under a name."""
    mei = await everything_happens(shop, clock)
    rows = await fetch("SELECT kind, source_type, trace FROM entry WHERE member_id = $1", mei)
    traces = [(row["kind"], row["source_type"], orjson.loads(row["trace"])) for row in rows]
    assert {trace.get("rule") for _, _, trace in traces} - {None} == explanations.RULES.keys()
    assert {kind for kind, _, trace in traces if "rule" not in trace} == {"EXPIRY"}
    for kind, source_type, trace in traces:
        for locale in ("zh-CN", "en"):
            found = explained(kind, source_type, trace, locale)
            assert len(found.steps) == len(trace.keys() - explanations.APART)
            assert not {step.label for step in found.steps} & trace.keys(), found
            general = {texts[locale == "en"] for place in explanations.BY_KIND.values() for texts in place}
            assert found.sentence not in general or kind == "EXPIRY", found


async def test_no_trace_carries_free_text(shop: Shop, clock: FixedClock) -> None:
    """Traces hold figures, days, ids and words of the product: nothing that somebody wrote."""
    mei = await everything_happens(shop, clock)
    for (text,) in await fetch("SELECT trace FROM entry WHERE member_id = $1", mei):
        for name, value in orjson.loads(text).items():
            if isinstance(value, str):
                assert " " not in value and value.isascii() and len(value) <= 100, (name, value)


async def test_an_entry_explains_itself_over_graphql(shop: Shop) -> None:
    """Sentence, rule, policy and steps in the caller's language, beside the sentence as it always was."""
    mei = await shop.member()
    await shop.sent(shop.order("a", 12_345, paid="03-02"))
    asked = """entries(filter: {kinds: [ACCRUAL]}) { edges { node { explanation
        explain { sentence rule policy { kind version } steps { label value } } } } }"""
    (edge,) = (await as_member(shop.work, mei, asked))["entries"]["edges"]
    sentence = "123.45 yuan at 1.00%, rounded down: 123 points."
    assert edge["node"] == {
        "explanation": sentence,
        "explain": {
            "sentence": sentence, "rule": "base_rate", "policy": {"kind": "earning", "version": 1},
            "steps": [
                {"label": "Base", "value": "123.45 yuan"}, {"label": "Rate", "value": "1.00%"},
                {"label": "Rounding", "value": "rounded down"}, {"label": "Result", "value": "123"},
            ],
        },
    }  # fmt: skip
    (edge,) = (await as_member(shop.work, mei, asked, locale="zh-CN"))["entries"]["edges"]
    assert edge["node"]["explain"]["steps"][0] == {"label": "计算基数", "value": "123.45 元"}


async def test_what_only_time_did_has_no_rule(shop: Shop, clock: FixedClock) -> None:
    """An expiry names its lot, and neither a rule nor a policy."""
    mei = await shop.member()
    await shop.sent(shop.order("a", 5_000, paid="03-02"))
    clock.advance(timedelta(days=800))
    await shop.sent(shop.order("b", 5_000, paid="03-02"))
    asked = """entries(filter: {kinds: [EXPIRY]}) { edges { node { explain { sentence rule policy { kind }
        steps { label value } } } } }"""
    (edge,) = (await as_member(shop.work, mei, asked))["entries"]["edges"]
    assert edge["node"]["explain"] == {
        "sentence": "These points reached their end.", "rule": None, "policy": None,
        "steps": [{"label": "Lot", "value": "1.0"}],
    }  # fmt: skip
    assert set(KINDS) == explanations.BY_KIND.keys()
