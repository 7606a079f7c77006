"""What callers read when something fails, and what the log keeps of it."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette
from structlog.testing import capture_logs

from app.faults import summary
from app.graphql_http import graphql_routes
from schema.refusals import Refusal
from tests.http.toy import ask, code_of, http, toy_app
from tests.http.toy_schema import toy_schema

SECRETS = ("secret", "13800138000", "13900139000")


async def test_a_fault_is_masked_and_found_in_the_log_by_its_correlation_id() -> None:
    """The caller reads a code and an id; the log has operation, path, kind and place, but no value of anyone."""
    with capture_logs() as logs:
        async with http(toy_app(), x_correlation_id="correlated-1") as client:
            response = await client.post(
                "/graphql", json={"query": "query Home { broken }", "variables": {"phone": "13900139000"}}
            )
    (error,) = response.json()["errors"]
    assert error["extensions"] == {"code": "INTERNAL_ERROR", "correlationId": "correlated-1"}
    assert (error["path"], error["message"]) == (["broken"], "系统繁忙,请稍后重试")
    (line,) = logs
    assert (line["event"], line["operation"], line["path"]) == ("graphql.fault", "Home", "broken")
    assert (line["error"], line["correlation_id"]) == ("RuntimeError", "correlated-1")
    assert line["frames"][-1].endswith(" broken")
    assert not any(secret in str(line) for secret in SECRETS)


async def test_the_answer_beside_a_fault_is_kept() -> None:
    """One field fails, the others answer."""
    answer = await ask(toy_app(), "{ broken __typename }")
    assert answer["data"] == {"broken": None, "__typename": "Query"}


@pytest.mark.parametrize(
    ("query", "operation"),
    [("{ hidden }", None), ('mutation Buy { buyToy(name: "hidden") { __typename } }', "Buy")],
)
async def test_a_refusal_that_the_union_lacks_is_a_fault(query: str, operation: str | None) -> None:
    """It is logged with its code and never leaks, not even its message."""
    with capture_logs() as logs:
        answer = await ask(toy_app(), query)
    assert code_of(answer) == "INTERNAL_ERROR"
    assert "13800138000" not in str(answer)
    assert [(line["operation"], line["refusal"]) for line in logs] == [(operation, "TOY_HIDDEN")]


async def test_a_value_that_cannot_be_written_is_a_fault() -> None:
    """A number that no client could read is our mistake, not the caller's."""
    with capture_logs() as logs:
        assert code_of(await ask(toy_app(), "{ tooMany }")) == "INTERNAL_ERROR"
    assert len(logs) == 1


@pytest.mark.parametrize(
    ("query", "variables", "code", "path"),
    [
        ("{ coded }", {}, "KNOWN", ["coded"]),
        ("{ picky }", {}, "BAD_USER_INPUT", ["picky"]),
        ("{ busy }", {}, "OVERLOADED", ["busy"]),
        ("query($p: Points!) { echo(points: $p) }", {"p": "1"}, "BAD_USER_INPUT", None),
        ("query($p: Points!) { echo(points: $p) }", {}, "BAD_USER_INPUT", None),
        ("{ forMembers }", {}, "UNAUTHENTICATED", ["forMembers"]),
        ("{ toys(first: 101) { edges { cursor } } }", {}, "BAD_USER_INPUT", ["toys"]),
        ("{ echo(points: 1.5) }", {}, "GRAPHQL_VALIDATION_FAILED", None),
        ("{ missing }", {}, "GRAPHQL_VALIDATION_FAILED", None),
        ("{ missing", {}, "GRAPHQL_PARSE_FAILED", None),
    ],
)
async def test_expected_errors_carry_their_code_and_are_not_logged(
    query: str, variables: dict[str, Any], code: str, path: list[str] | None
) -> None:
    """Every error says what kind it is; those of a field say where."""
    with capture_logs() as logs:
        answer = await ask(toy_app(), query, variables=variables)
    assert (code_of(answer), answer["errors"][0].get("path"), logs) == (code, path, [])


async def test_a_fault_before_execution_is_masked_too() -> None:
    """Whatever breaks in a request, its caller reads no more than that."""

    async def broken_factory(*_: object) -> Any:
        raise RuntimeError("postgres://user:secret@db")

    app = Starlette(routes=graphql_routes(toy_schema, "/graphql", broken_factory))
    with capture_logs() as logs:
        async with http(app) as client:
            response = await client.post("/graphql", json={"query": "{ __typename }"})
    assert (response.status_code, code_of(response.json())) == (500, "INTERNAL_ERROR")
    assert "secret" not in response.text + str(logs)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Key (phone)=(13800138000) already exists", "Key (phone)=(…) already exists"),
        ('duplicate key value violates "points"\nDETAIL: 13800138000', "duplicate key value violates …"),
        ("no mail to a@b.example", "no mail to …"),
    ],
)
def test_a_log_line_quotes_no_values(text: str, shown: str) -> None:
    """Quoted text, long numbers, addresses and everything after the first line are left out."""
    assert summary(RuntimeError(text)) == shown


async def test_a_raised_refusal_is_the_member_of_the_union() -> None:
    """With code, message in the caller's language, and its numbers under their scalars."""
    query = """mutation { buyToy(name: "gone") {
        ... on Refusal { code message } ... on ToySoldOutRefusal { required missingPoints priceFen limit toy } } }"""
    numbers = {"required": 9, "missingPoints": 3, "priceFen": None, "limit": 1, "toy": "gone", "code": "TOY_SOLD_OUT"}
    for language, message in (
        ("en", "gone: 3 points missing."),
        ("zh-CN", "gone 还差 3 积分"),
        ("fr", "gone 还差 3 积分"),
    ):
        answer = await ask(toy_app(), query, language=language)
        assert answer == {"data": {"buyToy": {**numbers, "message": message}}}


async def test_faults_are_told_in_the_callers_language() -> None:
    """Access errors and faults, too."""
    assert (await ask(toy_app(), "{ broken }", language="en"))["errors"][0][
        "message"
    ] == "Something went wrong on our side."
    assert (await ask(toy_app(), "{ forMembers }", language="zh"))["errors"][0]["message"] == "请先登录"


def test_every_refusal_type_keeps_its_domain_class() -> None:
    """One GraphQL type for one refusal of the product."""
    assert all(issubclass(each, Refusal) for each in Refusal.of_domain.values())
    assert len(set(Refusal.of_domain.values())) == len(Refusal.of_domain)
