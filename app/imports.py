"""`python -m app import-orders`: orders and refunds from a CSV or JSONL file, with progress and a summary.

Exit codes: 0 every line was recorded; 1 finished, some lines were rejected; 2 not begun (options, file, programme);
3 stopped before the end, by Ctrl-C or a fault: the same command goes on where it stopped.
"""

from __future__ import annotations

import asyncio
import csv
import gc
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import asyncpg
import click
from rich.progress import Progress as Bar
from rich.progress import ProgressColumn, Task
from rich.text import Text

from app.local.programme import tool_settings
from app.progress import Progress
from app.settings import Settings
from app.wiring import open_work, opened_database
from gamification.core.actors import SYSTEM
from gamification.core.policy import PolicyMissing
from gamification.orders.columns import COLUMNS, EXPONENT_MAX, FEN_DECIMALS, Layout
from gamification.orders.files import FileUnreadable, survey
from gamification.orders.service.import_runs import findings_of
from gamification.orders.service.imports import BATCH_ROWS, OrderFile, Summary, import_orders

REJECTED, NOT_BEGUN, STOPPED = 1, 2, 3
STATEMENT_SECONDS = 60.0
"""A batch of thousands may take longer than a request may."""
GARBAGE_THRESHOLD = 100_000
REPORT_HEADER = ("line", "external_id", "rejected", "code", "reason")


class NotBegun(click.ClickException):
    """The import could not start."""

    exit_code = NOT_BEGUN


class Stopped(click.ClickException):
    """The import ended before the file did; it can go on."""

    exit_code = STOPPED

    def __init__(self, why: str) -> None:
        super().__init__(f"Stopped: {why}. What was recorded stays; run the same command again to go on.")


