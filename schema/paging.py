"""Keyset connections, forwards only: `first` bounded, `after` an opaque, versioned cursor that names its list.

A slice's queries give `page(after_key, limit) -> rows`; the connection asks for one row more than is shown, so that
it knows whether more follow, and never counts a table. A cursor holds the key of the row it stands behind:

    ENTRIES = Keyset("entries", Key("booked_at", datetime), Key("id", UUID))

    async def entries(self, first: int = PAGE_DEFAULT, after: str | None = None) -> Connection[Entry]:
        page = ENTRIES.page(first, after)
        return page.connection(await queries.entries_of(self.id, page.after, page.limit), Entry.of)
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import orjson
import strawberry

from schema.refusals import BadInput
from schema.scalars import parse_instant

PAGE_DEFAULT = 20
PAGE_MAX = 100
CURSOR_VERSION = 1
CURSOR_LENGTH_MAX = 400
NUMBER_MAX = 2**63 - 1

T = TypeVar("T")
R = TypeVar("R")
KeyValue = int | str | UUID | date | datetime | None

First = Annotated[int, strawberry.argument(description=f"How many items, 1 to {PAGE_MAX}.")]
After = Annotated[str | None, strawberry.argument(description="The cursor behind which the page starts.")]


@strawberry.type(description="Where a page ends.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether more items follow.")
    end_cursor: str | None = strawberry.field(description="The cursor of the last item, to be given as `after`.")
    has_previous_page: bool = strawberry.field(description="Whether the page starts behind a cursor.")
    start_cursor: str | None = strawberry.field(description="The cursor of the first item.")


@strawberry.type(description="An item of a page and its cursor.")
class Edge(Generic[T]):
    cursor: str = strawberry.field(description="Opaque; stands for the place of this item in the list.")
    node: T = strawberry.field(description="The item.")


@strawberry.type(description="A page of a list.")
class Connection(Generic[T]):
    edges: list[Edge[T]] = strawberry.field(description="The items of this page, in order.")
    page_info: PageInfo = strawberry.field(description="Where the page ends and whether more follow.")


@dataclass(frozen=True, slots=True)
class Key:
    """One column of a list's order: the attribute (or item) of a row, and its type. `optional` allows NULL."""

    name: str
    type: type[int] | type[str] | type[UUID] | type[date] | type[datetime]
    optional: bool = False

    def of(self, row: Any) -> KeyValue:
        value: KeyValue = getattr(row, self.name) if hasattr(row, self.name) else row[self.name]
        return value

    def read(self, value: object) -> KeyValue:
        """A value out of a cursor. Raises ValueError or TypeError when it is not of the column's type."""
        if value is None and self.optional:
            return None
        if self.type in (int, str):
            if type(value) is not self.type:
                raise TypeError
            if isinstance(value, int) and abs(value) > NUMBER_MAX:
                raise ValueError
            return value
        if not isinstance(value, str):
            raise TypeError
        if self.type is datetime:
            return parse_instant(value)
        return UUID(value) if self.type is UUID else date.fromisoformat(value)


class Keyset:
    """The order of one list: its name, which its cursors carry, and its columns, which together are unique."""

    def __init__(self, name: str, *keys: Key) -> None:
        self.name = name
        self.keys = keys

    def page(self, first: int = PAGE_DEFAULT, after: str | None = None, *, argument: str = "after") -> "Page":
        """What to read for these arguments. Raises BadInput for a page out of bounds or a cursor of another list."""
        if not 1 <= first <= PAGE_MAX:
            raise BadInput(f"`first` must lie between 1 and {PAGE_MAX}.", argument="first")
        return Page(self, first, self.read_cursor(after, argument) if after is not None else None)

    def cursor(self, row: Any) -> str:
        """The cursor that stands behind this row."""
        parts = [CURSOR_VERSION, self.name, *(key.of(row) for key in self.keys)]
        return urlsafe_b64encode(orjson.dumps(parts, default=str)).decode().rstrip("=")

    def read_cursor(self, cursor: str, argument: str) -> tuple[KeyValue, ...]:
        """The key that a cursor of this list holds. Raises BadInput, naming the argument."""
        try:
            return self._decode(cursor)
        except (ValueError, TypeError, binascii.Error):
            raise BadInput(f"`{argument}` is no cursor of this list.", argument=argument) from None

    def _decode(self, cursor: str) -> tuple[KeyValue, ...]:
        if len(cursor) > CURSOR_LENGTH_MAX:
            raise ValueError
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        version, name, *values = orjson.loads(urlsafe_b64decode(padded))
        if (version, name) != (CURSOR_VERSION, self.name):
            raise ValueError
        return tuple(key.read(value) for key, value in zip(self.keys, values, strict=True))


@dataclass(frozen=True, slots=True)
class Page:
    """A page to be read: behind which key, how many rows to ask for (one more than is shown)."""

    keyset: Keyset
    first: int
    after: tuple[KeyValue, ...] | None

    @property
    def limit(self) -> int:
        """How many rows to read: one more than is shown."""
        return self.first + 1

    def connection(self, rows: Sequence[R], node: Callable[[R], T]) -> Connection[T]:
        """The rows that were read with `limit` as a page; the one too many only says that more follow."""
        edges = [Edge(cursor=self.keyset.cursor(row), node=node(row)) for row in rows[: self.first]]
        info = PageInfo(
            has_next_page=len(rows) > self.first,
            end_cursor=edges[-1].cursor if edges else None,
            has_previous_page=self.after is not None,
            start_cursor=edges[0].cursor if edges else None,
        )
        return Connection(edges=edges, page_info=info)
