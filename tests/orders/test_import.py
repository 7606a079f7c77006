"""The file import: every line once, however often it is begun, killed, shared or repeated."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import pytest

from gamification.core.actors import SYSTEM
from gamification.core.clock import FixedClock
from gamification.core.database import fetch, fetch_value
from gamification.core.policy import PolicyMissing
from gamification.core.work import Work
from gamification.earning.service import accrue_for_order
from gamification.members.references import Reference
from gamification.members.service import known_members
from gamification.orders.columns import Layout
from gamification.orders.files import FileUnreadable
from gamification.orders.service import imports, ordering
from gamification.orders.service.import_runs import Finding, note_batch
from gamification.orders.service.imports import import_orders
from tests.builders import FOR_EVER, TIERS, a_work, dump, rows_in
from tests.orders.histories import (
    HEADER,
    LADDER,
    START,
    a_file,
    books_of,
    findings,
    imported,
    order_file,
    what_is_there,
)


@pytest.fixture
def till(work: Work, clock: FixedClock) -> Work:
    """A programme with a rate, the ladder and tiers."""
    return a_work(clock, FOR_EVER, LADDER, TIERS)


async def test_lines_become_orders_points_growth_and_tiers(till: Work) -> None:
    """A file posts what the same orders post through the API: rate, ladder, growth, upgrade, claw-back."""
    data = f"""{HEADER}
one/o1,one/mei,2026-01-05T09:00:00+08:00,10000,CNY,tea,order,
one/o2,one/mei,2026-01-06T09:00:00+08:00,25000,CNY,tea,order,
one/o3,one/mei,2026-01-07T09:00:00+08:00,70000,CNY,tea,order,
one/r1,one/mei,2026-01-08T09:00:00+08:00,-25000,CNY,tea,refund,one/o2
one/r2,one/mei,2026-01-09T09:00:00+08:00,-100000,CNY,tea,refund,
"""
    summary = await imported(till, data.encode())
    assert summary.counts == {
        "orders_recorded": 3, "refunds_placed": 1, "refunds_partly_placed": 1, "members_created": 1, "upgrades": 1,
        "points_accrued": 50 + 125 + 350 + 100 + 425 + 1575, "points_revoked": 525 + 2100,
        "growth_accrued": 1050, "growth_revoked": 1050,
    }  # fmt: skip
    books = await books_of("one/")
    assert [row[1:] for row in books["refunds"]] == [
        ("r1", "PLACED", False, 25000, 625, 0, 250),
        ("r2", "PARTLY_PLACED", True, 80000, 2000, 0, 800),
    ]
    assert books["months"] == [("mei", START.date().replace(day=1), 0, 0)]
    assert books["tiers"] == [("mei", "SILVER", 1)]
    assert await findings(summary) == [
        Finding(6, False, "one/r2", "PARTLY_PLACED", "80000 of 100000 fen found an order")
    ]


async def test_unknown_members_are_created_to_be_claimed(till: Work) -> None:
    """They came from an import, nobody has claimed them, and they are found under the reference of the file."""
    await imported(till, a_file("claim/", rows=20, members=3))
    reference = Reference("external", "claim/m1")
    member_id = (await known_members([reference]))[reference]
    (row,) = await fetch("SELECT origin_channel, claimed_at, status FROM member WHERE id = $1", member_id)
    assert tuple(row) == ("import", None, "ACTIVE")


async def test_the_same_file_again_changes_nothing(till: Work) -> None:
    """A second import does not read the file; `again` reads it and finds every order and refund there."""
    data = a_file("twice/")
    first = await imported(till, data)
    before, everything = await what_is_there(), await dump()
    second = await imported(till, data)
    assert second.already_imported and second.rows_read == 0
    assert (second.run_id, second.counts) == (first.run_id, first.counts)
    assert await dump() == everything
    third = await imported(till, data, again=True)
    assert third.run_id != first.run_id and third.rows_read == 240
    assert third.counts["orders_known"] == first.counts["orders_recorded"]
    assert "points_accrued" not in third.counts and "members_created" not in third.counts
    assert await what_is_there() == before


async def test_another_way_of_reading_is_another_import(till: Work) -> None:
    """A file that was read wrongly can be read again: what was rejected then is recorded now."""
    data = f"{HEADER}\nway/o1,way/mei,2026-01-05T09:00:00,10000,CNY,tea,order,".encode()
    assert (await imported(till, data)).counts == {"lines_rejected": 1}
    source = order_file(data, Layout(zone="Asia/Shanghai"))
    assert (await import_orders(till, source, actor=SYSTEM)).counts["orders_recorded"] == 1


async def test_bad_lines_are_reported_and_the_others_recorded(till: Work) -> None:
    """Each with its number, its id where it is known, a code and a reason; nothing of it is left behind."""
    data = f"""{HEADER}
bad/o1,bad/mei,2026-01-05T09:00:00+08:00,10000,CNY,tea,order,
bad/o2,bad/lin,2026-01-05T09:00:00+08:00,ten,CNY,tea,order,

