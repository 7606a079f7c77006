"""What a slice declares about background work: jobs, the events they listen to, and what falls due by time.

A job is an idempotent handler under a name `noun.verb`; its arguments are ids and plain values. Every slice's `jobs.py`
holds explicit `JOBS`, `ON` and `CRON` lists; `gamification.jobs` gathers them into one `Registry`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from gamification.core import outbox

if TYPE_CHECKING:
    from gamification.core.clock import Clock
    from gamification.core.work import Work

Handler = Callable[..., Awaitable[None]]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Job:
    """A handler under its name: `await handler(ctx, **payload)`, safe to run twice.

    `seconds_max` is for the few that may take longer than the worker lets others.
    """

    name: str
    handler: Handler
    seconds_max: int | None = None


@dataclass(frozen=True, slots=True)
class On:
    """The job that listens to an event; the event's fields are its arguments."""

    event: str
    job: str


@dataclass(frozen=True, slots=True)
class Cron:
    """A job without arguments that falls due every so often, counted from midnight UTC plus `offset`.

    At most one tick of a job waits at a time: after an outage the latest slot runs, earlier ones are not caught up, so
    the handler must ask the database what is due. At most one Cron per job.
    """

    job: str
    every: timedelta
    offset: timedelta = timedelta(0)

    def slot(self, now: datetime) -> datetime:
        """The instant of the latest tick."""
        return now - (now - EPOCH - self.offset) % self.every


class Slice(Protocol):
    """A slice's `jobs` module."""

    JOBS: list[Job]
    ON: list[On]
    CRON: list[Cron]


@dataclass(frozen=True)
class Registry:
    """All declarations of all slices, checked against each other."""

    jobs: Mapping[str, Job] = field(default_factory=dict)
    listeners: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    crons: tuple[Cron, ...] = ()

    @property
    def seconds_max(self) -> int:
        """What the longest of the jobs that may take longer than others may take; 0 without any."""
        return max((job.seconds_max or 0 for job in self.jobs.values()), default=0)


def gather(slices: Iterable[Slice]) -> Registry:
    """One registry of several slices. Raises `ValueError` for a name declared twice or never."""
    jobs: dict[str, Job] = {}
    listeners: dict[str, tuple[str, ...]] = {}
    crons: list[Cron] = []
    for each in slices:
        for job in each.JOBS:
            if jobs.setdefault(job.name, job) is not job:
                raise ValueError(f"two jobs are named {job.name}")
        for on in each.ON:
            listeners[on.event] = (*listeners.get(on.event, ()), on.job)
        crons.extend(each.CRON)
    unknown = {name for names in listeners.values() for name in names} | {cron.job for cron in crons}
    if len({cron.job for cron in crons}) < len(crons):
        raise ValueError("a job falls due by one Cron only")
    if unknown - jobs.keys():
        raise ValueError(f"no slice declares these jobs: {sorted(unknown - jobs.keys())}")
    return Registry(jobs, listeners, tuple(crons))


class LeaseLost(Exception):
    """Another send of the same outbox row is under way: stop, and roll back what is open."""


@dataclass(slots=True)
class JobContext:
    """What a handler is given besides its arguments."""

    work: Work
    run: outbox.Run
    lease: timedelta
    completed: bool = False

    @property
    def clock(self) -> Clock:
        """The clock of the product."""
        return self.work.clock

    async def heartbeat(self) -> None:
        """Keep the lease of long work, between its chunks. Raises LeaseLost."""
        if not await outbox.heartbeat(self.run, self.lease):
            raise LeaseLost(self.run.place)

    async def complete(self) -> None:
        """Mark the row done inside the handler's own transaction, so that both commit or neither. Raises LeaseLost."""
        self.completed = True
        if not await outbox.complete(self.run):
            raise LeaseLost(self.run.place)
