"""The file import as a whole: the real files, and the command as a process."""

from __future__ import annotations

import asyncio
import csv
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from click.testing import CliRunner
from tortoise.context import TortoiseContext

from app.__main__ import main
from app.imports import NOT_BEGUN, REJECTED, LineProgress
from app.local.secrets import NAMES
from app.local.stores import Stores
from gamification.core.clock import FixedClock
from gamification.core.database import fetch, fetch_value
from gamification.core.work import Work
from gamification.earning.rules import EarningPolicy
from gamification.members.references import Reference
from gamification.members.service import ensure_members
from gamification.points.rules import Expiry, PointsPolicy
from gamification.tiers.rules import Tier, TierPolicy
from tests.builders import AT_THE_TILL, FOR_EVER, SPEC_LADDER, TIERS, a_work, assert_invariants, publish, rows_in
from tests.databases import Database
from tests.orders.histories import (
    LADDER,
    a_file,
    books_of,
    imported,
    what_is_there,
)

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"


# -- the real files ---------------------------------------------------------------------------------------------------


@asynccontextmanager
async def patience(database: Database) -> AsyncIterator[None]:
    """The database with the time-outs of the command."""
    limits = dict.fromkeys(("statement_timeout_seconds", "idle_in_transaction_timeout_seconds"), 60)
    async with TortoiseContext() as context:
        await context.init(config=database.config(**limits))
        yield


def real_file(name: str) -> bytes:
    if not (DATA / name).exists():
        pytest.skip(f"{name} is not beside this checkout")
    return (DATA / name).read_bytes()


def the_programme(clock: FixedClock) -> Work:
    tiers = TierPolicy(
        (Tier("BASIC", "普通", "Basic", 0), Tier("SILVER", "银", "S", 500), Tier("GOLD", "金", "G", 2000))
    )
    earning = EarningPolicy(points_rate_bp=0, growth_rate_bp=100, ladder=SPEC_LADDER)
    return a_work(clock, PointsPolicy(Expiry(12, "month", "month")), earning, tiers)


async def test_online_retail_is_imported_whole(database: Database, clock: FixedClock) -> None:
    """A year of a real shop: refunds that name no order are matched, what found none is kept; the books agree."""
    data = real_file("online_retail.csv.gz")
    async with patience(database):
        work = the_programme(clock)
        summary = await imported(work, data, batch_rows=2000)
        assert summary.counts == {
            "orders_recorded": 18_536, "refunds_placed": 3_446, "refunds_partly_placed": 6, "refunds_unplaced": 202,
            "members_created": 4_372, "upgrades": summary.counts["upgrades"],
            "points_accrued": 16_181_332, "points_revoked": 16_181_332 - 14_993_366,
            "growth_accrued": 8_902_670, "growth_revoked": 8_902_670 - 8_315_874,
        }  # fmt: skip
        kinds = {row["kind"]: row["n"] for row in await fetch("SELECT kind, count(*) AS n FROM entry GROUP BY 1")}
        assert kinds == {"ACCRUAL": 18_525, "LADDER": 17_553, "LADDER_REVERSAL": 3_529, "CLAW_BACK": 3_617}
        standings = await fetch("SELECT tier_code, count(*) AS n FROM tier_standing GROUP BY 1")
        assert {row["tier_code"]: row["n"] for row in standings} == {"SILVER": 1_680, "GOLD": 883}
        assert (await imported(work, data)).already_imported
        await assert_invariants()


async def test_cdnow_is_imported_whole_and_once(database: Database, clock: FixedClock) -> None:
    """Eighteen months of another shop; reading it a second time records nothing."""
    data = real_file("cdnow_sample.csv.gz")
    async with patience(database):
        work = the_programme(clock)
        summary = await imported(work, data, batch_rows=2000)
        assert (summary.counts["orders_recorded"], summary.counts["members_created"]) == (6_919, 2_357)
        assert (summary.counts["points_accrued"], summary.counts["growth_accrued"]) == (89_716, 239_444)
        before = await what_is_there()
        assert (await imported(work, data, batch_rows=2000, again=True)).counts == {"orders_known": 6_919}
        assert await what_is_there() == before
        await assert_invariants()


# -- the command ------------------------------------------------------------------------------------------------------


LAUNCH = """
import contextlib, os, app.imports
from app.local.programme import settings_from
app.imports.tool_settings = lambda: contextlib.nullcontext(settings_from(os.environ))
app.imports.command(prog_name="import-orders")
"""


def test_the_command_is_one_of_the_programme() -> None:
    """`python -m app import-orders --help` names the options and our columns."""
    told = CliRunner().invoke(main, ["import-orders", "--help"])
    assert told.exit_code == 0
    assert all(word in told.output for word in ("--map OURS=THEIRS", "--again", "--report", "member_external_id"))


