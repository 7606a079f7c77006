"""What a verb reads and what it decides, as plain values: the two ends of load → decide → write.

A `Load` names rows that a decision rests on; a `Draft` collects what the decisions about one member change. Neither
touches the database: `statements` turns loads and drafts into SQL and `work` runs it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar, cast
from uuid import UUID

from tortoise.models import Model

from gamification.core.actors import Actor
from gamification.core.calendar import Calendar
from gamification.core.correlation import correlation_id
from gamification.core.encoding import encode
from gamification.core.policy import P, Policies, Version


@dataclass(frozen=True, kw_only=True)
class Command:
    """One request to change one member's state. `key` is the caller's idempotency key, where the verb takes one.

    Fields with `metadata={"fingerprint": False}` (ids drawn by us) do not make a retry another request.
    """

    member_id: UUID
    actor: Actor
    key: str | None = None


class Event(Protocol):
    """A fact in the past tense, such as `draw.settled`; a frozen dataclass of plain values."""

    name: ClassVar[str]


C = TypeVar("C", bound=Command)
A = TypeVar("A")
R = TypeVar("R")

Argument = tuple[str, Callable[[Sequence[Any], datetime], Any]]


@dataclass(frozen=True, eq=False)
class Load:
    """Rows that a decision rests on: a SELECT whose first column is the member's id, or the row's own when `shared`.

    Declared once, at module level: statements are composed and cached per combination of loads.

    `row` is the NamedTuple of its columns. `{members}` and `{now}` stand for the batch; further `arguments` are
    computed from the commands and named the same way.
    """

    name: str
    row: Callable[..., Any]
    sql: str
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    shared: bool = False


@dataclass(frozen=True)
class Guard:
    """A row of nobody's that the write itself protects: a draw still open, a goal not passed, a stock not empty.

    `sql` is one UPDATE … RETURNING or SELECT … FOR KEY SHARE{skip} over `{claims}` (key, amount), summed per key. A key
    that it does not return makes the write fail as stale, and the decision is made again on fresh rows. `{skip}` is
    SKIP LOCKED in a write that must not wait.
    """

    name: str
    sql: str


@dataclass(frozen=True, eq=False)
class Price:
    """What the commands of one member may cost together: SQL for the most of it, one number over a batch.

    Declared once, at module level, as a `Load` is; `arguments` are named and computed as a load's.
    """

    sql: str
    arguments: Mapping[str, Argument]


@dataclass(frozen=True)
class Verb(Generic[C, A]):
    """A change that is decided in pure Python: its name, what it reads, and the decision.

    `lots_max` says how many of a member's soonest-expiring lots are loaded: 0 for verbs that spend nothing. A verb with
    a `price` loads of these only the first that hold as much. A decision that runs out of them raises `MoreLotsNeeded`
    and is made again over all of them. Verbs that neither read nor post growth are `points_only`.
    """

    name: str
    decide: Callable[[Any, C], A]
    answer: type[A]
    loads: tuple[Load, ...] = ()
    lots_max: int = 0
    price: Price | None = None
    points_only: bool = False


class MoreLotsNeeded(Exception):
    """The prefix of lots that was loaded is too short for this decision."""


class Rows(NamedTuple):
    """Rows of one model that a draft writes, all with the same columns; `replaces` overwrites a row of the same key."""

    model: type[Model]
    columns: tuple[str, ...]
    replaces: tuple[str, ...] = ()


class Loaded:
    """What the load statement brought: by member, and by key for what belongs to nobody.

    `common` keeps what all decisions over it work out alike, from their instant and the policies.
    """

    def __init__(self) -> None:
        self.by_member: dict[str, dict[UUID, list[Any]]] = {}
        self.by_key: dict[str, dict[Any, Any]] = {}
        self.common: dict[Any, Any] = {}


class Draft:
    """What the decisions about one member change, and the running state they are made on."""

    def __init__(self, member_id: UUID, now: datetime, loaded: Loaded, policies: Policies, calendar: Calendar) -> None:
        self.member_id = member_id
        self.now = now
        self.calendar = calendar
        self.policies = policies
        self.changes = 0
        self.rows: dict[Rows, list[tuple[Any, ...]]] = {}
        self.claims: list[tuple[Guard, UUID, int]] = []
        self.events: list[tuple[Event, str | None]] = []
        self.jobs: list[tuple[str, str, str | None, datetime, str | None]] = []
        self.receipts: list[tuple[str, str, str, bytes, bool, str]] = []
        self._loaded = loaded
        self._own: dict[str, list[Any]] = {}
        self.on: date = self.common("on", self._work_out_day)
        """The business day of this unit of work."""

    def _work_out_day(self) -> date:
        return self.calendar.business_date(self.now)

    def policy(self, kind: type[P], at: datetime | None = None) -> Version[P]:
        """The policy in force at an instant, now by default. Refuses: PolicyMissing."""
        return self.policies.at(kind, at or self.now)

    def common(self, name: Hashable, work_out: Callable[[], R]) -> R:
        """What is the same for every member of the batch, worked out by the first who asks."""
        known = self._loaded.common
        if name not in known:
            known[name] = work_out()
        return cast(R, known[name])

    def loaded(self, name: str) -> list[Any]:
        """This member's rows of a load, including those that earlier decisions of the batch added or replaced."""
        if name not in self._own:
            self._own[name] = list(self._loaded.by_member[name].get(self.member_id, ()))
        return self._own[name]

    def shared(self, name: str, key: Any) -> Any | None:
        """The row of a shared load under its key, or None."""
        return self._loaded.by_key[name].get(key)

    def insert(self, model: type[Model], **values: Any) -> None:
        """Add a row; every value is given, `member_id` is this member's unless given."""
        self.add(Rows(model, ("member_id", *values)), (self.member_id, *values.values()))

    def put(self, model: type[Model], key: Sequence[str], **values: Any) -> None:
        """Add a row or overwrite the one under the same key; the member's version makes absolute values safe."""
        self.add(Rows(model, ("member_id", *values), tuple(key)), (self.member_id, *values.values()))

    def add(self, rows: Rows, values: tuple[Any, ...]) -> None:
        """Add a row whose columns were declared once: `insert` or `put` for those who write thousands."""
        self.rows.setdefault(rows, []).append(values)
        self.changes += 1

    def claim(self, guard: Guard, key: UUID, amount: int = 1) -> None:
        """Take an amount of something scarce, checked by the write itself, after the accounts."""
        self.claims.append((guard, key, amount))
        self.changes += 1

    def emit(self, event: Event) -> None:
        """Tell the listeners of an event, through the outbox."""
        self.events.append((event, correlation_id.get()))
        self.changes += 1

    def schedule(self, job: str, payload: Mapping[str, Any], *, key: str | None, run_at: datetime) -> None:
        """Let a job run at an instant; a key makes it unique."""
        self.jobs.append((job, encode(payload), key, run_at, correlation_id.get()))
        self.changes += 1