class Rate(ProgressColumn):
    """How many a second, of late."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f} per second" if task.speed else "")


class LineProgress(Progress):
    """Progress through a file, with the rate and the time that is left; a resumed import begins in its middle."""

    _first: int | None = None

    def reach(self, line: int) -> None:
        """Say that everything up to a line is done."""
        if self._first is None:
            self._first = line
        self.advance(line - self.done)

    def line(self) -> str:
        seconds, here = self._monotonic() - self._started, self.done - (self._first or 0)
        told = super().line()
        if not (self.total and here > 0 and seconds > 0):
            return told
        return f"{told}, {seconds * (self.total - self.done) / here:,.0f} s left"

    def _terminal_bar(self) -> Bar:
        bar = super()._terminal_bar()
        bar.columns = (*bar.columns, Rate())
        return bar


def _columns(context: click.Context, option: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """`--map ours=theirs`, any number of times."""
    pairs = [each.partition("=") for each in given]
    if any(not (ours and sign and theirs) for ours, sign, theirs in pairs):
        raise click.BadParameter("written as our_name=their_column", context, option)
    return {ours.strip(): theirs.strip() for ours, _, theirs in pairs}


@click.command("import-orders", epilog=f"Our columns: {', '.join(COLUMNS)}. docs/import.md says more.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--map", "columns", multiple=True, metavar="OURS=THEIRS", callback=_columns, help="Name a column of ours."
)
@click.option("--format", "format_", type=click.Choice(["csv", "jsonl"]), help="Told by the first character otherwise.")
@click.option(
    "--exponent", type=click.IntRange(0, EXPONENT_MAX), default=FEN_DECIMALS, show_default=True,
    help="Decimals of the currency: 2 takes minor units as fen, 0 multiplies them by 100.",
)  # fmt: skip
@click.option("--amount-unit", type=click.Choice(["minor", "major"]), default="minor", show_default=True)
@click.option("--zone", metavar="ZONE", help="Zone of instants without an offset, such as Asia/Shanghai.")
@click.option("--currency", default="CNY", show_default=True, help="Where the file names none.")
@click.option("--channel", default="import", show_default=True, help="Where the file names none.")
@click.option("--batch", type=click.IntRange(1, 10_000), default=BATCH_ROWS, show_default=True, help="Rows at a time.")
@click.option("--again", is_flag=True, help="Read a file again that was imported already.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write the lines to look at as CSV.")
@click.pass_context
def command(
    context: click.Context, file: Path, columns: Mapping[str, str], format_: Any, exponent: int, amount_unit: Any,
    zone: str | None, currency: str, channel: str, batch: int, again: bool, report: Path | None,
) -> None:  # fmt: skip
    """Import orders and refunds from a CSV or JSONL file, plain or gzip. A file is imported once; what is killed goes
    on when it is called again."""
    try:
        layout = Layout(columns, exponent, amount_unit, zone, currency, channel)
    except ValueError as fault:
        raise click.UsageError(str(fault)) from None
    spare_the_collector()
    started = time.monotonic()
    with tool_settings() as settings:
        summary = _run(_import(settings, file, layout, format_, batch=batch, again=again, report=report))
    click.echo(told(summary, seconds=time.monotonic() - started))
    if report is not None:
        click.echo(f"Lines to look at: {report}")
    elif summary.counts["lines_rejected"]:
        click.echo("Which lines, and why: the same command with --report FILE")
    context.exit(REJECTED if summary.counts["lines_rejected"] else 0)


def spare_the_collector() -> None:
    """Look for cycles rarely: a batch is many small values that live and die together, and none of them forms one.

    Measured: the collector takes a third of the import's processor time otherwise, and frees nothing.
    """
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD, 50, 50)


def _run(imported: Any) -> Summary:
    """The import, with its faults told as people read them."""
    try:
        summary: Summary = asyncio.run(imported)
    except (FileUnreadable, PolicyMissing) as refused:
        raise NotBegun(str(refused)) from None
    except KeyboardInterrupt:
        raise Stopped("interrupted") from None
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as fault:
        raise Stopped(f"{type(fault).__name__}: {fault}") from fault
    return summary


async def _import(
    settings: Settings, path: Path, layout: Layout, format_: Any, *, batch: int, again: bool, report: Path | None
) -> Summary:
    patient = settings.model_copy(
        update={
            "statement_timeout_seconds": STATEMENT_SECONDS,
            "lock_timeout_seconds": STATEMENT_SECONDS,
            "idle_in_transaction_timeout_seconds": STATEMENT_SECONDS,
            "acquire_timeout_seconds": STATEMENT_SECONDS,
        }
    )
    with path.open("rb", buffering=0) as file:
        found = survey(file)
        source = OrderFile(file, path.name, found, layout, format_)
        async with opened_database(patient, "import"):
            work = await open_work(settings)
            with LineProgress("Importing", total=found.lines, unit="lines") as progress:
                summary = await import_orders(
                    work, source, actor=SYSTEM, again=again, batch_rows=batch, told=progress.reach
                )
            if report is not None:
                await _write_report(report, summary)
    return summary


async def _write_report(path: Path, summary: Summary) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(REPORT_HEADER)
        async for finding in findings_of(summary.run_id):
            writer.writerow(
                (finding.line, finding.external_id, "yes" if finding.rejected else "no", finding.code, finding.reason)
            )


def told(summary: Summary, *, seconds: float) -> str:
    """The summary as it is printed; the counts are those of the whole run, the rate that of this call."""
    counts = summary.counts
    lines = [
        "This file was imported before: nothing was read (--again reads it)." if summary.already_imported else "",
        f"Went on at line {summary.resumed_at_line:,}." if summary.resumed_at_line else "",
        _line("orders", counts, orders_recorded="recorded", orders_known="already there"),
        _line(
            "refunds", counts, refunds_placed="placed", refunds_partly_placed="placed in part",
            refunds_unplaced="unplaced", refunds_waiting="waiting for their order", refunds_known="already there",
        ),
        _line("members", counts, members_created="created", upgrades="upgrades"),
        _line("points", counts, points_accrued="accrued", points_revoked="revoked"),
        _line("growth", counts, growth_accrued="accrued", growth_revoked="revoked"),
        _line("lines", counts, lines_rejected="rejected"),
    ]  # fmt: skip
    if not summary.already_imported and seconds > 0:
        lines.append(f"{'time':8} {seconds:,.1f} s, {summary.rows_read / seconds:,.0f} rows per second")
    return "\n".join(line for line in lines if line)


def _line(what: str, counts: Mapping[str, int], **names: str) -> str:
    return f"{what:8} " + ", ".join(f"{counts[name]:,} {words}" for name, words in names.items())
