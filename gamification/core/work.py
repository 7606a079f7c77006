"""Load → decide → write: the one way in which members' state changes.

`Work` takes a verb and a list of commands, loads what they rest on in one statement and without locks, lets the verb
decide each command in pure Python, and writes all of it in one statement that locks the accounts in id order and
writes only for members whose version is still the one loaded. The others are loaded and decided again; after
`ATTEMPTS` stale tries under waiting locks. A preview ends before the write. Where a process has `lanes`, commands that
come one by one share their statements with others (`lanes.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar, cast
from uuid import UUID

import asyncpg

from gamification.core.calendar import Calendar
from gamification.core.clock import Clock
from gamification.core.correlation import correlation_id
from gamification.core.database import execute, fetch, fetch_row
from gamification.core.draft import A, C, Draft, Load, Loaded, MoreLotsNeeded, Price, Verb
from gamification.core.encoding import encode
from gamification.core.errors import NotFound, Refusal
from gamification.core.policy import Policies
from gamification.core.receipts import ReceiptRow, check_key, encode_answer, fingerprint, receipts_of, replay
from gamification.core.statements import LedgerCall, load_statement, write_arguments, write_statement
from gamification.core.transactions import in_transaction, retrying, transaction

ATTEMPTS = 4
LOTS_ALL = 1_000_000


class Ledger(Protocol):
    """What the points slice lends to the write path: its loads, its running state, its write function."""

    call: LedgerCall
    lock_sql: str

    def loads(
        self, lots_max: int, *, price: Price | None = None, points_only: bool = False, policies: Policies | None = None
    ) -> tuple[Load, ...]:
        """What has to be read to decide: at most so many lots of each member, of these no more than the price takes."""

    def open(
        self, member_id: UUID, now: datetime, loaded: Loaded, policies: Policies, calendar: Calendar
    ) -> Draft | None:
        """A draft over what was read, with what is due booked; None for who has no account."""

    def arguments(self, drafts: Sequence[Any], *, wait: bool) -> list[Any]:
        """The values of the writing statement's parameters; without `wait` it passes over accounts that are locked."""


class Sharing(Protocol):
    """What takes commands that come one by one and does several of them together."""

    async def perform(self, verb: Verb[C, A], command: C) -> A:
        """Do one command. Raises the refusal or the fault that became of it."""


@dataclass(frozen=True, slots=True)
class Preview(Generic[A]):
    """A decision that was not written: the answer, or the refusal, and everything that would have changed."""

    answer: A | None
    refusal: Refusal | None
    draft: Any

    def outcome(self) -> A:
        """The answer. Raises the refusal where there is none."""
        if self.refusal is not None:
            raise self.refusal
        assert self.answer is not None, "a preview has an answer or a refusal"
        return self.answer


@dataclass(slots=True, eq=False)
class Item(Generic[C]):
    """A command on its way: what it belongs to in the logs, and what became of it."""

    command: C
    correlation: str | None
    outcome: Any = None
    done: bool = False


OneItem = TypeVar("OneItem", bound=Item[Any])


