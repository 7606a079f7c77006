"""What is asked, and how each kind of contender is asked for it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count, cycle
from pathlib import Path
from random import Random
from typing import Any, Literal
from uuid import UUID, uuid4

from strawberry.relay import to_base64

import schema
from app.documents import document_id
from tests.bench.programme import DRAW, Measured

TRUSTED = Path(schema.__file__).parent / "documents"
OWN = Path(__file__).parent / "documents"
PAGES = 40
"""Pages of the staff's list that are asked in turn."""

Door = Literal["member", "staff"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One kind of request. `once_a_day`: a member may do it once on a day, so each round needs a day of its own."""

    name: str
    title: str
    document: str
    door: Door = "member"
    clients: int = 16
    writes: bool = False
    once_a_day: bool = False


R1 = Operation("R1", "member home", "Home")
R2 = Operation("R2", "staff list, 50 members with 3 nested fields", "StaffMembers", door="staff")
W1 = Operation("W1", "check-in", "CheckIn", clients=64, writes=True, once_a_day=True)
W1_ALONE = replace(W1, name="W1-1", title="check-in, one client", clients=1)
W2 = Operation("W2", "draw ticket", "BuyDrawTicket", clients=64, writes=True)
OPERATIONS = (R1, R2, W2, W1, W1_ALONE)
"""In this order: what moves the clock on comes last."""


def operation_names() -> str:
    """All names, as `--operations` takes them."""
    return ", ".join(each.name for each in OPERATIONS)


def text_of(document: str) -> str:
    """A GraphQL document of ours, by name."""
    file = OWN / f"{document}.graphql"
    return (file if file.exists() else TRUSTED / f"{document}.graphql").read_text("utf-8").strip()


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a server is asked: its paths, the document each operation sends, and how ids are written.

    `trusted`: a member's document is named by its hash. `prefix`: documents of this server's own naming.
    """

    paths: Mapping[str, str]
    trusted: bool = False
    prefix: str = ""
    global_ids: bool = True

    def body(self, operation: Operation, variables: Mapping[str, Any]) -> bytes:
        """The JSON of a request."""
        text = text_of(self.prefix + operation.document)
        named = self.trusted and operation.door == "member"
        document = {"documentId": document_id(text)} if named else {"query": text}
        return json.dumps({**document, **({"variables": variables} if variables else {})}).encode()

    def head(self, operation: Operation, token: str) -> bytes:
        """The request line and headers, up to the length."""
        lines = [
            f"POST {self.paths[operation.door]} HTTP/1.1",
            "Host: 127.0.0.1",
            "Content-Type: application/json",
            "Accept: application/json",
            f"X-Door: {operation.door}",
            f"Authorization: Bearer {token}",
            "Content-Length: ",
        ]
        return "\r\n".join(lines).encode()

    def draw_id(self, draw_id: UUID) -> str:
        """The id of a draw as this server reads it."""
        return to_base64("Draw", draw_id) if self.global_ids else str(draw_id)


OURS = Dialect({"member": "/graphql", "staff": "/admin/graphql"}, trusted=True)
BY_TEXT = Dialect({"member": "/graphql", "staff": "/graphql"})
POSTGRAPHILE = replace(BY_TEXT, prefix="Postgraphile", global_ids=False)


def request(head: bytes, body: bytes) -> bytes:
    """A whole request."""
    return b"%b%d\r\n\r\n%b" % (head, len(body), body)


class Caller:
    """Makes the requests of one contender: heads with a token for each member, bodies by operation."""

    def __init__(self, measured: Measured, dialect: Dialect, tokens: list[str], staff_token: str) -> None:
        self.measured = measured
        self.dialect = dialect
        self.cursors: list[str | None] = [None]
        self._tokens = tokens
        self._staff_token = staff_token

    def one(self, operation: Operation, number: int, after: str | None = None) -> bytes:
        """One request, by the member of that number or by staff."""
        token = self._staff_token if operation.door == "staff" else self._tokens[number - 1]
        return request(self.dialect.head(operation, token), self.body(operation, after))

    def all(self, operation: Operation, random: Random) -> Iterator[bytes]:
        """Requests without end, or one of each member where a member may do it once."""
        if operation.door == "staff":
            return cycle([self.one(operation, 0, cursor) for cursor in self.cursors])
        if operation.once_a_day:
            return self._of_each_member(operation, random)
        return self._of_random_members(operation, random)

    def body(self, operation: Operation, after: str | None = None) -> bytes:
        """The JSON of one request."""
        variables: dict[str, Any] = {}
        if operation.door == "staff":
            variables = {"after": after}
        if operation is W2:
            variables = {"drawId": self.dialect.draw_id(DRAW), "idempotencyKey": str(uuid4())}
        return self.dialect.body(operation, variables)

    def _of_each_member(self, operation: Operation, random: Random) -> Iterator[bytes]:
        numbers = list(range(1, len(self._tokens) + 1))
        random.shuffle(numbers)
        before, after = self._around_token(operation)
        body = self.body(operation)
        end = b"%b%d\r\n\r\n%b" % (after, len(body), body)
        return (before + self._tokens[number - 1].encode() + end for number in numbers)

    def _of_random_members(self, operation: Operation, random: Random) -> Iterator[bytes]:
        """The idempotency key of a ticket is drawn anew in its place in the body."""
        before, after = self._around_token(operation)
        body = self.body(operation)
        end = b"%b%d\r\n\r\n" % (after, len(body))
        key_at = body.find(b'"idempotencyKey": "') + len(b'"idempotencyKey": "')
        first, rest = (body[:key_at], body[key_at + 36 :]) if operation is W2 else (body, b"")
        series, tokens, members = random.getrandbits(48), self._tokens, len(self._tokens)
        for number in count():
            key = b"%012x-%023x" % (series, number) if operation is W2 else b""
            yield b"".join((before, tokens[int(random.random() * members)].encode(), end, first, key, rest))

    def _around_token(self, operation: Operation) -> tuple[bytes, bytes]:
        before, _, after = self.dialect.head(operation, "TOKEN").partition(b"TOKEN")
        return before, after


def is_good(operation: Operation) -> Any:
    """What tells a good answer of an operation: 200, no errors, and what was asked for."""
    wanted = {
        "Home": (b'"me":{',),
        "StaffMembers": (b'"edges":[{',),
        "CheckIn": (b'"alreadyCheckedIn":false',),
        "BuyDrawTicket": (b'"points":',),
    }[operation.document]

    def good(status: int, body: bytes) -> bool:
        return status == 200 and b'"errors"' not in body and all(part in body for part in wanted)

    return good