bad/o1,bad/mei,2026-01-05T09:00:00+08:00,10001,CNY,tea,order,
bad/o1,bad/mei,2026-01-05T09:00:00+08:00,10000,CNY,tea,order,
bad/o3
"""
    summary = await imported(till, data.encode())
    assert [finding[:4] for finding in await findings(summary)] == [
        (3, True, "bad/o2", "BAD_AMOUNT"),
        (5, True, "bad/o1", "ORDER_CONFLICT"),
        (7, True, "bad/o3", "WRONG_COLUMN_COUNT"),
    ]
    assert summary.counts["orders_recorded"] == 1 and summary.counts["orders_known"] == 1
    assert summary.counts["lines_rejected"] == 3
    assert await known_members([Reference("external", "bad/lin")]) == {}


class Dying:
    """Stands in for the writing of the books: every so often the process dies there, before the commit."""

    def __init__(self, every: int) -> None:
        self.every = every
        self.calls = 0

    async def __call__(self, *arguments: Any) -> None:
        self.calls += 1
        if self.calls % self.every == 0:
            raise OSError("killed")
        await note_batch(*arguments)


@pytest.mark.parametrize("every", [2, 3, 5])
async def test_an_import_that_dies_over_and_over_ends_like_one_that_does_not(
    till: Work, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    """Whichever lanes of a stretch had committed: the books and the summary are those of an undisturbed run."""
    undisturbed = await imported(till, a_file(f"calm{every}/", rows=400))
    monkeypatch.setattr(imports, "note_batch", Dying(every))
    data, deaths = a_file(f"dies{every}/", rows=400), 0
    while True:
        try:
            summary = await imported(till, data, batch_rows=10 + deaths)
            break
        except OSError:
            deaths += 1
    assert deaths > 3 and summary.resumed_at_line is not None and summary.rows_read < 400
    assert summary.counts == undisturbed.counts
    assert await books_of(f"dies{every}/") == await books_of(f"calm{every}/")
    assert await rows_in("import_run") == await fetch_value("SELECT count(*) FROM import_run WHERE finished_at NOTNULL")


async def test_two_imports_of_one_file_share_the_work(till: Work) -> None:
    """Started at the same time they make one run; each line is recorded once."""
    undisturbed = await imported(till, a_file("alone/"))
    data = a_file("both/")
    first, second = await asyncio.gather(imported(till, data), imported(till, data))
    assert first.run_id == second.run_id
    assert await books_of("both/") == await books_of("alone/")
    assert (await imported(till, data)).counts == undisturbed.counts


async def test_the_size_of_batches_makes_no_difference(till: Work) -> None:
    """Line by line, in stretches or as a whole, a file comes to the same."""
    for batch_rows in (1, 7, 500):
        await imported(till, a_file(f"size{batch_rows}/", rows=120), batch_rows=batch_rows)
    one, seven, whole = [await books_of(f"size{batch_rows}/") for batch_rows in (1, 7, 500)]
    assert one["orders"] == seven["orders"] == whole["orders"]
    assert one["months"] == seven["months"] == whole["months"]
    assert one["tiers"] == seven["tiers"] == whole["tiers"]


async def test_a_line_that_breaks_is_rejected_alone(till: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault that nobody foresaw costs its own line; the rest of its batch is recorded."""

    def breaking(book: Any, purchase: Any) -> Any:
        if purchase.base_fen == 666:
            raise RuntimeError("a programmer's error")
        return accrue_for_order(book, purchase)

    monkeypatch.setattr(ordering, "accrue_for_order", breaking)
    lines = [f"flt/o{n},flt/m{n % 3},2026-01-05T09:00:00+08:00,{666 if n == 4 else 700},CNY,,order," for n in range(9)]
    summary = await imported(till, "\n".join([HEADER, *lines]).encode(), batch_rows=50)
    assert summary.counts["orders_recorded"] == 8
    assert await findings(summary) == [Finding(6, True, "flt/o4", "FAULT", "RuntimeError: a programmer's error")]
    assert len((await books_of("flt/"))["orders"]) == 8


@pytest.mark.parametrize(("batch_rows", "name"), [(50, "near"), (1, "far")])
async def test_a_refund_that_comes_before_its_order_is_placed_with_it(till: Work, batch_rows: int, name: str) -> None:
    """In the same stretch or a later one; it is no longer among the lines to look at."""
    lines = [
        f"{name}/r1,,2026-01-07T09:00:00+08:00,-400,CNY,,refund,{name}/o9",
        *(f"{name}/o{n},{name}/m{n % 4},2026-01-05T09:00:00+08:00,1000,CNY,,order," for n in range(10)),
        f"{name}/r2,,2026-01-07T09:00:00+08:00,-400,CNY,,refund,{name}/never",
    ]
    summary = await imported(till, "\n".join([HEADER, *lines]).encode(), batch_rows=batch_rows)
    assert summary.counts["refunds_waiting"] == 1
    assert await findings(summary) == [Finding(13, False, f"{name}/r2", "WAITING", f"{name}/never")]
    assert [row[1:5] for row in (await books_of(f"{name}/"))["refunds"]] == [("r1", "PLACED", False, 400)]


async def test_a_programme_without_policy_takes_no_line(work: Work, clock: FixedClock) -> None:
    """Nothing is recorded or rejected; once the policy is there the same call records everything."""
    data = a_file("early/", rows=20)
    before = await what_is_there()
    with pytest.raises(PolicyMissing):
        await imported(a_work(clock, FOR_EVER), data)
    assert await what_is_there() == before
    assert (await imported(a_work(clock, FOR_EVER, LADDER, TIERS), data)).rows_read == 20


async def test_a_file_that_cannot_be_read_makes_no_run(till: Work) -> None:
    """The books of the import know only files of which a line was looked at."""
    runs = await rows_in("import_run")
    with pytest.raises(FileUnreadable):
        await imported(till, b"a,b\n1,2\n")
    assert await rows_in("import_run") == runs


async def test_the_end_of_a_broken_gzip_is_rejected_and_the_rest_recorded(till: Work) -> None:
    """The summary and the books say from which line on nothing could be read."""
    packed = gzip.compress(a_file("cut/", rows=200))
    summary = await imported(till, packed[: len(packed) // 2])
    (broken,) = [each for each in await findings(summary) if each.rejected]
    assert (broken.code, broken.line) == ("FILE_BROKEN", summary.rows_read + 1)
    assert summary.counts["orders_recorded"] > 20