class Work:
    """A unit of work's surroundings: the clock, the programme's calendar and policies, the ledger, the listeners."""

    def __init__(
        self,
        *,
        clock: Clock,
        ledger: Ledger,
        calendar: Calendar | None = None,
        policies: Policies | None = None,
        listeners: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.clock = clock
        self.calendar = calendar or Calendar()
        self.policies = policies or Policies()
        self.ledger = ledger
        self.listeners = dict(listeners or {})
        self.lanes: Sharing | None = None

    async def perform(self, verb: Verb[C, A], command: C) -> A:
        """Do one command. Raises the refusal or the fault that became of it.

        Where there are lanes it shares a flush with others, except inside a transaction, of which it is a part.
        """
        if self.lanes is not None and not in_transaction():
            return await self.lanes.perform(verb, command)
        (outcome,) = await self.perform_all(verb, [command])
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    async def perform_all(self, verb: Verb[C, A], commands: Sequence[C]) -> list[A | Exception]:
        """Do many commands, several per member in order; each outcome is an answer, a refusal or a fault.

        A fault of one command does not touch the others: the batch is halved until the guilty one stands alone. Inside
        a transaction, which a fault spoils as a whole, it is raised.
        """
        items = [Item(command, correlation_id.get()) for command in commands]
        for item in items:
            _refuse_bad_key(item)
        await self.settle(verb, undone(items))
        return [item.outcome for item in items]

    async def preview(self, verb: Verb[C, A], command: C) -> Preview[A]:
        """The same decision, not written. Receipts are not consulted: a preview is not a retry."""
        try:
            return await self._preview(verb, command, verb.lots_max)
        except MoreLotsNeeded:
            return await self._preview(verb, command, LOTS_ALL)

    async def _preview(self, verb: Verb[C, A], command: C, lots_max: int) -> Preview[A]:
        now = self.clock.now()
        loaded = await self._load(verb, [Item(command, None)], now, lots_max, with_receipts=False)
        draft = self._open(command.member_id, now, loaded)
        if draft is None:
            return Preview(None, _unknown_member(command.member_id), None)
        try:
            return Preview(verb.decide(draft, command), None, draft)
        except Refusal as refusal:
            return Preview(None, refusal, draft)

    async def settle(self, verb: Verb[C, A], items: list[Item[C]]) -> None:
        """Bring every item to its outcome, waiting for locks where it must; as `perform_all` says of faults."""
        try:
            await retrying(lambda: self._attempts(verb, items))
        except Exception as fault:
            if in_transaction():
                raise  # it is spoilt: what would be tried after this could not be kept
            left = undone(items)
            if len(left) == 1:
                left[0].outcome, left[0].done = fault, True
                return
            half = len(left) // 2
            await self.settle(verb, left[:half])
            await self.settle(verb, left[half:])

    async def _attempts(self, verb: Verb[C, A], items: list[Item[C]]) -> None:
        """Optimistic tries first; then, bounded as well, under locks that were waited for."""
        lots_max = verb.lots_max
        for _ in range(ATTEMPTS):
            left = undone(items)
            if not left:
                return
            if await self.attempt(verb, left, lots_max):
                lots_max = LOTS_ALL
        for attempt in range(ATTEMPTS):
            left = undone(items)
            if not left:
                return
            try:
                await self._under_locks(verb, left)
            except asyncpg.PostgresError as error:
                if error.sqlstate not in STALE or in_transaction() or attempt == ATTEMPTS - 1:
                    raise

    async def _under_locks(self, verb: Verb[C, A], items: list[Item[C]]) -> None:
        members = sorted({item.command.member_id for item in items})
        async with transaction():
            await execute(self.ledger.lock_sql, members)
            await self.attempt(verb, items, LOTS_ALL)
        assert all(item.done for item in items), "accounts under lock cannot be stale"

    async def attempt(
        self, verb: Verb[C, A], items: Sequence[Item[C]], lots_max: int, *, wait: bool = True
    ) -> set[UUID]:
        """Load, decide and write once, and mark what is done; returns the members whose decision wanted for lots.

        Without `wait` it passes over members whose account, and over claims whose scarce row, somebody else has locked.
        """
        now = self.clock.now()
        with_receipts = any(item.command.key is not None for item in items)
        loaded = await self._load(verb, items, now, lots_max, with_receipts=with_receipts)
        members = by_member(items)
        drafts, finished, wanted = self._decide_each(verb, members, now, loaded)
        finished.extend(await self._write(drafts, wait=wait) if drafts else ())
        for member_id in finished:
            for item in members[member_id]:
                item.done = True
        return wanted

    def _decide_each(
        self, verb: Verb[C, A], members: Mapping[UUID, list[Item[C]]], now: datetime, loaded: Loaded
    ) -> tuple[list[Draft], list[UUID], set[UUID]]:
        """What is to be written; who is finished without; who wants for lots. Each command as part of its own logs."""
        drafts: list[Draft] = []
        finished: list[UUID] = []
        wanted: set[UUID] = set()
        outside = correlation_id.get()
        try:
            for member_id, own in members.items():
                try:
                    draft = self._decide(verb, member_id, own, now, loaded)
                except MoreLotsNeeded:
                    wanted.add(member_id)
                    continue
                if draft is not None and draft.changes:
                    drafts.append(draft)
                else:
                    finished.append(member_id)
        finally:
            correlation_id.set(outside)
        return drafts, finished, wanted

    async def _load(
        self, verb: Verb[C, A], items: Sequence[Item[C]], now: datetime, lots_max: int, *, with_receipts: bool
    ) -> Loaded:
        ledger = self.ledger.loads(lots_max, price=verb.price, points_only=verb.points_only, policies=self.policies)
        loads = ledger + verb.loads
        if with_receipts:
            loads += (receipts_of(verb.name),)
        statement = load_statement(loads)
        commands = [item.command for item in items]
        members = sorted({command.member_id for command in commands})
        record = await fetch_row(statement.sql, *statement.arguments(members, now, commands))
        revision, loaded = statement.read(record)
        if revision > self.policies.revision:
            await self.policies.refresh()
        return loaded

    def _open(self, member_id: UUID, now: datetime, loaded: Loaded) -> Draft | None:
        return self.ledger.open(member_id, now, loaded, self.policies, self.calendar)

    def _decide(
        self, verb: Verb[C, A], member_id: UUID, items: Sequence[Item[C]], now: datetime, loaded: Loaded
    ) -> Draft | None:
        """Decide a member's commands in order on the running state.

        A refusal that comes after the draft was touched would leave half a decision: the member is then decided again
        without that command.
        """
        refused: dict[Item[C], Exception] = {}
        while True:
            correlation_id.set(items[0].correlation)
            draft = self._open(member_id, now, loaded)
            if draft is None:
                for item in items:
                    item.outcome = _unknown_member(member_id)
                return None
            if self._decide_all(verb, draft, items, loaded, refused):
                return draft

    def _decide_all(
        self,
        verb: Verb[C, A],
        draft: Draft,
        items: Sequence[Item[C]],
        loaded: Loaded,
        refused: dict[Item[C], Exception],
    ) -> bool:
        answered: dict[str, Any] = {}
        for item in items:
            before = draft.changes
            correlation_id.set(item.correlation)
            if item in refused:
                item.outcome = refused[item]
            else:
                try:
                    item.outcome = self._answer(verb, draft, item.command, loaded, answered)
                except Refusal as refusal:
                    item.outcome = refusal
                    if draft.changes != before:
                        refused[item] = refusal
                        return False
            _note_receipt(verb, draft, item, loaded, answered)
        return True

    def _answer(self, verb: Verb[C, A], draft: Draft, command: C, loaded: Loaded, answered: dict[str, Any]) -> A:
        if command.key is not None:
            place = f"{command.actor.key}|{command.key}"
            row = loaded.by_key["receipts"].get(place) or answered.get(place)
            if row is not None:
                return cast(A, replay(row, command, verb.answer))
        return verb.decide(draft, command)

    async def _write(self, drafts: list[Draft], *, wait: bool) -> list[UUID]:
        """Write the drafts whose member's version still holds; returns those members."""
        drafts.sort(key=lambda draft: draft.member_id)
        for draft in drafts:
            self._expand_events(draft)
        rows, guards, own = write_arguments(drafts)
        sql = write_statement(self.ledger.call, rows, guards, wait)
        try:
            records = await fetch(sql, *self.ledger.arguments(drafts, wait=wait), *own)
        except asyncpg.PostgresError as error:
            if error.sqlstate in STALE and len(drafts) == 1 and not in_transaction():
                return []
            raise
        return [record[0] for record in records]

    def _expand_events(self, draft: Draft) -> None:
        for event, correlation in draft.events:
            payload = encode(event)
            listeners = self.listeners.get(event.name, ())
            draft.jobs.extend((job, payload, None, draft.now, correlation) for job in listeners)


STALE_CLAIM = "JF001"
"""SQLSTATE that `claims_hold` raises when something scarce was gone by the time of the write."""

STALE = (STALE_CLAIM, asyncpg.UniqueViolationError.sqlstate)
"""What may be decided otherwise on fresh rows: a claim that is gone, or a key that another member's command took in
between (a receipt's, an external id's): the locks are the own members' only, so also under them. A natural key that
is really taken stays a fault, raised after the last attempt."""


def undone(items: Iterable[OneItem]) -> list[OneItem]:
    """The items that have no outcome yet."""
    return [item for item in items if not item.done]


def _refuse_bad_key(item: Item[Any]) -> None:
    try:
        if item.command.key is not None:
            check_key(item.command.key)
    except Refusal as refusal:
        item.outcome, item.done = refusal, True


def _unknown_member(member_id: UUID) -> NotFound:
    return NotFound(kind="member", id=str(member_id))


def by_member(items: Iterable[OneItem]) -> dict[UUID, list[OneItem]]:
    """The items of each member, in their order."""
    grouped: dict[UUID, list[OneItem]] = {}
    for item in items:
        grouped.setdefault(item.command.member_id, []).append(item)
    return grouped


def _note_receipt(
    verb: Verb[Any, Any], draft: Draft, item: Item[Any], loaded: Loaded, answered: dict[str, Any]
) -> None:
    """Keep the answer under its key, for the database and for the rest of the batch."""
    command = item.command
    if command.key is None or (isinstance(item.outcome, Refusal) and not item.outcome.kept):
        return
    place = f"{command.actor.key}|{command.key}"
    if place in loaded.by_key["receipts"] or place in answered:
        return
    refusal, answer = encode_answer(item.outcome)
    row = ReceiptRow(place, fingerprint(command), refusal, answer)
    answered[place] = row
    draft.receipts.append((command.actor.key, verb.name, command.key, row.fingerprint, refusal, answer))
    draft.changes += 1
