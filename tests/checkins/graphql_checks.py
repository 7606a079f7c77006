"""What the GraphQL tests of these slices measure: statements of a request, and examples of the documentation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from graphql import parse, validate

from app.database import Client

DOCS = Path(__file__).parents[2] / "docs"


@contextmanager
def counted_statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[None]]:
    """Collects an item per statement: outside a transaction each borrows a connection of its own."""
    seen: list[None] = []
    borrow = Client.borrow

    async def counting(client: Client) -> Any:
        seen.append(None)
        return await borrow(client)

    with monkeypatch.context() as patch:
        patch.setattr(Client, "borrow", counting)
        yield seen


def faults_of_examples(document: str, audience: str, schema: Any) -> list[str]:
    """Validation errors of a document's GraphQL examples for an audience (`graphql` or `graphql staff`)."""
    text = (DOCS / document).read_text()
    examples = re.findall(rf"^```{audience}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert examples, f"{document} has examples for {audience}"
    return [str(error) for example in examples for error in validate(schema._schema, parse(example))]
