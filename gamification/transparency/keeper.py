"""Who signs the log, and the copy of its checkpoints outside the database: one file that only grows.

Each line of the file is JSON: `{"at": …, "checkpoint": …}`. The folder belongs on other storage than the database's,
where the database's administrators may not write; a writer only ever appends, so append-only storage will do.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from gamification.transparency.checkpoints import SIZE, Signer

FILE = "checkpoints.jsonl"
TAIL_BYTES = 65_536


class Kept(NamedTuple):
    """A line of the file: its number from 1, when the checkpoint was signed, and its text."""

    line: int
    at: datetime
    checkpoint: str

    @property
    def origin(self) -> str:
        """The name of the log that the text claims."""
        return self.checkpoint.partition("\n")[0]

    @property
    def size(self) -> int:
        """The size that the text claims; -1 where it claims none."""
        claimed = self.checkpoint.split("\n")[1:2]
        return int(claimed[0]) if claimed and SIZE.fullmatch(claimed[0]) else -1


class UnreadableLine(ValueError):
    """A line of the file that holds no checkpoint."""


@dataclass(frozen=True, slots=True)
class Copies:
    """The checkpoints kept in a folder."""

    folder: Path

    @property
    def file(self) -> Path:
        """Where the lines stand."""
        return self.folder / FILE

    def read(self) -> Iterator[Kept | UnreadableLine]:
        """Every line in order; one that holds no checkpoint (a crash tore it, or somebody wrote) as what it is."""
        if not self.file.exists():
            return
        with self.file.open(encoding="utf-8", errors="replace") as lines:
            for number, line in enumerate(lines, start=1):
                yield _read(number, line)

    def last(self, origin: str) -> Kept | None:
        """The newest checkpoint of a log, among the newest lines."""
        if not self.file.exists():
            return None
        with self.file.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").split("\n")
        found = (_read(0, line) for line in reversed(lines) if line)
        return next((each for each in found if isinstance(each, Kept) and each.origin == origin), None)

    def append(self, checkpoints: Sequence[tuple[datetime, str]]) -> None:
        """Add lines and wait until the disk has them. One writer at a time; a torn last line is closed first."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps({"at": at.isoformat(), "checkpoint": text}, ensure_ascii=False) for at, text in checkpoints]
        with self.file.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            end = file.seek(0, os.SEEK_END)
            if end and os.pread(file.fileno(), 1, end - 1) != b"\n":
                lines.insert(0, "")
            file.write("".join(f"{line}\n" for line in lines).encode())
            file.flush()
            os.fsync(file.fileno())


def _read(number: int, line: str) -> Kept | UnreadableLine:
    try:
        fields = json.loads(line)
        return Kept(number, datetime.fromisoformat(fields["at"]), str(fields["checkpoint"]))
    except (ValueError, KeyError, TypeError):
        return UnreadableLine(f"line {number}")


@dataclass(frozen=True, slots=True)
class Keeper:
    """Who signs checkpoints, and where copies go; without a folder there are none outside the database."""

    signer: Signer
    copies: Copies | None = None


class KeeperMissing(RuntimeError):
    """The process has not been told with which key the log is signed."""


_appointed: list[Keeper] = []


def appoint(keeper: Keeper) -> None:
    """Say once, where the process is wired, who keeps the log; a later call replaces the keeper."""
    _appointed[:] = [keeper]


def keeper() -> Keeper:
    """The keeper of this process. Raises KeeperMissing."""
    if not _appointed:
        raise KeeperMissing("no keeper of the log was appointed: see app.keeper.keeper_of")
    return _appointed[0]
