"""`python -m app programme export` and `programme import`: a whole programme as one JSON file.

Exit codes: 0 done, or nothing to do; 2 not done: the file is not readable as a programme, or it is not fit.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TextIO

import click
import orjson

from app.local.programme import tool_settings
from app.settings import Settings
from app.wiring import open_work, opened_database
from gamification.core.actors import SYSTEM
from gamification.programmes.errors import ProgrammeInvalid
from gamification.programmes.files import Programme, document, parse
from gamification.programmes.presets import PRESETS
from gamification.programmes.queries import programme_in_force
from gamification.programmes.service import ProgrammePublished, preview_programme, publish_programme


class NotPublished(click.ClickException):
    """The file is no programme, or not a fit one."""

    exit_code = 2


@click.group("programme")
def command() -> None:
    """Write the programme in force as one JSON file, or publish one from its file."""


@command.command()
@click.option("--preset", type=click.Choice([name.lower() for name in PRESETS]), help="This preset, not one's own.")
@click.option("--to", type=click.File("w"), default="-", help="The file to write; the terminal when left out.")
def export(preset: str | None, to: TextIO) -> None:
    """Write the programme in force as one JSON file."""
    if preset is not None:
        programme = {name.lower(): found for name, found in PRESETS.items()}[preset]
    else:
        with tool_settings() as settings:
            programme = asyncio.run(_own(settings))
    to.write(orjson.dumps(document(programme), option=orjson.OPT_INDENT_2).decode() + "\n")


@command.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--preview", is_flag=True, help="Say only what it would change.")
def import_(file: Path, preview: bool) -> None:
    """Publish a whole programme from its JSON file: all of it or nothing."""
    try:
        programme = parse(orjson.loads(file.read_bytes()))
        with tool_settings() as settings:
            done = asyncio.run(_publish(settings, programme, file.name, preview=preview))
    except (orjson.JSONDecodeError, ProgrammeInvalid) as wrong:
        raise NotPublished(str(wrong)) from None
    for made in done.published:
        click.echo(f"{'would publish' if preview else 'published'} {made.kind}, version {made.version}")
    for kind in done.unchanged:
        click.echo(f"unchanged {kind}")
    for kind in done.left_alone:
        click.echo(f"left alone {kind}")


async def _own(settings: Settings) -> Programme:
    async with opened_database(settings, "programme export"):
        work = await open_work(settings)
        return (await programme_in_force(work.clock.now())).programme


async def _publish(settings: Settings, programme: Programme, name: str, *, preview: bool) -> ProgrammePublished:
    async with opened_database(settings, "programme import"):
        now = (await open_work(settings)).clock.now()
        if preview:
            return await preview_programme(programme, now=now)
        return await publish_programme(programme, name=f"file:{name}", actor=SYSTEM, now=now)
