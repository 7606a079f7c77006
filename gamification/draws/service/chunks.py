"""What a draw owes many members is worked off in chunks: each is one write, and what fails is noted and passed over.

Lock order: accounts ascending.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from gamification.core.chunks import work_through
from gamification.core.database import execute
from gamification.core.draft import Command, Verb
from gamification.core.work import Work

CHUNK = 500
"""Commands per write."""
CHUNKS_MAX = 40
"""Chunks per run of a job: what is left goes on in a run of its own, so that no run is long."""
ERROR_LENGTH_MAX = 500


@dataclass(frozen=True, kw_only=True)
class Owed(Command):
    """One thing that a draw owes a member."""

    draw_id: UUID

    @property
    @abstractmethod
    def what(self) -> str:
        """How a failure of it is noted, such as `win:7`."""


@dataclass(frozen=True, slots=True)
class WorkedOff:
    """What a run did: how many are done, how many failed, whether it came to the last one, and which it listed last."""

    done: int
    failed: int
    reached_end: bool
    last: Owed | None = field(default=None, compare=False)


class StillOwed(Exception):
    """Something failed and is owed still: the job tries again, and staff see what it is."""


O = TypeVar("O", bound=Owed)  # noqa: E741
A = TypeVar("A")


async def work_off(
    work: Work,
    verb: Verb[O, A],
    draw_id: UUID,
    owed: Callable[[O | None], Awaitable[list[O]]],
    *,
    heartbeat: Callable[[], Awaitable[None]],
    chunks_max: int,
) -> WorkedOff:
    """Do what `owed` lists behind the last one seen, chunk by chunk, until nothing is left or `chunks_max`."""
    done = failed = 0
    last: O | None = None

    async def finished(commands: list[O], outcomes: list[A | Exception]) -> None:
        nonlocal done, failed, last
        pairs = zip(commands, outcomes, strict=True)
        faults = [(command.what, outcome) for command, outcome in pairs if isinstance(outcome, Exception)]
        await note_failures(draw_id, faults, work.clock.now())
        done, failed, last = done + len(commands) - len(faults), failed + len(faults), commands[-1]
        await heartbeat()

    reached_end = await work_through(
        owed, lambda commands: work.perform_all(verb, commands), finished, chunks_max=chunks_max
    )
    return WorkedOff(done, failed, reached_end, last)


async def note_failures(draw_id: UUID, faults: Sequence[tuple[str, Exception]], now: datetime) -> None:
    """Note what failed of a draw, each by its name; the next failure of the same name takes the place of this one."""
    if faults:
        await execute(
            """INSERT INTO draw_failure (draw_id, what, attempts, error, failed_at)
               SELECT $1, f.what, 1, f.error, $4 FROM unnest($2::text[], $3::text[]) AS f(what, error)
               ON CONFLICT (draw_id, what) DO UPDATE
               SET attempts = draw_failure.attempts + 1, error = excluded.error, failed_at = excluded.failed_at""",
            draw_id, [what for what, _ in faults], [_text(fault) for _, fault in faults], now,
        )  # fmt: skip


def _text(fault: Exception) -> str:
    return f"{type(fault).__name__}: {fault}"[:ERROR_LENGTH_MAX]
