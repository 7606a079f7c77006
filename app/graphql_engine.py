"""Prepares and executes operations, the same for HTTP, event streams and sockets.

Preparing is: find the trusted document, or parse the text, measure it (app.measure), compare with the caller's limits,
validate. What was found valid is kept, bounded, under its text; a document that is not valid is not kept, so that a
flood of bad ones cannot push out the good. Execution gets the prepared document and repeats none of this.

Documents that are kept are executed by their compiled operations (schema.execution), trusted ones compiled at the
start; a text too long to be kept, and whatever compiled execution leaves alone, is executed by graphql-core.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from graphql import DocumentNode, GraphQLError, OperationDefinitionNode, OperationType, parse
from graphql import ExecutionResult as CoreResult
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError

from app.comparisons import count_comparisons
from app.documents import TrustedDocument, TrustedDocuments, document_id, validation_errors
from app.faults import shown_errors, with_code
from app.graphql_requests import OperationRequest, RequestRejected, rejected
from app.limits import LIMITS, Audience, LimitExceeded, Limits, audience_of, check_comparisons, check_usage
from app.measure import Usage, measure
from gamification.core.database import together
from gamification.core.together import reading_together
from schema.context import Context
from schema.execution.operations import Operation, Operations
from schema.execution.subscriptions import subscribe
from schema.extensions import PreparedDocument, Schema

CACHED_DOCUMENTS_MAX = 512
CACHED_TEXT_LENGTH_MAX = 16_384
CACHED_SIZES_MAX = 16

Preparing = Callable[[Context], Awaitable[None]]

ExecutionMode = Literal["compiled", "core"]
DEFAULT_EXECUTION: ExecutionMode = "compiled"
"""How operations are executed where a policy does not say; the tests run in either mode."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What an endpoint lets whom do.

    `introspection` names who may ask for the schema, `documents_only` who may send trusted documents only, and
    `get_any` whether a GET may carry a text of its own (else only a trusted document). `execution` is how: by compiled
    operations, or by graphql-core alone.
    """

    limits: Mapping[Audience, Limits] = field(default_factory=lambda: LIMITS)
    introspection: frozenset[Audience] = frozenset({"staff"})
    documents_only: frozenset[Audience] = frozenset()
    get_any: bool = False
    body_bytes_max: int = 100_000
    seconds_max: float = 6.0
    streams_max: int = 1_000
    execution: ExecutionMode = field(default_factory=lambda: DEFAULT_EXECUTION)


@dataclass(slots=True)
class Prepared:
    """A document that may be executed, and the operation of it that was asked for."""

    document: DocumentNode
    operation: OperationDefinitionNode
    trusted: bool
    compiled: Operation | None = None

    @property
    def kind(self) -> OperationType:
        """Query, mutation or subscription."""
        return self.operation.operation

    @property
    def name(self) -> str | None:
        """The operation's name, if it has one."""
        return self.operation.name.value if self.operation.name else None


@dataclass(slots=True)
class _Known:
    """A valid document of the cache, with its figures by the page sizes its variables asked for."""

    document: DocumentNode
    comparisons: int
    usages: dict[tuple[Any, ...], Usage]
    size_variables: tuple[str, ...]


