"""`python -m app verify-ledger`: recompute the transparency log from the ledger, with progress and what was found.

Exit codes: 0 everything holds; 1 something does not, and the output says what; 2 not begun (options, settings).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import click

from app.keeper import keeper_of
from app.local.programme import tool_settings
from app.progress import Progress
from app.settings import Settings
from app.wiring import clock_of, opened_database
from gamification.transparency.audit import Audit, Report
from gamification.transparency.checkpoints import Verifier
from gamification.transparency.keeper import Copies
from gamification.transparency.queries import tree_size

FOUND = 1


def _verifiers(context: click.Context, option: click.Parameter, given: tuple[str, ...]) -> list[Verifier]:
    """`--key vkey`, any number of times."""
    try:
        return [Verifier.parse(each) for each in given]
    except ValueError as fault:
        raise click.BadParameter(str(fault), context, option) from None


@click.command("verify-ledger", epilog="docs/transparency.md says what each finding means.")
@click.option("--key", "keys", multiple=True, metavar="VKEY", callback=_verifiers, help="An earlier key of the log.")
@click.option(
    "--copies",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of the checkpoints kept outside (CHECKPOINT_DIRECTORY otherwise).",
)
@click.pass_context
def command(context: click.Context, keys: Sequence[Verifier], copies: Path | None) -> None:
    """Recompute everything from the database: entries, leaves, tree, checkpoints there and outside."""
    with tool_settings() as settings:
        report = asyncio.run(verify(settings, keys, Copies(copies) if copies else None))
        click.echo(f"Key: {keeper_of(settings).signer.verifier.text}")
    click.echo("\n".join(told(report)))
    context.exit(0 if report.holds else FOUND)


async def verify(settings: Settings, keys: Sequence[Verifier], copies: Copies | None) -> Report:
    """Audit the log in a database, under the key of the settings and earlier ones."""
    keeper = keeper_of(settings)
    patient = settings.model_copy(update={"statement_timeout_seconds": 0.0})
    async with opened_database(patient, "verify-ledger"):
        audit = Audit([keeper.signer.verifier, *keys], copies or keeper.copies, clock_of(settings).now())
        size = await tree_size()
        with Progress("Verifying", total=size, unit="entries") as progress:
            return await audit.run(size, progress.advance)


def told(report: Report) -> list[str]:
    """What people read at the end."""
    what = (
        f"{report.entries:,} entries, {report.checkpoints:,} checkpoints, "
        f"{report.copies:,} copies outside the database recomputed"
    )
    if report.holds:
        return [f"Holds: {what}."]
    return [*report.lines(), f"DOES NOT HOLD: {sum(report.counts.values()):,} findings; {what}."]
