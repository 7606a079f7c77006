"""Compiled operations of one schema: kept, bounded, and executed; what cannot be compiled is graphql-core's."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    get_variable_values,
)
from graphql.execution.values import VariableValues

from schema.execution.failures import errors_of, null_position, put_null
from schema.execution.planning import compile_operation
from schema.execution.plans import OperationPlan, Waiting
from schema.execution.resolvers import Resolvers
from schema.execution.running import Execution
from schema.execution.selections import UnsupportedOperation, condition_variables, fragments_of
from schema.execution.settling import settle

COERCION_ERRORS_MAX = 50
PLANS_MAX = 16
"""Plans of one operation, for different values of the variables that decide what is selected."""
OPERATIONS_MAX = 256


class Operations:
    """The compiled operations of one schema, those that were used last; kept ones for ever."""

    def __init__(self, schema: GraphQLSchema, *, operations_max: int = OPERATIONS_MAX) -> None:
        self.resolvers = Resolvers(schema)
        self._operations_max = operations_max
        self._kept: dict[int, Operation] = {}
        self._used: OrderedDict[int, Operation] = OrderedDict()

    def of(self, document: DocumentNode, node: OperationDefinitionNode) -> Operation:
        """An operation of a valid document. The document that it is of must be the same object every time."""
        found = self._kept.get(id(node))
        if found is not None:
            return found
        found = self._used.get(id(node))
        if found is not None:
            self._used.move_to_end(id(node))
            return found
        found = self._used[id(node)] = Operation(self.resolvers, document, node)
        if len(self._used) > self._operations_max:
            self._used.popitem(last=False)
        return found

    def keep(self, document: DocumentNode) -> None:
        """Compile the operations of a document that is known to be asked for."""
        for node in document.definitions:
            if isinstance(node, OperationDefinitionNode):
                operation = self._kept[id(node)] = Operation(self.resolvers, document, node)
                operation.compile()


class Operation:
    """An operation of a valid document, compiled when it is first executed.

    `unsupported` says why graphql-core has to execute it.
    """

    def __init__(self, resolvers: Resolvers, document: DocumentNode, node: OperationDefinitionNode) -> None:
        self.document = document
        self.node = node
        self.unsupported: str | None = None
        self._resolvers = resolvers
        self._plans: dict[tuple[Any, ...], OperationPlan] = {}
        self._conditions: tuple[str, ...] = ()
        try:
            self._conditions = condition_variables(node, fragments_of(document))
        except UnsupportedOperation as reason:
            self.unsupported = str(reason)

    def compile(self) -> None:
        """Compile ahead of the first execution, where what is selected does not depend on variables."""
        if not self._conditions:
            self.plan(VariableValues({}, {}))

    def plan(self, variables: VariableValues) -> OperationPlan | None:
        """The plan for these variables; none when graphql-core has to execute the operation."""
        if self.unsupported:
            return None
        key = tuple(variables.coerced.get(name) for name in self._conditions)
        plan = self._plans.get(key)
        if plan is None and len(self._plans) < PLANS_MAX and all(type(value) is bool for value in key):
            conditions: dict[str, Any] = dict(zip(self._conditions, key, strict=True))
            try:
                plan = compile_operation(self._resolvers, self.document, self.node, conditions)
            except UnsupportedOperation as reason:
                self.unsupported = str(reason)
                return None
            self._plans[key] = plan
        return plan

    async def execute(
        self,
        *,
        variables: dict[str, Any] | None = None,
        context: Any = None,
        root_value: Any = None,
        extensions: dict[str, Any] | None = None,
        at_hand: bool = False,
    ) -> ExecutionResult | None:
        """Execute a query or a mutation; none when graphql-core has to. Nothing was executed then.

        `at_hand` says that everything a query will read probably is: it is tried without waiting (`straight.py`).
        """
        if self.unsupported:
            return None
        values = get_variable_values(
            self._resolvers.schema,
            self.node.variable_definitions or (),
            variables or {},
            max_errors=COERCION_ERRORS_MAX,
        )
        if isinstance(values, list):
            return ExecutionResult(None, values)
        plan = self.plan(values)
        if plan is None:
            return None
        run = Execution(plan, root_value=root_value, context=context, variables=values, extensions=extensions)
        if at_hand and (data := _shown_straight(run)) is not None:
            return ExecutionResult(data, None)
        return await execute_plan(run)


def _shown_straight(run: Execution) -> dict[str, Any] | None:
    """The answer without waiting; none where that does not work, for whatever reason: level by level shows which."""
    show = run.plan.straight
    if show is None:
        return None
    try:
        return show(run, run.root_value)
    except Exception:  # noqa: BLE001 - it comes again, and is answered with its path
        return None


async def execute_plan(run: Execution) -> ExecutionResult:
    """Fill the answer, one step after the other, and settle errors and nulls."""
    serial = run.plan.operation.operation is OperationType.MUTATION
    for step in run.plan.steps:
        waiting: Waiting = {}
        if step.fill:
            step.fill(run, [run.root_value], [run.data], waiting)
        if waiting:
            await settle(run, waiting)
        if serial and any(null_position(each, run.places) is None for each in run.failures):
            break
    if not run.failures:
        return ExecutionResult(run.data, None)
    errors, nulled = errors_of(run.failures, run.places)
    if None in nulled:
        return ExecutionResult(None, errors)
    for position in nulled:
        if position is not None:
            put_null(position)
    return ExecutionResult(run.data, errors)
