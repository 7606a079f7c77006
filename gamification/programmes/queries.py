"""The programme in force, read as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import orjson

from gamification.core.policy import Policy, adapter
from gamification.core.publications import policy_in_force
from gamification.programmes.files import BODIES, Programme


@dataclass(frozen=True, slots=True)
class InForce:
    """The programme of an instant, and the version and hash of each of its policies by kind."""

    programme: Programme
    versions: dict[str, int]
    hashes: dict[str, bytes]


async def programme_in_force(at: datetime) -> InForce:
    """Every policy that holds at an instant, as far as is published now; one statement per kind."""
    policies: list[Policy] = []
    versions: dict[str, int] = {}
    hashes: dict[str, bytes] = {}
    for kind, body in BODIES.items():
        row = await policy_in_force(kind, at)
        if row is not None:
            policies.append(adapter(body).validate_python(orjson.loads(row.body)))
            versions[kind], hashes[kind] = row.version, row.hash
    return InForce(Programme.of(*policies), versions, hashes)
