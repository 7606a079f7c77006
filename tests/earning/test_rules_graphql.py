"""Earning rules over GraphQL: drafted, published and retired by staff, asked by members before they pay."""

from __future__ import annotations

from typing import Any

import pytest

from gamification.core.actors import ANONYMOUS, Actor
from gamification.core.clock import FixedClock
from gamification.core.database import fetch, fetch_value
from schema.admin.root import schema as admin
from schema.context import Context
from schema.root import schema as member
from tests.builders import EARNING, FOR_EVER, TIERS, a_work, publish
from tests.databases import Database
from tests.orders.builders import Shop
from tests.staff.rooms import AUDITOR, CALLERS, OWNER, turned_away

CHANGED = """__typename ... on EarningRuleChanged { ruleCode revision state policyVersion isPreview }
    ... on PolicyInvalid { path reason problems } ... on RuleStateRefused { rule: ruleCode needed }
    ... on Refusal { code }"""
SAVE = f"mutation ($input: EarningRuleInput!) {{ saveEarningRule(input: $input) {{ {CHANGED} }} }}".replace(
    "... on RuleStateRefused { rule: ruleCode needed }", ""
)
RULES = """query ($code: String, $state: RuleState, $first: Int! = 20, $after: String) {
    earningRules(code: $code, state: $state, first: $first, after: $after) {
    edges { node { revision state policyVersion definition { code effect { fixedPoints } condition {
        any { amountAtLeastFen tierIn } } } } } pageInfo { hasNextPage endCursor } } }"""
PREVIEW = """{ previewOrder(input: { lines: [{ sku: "tea-1", category: "tea", netFen: 12000 }] }) {
    ... on CartEarnings { points growth rules { code points reason by } } ... on InvalidInput { field } } }"""
GIFT = {
    "code": "GIFT", "nameZh": "满赠", "nameEn": "Gift", "trigger": "ORDER_PAID", "effect": {"fixedPoints": 30},
    "condition": {"any": [{"amountAtLeastFen": 10_000}, {"tierIn": ["GOLD"]}]},
}  # fmt: skip


def changing(field: str, more: str = "") -> str:
    return f'mutation {{ {field}(code: "GIFT"{more}) {{ {CHANGED} }} }}'


class Desk:
    """Both endpoints over one process' work."""

    def __init__(self, clock: FixedClock) -> None:
        self.clock = clock
        self.work = a_work(clock)

    async def ask(self, text: str, actor: Actor = OWNER, **variables: Any) -> Any:
        schema = member if actor.kind == "member" else admin
        context = Context(work=self.work, clock=self.clock, actor=actor, locale="en")
        result = await schema.execute(text, variable_values=variables, context_value=context)
        if result.errors:
            return (result.errors[0].extensions or {}).get("code") or "MALFORMED"
        return result.data


@pytest.fixture
async def desk(database: Database, clock: FixedClock) -> Desk:
    """A programme of a point per yuan, and no rules yet."""
    await publish(clock, FOR_EVER, EARNING, TIERS)
    desk = Desk(clock)
    await desk.work.policies.refresh()
    return desk


async def published(desk: Desk) -> None:
    await desk.ask(SAVE, input=GIFT)
    await desk.ask(changing("publishEarningRule"))


async def test_a_rule_goes_from_draft_to_published_to_retired(desk: Desk) -> None:
    """Each step answers the revision and the version of the rules; the next revision takes its place."""
    said = {"ruleCode": "GIFT", "revision": 1, "isPreview": False, "__typename": "EarningRuleChanged"}
    assert await desk.ask(SAVE, input=GIFT) == {"saveEarningRule": {**said, "state": "DRAFT", "policyVersion": None}}
    seen = await desk.ask(changing("publishEarningRule", ", preview: true"))
    assert seen["publishEarningRule"] == {**said, "state": "DRAFT", "policyVersion": 1, "isPreview": True}
    done = await desk.ask(changing("publishEarningRule"))
    assert done["publishEarningRule"] == {**said, "state": "PUBLISHED", "policyVersion": 2}
    again = await desk.ask(SAVE, input={**GIFT, "effect": {"fixedPoints": 40}})
    assert again["saveEarningRule"]["revision"] == 2
    await desk.ask(changing("publishEarningRule"))
    rows = (await desk.ask(RULES))["earningRules"]["edges"]
    assert [(row["node"]["revision"], row["node"]["state"], row["node"]["policyVersion"]) for row in rows] == [
        (2, "PUBLISHED", 3), (1, "RETIRED", 2),
    ]  # fmt: skip
    assert rows[0]["node"]["definition"] == {
        "code": "GIFT", "effect": {"fixedPoints": 40},
        "condition": {
            "any": [{"amountAtLeastFen": 10_000, "tierIn": None}, {"amountAtLeastFen": None, "tierIn": ["GOLD"]}]
        },
    }  # fmt: skip
    ended = await desk.ask(changing("retireEarningRule"))
    assert (ended["retireEarningRule"]["state"], ended["retireEarningRule"]["policyVersion"]) == ("RETIRED", 4)
    actions = await fetch("SELECT action FROM audit_record WHERE subject = 'earning_rule:GIFT' ORDER BY id")
    assert [row["action"] for row in actions] == [
        "rule.saved",
        "rule.published",
        "rule.saved",
        "rule.published",
        "rule.retired",
    ]


