"""Load → decide → write: batches, previews, refusals and faults."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from gamification.core.clock import FixedClock
from gamification.core.database import fetch
from gamification.core.draft import Verb
from gamification.core.errors import InvalidInput, NotFound, Refusal
from gamification.core.ids import new_id
from gamification.core.work import Work
from gamification.points.errors import InsufficientPoints
from tests.builders import (
    FOR_EVER,
    a_member,
    a_work,
    assert_invariants,
    booked,
    done,
    dump,
    earn,
    entries,
    some_members,
    spend,
)
from tests.databases import Database
from tests.moves import MOVE, Break, ClawBack, Earn, GiveBack, Move, Moved, Overtaken, Spend, move_verb


@pytest.fixture
async def work(database: Database, clock: FixedClock) -> AsyncIterator[Work]:
    """The surroundings of verbs under a policy of points that never expire; the books agree in the end."""
    yield a_work(clock, FOR_EVER)
    await assert_invariants()


async def test_several_commands_of_one_member_are_decided_in_order_on_the_running_state(
    work: Work, clock: FixedClock
) -> None:
    """Of earn 10, spend 8, spend 3, earn 1, spend 3 exactly the third is refused, with the balance it met."""
    mei = await a_member(clock)
    moves: list[Move] = [
        Earn(member_id=mei, points=10, source="a"),
        Spend(member_id=mei, points=8, source="b"),
        Spend(member_id=mei, points=3, source="c"),
        Earn(member_id=mei, points=1, source="d"),
        Spend(member_id=mei, points=3, source="e"),
    ]
    outcomes = await work.perform_all(MOVE, moves)
    refusal = outcomes.pop(2)
    assert isinstance(refusal, InsufficientPoints)
    assert refusal.fields() == {"required": 3, "available": 2, "debt": 0, "missing": 1}
    assert done(outcomes) == [
        Moved(1, 10, 10, 0, 0), Moved(2, 8, 2, 0, 0), Moved(3, 1, 3, 0, 0), Moved(4, 3, 0, 0, 0),
    ]  # fmt: skip
    assert await entries(mei) == [("ACCRUAL", 10), ("REDEMPTION", -8), ("ACCRUAL", 1), ("REDEMPTION", -3)]


async def test_sixty_four_members_with_three_commands_each_are_one_load_and_one_write(
    work: Work, clock: FixedClock
) -> None:
    """192 commands come back in their places, each member's balance what its own commands make it."""
    members = await some_members(clock, 64)
    watched = Overtaken(work, meanwhile=_nothing, times=0)
    moves: list[Move] = []
    for place, source in enumerate("abc"):
        for number, member_id in enumerate(members):
            kind = Spend if place == 1 else Earn
            moves.append(kind(member_id=member_id, points=number + 1 + place, source=source))
    outcomes = await watched.perform_all(MOVE, moves)
    assert watched.written == [64]
    for number, member_id in enumerate(members):
        n = number + 1
        refused = outcomes[64 + number]
        assert isinstance(refused, InsufficientPoints) and (refused.required, refused.available) == (n + 1, n)
        assert outcomes[number] == Moved(1, n, n, 0, 0)
        assert outcomes[128 + number] == Moved(2, n + 2, 2 * n + 2, 0, 0)
        assert await booked(member_id) == (2 * n + 2, 0, 0)


async def _nothing() -> None:
    return None


async def test_a_refusal_that_comes_after_changes_leaves_nothing_of_its_command(work: Work, clock: FixedClock) -> None:
    """A command that earns and then asks for too much is undone whole, while its neighbours of the same member stay."""
    mei = await a_member(clock)

    def decide(book: Any, command: Spend) -> Moved:
        book.accrue(5, source=("test", f"{command.source} in"), trace={})
        return Moved(book.take(command.points, source=("test", command.source), trace={}).seq, 0, 0, 0, 0)

    verb = Verb("test.in_and_out", decide, Moved, lots_max=64)
    outcomes = await work.perform_all(
        verb, [Spend(member_id=mei, points=points, source=f"{points}") for points in (2, 100, 4)]
    )
    assert isinstance(outcomes[1], InsufficientPoints) and outcomes[1].available == 8
    assert await entries(mei) == [("ACCRUAL", 5), ("REDEMPTION", -2), ("ACCRUAL", 5), ("REDEMPTION", -4)]


async def test_one_faulty_command_in_a_hundred_does_not_touch_its_neighbours(work: Work, clock: FixedClock) -> None:
    """99 members are written, the guilty one gets the fault and keeps an account without entries."""
    members = await some_members(clock, 100)
    moves: list[Move] = [Earn(member_id=each, points=7, source="a") for each in members]
    moves[37] = Break(member_id=members[37], source="a")
    outcomes = await work.perform_all(MOVE, moves)
    fault = outcomes.pop(37)
    assert isinstance(fault, RuntimeError) and str(fault) == "a programmer's error"
    assert done(outcomes) == [Moved(1, 7, 7, 0, 0)] * 99
    assert await entries(members[37]) == []


async def test_a_fault_between_two_commands_of_a_member_does_not_touch_either(work: Work, clock: FixedClock) -> None:
    """The commands before and after the fault are done, in their order."""
    mei = await a_member(clock)
    outcomes = await work.perform_all(
        MOVE,
        [
            Earn(member_id=mei, points=5, source="a"),
            Break(member_id=mei, source="b"),
            Spend(member_id=mei, points=5, source="c"),
        ],
    )
    assert [type(each) for each in outcomes] == [Moved, RuntimeError, Moved]
    assert await entries(mei) == [("ACCRUAL", 5), ("REDEMPTION", -5)]


