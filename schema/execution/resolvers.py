"""How a field gets its value: read off the source, called for each source, or called once for all of them.

Whatever is not recognised as plainly strawberry's own is resolved through the field's `resolve` function, which is what
graphql-core would call: field extensions, permissions and exception handlers are all inside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from inspect import isawaitable, iscoroutinefunction
from typing import Any, Protocol

from graphql import GraphQLField, GraphQLNamedType, GraphQLObjectType, GraphQLSchema, default_field_resolver
from strawberry import relay
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.arguments import convert_arguments
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField
from strawberry.types.fields.resolver import StrawberryResolver

from schema.execution.arguments import Convert
from schema.execution.batches import BatchExtension
from schema.execution.gates import Gate, gates_of
from schema.execution.info import FieldInfo
from schema.execution.plans import Answer, FieldPlan
from schema.execution.running import Execution

Call = Callable[[Any, Answer], Any]
"""Resolves a field of one object: given the source and the object's answer."""

OWN_RESOLVERS = frozenset(
    f"GraphQLCoreConverter.from_resolver.<locals>.{name}"
    for name in ("_get_basic_result", "_resolver", "_async_resolver")
)


Handlers = Sequence[tuple[tuple[type[Exception], ...], Any]]
"""Strawberry's exception handlers of a field, each with the exceptions that it takes."""


class Resolution(Protocol):
    """How a field gets its value."""

    def caller(self, run: Execution, field: FieldPlan) -> Call:
        """A function that resolves the field for one object after the other; it may raise what the field raises."""


@dataclass(frozen=True, slots=True)
class Constant:
    """The same value on every object of the type: `__typename`."""

    value: Any

    def caller(self, run: Execution, field: FieldPlan) -> Call:
        """The value, whatever the source."""
        return lambda source, answer: self.value


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of the source."""

    name: str

    def caller(self, run: Execution, field: FieldPlan) -> Call:
        """Read the attribute."""
        name = self.name
        return lambda source, answer: getattr(source, name)


@dataclass(frozen=True, slots=True)
class Resolver:
    """A resolve function of graphql-core's signature."""

    resolve: Callable[..., Any]

    def caller(self, run: Execution, field: FieldPlan) -> Call:
        """Call it with an info and the coerced arguments."""
        resolve, arguments, variables = self.resolve, field.arguments, run.variables
        try:
            shared = arguments.shared(variables)
        except Exception as error:  # noqa: BLE001 - raised at every object, as graphql-core does
            return partial(_raise, error)
        if shared is None:
            return lambda source, answer: resolve(
                source, FieldInfo(run, field, answer), **arguments.own(variables, None)
            )
        return lambda source, answer: resolve(source, FieldInfo(run, field, answer), **shared)


@dataclass(frozen=True, slots=True)
class Method:
    """A strawberry method without extensions and handlers, called directly.

    `source_name` and `info_name` are the parameters, if any, that take the source and the info by name.
    """

    function: Callable[..., Any]
    field: StrawberryField
    info_class: type[Any]
    takes_self: bool
    source_names: tuple[str, ...]
    info_name: str | None

    @property
    def is_async(self) -> bool:
        """Whether every call gives something to be awaited."""
        return iscoroutinefunction(self.function)

    def info(self, run: Execution, field: FieldPlan, answer: Answer) -> Any:
        """What the method's info parameter gets."""
        return self.info_class(_raw_info=FieldInfo(run, field, answer), _field=self.field)

    def caller(self, run: Execution, field: FieldPlan) -> Call:
        """Call it with what its parameters ask for."""
        function, arguments, variables = self.function, field.arguments, run.variables
        try:
            shared = arguments.shared(variables)
        except Exception as error:  # noqa: BLE001 - raised at every object, as graphql-core does
            return partial(_raise, error)

        def call(source: Any, answer: Answer) -> Any:
            info = self.info(run, field, answer)
            given = arguments.own(variables, info) if shared is None else dict(shared)
            for name in self.source_names:
                given[name] = source
            if self.info_name:
                given[self.info_name] = info
            return function(source, **given) if self.takes_self else function(**given)

        return call


@dataclass(frozen=True, slots=True)
class RelayId:
    """Relay's global id of an object whose key is an attribute; sources of another class go the long way."""

    method: Method
    origin: type[Any]
    attribute: str
    type_name: str

    def caller(self, run: Execution, field: FieldPlan) -> Call:
        """Resolve it as strawberry does."""
        return self.method.caller(run, field)


