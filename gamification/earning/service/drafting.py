"""Rules as staff work on them: drafted, published as a part of the policy of kind `rules`, retired.

A revision is a draft, then published and never changed, then retired. Each publication is one version of the policy
with every published rule in it, so that decisions rest on policies alone. Lock order: the advisory lock of rules, then
that of policies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from gamification.core.actors import Actor
from gamification.core.audit import audit
from gamification.core.database import execute, fetch, fetch_row, fetch_value
from gamification.core.policy import PolicyInvalid, Publication, adapter, preview_policy, publish_policy
from gamification.core.transactions import transaction
from gamification.earning.errors import RuleStateRefused
from gamification.earning.rulebook import Rule, RulesPolicy

_DRAFT = "SELECT revision, body FROM earning_rule WHERE code = $1 AND state = 'DRAFT'"
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('earning_rule'))"


@dataclass(frozen=True, slots=True)
class RuleSaved:
    """A revision of a rule as it stands after a change."""

    code: str
    revision: int
    state: str
    policy: Publication | None


async def save_rule(rule: Rule, *, actor: Actor, now: datetime) -> RuleSaved:
    """Save a rule as the draft of its code, in place of the draft that there is. Refuses: PolicyInvalid."""
    _check(rule)
    async with transaction():
        await execute(_LOCK)
        before = await fetch_row(_DRAFT, rule.code)
        if before is None:
            revision: int = await fetch_value(
                """INSERT INTO earning_rule (code, revision, state, body, saved_by, saved_at)
                   SELECT $1::text, coalesce(max(revision), 0) + 1, 'DRAFT', $2::jsonb, $3, $4
                   FROM earning_rule WHERE code = $1::text RETURNING revision""",
                rule.code, _json(rule), actor.key, now,
            )  # fmt: skip
        else:
            revision = before["revision"]
            await execute(
                """UPDATE earning_rule SET body = $3::jsonb, saved_by = $4, saved_at = $5
                   WHERE code = $1 AND revision = $2""",
                rule.code, revision, _json(rule), actor.key, now,
            )  # fmt: skip
        old = orjson.loads(before["body"]) if before else None
        await _audit("rule.saved", rule.code, actor, now, old, orjson.loads(_json(rule)))
    return RuleSaved(rule.code, revision, "DRAFT", None)


async def discard_rule(code: str, *, actor: Actor, now: datetime) -> RuleSaved:
    """Throw a draft away. Refuses: RuleStateRefused."""
    async with transaction():
        await execute(_LOCK)
        row = await fetch_row(
            "DELETE FROM earning_rule WHERE code = $1 AND state = 'DRAFT' RETURNING revision, body", code
        )
        if row is None:
            raise RuleStateRefused(rule_code=code, needed="DRAFT")
        await _audit("rule.discarded", code, actor, now, orjson.loads(row["body"]), None)
    return RuleSaved(code, row["revision"], "DISCARDED", None)


async def publish_rule(code: str, *, actor: Actor, now: datetime) -> RuleSaved:
    """Publish the draft of a code: from now on it pays, and the revision before it no more.

    The programme's first rule does not look back: a version without rules holds before it. Refuses: RuleStateRefused,
    PolicyInvalid (such as too many rules).
    """
    async with transaction():
        await execute(_LOCK)
        draft = await _draft(code)
        body = await _with(draft.rule)
        if not await fetch_value("SELECT EXISTS (SELECT FROM policy_version WHERE kind = 'rules')"):
            await publish_policy(RulesPolicy(), actor=actor, now=now)
        policy = await publish_policy(body, actor=actor, now=now)
        await _retire([code], now)
        await execute(
            """UPDATE earning_rule SET state = 'PUBLISHED', published_at = $3, policy_version = $4
               WHERE code = $1 AND revision = $2""",
            code, draft.revision, now, policy.version,
        )  # fmt: skip
        await _give_budgets([draft.rule])
        done = {"revision": draft.revision, "policy_version": policy.version}
        await _audit("rule.published", code, actor, now, None, done)
    return RuleSaved(code, draft.revision, "PUBLISHED", policy)


async def preview_rule(code: str, *, now: datetime) -> RuleSaved:
    """What publishing the draft of a code would do, not done. Refuses as `publish_rule`."""
    draft = await _draft(code)
    return RuleSaved(code, draft.revision, "DRAFT", await preview_policy(await _with(draft.rule), now=now))


async def retire_rule(code: str, *, actor: Actor, now: datetime) -> RuleSaved:
    """Let a published rule pay no more from now on; what it paid stays. Refuses: RuleStateRefused."""
    async with transaction():
        await execute(_LOCK)
        rules = await _published()
        if code not in rules:
            raise RuleStateRefused(rule_code=code, needed="PUBLISHED")
        left = [rule for each, rule in rules.items() if each != code]
        policy = await publish_policy(_policy(left), actor=actor, now=now)
        (revision,) = await _retire([code], now)
        done = {"revision": revision, "policy_version": policy.version}
        await _audit("rule.retired", code, actor, now, None, done)
    return RuleSaved(code, revision, "RETIRED", policy)


async def lock_rules() -> None:
    """Keep others from publishing rules until the transaction ends, before any lock of policies is taken."""
    await execute(_LOCK)


async def publish_rules(
    rules: Sequence[Rule], *, actor: Actor, now: datetime, effective_from: datetime | None = None
) -> Publication:
    """Publish a whole set of rules in place of all that are published, as presets and imports do; drafts stay.

    The first of a programme hold since ever, as other policies do. Refuses: PolicyInvalid, PolicyInThePast.
    """
    async with transaction():
        await execute(_LOCK)
        policy = await publish_policy(_policy(rules), actor=actor, now=now, effective_from=effective_from)
        await _retire(list(await _published()), now)
        for rule in rules:
            await execute(
                """INSERT INTO earning_rule (code, revision, state, body, saved_by, saved_at,
                       published_at, policy_version)
                   SELECT $1::text, coalesce(max(revision), 0) + 1, 'PUBLISHED', $2::jsonb, $3, $4, $4, $5
                   FROM earning_rule WHERE code = $1::text""",
                rule.code, _json(rule), actor.key, now, policy.version,
            )  # fmt: skip
        await _give_budgets(rules)
    return policy


@dataclass(frozen=True, slots=True)
class _Draft:
    revision: int
    rule: Rule


async def _draft(code: str) -> _Draft:
    row = await fetch_row(_DRAFT, code)
    if row is None:
        raise RuleStateRefused(rule_code=code, needed="DRAFT")
    return _Draft(row["revision"], adapter_of_rule().validate_json(row["body"]))


async def _published() -> dict[str, Rule]:
    rows = await fetch("SELECT code, body FROM earning_rule WHERE state = 'PUBLISHED' ORDER BY code")
    return {row["code"]: adapter_of_rule().validate_json(row["body"]) for row in rows}


async def _with(rule: Rule) -> RulesPolicy:
    return _policy(list({**await _published(), rule.code: rule}.values()))


def _policy(rules: Sequence[Rule]) -> RulesPolicy:
    return RulesPolicy(tuple(sorted(rules, key=lambda rule: rule.code)))


async def _retire(codes: Sequence[str], now: datetime) -> list[int]:
    rows = await fetch(
        """UPDATE earning_rule SET state = 'RETIRED', retired_at = $2
           WHERE code = ANY($1) AND state = 'PUBLISHED' RETURNING revision""",
        list(codes), now,
    )  # fmt: skip
    return [row["revision"] for row in rows]


async def _give_budgets(rules: Sequence[Rule]) -> None:
    """Set what budgets come to in all; what was spent of them stays spent."""
    for rule in rules:
        if rule.budget_points is not None:
            await execute(
                """INSERT INTO rule_budget (id, rule_code, budget_points) VALUES (gen_random_uuid(), $1, $2)
                   ON CONFLICT (rule_code) DO UPDATE SET budget_points = excluded.budget_points""",
                rule.code, rule.budget_points,
            )  # fmt: skip


def adapter_of_rule() -> Any:
    """The validator of one rule's body."""
    return adapter(Rule)


def _json(rule: Rule) -> str:
    return orjson.dumps(adapter_of_rule().dump_python(rule, mode="json"), option=orjson.OPT_SORT_KEYS).decode()


def _check(rule: Rule) -> None:
    problems = rule.problems()
    if problems:
        first = problems[0]
        raise PolicyInvalid(kind="rules", path=first.path, reason=first.reason, problems=len(problems))


async def _audit(
    what: str, code: str, actor: Actor, now: datetime, before: dict[str, Any] | None, after: dict[str, Any] | None
) -> None:
    await audit(actor, what, "earning_rule", code, now=now, before=before, after=after)
