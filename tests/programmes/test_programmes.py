"""Whole programmes: presets that are complete and fit, files read strictly, all of one published or nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from gamification.benefits.rules import BenefitsPolicy, TierBenefits
from gamification.checkins.rules import CheckInPolicy
from gamification.core.actors import SYSTEM
from gamification.core.clock import FixedClock
from gamification.core.database import fetch, fetch_value
from gamification.core.policy import Policies
from gamification.earning import service as earning
from gamification.earning.conditions import Condition
from gamification.earning.rulebook import RulesPolicy
from gamification.earning.rules import EarningPolicy
from gamification.programmes.errors import ProgrammeInvalid
from gamification.programmes.files import BODIES, FORMAT, Programme, check, document, parse
from gamification.programmes.presets import PRESETS
from gamification.programmes.queries import programme_in_force
from gamification.programmes.service import preview_programme, publish_programme
from gamification.tiers.rules import TierPolicy
from schema.admin.root import schema as admin
from schema.context import Context
from tests.builders import EARNING, TIERS, a_work, policies_of, publish
from tests.databases import Database
from tests.earning.rulebooks import a_rule
from tests.staff.rooms import CALLERS, OPERATOR, turned_away

ALL = pytest.mark.parametrize("name", PRESETS)


@ALL
def test_a_preset_is_complete_and_fit(name: Any) -> None:
    """Every kind of policy, none with a problem, tiers that agree, and nothing paid for sharing."""
    preset = PRESETS[name]
    assert preset.policies.keys() == BODIES.keys()
    check(preset, None)
    rules = preset.policies["rules"]
    assert isinstance(rules, RulesPolicy) and rules.rules and not rules.of("SHARE")
    assert policies_of(*preset.policies.values()).latest(TierPolicy) is not None


@ALL
def test_a_programme_comes_back_from_its_file(name: Any) -> None:
    """Written and read again it is the same, through text."""
    assert parse(orjson.loads(orjson.dumps(document(PRESETS[name])))) == PRESETS[name]


def a_file(**policies: Any) -> dict[str, Any]:
    return {"format": FORMAT, "policies": policies}


@pytest.mark.parametrize(
    ("given", "path", "problems"),
    [
        ([], "format", 1),
        ({"format": "jifen-programme/2", "policies": {}}, "format", 1),
        (a_file(), "policies", 1),
        ({**a_file(earning={}), "note": 1}, "note", 1),
        (a_file(coupons={}), "policies.coupons", 1),
        (a_file(earning={"points_rate_bp": "100"}), "policies.earning.points_rate_bp", 1),
        (a_file(earning={"points_rate": 100, "ladder": [{"from_fen": 1, "rate_bp": 2, "rate": 3}]}),
         "policies.earning.points_rate", 2),
        (a_file(tiers={}), "policies.tiers.tiers", 1),
        (a_file(rules={"rules": [{"code": "A"}]}), "policies.rules.rules.0.name_zh", 4),
    ],
)  # fmt: skip
def test_what_is_no_programme_is_refused_at_its_place(given: Any, path: str, problems: int) -> None:
    """Another format, nothing at all, kinds and fields that do not exist, text for a number, what is missing."""
    with pytest.raises(ProgrammeInvalid) as refused:
        parse(given)
    assert (refused.value.path, refused.value.problems) == (path, problems)


def test_policies_have_to_agree() -> None:
    """Rules and benefits name tiers of the programme's own set, or of the one in force where it brings none."""
    gated = replace(a_rule("GATED"), tiers=("SILVER", "NOBLE"))
    asking = replace(a_rule("ASKING"), condition=Condition(any=(Condition(tier_in=("BASIC", "NOBLE")),)))
    named = Programme.of(RulesPolicy((gated, asking)), BenefitsPolicy((TierBenefits("NOBLE"),)))
    with pytest.raises(ProgrammeInvalid) as refused:
        check(named, TIERS)
    assert (refused.value.path, refused.value.problems) == ("policies.benefits.tiers.0.tier_code", 3)
    with pytest.raises(ProgrammeInvalid) as refused:
        check(Programme.of(RulesPolicy((asking,))), TIERS)
    assert refused.value.path == "policies.rules.rules.0.condition.any.0.tier_in.1"
    with pytest.raises(ProgrammeInvalid):
        check(Programme.of(RulesPolicy((gated,))), None)
    check(Programme.of(RulesPolicy((replace(gated, tiers=("SILVER",)),))), TIERS)


