"""The product's own web process, with two things only a benchmark needs: the next day by a signal, and a profile.

`python -m tests.bench.server`, configured by the environment like `python -m app web`. SIGUSR2 moves the product's
clock on by a day. With BENCH_PROFILE, SIGUSR1 begins a profile, which the process writes to that file when it ends.
"""

from __future__ import annotations

import cProfile
import os
import signal
import sys
from datetime import timedelta

import app.wiring
from app.__main__ import web
from app.settings import Settings
from gamification.core.clock import OffsetClock

DAY = timedelta(days=1)


def serve() -> None:
    """Run until SIGTERM."""
    clock = OffsetClock(offset=Settings().clock_offset)
    app.wiring.clock_of = lambda settings: clock

    def next_day(*_: object) -> None:
        clock.offset += DAY

    signal.signal(signal.SIGUSR2, next_day)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises it once more when it has ended
    assert web.callback is not None
    web.callback()


def profiled(file: str) -> None:
    """Run until SIGTERM and leave a profile of what came after SIGUSR1, for `python -m pstats`."""
    profile = cProfile.Profile()
    signal.signal(signal.SIGUSR1, lambda *_: profile.enable())
    try:
        serve()
    finally:
        profile.disable()
        profile.dump_stats(file)


if __name__ == "__main__":
    file = os.environ.get("BENCH_PROFILE")
    profiled(file) if file else serve()
