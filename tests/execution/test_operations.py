"""Compiled operations: when they are made and kept, and what graphql-core executes instead."""

from __future__ import annotations

import pytest
import strawberry
from graphql import DocumentNode, OperationDefinitionNode, parse

from schema.execution import planning
from schema.execution.operations import PLANS_MAX, Operation, Operations
from schema.execution.resolvers import Resolvers
from schema.execution.selections import CONDITIONS_MAX
from tests.execution.comparison import operation_of
from tests.execution.shop import schema

core = schema._schema


def an_operation(text: str) -> Operation:
    document = parse(text)
    return Operation(Resolvers(core), document, operation_of(document))


async def test_an_operation_is_compiled_once() -> None:
    """Executing again makes no new plan, whatever the values of other variables are."""
    operation = an_operation("query ($n: Int = 1) { things(number: $n) { name } }")
    for number in range(3):
        found = await operation.execute(variables={"n": number})
        assert found is not None and found.data is not None and len(found.data["things"]) == number
    assert len(operation._plans) == 1


async def test_a_plan_for_each_selection() -> None:
    """What variables let in has plans of its own, up to a bound; beyond it graphql-core executes."""
    names = [f"v{number}" for number in range(5)]
    declared = ", ".join(f"${name}: Boolean!" for name in names)
    fields = " ".join(f"{name}: name @include(if: ${name})" for name in names)
    operation = an_operation(f"query ({declared}) {{ thing {{ {fields} }} }}")
    for number in range(2 ** len(names)):
        wanted = {name: bool(number >> place & 1) for place, name in enumerate(names)}
        found = await operation.execute(variables=wanted)
        assert (found is None) == (number >= PLANS_MAX)
        if found is not None:
            assert found.data is not None and list(found.data["thing"]) == [name for name in names if wanted[name]]
    assert len(operation._plans) == PLANS_MAX


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("query @experimental_disableErrorPropagation { thing { name } }", "a directive on the operation"),
        ("{ thing { name @other } }", "the directive @other"),
        ("{ thing { ...F @defer } } fragment F on Thing { name }", "the directive @defer"),
        ("{ thing { name @skip } }", "@skip without a truth value"),
        (
            "{ thing { " + " ".join(f"n{n}: name @skip(if: $v{n})" for n in range(CONDITIONS_MAX + 1)) + " } }",
            f"more than {CONDITIONS_MAX} variables decide what is selected",
        ),
    ],
)
async def test_what_is_not_compiled(text: str, reason: str) -> None:
    """Directives that are not the language's own, and too many conditions, leave all to graphql-core."""
    operation = an_operation(text)
    assert (await operation.execute(), operation.unsupported) == (None, reason)


async def test_fragments_with_variables_are_not_compiled() -> None:
    """Fragment variables are an experiment of graphql-core's, and its to execute."""
    document = parse(
        "{ thing { ...F(n: 1) } } fragment F($n: Int) on Thing { priced(times: $n) }",
        experimental_fragment_arguments=True,
    )
    operation = Operation(Resolvers(core), document, operation_of(document))
    assert (await operation.execute(), operation.unsupported) == (None, "a fragment with variables")


async def test_a_null_condition_is_not_compiled() -> None:
    """A condition that is null is an error at a place that only graphql-core finds; nothing is executed twice."""
    operation = an_operation("query ($yes: Boolean = true) { thing { name @include(if: $yes) } }")
    assert await operation.execute(variables={"yes": None}) is None
    assert operation.unsupported is None
    found = await operation.execute()
    assert found is not None and found.data == {"thing": {"name": "thing 1"}}


async def test_operations_that_are_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operation of more fields than the bound is graphql-core's."""
    monkeypatch.setattr(planning, "FIELDS_MAX", 3)
    operation = an_operation("{ thing { name price size } }")
    assert (await operation.execute(), operation.unsupported) == (None, "more than 3 fields")


async def test_a_root_type_that_is_missing() -> None:
    """What the schema cannot execute is graphql-core's to refuse."""

    @strawberry.type
    class Query:
        n: int = 1

    document = parse("mutation { n }")
    small = Operation(Resolvers(strawberry.Schema(query=Query)._schema), document, operation_of(document))
    assert (await small.execute(), small.unsupported) == (None, "the schema has no such root type")


async def test_types_below_a_union_are_compiled_when_they_come() -> None:
    """Of what an abstract field may lead to, only types that an answer held have code."""
    operation = an_operation(
        "query ($until: Int!) { visit(until: $until) { ... on Thing { name } ... on ClosedProblem { until } } }"
    )
    operation.compile()
    (plan,) = operation._plans.values()
    assert len(plan.texts) == 1
    for _ in range(2):
        found = await operation.execute(variables={"until": 4})
        assert found is not None and found.data == {"visit": {"until": 4}}
    assert len(plan.texts) == 2 and "'until'" in plan.texts[1] and "'name'" not in "".join(plan.texts)


def several(count: int) -> list[tuple[DocumentNode, OperationDefinitionNode]]:
    documents = [parse(f"{{ thing {{ n{number}: name }} }}") for number in range(count)]
    return [(document, operation_of(document)) for document in documents]


def test_the_operations_used_last_are_kept() -> None:
    """The cache is bounded: what was not asked for the longest goes; what is kept for ever stays."""
    operations = Operations(core, operations_max=2)
    (first, second, third), (kept,) = several(3), several(1)
    operations.keep(kept[0])
    begun = [operations.of(*each) for each in (first, second)]
    assert operations.of(*first) is begun[0]
    operations.of(*third)
    assert operations.of(*first) is begun[0] and operations.of(*second) is not begun[1]
    assert operations.of(*kept) is operations.of(*kept) and operations.of(*kept)._plans


def test_the_text_of_a_plan_can_be_read() -> None:
    """What was written is Python, a function for each kind of object, and names the fields of the answer."""
    operation = an_operation("query Named { thing { name maker { country } } }")
    operation.compile()
    ((_, plan),) = operation._plans.items()
    text = "\n".join(plan.texts)
    assert text.count("def fill_") == 3 and "'country'" in text
    compile(text, "the plan", "exec")


async def test_a_fault_of_the_execution_is_raised() -> None:
    """What is no error of a field, such as a process that is told to end, goes through."""

    class EndOfProcess(BaseException):
        pass

    @strawberry.type
    class Query:
        @strawberry.field
        async def end(self, number: int = 1) -> int:
            raise EndOfProcess

    document = parse("{ end other: end(number: 2) }")
    small = Operation(Resolvers(strawberry.Schema(query=Query)._schema), document, operation_of(document))
    with pytest.raises(EndOfProcess):
        await small.execute()
