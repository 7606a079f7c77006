"""The most that one operation may ask for, by who asks, and the refusals that say so with their numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from graphql import GraphQLError

from app.measure import Usage
from gamification.core.actors import Actor

Audience = Literal["anonymous", "member", "staff", "integration"]

SAFE_INTEGER_MAX = 2**53 - 1
SCHEMA_DEPTH_MAX = 20
SCHEMA_COST_MAX = 4_000
"""For questions about the schema, whoever may ask them; the one that tools send is 15 deep and costs 2,561."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one operation may ask for. Tokens and comments are counted while the text is read."""

    tokens_max: int
    depth_max: int
    fields_max: int
    aliases_max: int
    directives_max: int
    root_fields_max: int
    mutations_max: int
    cost_max: int
    comparisons_max: int = 5_000


LIMITS: Mapping[Audience, Limits] = {
    "anonymous": Limits(1_000, 10, 200, 15, 20, 5, 2, 2_000),
    "member": Limits(2_000, 12, 500, 40, 40, 15, 3, 10_000),
    "integration": Limits(4_000, 12, 500, 120, 40, 100, 100, 50_000),
    "staff": Limits(5_000, 20, 1_500, 120, 80, 30, 20, 100_000),
}


def audience_of(actor: Actor) -> Audience:
    """Whose figures apply; work of the system itself is measured as the staff's."""
    return "staff" if actor.kind == "system" else actor.kind


class LimitExceeded(GraphQLError):
    """An operation that asks for too much; the extensions name what, how much was asked and the most there is."""

    def __init__(self, code: str, what: str, limit: int, used: int) -> None:
        shown = min(used, SAFE_INTEGER_MAX)
        super().__init__(
            f"The operation has too many {what}: {shown}, at most {limit} are answered.",
            extensions={"code": code, "limit": limit, "used": shown},
        )


def check_usage(usage: Usage, limits: Limits) -> None:
    """Raises LimitExceeded for the first figure that is above its limit."""
    for code, what, limit, used in (
        ("TOO_DEEP", "levels", limits.depth_max, usage.depth),
        ("TOO_MANY_FIELDS", "fields", limits.fields_max, usage.fields),
        ("TOO_MANY_ALIASES", "aliases", limits.aliases_max, usage.aliases),
        ("TOO_MANY_DIRECTIVES", "directives", limits.directives_max, usage.directives),
        ("TOO_MANY_MUTATIONS", "mutations", limits.mutations_max, usage.mutations),
        ("TOO_MANY_ROOT_FIELDS", "root fields", limits.root_fields_max, usage.root_fields),
        ("TOO_COSTLY", "values to resolve", limits.cost_max, usage.cost),
        ("TOO_DEEP", "levels of the schema", SCHEMA_DEPTH_MAX, usage.schema_depth),
        ("TOO_COSTLY", "values of the schema", SCHEMA_COST_MAX, usage.schema_cost),
    ):
        if used > limit:
            raise LimitExceeded(code, what, limit, used)


def check_comparisons(comparisons: int, limits: Limits) -> None:
    """Raises LimitExceeded when validation would compare more pairs of fields than it is worth."""
    if comparisons > limits.comparisons_max:
        raise LimitExceeded("TOO_MANY_REPEATED_FIELDS", "repeated fields", limits.comparisons_max, comparisons)