class Engine:
    """Prepares and executes the operations of one endpoint."""

    def __init__(
        self,
        schema: Schema,
        documents: TrustedDocuments,
        policy: Policy,
        preparing: Mapping[str, Preparing] | None = None,
    ) -> None:
        """`preparing` names what is to be done for a context before a trusted operation of that name begins."""
        self.preparing = preparing if preparing is not None else {}
        self.schema = schema
        self.core = schema._schema
        self.documents = documents
        self.policy = policy
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._comparisons_ceiling = max(each.comparisons_max for each in policy.limits.values()) + 1
        self._operations = self._compiled_operations()

    def prepare(self, request: OperationRequest, context: Context) -> Prepared:
        """Raises RequestRejected: unknown or untrusted document, over a limit, not valid, no such operation."""
        audience = audience_of(context.actor)
        trusted = self._trusted(request)
        if trusted is not None:
            document = trusted.document
        elif audience in self.policy.documents_only:
            message = "Only trusted documents are answered here."
            raise rejected(message, "TRUSTED_DOCUMENT_REQUIRED", 403)
        else:
            document = self._checked(request, audience)
        operation = _operation(document, request.operation_name)
        kept = trusted is not None or request.query in self._known
        compiled = self._operations.of(document, operation) if self._operations and kept else None
        return Prepared(document, operation, trusted is not None, compiled)

    async def execute(self, prepared: Prepared, request: OperationRequest, context: Context) -> ExecutionResult:
        """Run a query or a mutation. Errors in the answer are those that the caller may read."""
        prepare = self.preparing.get(prepared.name or "") if prepared.trusted else None
        if prepare is not None:
            await prepare(context)
        if prepared.kind is OperationType.QUERY:
            with reading_together(together()):
                return await self._execute(prepared, request, context)
        return await self._execute(prepared, request, context)

    async def _execute(self, prepared: Prepared, request: OperationRequest, context: Context) -> ExecutionResult:
        result = await self._compiled_result(prepared, request, context)
        if result is None:
            context.prepared = prepared.document
            result = await self.schema.execute(
                None,
                variable_values=request.variables,
                context_value=context,
                operation_name=prepared.name,
                operation_extensions=request.extensions,
            )
        return _shown(result, context, prepared)

    async def stream(
        self, prepared: Prepared, request: OperationRequest, context: Context
    ) -> AsyncGenerator[ExecutionResult, None]:
        """Run any operation over a streaming transport: each answer, with the errors that the caller may read."""
        if prepared.kind is not OperationType.SUBSCRIPTION:
            yield await self.execute(prepared, request, context)
            return
        async with aclosing(self._events(prepared, request, context)) as results:
            async for result in results:
                yield _shown(result, context, prepared)

    async def _compiled_result(
        self, prepared: Prepared, request: OperationRequest, context: Context
    ) -> ExecutionResult | None:
        """The answer of the compiled operation; none when there is none, and nothing was executed."""
        if prepared.compiled is None:
            return None
        try:
            found = await prepared.compiled.execute(
                variables=request.variables,
                context=context,
                extensions=request.extensions,
                at_hand=bool(context.ahead.values),
            )
        except Exception as error:  # noqa: BLE001 - as strawberry does: a fault of the execution itself
            return ExecutionResult(None, [GraphQLError(str(error), original_error=error)])
        return ExecutionResult(found.data, found.errors) if found else None

    async def _events(
        self, prepared: Prepared, request: OperationRequest, context: Context
    ) -> AsyncGenerator[ExecutionResult, None]:
        """The answers to a subscription's events. A source that fails is the last answer, as with strawberry."""
        try:
            source = await self._source(prepared, request, context)
            if isinstance(source, CoreResult):
                yield PreExecutionError(None, source.errors)
                return
            async with aclosing(source) as results:
                async for result in results:
                    yield result if isinstance(result, ExecutionResult) else ExecutionResult(result.data, result.errors)
        except Exception as error:  # noqa: BLE001 - answered
            known = error if isinstance(error, GraphQLError) else GraphQLError(str(error), original_error=error)
            yield ExecutionResult(None, [known])

    async def _source(
        self, prepared: Prepared, request: OperationRequest, context: Context
    ) -> AsyncGenerator[CoreResult, None] | CoreResult:
        if prepared.compiled is not None:
            found = await subscribe(
                prepared.compiled,
                self.core,
                prepared.document,
                variables=request.variables,
                context=context,
                executor_class=self.schema.execution_context_class,
                operation_extensions=request.extensions,
            )
            if found is not None:
                return found
        context.prepared = prepared.document
        stream = await self.schema.stream(
            None,
            variable_values=request.variables,
            context_value=context,
            operation_name=prepared.name,
            operation_extensions=request.extensions,
        )
        return cast(AsyncGenerator[CoreResult, None], stream)

    def _compiled_operations(self) -> Operations | None:
        """Operations of this schema with the trusted ones compiled; none where they must go through strawberry.

        Extensions of the schema act inside of strawberry's own execution; only ours has nothing to do outside of it.
        """
        others = [each for each in self.schema.get_extensions() if not isinstance(each, PreparedDocument)]
        if self.policy.execution == "core" or others:
            return None
        operations = Operations(self.core)
        for trusted in self.documents:
            operations.keep(trusted.document)
        return operations

    def _trusted(self, request: OperationRequest) -> TrustedDocument | None:
        if request.document_id is None:
            return self.documents.by_text(request.query or "")
        found = self.documents.by_id(request.document_id)
        if request.query is None:
            if found is None:
                error = GraphQLError("PersistedQueryNotFound", extensions={"code": "PERSISTED_QUERY_NOT_FOUND"})
                raise RequestRejected([error], 404, well_formed=True)
        elif document_id(request.query) != request.document_id.removeprefix("sha256:").lower():
            raise rejected("The id of the document does not belong to its text.", "DOCUMENT_ID_MISMATCH")
        return found

    def _checked(self, request: OperationRequest, audience: Audience) -> DocumentNode:
        text = cast(str, request.query)
        limits = self.policy.limits[audience]
        known = self._known.get(text)
        try:
            document = known.document if known else _parsed(text, limits)
            usage = self._usage(known, document, request.variables)
            check_usage(usage, limits)
            comparisons = known.comparisons if known else count_comparisons(document, self._comparisons_ceiling)
            check_comparisons(comparisons, limits)
        except GraphQLError as error:
            raise RequestRejected([error], well_formed=True) from None
        if usage.schema_cost and audience not in self.policy.introspection:
            raise _invalid([GraphQLError("The schema may not be asked for here.")])
        if known:
            self._known.move_to_end(text)
        else:
            if errors := validation_errors(self.core, document):
                raise _invalid(errors)
            self._keep(text, _Known(document, comparisons, {(): usage}, usage.size_variables))
        return document

    def _usage(self, known: _Known | None, document: DocumentNode, variables: Mapping[str, Any]) -> Usage:
        if known is None:
            return measure(self.core, document, variables)
        sizes = tuple(_size(variables.get(name)) for name in known.size_variables)
        usage = known.usages.get(sizes)
        if usage is None:
            usage = measure(self.core, document, variables)
            if len(known.usages) < CACHED_SIZES_MAX:
                known.usages[sizes] = usage
        return usage

    def _keep(self, text: str, known: _Known) -> None:
        if len(text) > CACHED_TEXT_LENGTH_MAX:
            return
        self._known[text] = known
        if len(self._known) > CACHED_DOCUMENTS_MAX:
            self._known.popitem(last=False)


