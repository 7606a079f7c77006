"""Compiled execution against graphql-core on generated schemas, data, operations and failures.

A case is a schema, an operation, variables, and a share of values with which something is wrong. EXAMPLES_TIMES makes
the run longer; `--hypothesis-seed` makes it another one.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator

import pytest
from graphql import parse, validate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.builders import thorough
from tests.execution.blueprints import blueprints
from tests.execution.comparison import compare
from tests.execution.core_worlds import core_world
from tests.execution.documents import operations
from tests.execution.strawberry_worlds import Surroundings, strawberry_world

GENERATED = settings(deadline=None, suppress_health_check=list(HealthCheck))
TROUBLES = [0.0, 0.05, 0.2, 0.5]
SEEDS = st.integers(0, 10**9)
# graphql-core leaves coroutines behind that it cancelled before they began.
pytestmark = pytest.mark.filterwarnings(
    "ignore:coroutine .* was never awaited:RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(autouse=True)
def _unawaited() -> Iterator[None]:
    """What an execution leaves behind is swept up before the next test."""
    yield
    gc.collect()


@pytest.mark.parametrize("trouble", TROUBLES)
def test_schemas_of_graphql_core(trouble: float) -> None:
    """Whatever is asked of whatever schema, compiled execution answers what graphql-core answers."""
    compiled = 0

    @settings(GENERATED, max_examples=thorough(500))
    @given(data=st.data(), seed=SEEDS)
    def case(data: st.DataObject, seed: int) -> None:
        nonlocal compiled
        blueprint = data.draw(blueprints())
        asked = data.draw(operations(blueprint))
        schema, root = core_world(blueprint, seed, trouble)
        document = parse(asked.text)
        assert validate(schema, document) == []
        waits = blueprint.asynchronous
        compiled += asyncio.run(compare(schema, document, asked.variables, root=root, waits=waits)) is not None

    case()
    assert compiled > thorough(400)


@pytest.mark.parametrize("trouble", TROUBLES)
def test_schemas_of_strawberry(trouble: float) -> None:
    """The same where strawberry makes the schema: attributes, methods, batch resolvers, extensions, input objects."""
    compiled = 0

    @settings(GENERATED, max_examples=thorough(125))
    @given(data=st.data(), seed=SEEDS)
    def case(data: st.DataObject, seed: int) -> None:
        nonlocal compiled
        blueprint = data.draw(blueprints(batches=True))
        asked = data.draw(operations(blueprint))
        made, root = strawberry_world(blueprint, seed, trouble)
        document = parse(asked.text)
        assert validate(made._schema, document) == []
        answer = compare(
            made._schema,
            document,
            asked.variables,
            root=root,
            context=Surroundings,
            waits=blueprint.asynchronous,
            executor_class=made.execution_context_class,
        )
        compiled += asyncio.run(answer) is not None

    case()
    assert compiled > thorough(100)
