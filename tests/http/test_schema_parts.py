"""The parts that every feature's schema is made of: scalars, pages, ids, refusal types, permissions, languages."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest
from graphql import build_schema

from gamification.core import errors
from schema.context import locale_of
from schema.paging import Key, Keyset
from schema.permissions import Allow
from schema.refusals import BadInput, Refusal
from schema.scalars import parse_amount, parse_instant, show_amount, show_instant
from tests.http.contexts import context_for
from tests.http.toy import MEMBER, ask, code_of, toy_app
from tests.http.toy_schema import ROWS, part_reads, parts_by_toys, toy_schema

EDGES = "edges { cursor node { name } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"


@pytest.mark.parametrize("value", [0, -(10**12), 10**12])
def test_amounts_within_the_bound_are_read(value: int) -> None:
    """Either sign; staff adjust in both directions."""
    assert parse_amount(value) == value


@pytest.mark.parametrize("value", [10**12 + 1, -(10**12) - 1, 1.0, "1", True, None, [1]])
def test_what_is_no_amount_is_refused(value: object) -> None:
    """No fraction, text or truth value is taken for points or money."""
    with pytest.raises(ValueError, match="expected"):
        parse_amount(value)


def test_amounts_are_shown_as_far_as_a_double_holds_them() -> None:
    """2^53 - 1 is shown, 2^53 is a fault."""
    assert show_amount(2**53 - 1) == 2**53 - 1
    for wrong in (2**53, -(2**53), 1.0, True):
        with pytest.raises(ValueError, match="whole number"):
            show_amount(wrong)


def test_instants_have_an_offset() -> None:
    """In both directions; a naive one would mean another instant elsewhere."""
    at = parse_instant("2026-01-31T08:00:00+08:00")
    assert at == datetime(2026, 1, 31, tzinfo=UTC)
    assert show_instant(at) == "2026-01-31T08:00:00+08:00"
    for wrong in ("2026-01-31T08:00:00", "2026-01-31", "yesterday", 1, None):
        with pytest.raises(ValueError, match="offset"):
            parse_instant(wrong)
    with pytest.raises(ValueError, match="aware"):
        show_instant(datetime(2026, 1, 31))  # noqa: DTZ001


async def test_a_list_is_walked_page_by_page() -> None:
    """Each page starts behind the cursor of the last; the last says that nothing follows."""
    names: list[str] = []
    cursor: str | None = None
    for more in (True, True, False):
        query = "query($after: String) { toys(first: 3, after: $after) { " + EDGES + " } }"
        page = (await ask(toy_app(), query, variables={"after": cursor}))["data"]["toys"]
        names += [edge["node"]["name"] for edge in page["edges"]]
        info = {"hasNextPage": more, "hasPreviousPage": cursor is not None}
        cursors = {"startCursor": page["edges"][0]["cursor"], "endCursor": page["edges"][-1]["cursor"]}
        assert page["pageInfo"] == {**info, **cursors}
        cursor = page["pageInfo"]["endCursor"]
    assert names == [row.name for row in ROWS]
    empty = (await ask(toy_app(), query, variables={"after": cursor}))["data"]["toys"]
    assert (empty["edges"], empty["pageInfo"]["endCursor"]) == ([], None)


def forged(*parts: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "é",
        "!!!!",
        "a" * 401,
        forged(2, "toys", "2026-03-02T10:00:00+08:00", str(ROWS[0].id)),
        forged(1, "other", "2026-03-02T10:00:00+08:00", str(ROWS[0].id)),
        forged(1, "toys", "2026-03-02T10:00:00+08:00"),
        forged(1, "toys", 7, str(ROWS[0].id)),
        forged(1, "toys", None, str(ROWS[0].id)),
        forged(1, "toys", "today", "me"),
        base64.urlsafe_b64encode(b'{"a":1}').decode(),
    ],
)
async def test_a_bad_cursor_is_refused_by_name(cursor: str) -> None:
    """Broken, of another version, of another list or of other columns: the argument is named."""
    query = "query($after: String) { toys(after: $after) { edges { cursor } } }"
    (error,) = (await ask(toy_app(), query, variables={"after": cursor}))["errors"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": "after"}


@pytest.mark.parametrize("first", [0, -1, 101, 2**31 - 1])
async def test_a_page_out_of_bounds_is_refused_by_name(first: int) -> None:
    """One to a hundred items."""
    query = "query($first: Int!) { toys(first: $first) { edges { cursor } } }"
    (error,) = (await ask(toy_app(), query, variables={"first": first}))["errors"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": "first"}


def test_cursors_carry_every_type_of_column_and_null_where_it_is_allowed() -> None:
    """A key comes back as it went in; rows may be records or objects."""
    keyset = Keyset(
        "all", Key("n", int), Key("s", str), Key("d", type(datetime.now(UTC).date())), Key("x", UUID, optional=True)
    )
    row = {"n": 7, "s": "积分", "d": datetime(2026, 3, 2, tzinfo=UTC).date(), "x": None}
    assert keyset.page(5, keyset.cursor(row)).after == tuple(row.values())
    with pytest.raises(BadInput, match="`before` is no cursor"):
        keyset.page(5, "x", argument="before")


async def test_lists_in_lists_are_read_together() -> None:
    """The parts of all toys of a page are one read; the next operation reads anew."""
    part_reads.clear()
    for reads in (1, 2):
        answer = await ask(toy_app(), "{ toys { edges { node { parts } } } }")
        assert answer["data"]["toys"]["edges"][-1] == {"node": {"parts": ["wheel", "axle"]}}
        assert len(part_reads) == reads and part_reads[-1] == [row.id for row in ROWS]


async def test_a_context_reads_each_key_once() -> None:
    """Keys asked for twice in one operation are read once."""
    part_reads.clear()
    context = context_for(MEMBER)
    assert await context.load(parts_by_toys, ROWS[0].id) == ["wheel", "axle"]
    assert await context.load(parts_by_toys, ROWS[0].id) == ["wheel", "axle"]
    assert part_reads == [[ROWS[0].id]]


def global_id(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(("key", "name"), [(ROWS[3].id, "toy 3"), (UUID(int=99), None)])
async def test_a_node_is_found_or_null(key: UUID, name: str | None) -> None:
    """What is not there is null, so that a client's cache can tell."""
    query = "query($id: ID!) { node(id: $id) { ... on Toy { name } } }"
    answer = await ask(toy_app(), query, variables={"id": global_id(f"Toy:{key}")})
    assert answer == {"data": {"node": {"name": name} if name else None}}


