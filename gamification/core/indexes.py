"""A partial index with any condition, declared in a model's Meta."""

from __future__ import annotations

from typing import Any

from tortoise.indexes import Index


class WhereIndex(Index):
    """An index over the rows that satisfy `where` (SQL). The ORM's own partial index knows only equality."""

    def __init__(self, *, fields: tuple[str, ...] | list[str], name: str, where: str) -> None:
        super().__init__(fields=fields, name=name)
        self.where = where
        self.extra = f" WHERE {where}"

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        """What a migration writes to make it again, the predicate included."""
        path, arguments, named = super().deconstruct()
        return path, arguments, {**named, "where": self.where}