async def test_a_programme_is_published_as_a_whole(database: Database, clock: FixedClock) -> None:
    """Every kind has its version, rules stand as published, the audit trail tells it; again it changes nothing."""
    beauty = PRESETS["BEAUTY"]
    seen = await preview_programme(beauty, now=clock.now())
    assert await fetch_value("SELECT count(*) FROM policy_version") == 0
    done = await publish_programme(beauty, name="preset:BEAUTY", actor=SYSTEM, now=clock.now())
    assert {each.kind: each.hash for each in seen.published} == {each.kind: each.hash for each in done.published}
    assert [each.kind for each in done.published] == list(BODIES)
    assert all(each.effective_from is None and each.version == 1 for each in done.published)
    rows = await fetch("SELECT code, state, policy_version FROM earning_rule ORDER BY code")
    assert [tuple(row) for row in rows] == [
        (code, "PUBLISHED", 1)
        for code in ("BIRTHDAY_MONTH", "FIRST_ORDER", "NEW_MEMBER", "PROFILE", "REVIEW", "SKINCARE")
    ]
    assert (await programme_in_force(clock.now())).programme == beauty
    again = await publish_programme(beauty, name="preset:BEAUTY", actor=SYSTEM, now=clock.now())
    assert (list(again.published), list(again.unchanged)) == ([], list(BODIES))
    assert await fetch_value("SELECT count(*) FROM audit_record WHERE action = 'programme.published'") == 1


async def test_only_what_differs_is_published(database: Database, clock: FixedClock) -> None:
    """A programme over another one: new versions of what differs, what it does not name is left alone."""
    await publish(clock, EARNING, TIERS, CheckInPolicy())
    await earning.publish_rules([a_rule("OLD")], actor=SYSTEM, now=clock.now())
    other = EarningPolicy(points_rate_bp=300)
    programme = Programme.of(other, TIERS, RulesPolicy((a_rule("NEW"),)))
    done = await publish_programme(programme, name="import", actor=SYSTEM, now=clock.now())
    assert [(each.kind, each.version) for each in done.published] == [("earning", 2), ("rules", 2)]
    assert (list(done.unchanged), list(done.left_alone)) == (["tiers"], ["checkins"])
    states = {row["code"]: row["state"] for row in await fetch("SELECT code, state FROM earning_rule")}
    assert states == {"OLD": "RETIRED", "NEW": "PUBLISHED"}
    policies = Policies()
    await policies.refresh()
    assert policies.at(EarningPolicy, clock.now()).body == other


async def test_nothing_is_published_of_what_is_wrong(database: Database, clock: FixedClock) -> None:
    """One bad policy among good ones, and no version is there."""
    programme = Programme.of(EARNING, TIERS, CheckInPolicy(daily_points=()))
    with pytest.raises(ProgrammeInvalid) as refused:
        await publish_programme(programme, name="import", actor=SYSTEM, now=clock.now())
    assert refused.value.path == "policies.checkins.daily_points"
    assert await fetch_value("SELECT count(*) FROM policy_version") == 0


PRESET = """mutation ($preview: Boolean! = false) { publishPreset(name: COFFEE_SHOP, preview: $preview) {
    ... on ProgrammePublished { isPreview unchanged published { kind } } ... on Refusal { code } } }"""
EXPORT = "query ($preset: ProgrammePreset) { exportProgramme(preset: $preset) { hash document } }"
IMPORT = """mutation ($document: JSON!) { importProgramme(document: $document) {
    ... on ProgrammePublished { unchanged published { kind } } ... on ProgrammeInvalid { path reason problems } } }"""


async def ask(clock: FixedClock, text: str, actor: Any = OPERATOR, **variables: Any) -> Any:
    context = Context(work=a_work(clock), clock=clock, actor=actor, locale="en")
    result = await admin.execute(text, variable_values=variables, context_value=context)
    assert result.errors is None, result.errors
    return result.data


async def test_a_preset_is_seen_published_and_moved(database: Database, clock: FixedClock) -> None:
    """Previewed, published, exported with the hash of the preset, and imported again without a change."""
    seen = await ask(clock, PRESET, preview=True)
    assert (seen["publishPreset"]["isPreview"], len(seen["publishPreset"]["published"])) == (True, len(BODIES))
    await ask(clock, PRESET)
    own, preset = await ask(clock, EXPORT), await ask(clock, EXPORT, preset="COFFEE_SHOP")
    assert own["exportProgramme"]["hash"] == preset["exportProgramme"]["hash"]
    again = await ask(clock, IMPORT, document=own["exportProgramme"]["document"])
    assert (again["importProgramme"]["published"], len(again["importProgramme"]["unchanged"])) == ([], len(BODIES))
    wrong = await ask(clock, IMPORT, document={"format": FORMAT, "policies": {"draws": {"ticket_points": 0}}})
    assert wrong["importProgramme"]["path"] == "policies.draws.ticket_points"


@pytest.mark.parametrize("caller", CALLERS)
async def test_who_may_publish_and_read_a_programme(database: Database, clock: FixedClock, caller: str) -> None:
    """Owner and operator publish, the auditor reads as well, nobody else sees anything."""
    context = Context(work=a_work(clock), clock=clock, actor=CALLERS[caller], locale="en")
    for text, admitted in ((EXPORT, {"owner", "operator", "auditor"}), (PRESET, {"owner", "operator"})):
        result = await admin.execute(text, variable_values={}, context_value=context)
        codes = [(error.extensions or {}).get("code") for error in result.errors or ()]
        assert codes == ([] if caller in admitted else [turned_away(caller)])