@pytest.fixture
async def command(database: Database, stores: Stores, clock: FixedClock, tmp_path: Path) -> Callable[..., Any]:
    """Starts the command as a process on a published programme, told everything by its environment."""
    await publish(clock, FOR_EVER, LADDER, TIERS)
    keys = {name: f"{number:02x}" * 32 for number, name in enumerate(NAMES, start=1)}
    stores_given = {"DATABASE_URL": database.url, "REDIS_URL": stores.redis_url}
    given = {**keys, **stores_given, "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}

    async def start(*arguments: str | Path) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-c", LAUNCH, *map(str, arguments), cwd=tmp_path,
            env=given, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip

    return start


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, str, str]:
    output, errors = await process.communicate()
    return process.returncode, output.decode(), errors.decode()


async def test_the_command_tells_what_it_did(command: Any, tmp_path: Path) -> None:
    """A summary, plain progress lines where there is no terminal, a report as CSV, and an exit code."""
    file = tmp_path / "orders.csv"
    file.write_text(
        "id;x,who,when,yuan,kind\n"
        "o1,mei,2026-01-05 09:00,100.00,order\n"
        "o2,mei,2026-01-06 09:00,1e2,order\n"
        "r1,mei,2026-01-04 09:00,-5.00,refund\n"
    )
    mapped = ["external_id=id;x", "member_external_id=who", "paid_at=when", "amount_minor=yuan"]
    options = [part for each in mapped for part in ("--map", each)]
    options += ["--amount-unit", "major", "--zone", "Asia/Shanghai", "--report", "report.csv"]
    code, output, errors = await ended(await command(file, *options))
    assert (code, errors.splitlines()) == (REJECTED, ["Importing: 4 of 4 lines (100 %)" + errors.strip()[31:]])
    assert output.splitlines()[:6] == [
        "orders   1 recorded, 0 already there",
        "refunds  0 placed, 0 placed in part, 1 unplaced, 0 waiting for their order, 0 already there",
        "members  1 created, 0 upgrades",
        "points   150 accrued, 0 revoked",
        "growth   100 accrued, 0 revoked",
        "lines    1 rejected",
    ]
    report = list(csv.reader((tmp_path / "report.csv").read_text(encoding="utf-8").splitlines()))
    assert report == [
        ["line", "external_id", "rejected", "code", "reason"],
        ["3", "o2", "yes", "BAD_AMOUNT", "amount_minor is at most 2 decimals, not '1e2'"],
        ["4", "r1", "no", "UNPLACED", "0 of 500 fen found an order"],
    ]
    code, output, errors = await ended(await command(file))
    assert (code, output) == (NOT_BEGUN, "") and "no column external_id" in errors


LAST_LINE = b"%blast,%blast,2026-08-01T09:00:00+08:00,700,CNY,tea,order,"


@asynccontextmanager
async def holding(reference: Reference, database: Database, clock: FixedClock) -> AsyncIterator[None]:
    """A member whose account is locked meanwhile: an import that comes to it waits."""
    members = await ensure_members([reference], origin=AT_THE_TILL, now=clock.now())
    connection = await asyncpg.connect(database.url)
    try:
        async with connection.transaction():
            await connection.execute("SELECT lock_members($1::uuid[])", [members[reference]])
            yield
    finally:
        await connection.close()


async def killed_after(process: asyncio.subprocess.Process, batches: int) -> None:
    """SIGKILL a process once it has written that many batches."""
    while await rows_in("import_batch") < batches:
        assert process.returncode is None, await ended(process)
        await asyncio.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    await process.communicate()


async def test_a_killed_command_goes_on_where_it_stopped(
    command: Any, tmp_path: Path, database: Database, clock: FixedClock
) -> None:
    """SIGKILL in the middle; the same command ends with the books of an import that nobody disturbed."""
    file = tmp_path / "orders.csv"
    file.write_bytes(a_file("killed/", rows=600) + b"\n" + LAST_LINE % (b"killed/", b"killed/"))
    async with holding(Reference("external", "killed/last"), database, clock):
        process = await command(file, "--batch", "10")
        await killed_after(process, batches=9)
    assert await fetch_value("SELECT count(*) FROM import_run WHERE finished_at IS NULL") == 1
    code, output, _ = await ended(await command(file))
    assert code == 0 and output.startswith("Went on at line ")
    calm = a_file("calm/", rows=600) + b"\n" + LAST_LINE % (b"calm/", b"calm/")
    undisturbed = await imported(a_work(clock, FOR_EVER, LADDER, TIERS), calm, batch_rows=10)
    recorded = undisturbed.counts["orders_recorded"]
    assert f"orders   {recorded:,} recorded, 0 already there" in output
    assert await books_of("killed/") == await books_of("calm/")
    await assert_invariants()


def test_progress_says_what_is_left_and_counts_from_where_it_began() -> None:
    """A resumed import tells the time that its own rate promises for the rest."""
    stream, now = StringIO(), [100.0]
    with LineProgress("Importing", total=1000, unit="lines", stream=stream, monotonic=lambda: now[0]) as progress:
        progress.reach(400)
        now[0] += 10
        progress.reach(600)
        assert progress.line().endswith(", 20 s left")
