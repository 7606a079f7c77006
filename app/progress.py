"""Progress of long work: a bar on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

SECONDS_BETWEEN_LINES = 5.0


class Progress:
    """`with Progress("Importing", total=rows) as progress: progress.advance(n)`; a total of None is not known."""

    def __init__(
        self,
        what: str,
        *,
        total: int | None = None,
        unit: str = "",
        stream: TextIO | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.what = what
        self.total = total
        self.unit = unit
        self.done = 0
        self._stream = stream or sys.stderr
        self._monotonic = monotonic
        self._started = self._told = monotonic()
        self._told_done: int | None = None
        self._bar = self._terminal_bar() if self._stream.isatty() else None
        self._task = self._bar.add_task(what, total=total) if self._bar else None

    def advance(self, by: int = 1) -> None:
        """Say that so many more are done."""
        self.done += by
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task, by)
        elif self._monotonic() - self._told >= SECONDS_BETWEEN_LINES:
            self._tell()

    def line(self) -> str:
        """Where the work stands, such as `Importing: 1,200 of 4,000 orders (30 %), 600 per second`."""
        seconds = self._monotonic() - self._started
        parts = [f"{self.what}: {self.done:,}"]
        if self.total is not None:
            parts.append(f" of {self.total:,}")
        if self.unit:
            parts.append(f" {self.unit}")
        if self.total:
            parts.append(f" ({100 * self.done // self.total} %)")
        if seconds > 0 and self.done:
            parts.append(f", {self.done / seconds:,.0f} per second")
        return "".join(parts)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        if self._told_done != self.done:
            self._tell()

    def _tell(self) -> None:
        self._told, self._told_done = self._monotonic(), self.done
        print(self.line(), file=self._stream, flush=True)

    def _terminal_bar(self) -> Bar:
        count = MofNCompleteColumn()
        columns = [TextColumn("{task.description}"), BarColumn(), count, TextColumn(self.unit), TimeElapsedColumn()]
        return Bar(*columns, TimeRemainingColumn(), console=Console(file=self._stream), transient=True)
