"""A served programme as the documents speak to it: who asks, and what a query takes from earlier answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from graphql import OperationDefinitionNode, OperationType, parse

from app.local.endpoints import Tokens
from tests.docs.pages import Block

ENDPOINTS = {"member": "/graphql", "anonymous": "/graphql"}
CALLERS = {"staff": "owner"}
NOBODY = ("anonymous", "nobody")
"""Who brings no token, to the members' endpoint and to the staff's."""


def caller_of(block: Block) -> str:
    """Who sends a block: a word behind the language, or a first line such as `# as integration`; a member otherwise."""
    named = [match[1] for match in block.notes(r"as (\w+)(?:, at \S+)?")] or list(block.words) or ["member"]
    assert len(named) == 1, f"{block.place} names several callers"
    return CALLERS.get(named[0], named[0])


def expected_refusals(block: Block) -> list[str]:
    """The refusals that a block announces: `# refused: INSUFFICIENT_POINTS`."""
    return [match[1] for match in block.notes(r"refused: ([A-Z_]+)")]


@dataclass
class Served:
    """The programme, and what its answers have said so far, by root field."""

    client: httpx.AsyncClient
    tokens: Tokens
    answers: dict[str, Any] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    async def send(self, block: Block, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send one block as its caller; returns `data`. Nothing may be answered with `errors`."""
        caller = caller_of(block)
        query = re.sub(r'"([A-Z]+_[A-Z]+)"', lambda match: f'"{self.names.get(match[1], match[1])}"', block.text)
        headers = {"accept-language": "en"}
        if caller not in NOBODY:
            headers["authorization"] = f"Bearer {getattr(self.tokens, caller)}"
        response = await self.client.post(
            ENDPOINTS.get(caller, "/admin/graphql"),
            json={"query": query, "variables": variables or {}},
            headers=headers,
        )
        body = response.json()
        assert "errors" not in body, f"{block.place}: {body['errors']}"
        data: dict[str, Any] = body["data"]
        self.answers.update(data)
        for match in block.notes(r"([A-Z]+_[A-Z]+) = (\S+)"):
            self.names[match[1]] = self.at(match[2])
        return data

    def at(self, path: str) -> Any:
        """A value of the answers so far, such as draws.edges.0.node.id."""
        value: Any = self.answers
        for part in path.split("."):
            value = value[int(part)] if part.isdigit() else value[part]
        return value


def operations(block: Block) -> list[OperationDefinitionNode]:
    """The operations that a block holds."""
    found = [each for each in parse(block.text).definitions if isinstance(each, OperationDefinitionNode)]
    assert found, f"{block.place} holds no operation"
    return found


def is_subscription(block: Block) -> bool:
    """Whether a block follows something live, which is not answered at once."""
    return any(each.operation is OperationType.SUBSCRIPTION for each in operations(block))


def variable_names(block: Block) -> list[str]:
    """The variables that a block's operation takes and that have no default."""
    return [
        each.variable.name.value
        for operation in operations(block)
        for each in operation.variable_definitions or ()
        if each.default_value is None
    ]
