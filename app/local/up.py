"""`python -m app up`: serve, say where, until told to stop; a second start says where the first one serves."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Sequence
from pathlib import Path

import click

from app.local.endpoints import Endpoints, endpoints_file
from app.local.preparation import Prepare, prepare_demonstration
from app.local.programme import FOLDER, PROGRAMS, served_from, serving
from app.local.stores import FolderHeld
from app.local.supervisor import Program

OTHER_START_SECONDS_MAX = 60.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def up(
    folder: Path = FOLDER,
    *,
    programs: Sequence[Program] = PROGRAMS,
    prepare: Prepare = prepare_demonstration,
) -> None:
    """Serve until a signal. Ends with a message when a local server cannot be had."""
    deadline = time.monotonic() + OTHER_START_SECONDS_MAX
    while True:
        try:
            return asyncio.run(until_signal(serve(folder, programs, prepare)))
        except FolderHeld:
            if (endpoints := served_from(folder)) is not None:
                return show(endpoints, folder, "Jifen is already running.")
            if time.monotonic() > deadline:
                raise click.ClickException(f"another process of Jifen holds {folder}; wait for its end") from None
            time.sleep(0.2)


async def serve(folder: Path, programs: Sequence[Program], prepare: Prepare) -> None:
    """Serve for ever; cancelling stops everything in order."""
    async with serving(folder, programs=programs, prepare=prepare) as endpoints:
        show(endpoints, folder, "Jifen is serving. Ctrl-C stops everything.")
        await asyncio.get_running_loop().create_future()


async def until_signal(work: Awaitable[None]) -> None:
    """Do the work; the first signal cancels it and lets it clean up, further ones change nothing."""
    task, loop = asyncio.ensure_future(work), asyncio.get_running_loop()

    def end() -> None:
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, lambda: None)
        click.echo("\nStopping ...", err=True)
        task.cancel()

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, end)
    try:
        await task
    except asyncio.CancelledError:
        click.echo("Stopped.", err=True)


def show(endpoints: Endpoints, folder: Path, title: str) -> None:
    """Tell the person at the terminal where everything is."""
    files = f"Logs: {folder / 'logs'}; the above for scripts: {endpoints_file(folder)}"
    click.echo("\n".join(["", title, "", *endpoints.lines(), "", files]))
