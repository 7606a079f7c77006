"""What goes wrong, compiled: errors with their paths, and the nulls that follow from them (specification 6.4.4)."""

import asyncio
from typing import Annotated, Any, cast

import pytest
import strawberry
from graphql import GraphQLError, parse
from strawberry.schema.config import StrawberryConfig

from schema.execution.operations import Operation
from schema.execution.resolvers import Resolvers
from tests.execution.both import both, errors_of
from tests.execution.comparison import operation_of
from tests.execution.shop import Thing, schema, things
from tests.execution.strawberry_parts import SCALARS


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("raise", "raised"),
        ("told", "told"),
        ("return", "returned"),
        ("wrong", "String cannot represent value: <object instance>"),
    ],
)
async def test_a_nullable_field_fails_alone(how: str, message: str) -> None:
    """Raised, returned or not to be shown: the field is null, its siblings stand, the error has the path (6.4.4)."""
    found = await both(schema, f'{{ things {{ name fails(how: "{how}") }} }}')
    assert found.data == {"things": [{"name": "thing 0", "fails": None}, {"name": "thing 1", "fails": None}]}
    assert errors_of(found) == [(message, ["things", 0, "fails"]), (message, ["things", 1, "fails"])]


async def test_extensions_and_places_of_errors() -> None:
    """An error keeps its extensions, and names every place of the document that asks for the field (7.1.2)."""
    found = await both(schema, '{ thing { fails(how: "told") }\n  thing { fails(how: "told") } }')
    assert found.errors is not None
    (error,) = found.errors
    assert error.extensions == {"code": "TOLD"}
    assert [(each.line, each.column) for each in error.locations or ()] == [(1, 11), (2, 11)]
    assert isinstance(error.original_error, GraphQLError)


async def test_an_error_that_names_its_own_path() -> None:
    """An error that comes with a path keeps it; the field that raised it is null all the same."""
    found = await both(schema, '{ thing { name fails(how: "located") } }')
    assert found.data == {"thing": {"name": "thing 1", "fails": None}}
    assert errors_of(found) == [("located", ["elsewhere"])]


async def test_null_rises_to_the_next_nullable_position() -> None:
    """A non-null field that fails makes its object null, and so on up to a position that may be null (6.4.4)."""
    found = await both(schema, "{ thing { name must } }")
    assert (found.data, errors_of(found)) == ({"thing": None}, [("raised", ["thing", "must"])])
    found = await both(schema, "{ things { name must } }")  # no position up to the root may be null
    assert (found.data, errors_of(found)) == (None, [("raised", ["things", 0, "must"])])


async def test_null_for_a_non_null_field() -> None:
    """Null where none may stand is an error that names type and field (6.4.3)."""
    found = await both(schema, '{ thing { mustLater(how: "null") } }')
    message = "Cannot return null for non-nullable field Thing.mustLater."
    assert (found.data, errors_of(found)) == ({"thing": None}, [(message, ["thing", "mustLater"])])


async def test_the_first_error_of_a_nulled_object_is_told() -> None:
    """Fields behind one that nulled their object are as if they had not run; those before it tell theirs (6.4.4)."""
    found = await both(schema, "{ thing { a: fails b: must c: fails d: must } }")
    assert errors_of(found) == [("raised", ["thing", "a"]), ("raised", ["thing", "b"])]


async def test_errors_come_in_the_order_of_the_answer() -> None:
    """Depth first, as the answer is read, although execution goes breadth first."""
    found = await both(schema, "{ things { a: fails maker { name } b: fails } thing { c: fails } }")
    assert [path for _, path in errors_of(found)] == [
        ["things", 0, "a"],
        ["things", 0, "b"],
        ["things", 1, "a"],
        ["things", 1, "b"],
        ["thing", "c"],
    ]


async def test_items_of_lists() -> None:
    """A nullable item is null alone; in a list of non-null items the whole list is (6.4.3)."""

    @strawberry.type
    class Query:
        @strawberry.field
        def loose(self) -> list[int | None]:
            return [1, ValueError("second"), None, "x"]  # type: ignore[list-item]

        @strawberry.field
        def strict(self) -> list[int] | None:
            return [1, None, ValueError("third")]  # type: ignore[list-item]

        @strawberry.field
        def nested(self) -> list[list[int] | None]:
            return [[1], [2, None], [ValueError("last")]]  # type: ignore[list-item]

    found = await both(strawberry.Schema(query=Query), "{ loose strict nested }")
    assert found.data == {"loose": [1, None, None, None], "strict": None, "nested": [[1], None, None]}
    assert errors_of(found) == [
        ("second", ["loose", 1]),
        ("Int cannot represent non-integer value: 'x'", ["loose", 3]),
        ("Cannot return null for non-nullable field Query.strict.", ["strict", 1]),
        ("Cannot return null for non-nullable field Query.nested.", ["nested", 1, 1]),
        ("last", ["nested", 2, 0]),
    ]


async def test_a_list_that_is_none() -> None:
    """What is no list cannot stand for one; texts and mappings are none (6.4.3)."""
    found = await both(schema, "{ notAList }")
    message = "Expected Iterable, but did not find one for field 'Query.notAList'."
    assert (found.data, errors_of(found)) == ({"notAList": None}, [(message, ["notAList"])])


