"""What a whole programme is, and how its file is read: every kind of policy at most once, and nothing else; pure.

The file is JSON: `{"format": "jifen-programme/1", "policies": {"points": {…}, "tiers": {…}, …}}`, each body as it is
stored. What a file leaves out stays as it is where the file is published.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from pydantic import ValidationError

from gamification.adjustments.rules import AdjustmentsPolicy
from gamification.benefits.rules import BenefitsPolicy
from gamification.checkins.rules import CheckInPolicy
from gamification.core.policy import Policy, Problem, adapter
from gamification.draws.rules import DrawsPolicy
from gamification.earning.conditions import Condition
from gamification.earning.rulebook import RulesPolicy
from gamification.earning.rules import EarningPolicy
from gamification.points.rules import DeductionPolicy, PointsPolicy
from gamification.programmes.errors import ProgrammeInvalid
from gamification.tiers.rules import TierPolicy

FORMAT = "jifen-programme/1"
_BODIES: tuple[type[Policy], ...] = (
    PointsPolicy, DeductionPolicy, EarningPolicy, TierPolicy, BenefitsPolicy, RulesPolicy, CheckInPolicy, DrawsPolicy,
    AdjustmentsPolicy,
)  # fmt: skip
BODIES: Mapping[str, type[Policy]] = {body.kind: body for body in _BODIES}
"""The kinds of policy that make up a programme, in the order in which files name them."""


@dataclass(frozen=True, slots=True)
class Programme:
    """Policies by kind; a kind that is not here stays as it is."""

    policies: Mapping[str, Policy] = field(default_factory=dict)

    @classmethod
    def of(cls, *policies: Policy) -> Programme:
        """A programme of these policies, its rules by code, as they are stored."""
        return cls({policy.kind: _in_order(policy) for policy in policies})


def document(programme: Programme) -> dict[str, Any]:
    """A programme as its file holds it."""
    bodies = {
        kind: adapter(body).dump_python(programme.policies[kind], mode="json")
        for kind, body in BODIES.items()
        if kind in programme.policies
    }
    return {"format": FORMAT, "policies": bodies}


def parse(given: Any) -> Programme:
    """The programme of a file. Refuses: ProgrammeInvalid, with the place of the first node that is wrong."""
    if not isinstance(given, dict) or given.get("format") != FORMAT:
        raise _invalid([Problem("format", f'"{FORMAT}"')])
    found = [Problem(name, "format and policies, nothing else") for name in given if name not in ("format", "policies")]
    bodies = given.get("policies")
    if not isinstance(bodies, dict) or not bodies:
        raise _invalid([*found, Problem("policies", "at least one policy")])
    policies: dict[str, Policy] = {}
    for kind, body in bodies.items():
        if kind not in BODIES:
            found.append(Problem(f"policies.{kind}", f"one of {', '.join(BODIES)}"))
            continue
        try:
            policies[kind] = adapter(BODIES[kind]).validate_json(orjson.dumps(body), strict=True)
        except ValidationError as error:
            found += [Problem(_path(kind, *each["loc"]), each["msg"]) for each in error.errors()]
            continue
        shown = adapter(BODIES[kind]).dump_python(policies[kind], mode="json")
        found += [Problem(_path(kind, *place), "there is no such field") for place in _unknown(body, shown)]
    if found:
        raise _invalid(found)
    return Programme.of(*policies.values())


def check(programme: Programme, tiers: TierPolicy | None) -> None:
    """See that its policies are fit and agree: rules and benefits name tiers of its set, or, without one, of `tiers`.

    Refuses: ProgrammeInvalid.
    """
    found = [
        Problem(_path(kind, problem.path), problem.reason)
        for kind, policy in programme.policies.items()
        for problem in policy.problems()
    ]
    found += _unknown_tiers(programme, tiers)
    if found:
        raise _invalid(found)


def _in_order(policy: Policy) -> Policy:
    if isinstance(policy, RulesPolicy):
        return RulesPolicy(tuple(sorted(policy.rules, key=lambda rule: rule.code)))
    return policy


def _invalid(found: list[Problem]) -> ProgrammeInvalid:
    return ProgrammeInvalid(path=found[0].path, reason=found[0].reason, problems=len(found))


def _path(kind: str, *parts: Any) -> str:
    return ".".join(["policies", kind, *(str(part) for part in parts)])


def _unknown(given: Any, shown: Any) -> Iterator[tuple[Any, ...]]:
    """The places of fields that were given and mean nothing: what was understood does not have them."""
    if isinstance(given, dict) and isinstance(shown, dict):
        for name, value in given.items():
            if name not in shown:
                yield (name,)
            else:
                yield from ((name, *place) for place in _unknown(value, shown[name]))
    elif isinstance(given, list) and isinstance(shown, list):
        for index, (one, other) in enumerate(zip(given, shown, strict=True)):
            yield from ((index, *place) for place in _unknown(one, other))


def _unknown_tiers(programme: Programme, tiers: TierPolicy | None) -> Iterator[Problem]:
    own = programme.policies.get(TierPolicy.kind, tiers)
    known = {tier.code for tier in own.tiers} if isinstance(own, TierPolicy) else set()
    for path, code in _named_tiers(programme):
        if code not in known:
            yield Problem(path, "a code of the tier set")


def _named_tiers(programme: Programme) -> Iterator[tuple[str, str]]:
    """Every place that names a tier, and the code that it names."""
    benefits, rules = programme.policies.get(BenefitsPolicy.kind), programme.policies.get(RulesPolicy.kind)
    if isinstance(benefits, BenefitsPolicy):
        for index, tier in enumerate(benefits.tiers):
            yield _path(BenefitsPolicy.kind, "tiers", index, "tier_code"), tier.tier_code
    if isinstance(rules, RulesPolicy):
        for index, rule in enumerate(rules.rules):
            place = _path(RulesPolicy.kind, "rules", index)
            yield from ((f"{place}.tiers.{number}", code) for number, code in enumerate(rule.tiers))
            if rule.condition is not None:
                yield from _tiers_of(rule.condition, f"{place}.condition")


def _tiers_of(condition: Condition, place: str) -> Iterator[tuple[str, str]]:
    for number, code in enumerate(condition.tier_in or ()):
        yield f"{place}.tier_in.{number}", code
    (name,) = condition.given or ("",)
    for index, child in enumerate(condition.children):
        yield from _tiers_of(child, f"{place}.{name}.{index}")
