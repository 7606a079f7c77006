"""The programme in force, read as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import orjson

from gamification.core.policy import adapter
from gamification.core.publications import policy_in_force
from gamification.programmes.rules import BODIES, Programme


@dataclass(frozen=True, slots=True)
class InForce:
    """The programme of an instant, and the version of each of its policies by kind."""

    programme: Programme
    versions: dict[str, int]
    hashes: dict[str, bytes]


async def programme_in_force(at: datetime) -> InForce:
    """Every policy that holds at an instant, as far as is published now; one statement per kind."""
    found = InForce(Programme({}), {}, {})
    policies = {}
    for kind, body in BODIES.items():
        row = await policy_in_force(kind, at)
        if row is not None:
            policies[kind] = adapter(body).validate_python(orjson.loads(row.body))
            found.versions[kind] = row.version
            found.hashes[kind] = row.hash
    return InForce(Programme(policies), found.versions, found.hashes)