async def test_a_list_that_breaks_off() -> None:
    """Items that came before have told their errors when the list itself fails, and all of it is null (6.4.4)."""
    found = await both(schema, "{ broken { name fails } }")
    assert found.data is None
    assert errors_of(found) == [
        ("raised", ["broken", 0, "fails"]),
        ("raised", ["broken", 1, "fails"]),
        ("the list broke", ["broken"]),
    ]


async def test_an_asynchronous_list_that_breaks_off() -> None:
    """The same for an asynchronous iterator: what it gave before it failed does not stay."""

    @strawberry.type
    class Query:
        @strawberry.field
        async def numbers(self) -> list[int] | None:
            return cast(list[int], breaking())

    async def breaking() -> Any:
        yield 1
        raise ValueError("later")

    found = await both(strawberry.Schema(query=Query), "{ numbers }")
    assert (found.data, errors_of(found)) == ({"numbers": None}, [("later", ["numbers"])])


async def test_a_scalar_that_shows_nothing() -> None:
    """A scalar whose coercion gives null is an error even where null may stand (6.4.3)."""
    found = await both(schema, "{ things(number: 8) { stamp } }")
    assert found.data is not None and found.data["things"][7] == {"stamp": None}
    message = "Expected `Stamp.coerce_output_value('at 7')` to return non-nullable value, returned: None"
    assert errors_of(found) == [(message, ["things", 7, "stamp"])]


async def test_an_object_of_no_type_of_the_union() -> None:
    """A union answers only with its own types; anything else is the field's error (6.4.3)."""

    @strawberry.type
    class A:
        n: int = 1

    @strawberry.type
    class B:
        n: int = 2

    @strawberry.type
    class Stranger:
        n: int = 3

    @strawberry.type
    class Query:
        @strawberry.field
        def either(self, which: int) -> Annotated[A | B, strawberry.union("Either")] | None:
            return [A(), B(), Stranger(), object()][which]  # type: ignore[return-value]

    small = strawberry.Schema(query=Query, types=[Stranger])
    assert (await both(small, "{ either(which: 1) { ... on B { n } } }")).data == {"either": {"n": 2}}
    for which in (2, 3):
        found = await both(small, f"{{ either(which: {which}) {{ __typename }} }}")
        assert found.data == {"either": None} and [path for _, path in errors_of(found)] == [["either"]]


async def test_an_object_that_its_type_does_not_know() -> None:
    """`is_type_of` is asked where a type has one; a cast object is of the type that it was cast to."""

    @strawberry.interface
    class Animal:
        name: str

    @strawberry.type
    class Cat(Animal):
        pass

    @strawberry.type
    class Dog(Animal):
        @classmethod
        def is_type_of(cls, value: Any, info: Any) -> bool:
            return isinstance(value, Dog) and value.name != "wolf"

    @strawberry.type
    class Query:
        @strawberry.field
        def dog(self, name: str) -> Dog | None:
            return Dog(name=name)

        @strawberry.field
        def animals(self) -> list[Animal]:
            return [Cat(name="tom"), strawberry.cast(Cat, Dog(name="cast")), Dog(name="rex")]

    small = strawberry.Schema(query=Query, types=[Cat, Dog])
    assert (await both(small, "{ animals { __typename name } }")).data == {
        "animals": [
            {"__typename": "Cat", "name": "tom"},
            {"__typename": "Cat", "name": "cast"},
            {"__typename": "Dog", "name": "rex"},
        ]
    }
    found = await both(small, '{ a: dog(name: "rex") { name } b: dog(name: "wolf") { name } }')
    assert found.data == {"a": {"name": "rex"}, "b": None}
    assert [path for _, path in errors_of(found)] == [["b"]]


async def test_two_failures_side_by_side_while_waiting() -> None:
    """Data does not depend on who fails first; at least one error tells why a position is null."""
    found = await both(schema, "{ things { name mustLater } thing { fails mustLater } }")
    assert found.data is None and found.errors
    found = await both(schema, "{ thing { a: mustLater b: must } other: thing { name } }")
    assert found.data == {"thing": None, "other": {"name": "thing 1"}} and found.errors


async def test_attributes_that_are_missing_or_fail() -> None:
    """An attribute that is not there is an error with its name; a property's own exception is the error."""

    class Half(Thing):
        @property
        def name(self) -> str:  # type: ignore[override]
            raise ValueError("no name")

    @strawberry.type
    class Query:
        @strawberry.field
        def half(self) -> Thing | None:
            made = object.__new__(Half)
            made.__dict__.update({key: value for key, value in vars(things(1)[0]).items() if key != "name"})
            return made

        @strawberry.field
        def bare(self) -> Thing | None:
            return object.__new__(Thing)

    small = strawberry.Schema(query=Query, config=StrawberryConfig(scalar_map=SCALARS))
    found = await both(small, "{ half { price name } bare { size } }")
    assert found.data == {"half": None, "bare": None}
    assert errors_of(found) == [
        ("no name", ["half", "name"]),
        ("'Thing' object has no attribute 'size'", ["bare", "size"]),
    ]


async def test_cancelling_ends_what_is_awaited() -> None:
    """When an execution is cancelled, no resolver of it goes on, and nothing is answered."""
    ended: list[str] = []

    @strawberry.type
    class Query:
        @strawberry.field
        async def slow(self, name: str) -> int:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(name)
            return 1

    small = strawberry.Schema(query=Query)._schema
    document = parse('{ a: slow(name: "a") b: slow(name: "b") }')
    running = asyncio.ensure_future(Operation(Resolvers(small), document, operation_of(document)).execute())
    for _ in range(5):
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert sorted(ended) == ["a", "b"]