async def test_what_is_wrong_with_a_rule_is_named_by_its_node(desk: Desk) -> None:
    """The path leads into the arguments; nothing was saved."""
    bad = {**GIFT, "condition": {"all": [{"firstOrder": True}, {"categoryIn": []}]}}
    refused = (await desk.ask(SAVE, input=bad))["saveEarningRule"]
    assert (refused["code"], refused["path"], refused["problems"]) == (
        "POLICY_INVALID", "input.condition.all.1.categoryIn", 1,
    )  # fmt: skip
    assert await fetch_value("SELECT count(*) FROM earning_rule") == 0


@pytest.mark.parametrize("given", [{"fixedPoints": 1, "multiplierBp": 20_000}, {}])
async def test_an_effect_is_exactly_one(desk: Desk, given: dict[str, int]) -> None:
    """GraphQL itself refuses two effects, and none."""
    assert await desk.ask(SAVE, input={**GIFT, "effect": given}) == "MALFORMED"
    assert await fetch_value("SELECT count(*) FROM earning_rule") == 0


@pytest.mark.parametrize(
    ("field", "needed"),
    [("publishEarningRule", "DRAFT"), ("discardEarningRule", "DRAFT"), ("retireEarningRule", "PUBLISHED")],
)
async def test_a_step_needs_its_state(desk: Desk, field: str, needed: str) -> None:
    """Without a revision in that state nothing happens, and the refusal names it."""
    refused = (await desk.ask(changing(field)))[field]
    assert (refused["code"], refused["rule"], refused["needed"]) == ("RULE_STATE_REFUSED", "GIFT", needed)
    assert await fetch_value("SELECT count(*) FROM policy_version WHERE kind = 'rules'") == 0


async def test_a_draft_can_be_thrown_away(desk: Desk) -> None:
    """It is gone, and its number may come again."""
    await desk.ask(SAVE, input=GIFT)
    assert (await desk.ask(changing("discardEarningRule")))["discardEarningRule"]["state"] == "DISCARDED"
    assert (await desk.ask(RULES))["earningRules"]["edges"] == []


async def test_pages_of_rules_are_bounded(desk: Desk) -> None:
    """Two revisions on pages of one, by cursor."""
    await published(desk)
    await desk.ask(SAVE, input={**GIFT, "code": "OTHER"})
    first = (await desk.ask(RULES, first=1))["earningRules"]
    second = (await desk.ask(RULES, first=1, after=first["pageInfo"]["endCursor"]))["earningRules"]
    codes = [page["edges"][0]["node"]["definition"]["code"] for page in (first, second)]
    assert (codes, second["pageInfo"]["hasNextPage"]) == (["GIFT", "OTHER"], False)


@pytest.mark.parametrize("caller", sorted(CALLERS))
@pytest.mark.parametrize("text", [SAVE, changing("publishEarningRule"), changing("retireEarningRule")])
async def test_only_operators_work_on_rules(desk: Desk, caller: str, text: str) -> None:
    """Owner and operator write; whoever else asks is turned away, and nothing changes."""
    if caller in ("owner", "operator", "member"):
        return
    given = {"input": GIFT} if text is SAVE else {}
    assert await desk.ask(text, CALLERS[caller], **given) == turned_away(caller)
    assert await fetch_value("SELECT count(*) FROM earning_rule") == 0


async def test_auditors_read_rules_and_cashiers_do_not(desk: Desk) -> None:
    """Rules may name what competitors would like to know."""
    assert isinstance(await desk.ask(RULES, AUDITOR), dict)
    assert await desk.ask(RULES, CALLERS["cashier"]) == "FORBIDDEN"
    assert await desk.ask(RULES, ANONYMOUS) == "UNAUTHENTICATED"


async def test_a_member_sees_what_pays_and_what_an_order_would_earn(desk: Desk) -> None:
    """120 yuan earn 120 points and the gift of 30; another's cart is out of reach by construction."""
    await published(desk)
    mei = await Shop(desk.work).member()
    me = Actor("member", mei)
    assert await desk.ask(PREVIEW, me) == {
        "previewOrder": {
            "points": 150,
            "growth": 120,
            "rules": [{"code": "GIFT", "points": 30, "reason": None, "by": None}],
        }
    }
    assert await desk.ask("{ earningRules { code effect { fixedPoints } } }", me) == {
        "earningRules": [{"code": "GIFT", "effect": {"fixedPoints": 30}}]
    }
    bad = await desk.ask(PREVIEW.replace("12000", "0").replace('sku: "tea-1"', 'sku: ""'), me)
    assert bad == {"previewOrder": {"field": "lines.0.sku"}}
    assert await fetch_value("SELECT count(*) FROM entry") == 0
