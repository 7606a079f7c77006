"""What went wrong in an execution: where it stands in the answer, what becomes null for it, and which errors are told.

Nothing is propagated while fields are executed. At the end each failure finds its path, and the nearest position at or
above it that may be null becomes null (GraphQL specification, section 6.4.4). graphql-core executes depth first and
stops at a selection set whose parent became null, so that failures which come later in that order are never met. They
are left out here as well: the errors of an execution without awaiting are the very same, in the same order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import GraphQLError, located_error
from graphql.pyutils import Path

from schema.execution.plans import Answer, FieldPlan, ObjectPlan

AFTER_ITEMS = 1 << 62
Place = tuple[Answer, FieldPlan, tuple[int, ...]]


@dataclass(eq=False, slots=True)
class Failure:
    """An exception at a field of an answer, or at an item of the field's lists.

    `after_items` marks a list that failed while it was read: what went wrong in items that it gave before comes first.
    """

    field: FieldPlan
    answer: Answer
    error: Exception
    indices: tuple[int, ...] = ()
    after_items: bool = False


@dataclass(eq=False, slots=True)
class Places:
    """Where answers stand in the whole answer, found out when it is asked for."""

    filled: list[tuple[ObjectPlan, Sequence[Answer]]]
    root: Answer
    known: dict[int, Place] = field(default_factory=dict)
    looked_at: int = 0

    def of(self, answer: Answer) -> Place | None:
        """The field (of which answer, at which item) that holds this answer; none for the root."""
        if answer is self.root:
            return None
        if id(answer) not in self.known:
            self._look()
        return self.known[id(answer)]

    def path(self, field: FieldPlan, answer: Answer) -> Path:
        """The path of a field, with the type of each object on it."""
        place = self.of(answer)
        above = None
        if place is not None:
            above = self.path(place[1], place[0])
            for index in place[2]:
                above = Path(above, index, None)
        return Path(above, field.key, field.parent.name)

    def keys(self, failure: Failure) -> list[str | int]:
        """A failure's path as the answer's error shows it."""
        return self._walk(failure, names=True)

    def order(self, failure: Failure) -> tuple[int, ...]:
        """A failure's place in the order of execution, depth first."""
        after = [AFTER_ITEMS] if failure.after_items else []
        return (*self._walk(failure, names=False), *after)

    def _walk(self, failure: Failure, *, names: bool) -> list[Any]:
        steps: list[Any] = []
        place: Place | None = (failure.answer, failure.field, failure.indices)
        while place is not None:
            answer, at, indices = place
            steps[:0] = [at.key if names else list(answer).index(at.key), *indices]
            place = self.of(answer)
        return steps

    def _look(self) -> None:
        """Note what every answer holds. Answers that were filled since the last time may hold more by now."""
        for plan, answers in self.filled:
            for at in plan.fields:
                if not at.is_leaf:
                    for answer in answers:
                        self._note(answer[at.key], (answer, at, ()))

    def _note(self, value: Any, place: Place) -> None:
        if type(value) is dict:
            self.known[id(value)] = place
        elif type(value) is list:
            answer, at, indices = place
            for index, item in enumerate(value):
                self._note(item, (answer, at, (*indices, index)))


def null_position(failure: Failure, places: Places) -> Place | None:
    """The nearest position at or above a failure that may be null; none means the whole answer."""
    place: Place | None = (failure.answer, failure.field, failure.indices)
    while place is not None:
        answer, at, indices = place
        for depth in range(len(indices), -1, -1):
            if at.nullable[depth]:
                return answer, at, indices[:depth]
        place = places.of(answer)
    return None


def errors_of(failures: Sequence[Failure], places: Places) -> tuple[list[GraphQLError], list[Place | None]]:
    """The errors to be told, in order, and the positions that become null."""
    told: list[GraphQLError] = []
    nulled: list[Place | None] = []
    gone: set[tuple[str | int, ...]] = set()
    for failure in sorted(failures, key=places.order):
        path = places.keys(failure)
        if any(tuple(path[:length]) in gone for length in range(len(path) + 1)):
            continue
        position = null_position(failure, places)
        nulled.append(position)
        gone.add(
            ()
            if position is None
            else tuple(places.keys(Failure(position[1], position[0], failure.error, position[2])))
        )
        told.append(located_error(failure.error, failure.field.nodes, path))
    return told, nulled


def put_null(position: Place) -> None:
    """Let a position be null, unless something above it is already."""
    answer, at, indices = position
    if not indices:
        answer[at.key] = None
        return
    items = answer[at.key]
    for index in indices[:-1]:
        items = items and items[index]
    if items:
        items[indices[-1]] = None
