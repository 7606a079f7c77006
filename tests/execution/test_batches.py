"""Batch resolvers: one call for a level of the answer, the same answers by graphql-core through a data loader."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import strawberry
from graphql import GraphQLError, parse

from schema.execution.batches import Answers, batched
from schema.execution.operations import Operation
from schema.execution.resolvers import Resolvers
from tests.execution.both import both, data_of, errors_of
from tests.execution.comparison import operation_of
from tests.execution.strawberry_parts import Gate


@dataclass
class Calls:
    """The context: which batches were asked for, and room for loaders."""

    seen: list[tuple[str, list[int]]] = field(default_factory=list)
    loaders: dict[Any, Any] = field(default_factory=dict)


Info = strawberry.Info[Calls, None]


@strawberry.type
class Leaf:
    number: int

    @batched(description="Ten times the number.")
    @staticmethod
    async def tenfold(leaves: Sequence["Leaf"], info: Info) -> Answers[int]:
        info.context.seen.append(("tenfold", [leaf.number for leaf in leaves]))
        return [leaf.number * 10 for leaf in leaves]


@strawberry.type
class Branch:
    number: int

    @batched(description="As many leaves as are asked for.")
    @staticmethod
    async def leaves(branches: Sequence["Branch"], info: Info, count: int = 2) -> Answers[list[Leaf] | None]:
        info.context.seen.append(("leaves", [branch.number for branch in branches]))
        return [[Leaf(number=branch.number * 100 + place) for place in range(count)] for branch in branches]

    @batched(description="Fails for odd numbers.", sources_max=2)
    @staticmethod
    async def even(branches: Sequence["Branch"], info: Info) -> Answers[int | None]:
        info.context.seen.append(("even", [branch.number for branch in branches]))
        odd = GraphQLError("odd", extensions={"code": "ODD"})
        return [odd if branch.number % 2 else branch.number for branch in branches]

    @batched(description="Fails as a whole.")
    @staticmethod
    def never(branches: Sequence["Branch"], info: Info) -> Answers[int | None]:
        raise ValueError("never")

    @batched(description="Loses an answer.")
    @staticmethod
    def short(branches: Sequence["Branch"], info: Info) -> Answers[int | None]:
        return [1] * (len(branches) - 1)

    @strawberry.field
    def plain(self) -> "Leaf":
        return Leaf(number=self.number)


@strawberry.type
class Query:
    @strawberry.field
    def branches(self, count: int = 3) -> list[Branch]:
        return [Branch(number=number) for number in range(count)]

    @strawberry.field
    async def branch(self) -> Branch:
        return Branch(number=7)


schema = strawberry.Schema(query=Query)


async def calls_of(text: str) -> list[tuple[str, list[int]]]:
    """Which batches compiled execution asks for."""
    context = Calls()
    document = parse(text)
    operation = Operation(Resolvers(schema._schema), document, operation_of(document))
    found = await operation.execute(context=context)
    assert found is not None and found.errors is None, found
    return context.seen


async def test_a_level_is_one_call() -> None:
    """A batch resolver is called once for all objects of a level, and its objects are one level again."""
    text = "{ branches { number leaves { tenfold } plain { tenfold } } }"
    data = await data_of(schema, text, context=Calls)
    assert data["branches"][2] == {
        "number": 2,
        "leaves": [{"tenfold": 2000}, {"tenfold": 2010}],
        "plain": {"tenfold": 20},
    }
    calls = await calls_of(text)
    assert sorted(calls) == [("leaves", [0, 1, 2]), ("tenfold", [0, 1, 2]), ("tenfold", [0, 1, 100, 101, 200, 201])]


async def test_each_place_of_a_document_has_its_arguments() -> None:
    """The same field twice with different arguments is two calls."""
    text = "{ branches(count: 2) { one: leaves(count: 1) { number } none: leaves(count: 0) { number } } }"
    data = await data_of(schema, text, context=Calls)
    assert data["branches"][1] == {"one": [{"number": 100}], "none": []}
    assert await calls_of(text) == [("leaves", [0, 1]), ("leaves", [0, 1])]


async def test_an_exception_is_the_error_of_one_source() -> None:
    """An exception among the answers fails its own source and no other."""
    found = await both(schema, "{ branches { even } }", context=Calls)
    assert found.data == {"branches": [{"even": 0}, {"even": None}, {"even": 2}]}
    assert errors_of(found) == [("odd", ["branches", 1, "even"])]
    assert found.errors is not None and found.errors[0].extensions == {"code": "ODD"}


async def test_large_levels_are_cut_into_portions() -> None:
    """A batch resolver is given no more sources at once than it takes."""
    document = parse("{ branches(count: 5) { even } }")
    context = Calls()
    await Operation(Resolvers(schema._schema), document, operation_of(document)).execute(context=context)
    assert context.seen == [("even", [0, 1]), ("even", [2, 3]), ("even", [4])]
    found = await both(schema, "{ branches(count: 5) { even } }", context=Calls)
    assert found.data is not None and [each["even"] for each in found.data["branches"]] == [0, None, 2, None, 4]


@pytest.mark.parametrize(
    ("name", "message"),
    [("never", "never"), ("short", "A batch resolver answered 1 times for 2 sources.")],
)
async def test_a_batch_that_fails_fails_for_each_source(name: str, message: str) -> None:
    """A batch resolver that raises, or answers too little, is an error at every source; nothing is made up."""
    found = await both(schema, f"{{ branches(count: 2) {{ number {name} }} }}", context=Calls)
    assert found.data == {"branches": [{"number": 0, name: None}, {"number": 1, name: None}]}
    assert errors_of(found) == [(message, ["branches", 0, name]), (message, ["branches", 1, name])]


async def test_a_single_source_is_a_batch_of_one() -> None:
    """A batch resolver on one object is called with that one."""
    assert await data_of(schema, "{ branch { leaves(count: 1) { number } } }", context=Calls) == {
        "branch": {"leaves": [{"number": 700}]}
    }
    assert await calls_of("{ branch { leaves(count: 1) { number } } }") == [("leaves", [7])]


async def test_a_batch_resolver_behind_an_extension() -> None:
    """With another extension on the field each source passes it, and a data loader gathers who got through."""

    @strawberry.type
    class Guarded:
        key: str

        @batched(description="For whom the gate admits.")
        @staticmethod
        async def size(sources: Sequence[Any], info: Info) -> Answers[int | None]:
            info.context.seen.append(("size", [int(source.key) for source in sources]))
            return [len(source.key) for source in sources]

    for each in Guarded.__strawberry_definition__.fields:  # type: ignore[attr-defined]
        if each.name == "size":
            each.extensions.append(Gate())

    @strawberry.type
    class Query:
        @strawberry.field
        def guarded(self) -> list[Guarded]:
            return [Guarded(key=str(number)) for number in range(8, 13)]

    small = strawberry.Schema(query=Query)
    found = await both(small, "{ guarded { key size } }", context=Calls)
    assert found.data is not None and len(found.errors or ()) < 5
    assert all(each["size"] in (None, len(each["key"])) for each in found.data["guarded"])


async def test_a_context_may_be_a_mapping() -> None:
    """Loaders are kept in the context, as an attribute or as an item."""
    small = await both(schema, "{ branches { never } }", context=dict)
    assert len(small.errors or ()) == 3


def test_what_a_batch_resolver_must_answer_is_checked_early() -> None:
    """A batch resolver without `Answers[…]` is refused when the type is made."""
    with pytest.raises(TypeError, match="Answers"):

        @batched(description="Wrong.")
        def wrong(sources: Sequence[Any], info: Info) -> list[int]:
            return []