async def test_a_posting_under_a_natural_key_that_is_taken_is_a_fault_and_writes_nothing(
    work: Work, clock: FixedClock
) -> None:
    """The second entry of the same kind and source is the database's refusal, not ours; nothing of it stays."""
    mei = await a_member(clock)
    await earn(work, mei, 5, "the order")
    before = await dump()
    with pytest.raises(asyncpg.UniqueViolationError) as fault:
        await earn(work, mei, 6, "the order")
    assert fault.value.constraint_name == "entry_posted_once"
    assert await dump() == before


async def test_an_unknown_member_is_refused_and_alone(work: Work, clock: FixedClock) -> None:
    """Nobody's command is refused as not found, beside commands that are done."""
    mei, nobody = await a_member(clock), new_id()
    outcomes = await work.perform_all(
        MOVE, [Earn(member_id=nobody, points=1, source="a"), Earn(member_id=mei, points=1, source="a")]
    )
    assert isinstance(outcomes[0], NotFound) and outcomes[0].fields() == {"kind": "member", "id": str(nobody)}
    assert outcomes[1] == Moved(1, 1, 1, 0, 0)


async def test_a_key_out_of_bounds_is_refused_alone(work: Work, clock: FixedClock) -> None:
    """Keys have 1 to 64 characters; a neighbour in the batch is none the worse."""
    mei = await a_member(clock)
    outcomes = await work.perform_all(
        MOVE,
        [Earn(member_id=mei, points=1, source=f"{len(key)}", key=key) for key in ("", "k" * 64, "k" * 65)],
    )
    assert [type(each) for each in outcomes] == [InvalidInput, Moved, InvalidInput]
    assert await booked(mei) == (1, 0, 0)


async def test_no_commands_are_no_outcomes(work: Work) -> None:
    """An empty batch is answered with an empty list."""
    assert await work.perform_all(MOVE, []) == []


@pytest.mark.parametrize(
    "move",
    [
        {"kind": Earn, "points": 5},
        {"kind": Spend, "points": 60},
        {"kind": Spend, "points": 101},
        {"kind": ClawBack, "points": 130},
        {"kind": GiveBack, "seq": 2},
    ],
)
async def test_a_preview_answers_what_performing_answers_and_writes_nothing(
    work: Work, clock: FixedClock, move: dict[str, Any]
) -> None:
    """Same answer or refusal, same entries, accounts, lots and allocations; every table is as before."""
    mei = await a_member(clock, points=100)
    await spend(work, mei, 20)
    await earn(work, mei, 20)
    kind = move["kind"]
    command = kind(member_id=mei, source="x", **{name: value for name, value in move.items() if name != "kind"})
    before = await dump()
    preview = await work.preview(MOVE, command)
    assert await dump() == before
    (outcome,) = await work.perform_all(MOVE, [command])
    if isinstance(outcome, Refusal):
        assert preview.answer is None and preview.refusal is not None
        assert (preview.refusal.code, preview.refusal.fields()) == (outcome.code, outcome.fields())
        assert await dump() == before
        return
    assert (preview.answer, preview.refusal) == (outcome, None)
    written = await fetch("SELECT * FROM entry WHERE member_id = $1 AND seq > 3 ORDER BY seq", mei)
    assert [tuple(row)[:17] for row in written] == [tuple(entry)[:17] for entry in preview.draft.entries]
    after = await fetch("SELECT seq, available, debt FROM account WHERE member_id = $1 AND currency = 'POINTS'", mei)
    assert tuple(after[0]) == (preview.draft.points.seq, preview.draft.points.available, preview.draft.points.debt)
    remaining = await fetch("SELECT seq, line, remaining FROM lot WHERE member_id = $1 AND open ORDER BY 1, 2", mei)
    assert [tuple(row) for row in remaining] == sorted(
        (lot.seq, lot.line, lot.remaining) for lot in preview.draft.lots()
    )


async def test_a_preview_for_nobody_is_refused(work: Work) -> None:
    """A preview for a member who is not there carries the refusal and no draft."""
    preview = await work.preview(MOVE, Earn(member_id=new_id(), points=1, source="a"))
    assert isinstance(preview.refusal, NotFound) and preview.answer is None and preview.draft is None


async def test_a_preview_beyond_the_loaded_lots_loads_the_rest(work: Work, clock: FixedClock) -> None:
    """With more lots than the verb loads, the preview still says what performing does."""
    mei = await _member_with_lots(work, clock, 70)
    command = Spend(member_id=mei, points=70, source="x")
    preview = await work.preview(move_verb(1), command)
    assert preview.answer == await work.perform(move_verb(1), command) == Moved(71, 70, 0, 0, 0)


async def _member_with_lots(work: Work, clock: FixedClock, number: int) -> UUID:
    mei = await a_member(clock)
    done(await work.perform_all(MOVE, [Earn(member_id=mei, points=1, source=f"{n}") for n in range(number)]))
    return mei


async def test_a_member_with_more_lots_than_are_loaded_spends_them_all_the_same(work: Work, clock: FixedClock) -> None:
    """The short prefix is noticed, only that member is loaded again, the others of the batch are already written."""
    mei, lan = await _member_with_lots(work, clock, 70), await a_member(clock, points=100)
    watched = Overtaken(work, meanwhile=_nothing, times=0)
    outcomes = await watched.perform_all(
        move_verb(1), [Spend(member_id=each, points=66, source="x") for each in (mei, lan)]
    )
    assert outcomes == [Moved(71, 66, 4, 0, 0), Moved(2, 66, 34, 0, 0)]
    assert watched.written == [1, 1]
