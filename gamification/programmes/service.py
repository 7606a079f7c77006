"""Publishing a whole programme: every policy that differs from the one in force, or none.

Lock order: the advisory lock of rules, then that of policies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gamification.core.actors import Actor
from gamification.core.audit import audit
from gamification.core.policy import Policy, Publication, preview_policy, publish_policy
from gamification.core.transactions import transaction
from gamification.earning import service as earning
from gamification.earning.rulebook import RulesPolicy
from gamification.programmes.files import BODIES, Programme, check
from gamification.programmes.queries import InForce, programme_in_force
from gamification.tiers.rules import TierPolicy


@dataclass(frozen=True, slots=True)
class ProgrammePublished:
    """What became of a programme: the versions that were made, and the kinds that were like that already.

    `left_alone` are the kinds that it does not name and that hold as before.
    """

    published: Sequence[Publication]
    unchanged: Sequence[str]
    left_alone: Sequence[str]


async def publish_programme(programme: Programme, *, name: str, actor: Actor, now: datetime) -> ProgrammePublished:
    """Publish every policy of a programme that differs from the one in force, in one transaction, in force from now on.

    `name` tells the audit trail where it came from. A first of its kind holds since ever. Again it changes nothing.
    Refuses: ProgrammeInvalid.
    """
    async with transaction():
        await earning.lock_rules()
        decided = await _decide(programme, now)
        made = [await _publish(policy, actor, now) for policy in decided.changed]
        if made:
            after: dict[str, Any] = {"name": name, "versions": {each.kind: each.version for each in made}}
            await audit(actor, "programme.published", "programme", name, now=now, after=after)
    return ProgrammePublished(made, decided.unchanged, decided.left_alone)


async def preview_programme(programme: Programme, *, now: datetime) -> ProgrammePublished:
    """What `publish_programme` would do now, not done. Refuses: ProgrammeInvalid."""
    decided = await _decide(programme, now)
    made = [await preview_policy(policy, now=now) for policy in decided.changed]
    return ProgrammePublished(made, decided.unchanged, decided.left_alone)


@dataclass(frozen=True, slots=True)
class _Decided:
    changed: Sequence[Policy]
    unchanged: Sequence[str]
    left_alone: Sequence[str]


async def _decide(programme: Programme, now: datetime) -> _Decided:
    standing = await programme_in_force(now)
    tiers = standing.programme.policies.get(TierPolicy.kind)
    check(programme, tiers if isinstance(tiers, TierPolicy) else None)
    policies = {kind: programme.policies[kind] for kind in BODIES if kind in programme.policies}
    unchanged = [kind for kind, policy in policies.items() if await _is_in_force(policy, standing, now)]
    changed = [policy for kind, policy in policies.items() if kind not in unchanged]
    left_alone = [kind for kind in standing.versions if kind not in policies]
    return _Decided(changed, unchanged, left_alone)


async def _is_in_force(policy: Policy, standing: InForce, now: datetime) -> bool:
    if policy.kind not in standing.hashes:
        return False
    made = await preview_policy(policy, now=now)
    return made.hash == standing.hashes[policy.kind]


async def _publish(policy: Policy, actor: Actor, now: datetime) -> Publication:
    if isinstance(policy, RulesPolicy):
        return await earning.publish_rules(policy.rules, actor=actor, now=now)
    return await publish_policy(policy, actor=actor, now=now)