def _size(value: object) -> int | None:
    return value if type(value) is int else None


def _parsed(text: str, limits: Limits) -> DocumentNode:
    """Raises LimitExceeded for too many tokens or comments, GraphQLError for a text that is no document."""
    try:
        return parse(text, max_lexical_tokens=limits.tokens_max, max_comments=limits.tokens_max)
    except GraphQLError as error:
        if "Parsing aborted" in error.message:
            raise LimitExceeded("TOO_MANY_TOKENS", "tokens", limits.tokens_max, limits.tokens_max + 1) from None
        raise with_code(error, "GRAPHQL_PARSE_FAILED") from None


def _invalid(errors: list[GraphQLError]) -> RequestRejected:
    coded = [with_code(error, "GRAPHQL_VALIDATION_FAILED") for error in errors]
    return RequestRejected(coded, well_formed=True)


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    """The operation of that name; without a name, the only one."""
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if name is None and len(operations) == 1:
        return operations[0]
    found = [node for node in operations if name is not None and node.name and node.name.value == name]
    if found:
        return found[0]
    message = "`operationName` is missing." if name is None else "The document has no operation of that name."
    error = GraphQLError(message, extensions={"code": "OPERATION_NOT_FOUND"})
    raise RequestRejected([error], well_formed=True)


def _shown(result: ExecutionResult, context: Context, prepared: Prepared) -> ExecutionResult:
    if result.errors:
        result.errors = shown_errors(result.errors, locale=context.locale, operation=prepared.name)
    return result
