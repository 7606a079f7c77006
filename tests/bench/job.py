"""One job in bulk as a process of its own, as the worker would run it: `python -m tests.bench.job WHAT INSTANT [DRAW]`.

Prints what it took as JSON: seconds without the start, CPU seconds, and the most memory it ever had.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path
from uuid import UUID

import uvloop

from app.loading import loading
from app.settings import Settings
from app.wiring import open_work
from gamification.core.clock import FixedClock
from gamification.core.work import Work
from gamification.draws import service as draws
from gamification.points import service as points
from tests.bench.programme import opened

KIB_PER_MIB = 1024


async def no_heartbeat() -> None:
    """Nobody waits for it here."""


async def sweep(work: Work) -> None:
    """Book what is due."""
    if faults := await points.sweep_due(work, heartbeat=no_heartbeat):
        raise faults[0]


async def close(work: Work, draw_id: UUID) -> None:
    """Number and hash the tickets."""
    assert await draws.close_draw(work, draw_id=draw_id), "it is open, and its time has come"


async def settle(work: Work, draw_id: UUID) -> None:
    """Choose the winners and grant every win, run after run, as the jobs would."""
    assert await draws.draw_winners(work, draw_id=draw_id), "it is closed"
    after, reached_end = draws.FIRST_WIN, False
    while not reached_end:
        run = await draws.settle_draw(work, draw_id=draw_id, heartbeat=no_heartbeat, after=after)
        assert not run.failed, "every grant succeeds"
        reached_end, after = run.reached_end, run.last.place if isinstance(run.last, draws.GrantWin) else after
    assert await draws.finish_settlement(work, draw_id=draw_id), "nothing is owed"


JOBS: Mapping[str, Callable[..., Awaitable[None]]] = {"sweep": sweep, "close": close, "settle": settle}


async def run(what: str, at: str, *draws_of: str) -> None:
    """Do it once."""
    settings = Settings()
    async with opened(settings):
        work = await open_work(settings)
        work.clock = FixedClock(datetime.fromisoformat(at))
        started, cpu = time.perf_counter(), time.process_time()
        await JOBS[what](work, *map(UUID, draws_of))
        took, cpu = time.perf_counter() - started, time.process_time() - cpu
    print(json.dumps({"seconds": took, "cpu_seconds": cpu, "peak_mib": peak_mib()}))


def peak_mib(status: Path = Path("/proc/self/status")) -> float:
    """The most memory that a process ever held; not `getrusage`, which counts whoever started it as well."""
    (line,) = [each for each in status.read_text().splitlines() if each.startswith("VmHWM:")]
    return int(line.split()[1]) / KIB_PER_MIB


if __name__ == "__main__":
    with loading():  # as the worker is loaded, which looks for garbage less often afterwards
        import gamification.jobs  # noqa: F401
    uvloop.run(run(*sys.argv[1:]))