@pytest.mark.parametrize(
    "bad", ["", "zz", "é", "x" * 201, *map(global_id, ("Toy", "Toy:me", "Query:1", "Nobody:1", "PageInfo:1"))]
)
async def test_a_bad_id_is_refused_by_name(bad: str) -> None:
    """Broken, of no type, of a type without ids, or of another type than the argument takes."""
    for query in ("query($id: ID!) { node(id: $id) { id } }", "query($id: ID!) { toyName(id: $id) }"):
        (error,) = (await ask(toy_app(), query, variables={"id": bad}))["errors"]
        assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": "id"}


async def test_an_id_of_the_right_type_names_its_row() -> None:
    """For arguments that take the id of one type."""
    query = "query($id: ID!) { toyName(id: $id) }"
    assert await ask(toy_app(), query, variables={"id": global_id(f"Toy:{ROWS[2].id}")}) == {
        "data": {"toyName": "toy 2"}
    }


@pytest.mark.parametrize(
    ("field", "token", "code"),
    [
        ("forMembers", "member", None),
        ("forMembers", "owner", "FORBIDDEN"),
        ("forMembers", None, "UNAUTHENTICATED"),
        ("forOwners", "owner", None),
        ("forOwners", "till", None),
        ("forOwners", "cashier", "FORBIDDEN"),
        ("forOwners", "member", "FORBIDDEN"),
        ("forOwners", None, "UNAUTHENTICATED"),
    ],
)
async def test_a_field_is_open_to_those_it_names(field: str, token: str | None, code: str | None) -> None:
    """Members, staff of a role, integrations with a scope; all others are told why not."""
    answer = await ask(toy_app(), f"{{ {field} }}", token)
    assert ("errors" not in answer) if code is None else (code_of(answer) == code)


def test_a_field_that_allows_nobody_is_a_mistake() -> None:
    """Forgetting to name anyone does not open a field."""
    with pytest.raises(TypeError, match="at least one"):
        Allow()


def test_the_printed_schema_shows_who_may_call_and_is_sorted() -> None:
    """Reviewers read permissions in the schema, whose order does not depend on that of the code."""
    printed = toy_schema.as_str()
    assert 'forOwners: String! @allow(to: ["staff:owner", "integration:orders:write"])' in printed
    assert printed.index("type Mutation") < printed.index("type Query") < printed.index("type Toy ")
    assert "missingPoints: Points!" in printed and "priceFen: Fen" in printed and "limit: Int!" in printed
    assert build_schema(printed).type_map["ToySoldOutRefusal"].description == "The shelf is empty."


def test_a_refusal_type_must_describe_its_fields_and_name_existing_ones() -> None:
    """Mistakes in a declaration end the start, not a request."""

    @dataclass(kw_only=True, eq=False)
    class ToyPuzzling(errors.Refusal):
        """Puzzling."""

        riddle: int

    with pytest.raises(TypeError, match="riddle needs a description"):

        class Puzzling(Refusal, of=ToyPuzzling):
            pass

    with pytest.raises(TypeError, match="no field answer"):

        class AlsoPuzzling(Refusal, of=type("Other", (ToyPuzzling,), {}), points=("answer",)):
            pass

    for of in list(Refusal.of_domain):
        if issubclass(of, ToyPuzzling):
            del Refusal.of_domain[of]


@pytest.mark.parametrize(
    ("header", "locale"),
    [
        (None, "zh-CN"),
        ("", "zh-CN"),
        ("en", "en"),
        ("en-GB,zh;q=0.9", "en"),
        ("zh-TW, en;q=0.5", "zh-CN"),
        ("fr, de;q=0.9", "zh-CN"),
        ("en;q=0.2, zh;q=0.8", "zh-CN"),
        ("en;q=0, *", "zh-CN"),
        ("en;q=nonsense", "zh-CN"),
        ("fr," * 1000 + "en", "zh-CN"),
    ],
)
def test_the_language_is_the_one_preferred_of_those_we_speak(header: str | None, locale: str) -> None:
    """Chinese unless English is asked for; a long header is read to a bound."""
    assert locale_of(header) == locale


def test_loaders_are_not_shared_between_operations() -> None:
    """Each operation has a context of its own."""
    contexts: list[Any] = [context_for(MEMBER), context_for(MEMBER)]
    assert contexts[0].loaders is not contexts[1].loaders
