"""The state of one execution, and what is left to be awaited."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphql.execution.values import VariableValues
from graphql.pyutils import Path

from schema.execution.failures import Failure, Places
from schema.execution.plans import Answer, FieldPlan, ObjectPlan, OperationPlan, Settling, Waiting


class Execution:
    """One execution of a compiled operation.

    `filled` names every answer that was begun, so that paths need not be kept: they are found when somebody asks.
    """

    __slots__ = (
        "context",
        "data",
        "extensions",
        "failures",
        "filled",
        "places",
        "plan",
        "root_value",
        "variables",
    )

    def __init__(
        self,
        plan: OperationPlan,
        *,
        root_value: Any,
        context: Any,
        variables: VariableValues,
        extensions: dict[str, Any] | None,
    ) -> None:
        self.plan = plan
        self.root_value = root_value
        self.context = context
        self.variables = variables
        self.extensions = extensions
        self.data: Answer = plan.template.copy()
        self.filled: list[tuple[ObjectPlan, Sequence[Answer]]] = []
        self.failures: list[Failure] = []
        self.places = Places(self.filled, self.data)

    def fail(
        self,
        field: FieldPlan,
        answer: Answer,
        error: Exception,
        indices: tuple[int, ...] = (),
        *,
        after_items: bool = False,
    ) -> None:
        """Keep what went wrong at a field, or at an item of its lists."""
        self.failures.append(Failure(field, answer, error, indices, after_items))

    def path_of(self, field: FieldPlan, answer: Answer) -> Path:
        """Where in the answer a field stands."""
        return self.places.path(field, answer)


def wait_for(waiting: Waiting, settling: Settling, *entries: Any) -> None:
    """Leave something to be awaited."""
    waiting.setdefault(settling, []).extend(entries)
