"""A member's months on the ladder; the drafts and versions of earning rules, and what of them is used up."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from tortoise import fields
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint
from tortoise.models import Model

from gamification.core.ids import new_id


class MonthSpend(Model):
    """Net eligible spend of one month and the ladder points posted for it. Primary key (member_id, month).

    The ORM knows one primary key column only: `member_id` is marked here and the migration replaces the key.
    `month` is the first day of the programme's month, `policy_version` the earning policy pinned for it.
    """

    member_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    month: date = fields.DateField()
    net_fen: int = fields.BigIntField()
    ladder_points: int = fields.BigIntField()
    policy_version: int = fields.IntField()

    class Meta:
        table = "month_spend"
        constraints = [
            CheckConstraint(name="month_spend_net_not_negative", check="net_fen >= 0"),
            CheckConstraint(name="month_spend_ladder_points_not_negative", check="ladder_points >= 0"),
            CheckConstraint(name="month_spend_month_is_a_first", check="extract(day from month) = 1"),
        ]


class EarningRule(Model):
    """A revision of an earning rule: DRAFT until it is published, then never changed, RETIRED when it pays no more.

    Primary key (code, revision); at most one draft and one published revision of a code. The ORM knows one primary key
    column only: `code` is marked here and the migration replaces the key. What is in force stands in the policy of kind
    `rules`, which is made of the published revisions; `policy_version` is the version that a revision came with.
    """

    code = fields.CharField(max_length=40, primary_key=True, generated=False)
    revision: int = fields.IntField()
    state = fields.TextField()
    body: dict[str, Any] = fields.JSONField()
    saved_by = fields.TextField()
    saved_at: datetime = fields.DatetimeField()
    published_at: datetime | None = fields.DatetimeField(null=True)
    retired_at: datetime | None = fields.DatetimeField(null=True)
    policy_version: int | None = fields.IntField(null=True)

    class Meta:
        table = "earning_rule"
        constraints = [
            CheckConstraint(name="earning_rule_state_known", check="state IN ('DRAFT', 'PUBLISHED', 'RETIRED')"),
            CheckConstraint(name="earning_rule_counts_from_one", check="revision >= 1"),
            CheckConstraint(
                name="earning_rule_instants_fit_state",
                check="(published_at IS NOT NULL) = (state <> 'DRAFT')"
                " AND (retired_at IS NOT NULL) = (state = 'RETIRED')",
            ),
            UniqueConstraint(fields=("code",), name="earning_rule_one_draft", condition="state = 'DRAFT'"),
            UniqueConstraint(fields=("code",), name="earning_rule_one_published", condition="state = 'PUBLISHED'"),
        ]


class RuleUse(Model):
    """What a member has had by a rule in one period. Primary key (member_id, rule_code, period, starts_on).

    The ORM knows one primary key column only: `member_id` is marked here and the migration replaces the key.
    `starts_on` is the first business day of the period, 0001-01-01 of the lifetime. A refund gives no use back.
    """

    member_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    rule_code = fields.CharField(max_length=40)
    period = fields.TextField()
    starts_on: date = fields.DateField()
    points: int = fields.BigIntField()
    times: int = fields.IntField()
    last_at: datetime = fields.DatetimeField()

    class Meta:
        table = "rule_use"
        constraints = [
            CheckConstraint(name="rule_use_period_known", check="period IN ('DAY', 'WEEK', 'MONTH', 'LIFETIME')"),
            CheckConstraint(name="rule_use_counts", check="points >= 1 AND times >= 1"),
        ]


class RuleBudget(Model):
    """What all members together may have by a rule, and have had. It outlives revisions of the rule."""

    id: UUID = fields.UUIDField(primary_key=True, default=new_id)
    rule_code = fields.CharField(max_length=40)
    budget_points: int = fields.BigIntField()
    spent_points: int = fields.BigIntField(db_default=0)

    class Meta:
        table = "rule_budget"
        constraints = [
            UniqueConstraint(fields=("rule_code",), name="rule_budget_one_each"),
            CheckConstraint(name="rule_budget_not_negative", check="budget_points >= 0 AND spent_points >= 0"),
        ]
