"""Contexts for tests that need no request."""

from __future__ import annotations

from typing import cast

from gamification.core.actors import Actor
from gamification.core.clock import FixedClock
from gamification.core.work import Work
from schema.context import Context
from tests.conftest import MONDAY_MORNING


def context_for(actor: Actor) -> Context:
    """The surroundings of one operation of this caller."""
    return Context(work=cast(Work, None), clock=FixedClock(MONDAY_MORNING), actor=actor, locale="en")
