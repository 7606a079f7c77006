"""The worker and the relay in one process: half of what two processes load, enough for one machine."""

from __future__ import annotations

import asyncio

from app import relay, worker
from app.settings import Settings
from app.wiring import open_work


async def run(settings: Settings) -> None:
    """Both until SIGTERM; when one of them fails, so does the process."""
    stop = relay.stop_on_signals()
    async with asyncio.TaskGroup() as group:
        group.create_task(worker.run(settings, lambda: open_work(settings), stop=stop))
        group.create_task(relay.run(settings, stop=stop))
