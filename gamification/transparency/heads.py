"""The signed heads that an audit meets on its way up the log: those of the database and those kept outside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from gamification.core.database import fetch
from gamification.transparency.keeper import Kept, UnreadableLine

Find = Callable[[str, object], None]


@dataclass(frozen=True, slots=True)
class SignedHead:
    """A checkpoint where it was found; `root` is what the database says beside the text."""

    origin: str
    size: int
    root: bytes | None
    text: str
    at: datetime
    line: int = 0

    @property
    def is_outside(self) -> bool:
        """Whether it is a copy."""
        return self.line > 0

    def __str__(self) -> str:
        place = f"line {self.line} of the copy outside" if self.is_outside else "in the database"
        return f"checkpoint of {self.size} entries, {place}"


class Outside:
    """The lines of the copy outside as heads, the smallest first, one ahead; what is out of order is found."""

    def __init__(self, lines: Iterable[Kept | UnreadableLine], origins: set[str], find: Find) -> None:
        self._heads = self._in_order(lines, origins, find)
        self._next = next(self._heads, None)

    def up_to(self, size: int | None) -> Iterator[SignedHead]:
        """The heads of at most that many entries; all that are left without a size."""
        while self._next is not None and (size is None or self._next.size <= size):
            yield self._next
            self._next = next(self._heads, None)

    @staticmethod
    def _in_order(lines: Iterable[Kept | UnreadableLine], origins: set[str], find: Find) -> Iterator[SignedHead]:
        last = 0
        for line in lines:
            if isinstance(line, UnreadableLine):
                find("a line of the copy outside cannot be read", line)
            elif line.origin in origins:
                head = SignedHead(line.origin, line.size, None, line.checkpoint, line.at, line.line)
                if head.size < max(last, 1):
                    find("the copy outside is out of order", head)
                else:
                    last = head.size
                    yield head


class HeadsByLeaf:
    """All heads by the size at which they were signed, read as far as the audit has come."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self._reached = 0

    async def up_to(self, size: int) -> dict[int, list[SignedHead]]:
        """The heads above what was reached before, up to that size."""
        found: dict[int, list[SignedHead]] = {}
        outside = list(self._outside.up_to(size))  # first: a checkpoint is in the database before it is outside
        for head in [*await _stored(self._reached, size), *outside]:
            found.setdefault(head.size, []).append(head)
        self._reached = size
        return found

    async def rest(self) -> list[SignedHead]:
        """The heads of more entries than the log has."""
        return [*self._outside.up_to(None), *await _stored(self._reached, None)]


async def _stored(above: int, size: int | None) -> list[SignedHead]:
    rows = await fetch(
        """SELECT origin, size, root, text, at FROM log_checkpoint
           WHERE size > $1 AND ($2::bigint IS NULL OR size <= $2) ORDER BY size, id""",
        above, size,
    )  # fmt: skip
    return [SignedHead(*row) for row in rows]