@dataclass(frozen=True, slots=True)
class Guarded:
    """A method behind gates, whose exceptions handlers may turn into answers."""

    method: Method
    gates: tuple[Gate, ...]
    handlers: Handlers

    @property
    def is_async(self) -> bool:
        """Whether every call gives something to be awaited."""
        return self.method.is_async

    def caller(self, run: Execution, field: FieldPlan) -> Call:
        """Call the gates, then the method, then for an exception the first handler that takes it."""
        return partial(self._resolve_async if self.is_async else self._resolve, run, field)

    def _given(self, run: Execution, field: FieldPlan, source: Any, info: Any) -> dict[str, Any]:
        """Everything that the method is given by name."""
        arguments, variables = field.arguments, run.variables
        shared = arguments.shared(variables)
        given = arguments.own(variables, info) if shared is None else dict(shared)
        for gate in self.gates:
            gate.admit(info)
        for name in self.method.source_names:
            given[name] = source
        if self.method.info_name:
            given[self.method.info_name] = info
        return given

    def _resolve(self, run: Execution, field: FieldPlan, source: Any, answer: Answer) -> Any:
        method = self.method
        info = method.info(run, field, answer)
        try:
            given = self._given(run, field, source, info)
            return method.function(source, **given) if method.takes_self else method.function(**given)
        except Exception as error:
            if (handled := self._handled(error, info)) is None:
                raise
            return handled

    async def _resolve_async(self, run: Execution, field: FieldPlan, source: Any, answer: Answer) -> Any:
        method = self.method
        info = method.info(run, field, answer)
        try:
            given = self._given(run, field, source, info)
            return await (method.function(source, **given) if method.takes_self else method.function(**given))
        except Exception as error:
            handled = self._handled(error, info)
            if isawaitable(handled):
                handled = await handled
            if handled is None:
                raise
            return handled

    def _handled(self, error: Exception, info: Any) -> Any:
        """What the first handler that takes the exception makes of it; none when there is no such handler."""
        for taken, handler in self.handlers:
            if isinstance(error, taken):
                return handler.handle(error, field=self.method.field, info=info)
        return None


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch resolver: called once with all sources."""

    extension: BatchExtension
    method: Method

    def caller(self, run: Execution, field: FieldPlan) -> Call:
        """For a single source, as if it were alone."""
        return self.method.caller(run, field)


def _raise(error: Exception, source: Any, answer: Answer) -> Any:
    raise error


class Resolvers:
    """How the fields of one schema get their values; found out once for each field."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self.schema = schema
        self._owner: Any = getattr(schema, "_strawberry_schema", None)
        self._known: dict[tuple[str, str], tuple[Resolution, Convert | None]] = {}

    def of(
        self, parent: GraphQLObjectType, name: str, definition: GraphQLField, named: GraphQLNamedType
    ) -> tuple[Resolution, Convert | None]:
        """The shortest way to a field's value that gives the same as its `resolve` function.

        With it goes what strawberry makes of coerced arguments, where the resolve function does not do that itself.
        """
        found = self._known.get((parent.name, name))
        if found is None:
            resolution = self._resolution(parent, name, definition, named)
            found = self._known[parent.name, name] = resolution, self._conversion(resolution)
        return found

    def _resolution(
        self, parent: GraphQLObjectType, name: str, definition: GraphQLField, named: GraphQLNamedType
    ) -> Resolution:
        if name == "__typename":
            return Constant(parent.name)
        longest = Resolver(definition.resolve or default_field_resolver)
        field = _own_field(definition)
        if field is None or self._owner is None:
            return longest
        handlers = self._owner.schema_converter._get_field_exception_handlers(field)
        resolver = field.base_resolver
        if resolver is None:
            plain = not handlers and not field.extensions and field.default_resolver is getattr
            return Attribute(field.python_name) if plain else longest
        method = self._method(field, resolver)
        if method is None:
            return longest
        gates = gates_of(field.extensions)
        if gates is not None:
            if gates or handlers:
                return Guarded(method, gates, handlers)
            return _relay_id(parent, resolver, method, named) or method
        (first, *others) = field.extensions
        return Batch(first, method) if isinstance(first, BatchExtension) and not (others or handlers) else longest

    def _method(self, field: StrawberryField, resolver: StrawberryResolver[Any]) -> Method | None:
        if not callable(resolver.wrapped_func):
            return None
        by_name = (resolver.parent_parameter, resolver.root_parameter)
        return Method(
            function=resolver.wrapped_func,
            field=field,
            info_class=self._owner.config.info_class,
            takes_self=bool(resolver.self_parameter),
            source_names=tuple({parameter.name: None for parameter in by_name if parameter}),
            info_name=resolver.info_parameter.name if resolver.info_parameter else None,
        )

    def _conversion(self, resolution: Resolution) -> Convert | None:
        if isinstance(resolution, Batch | RelayId | Guarded):
            resolution = resolution.method
        if not isinstance(resolution, Method):
            return None
        owner, arguments = self._owner, resolution.field.arguments

        def convert(coerced: dict[str, Any], info: Any) -> dict[str, Any]:
            return convert_arguments(
                coerced,
                arguments,
                scalar_registry=owner.schema_converter.scalar_registry,
                config=owner.config,
                info=info,
            )

        return convert


def _own_field(definition: GraphQLField) -> StrawberryField | None:
    """The strawberry field behind a definition, if its resolve function is what strawberry made of it."""
    field = definition.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    if not isinstance(field, StrawberryField) or field.is_subscription:
        return None
    untouched = getattr(definition.resolve, "__qualname__", "") in OWN_RESOLVERS
    return field if untouched and type(field).get_result is StrawberryField.get_result else None


def _relay_id(
    parent: GraphQLObjectType, resolver: StrawberryResolver[Any], method: Method, named: GraphQLNamedType
) -> RelayId | None:
    function = getattr(resolver.wrapped_func, "__func__", resolver.wrapped_func)
    definition = parent.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    if function is not _node_id or named.name != "ID" or not isinstance(definition, StrawberryObjectDefinition):
        return None
    origin: Any = definition.origin
    plain = (
        definition.concrete_of is None
        and isinstance(origin, type)
        and issubclass(origin, relay.Node)
        and origin.resolve_id.__func__ is relay.Node.resolve_id.__func__  # type: ignore[attr-defined]
        and origin.resolve_typename.__func__ is relay.Node.resolve_typename.__func__  # type: ignore[attr-defined]
    )
    return RelayId(method, origin, origin.resolve_id_attr(), parent.name) if plain else None


def _id_function() -> Any:
    definition: StrawberryObjectDefinition = relay.Node.__strawberry_definition__  # type: ignore[attr-defined]
    (field,) = definition.fields
    resolver: Any = field.base_resolver
    return getattr(resolver.wrapped_func, "__func__", resolver.wrapped_func)


_node_id = _id_function()
