"""Trusted documents: found by id or by text, run without parsing, and the allow-list that refuses all else."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from app import graphql_engine
from app.documents import TrustedDocuments, document_id, trust
from app.graphql_engine import Policy
from tests.http.toy import RESPONSE_JSON, SHELF, ask, code_of, http, toy_app
from tests.http.toy_schema import toy_schema

TEXT = "query Name { __typename }"
ID = sha256(TEXT.encode()).hexdigest()
ANSWER = {"data": {"__typename": "Query"}}
ALLOW_LIST = Policy(documents_only=frozenset({"anonymous", "member"}))


@pytest.mark.parametrize(
    "request_",
    [
        {"documentId": ID},
        {"documentId": f"sha256:{ID}"},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": ID.upper()}}},
        {"query": TEXT},
        {"query": f"\n{TEXT}\n", "documentId": ID},
    ],
)
async def test_a_trusted_document_is_found_by_its_id_or_its_text(request_: dict[str, Any]) -> None:
    """However it is named, it runs; also for callers who may run nothing else."""
    assert await ask(toy_app(ALLOW_LIST, [TEXT]), **request_) == ANSWER


async def test_a_trusted_document_is_neither_parsed_nor_validated_at_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its limits, too, were somebody's decision before."""

    def never(*_: object) -> None:
        raise AssertionError("a trusted document was worked on again")

    app = toy_app(documents=[TEXT, SHELF])
    for name in ("parse", "measure", "validation_errors", "count_comparisons"):
        monkeypatch.setattr(graphql_engine, name, never)
    answer = await ask(app, documentId=document_id(SHELF), variables={"first": 1})
    assert answer == {"data": {"toys": {"edges": [{"node": {"name": "toy 0"}}]}}}


@pytest.mark.parametrize(("accept", "status"), [(RESPONSE_JSON, 404), ("application/json", 200)])
async def test_an_unknown_id_is_answered_as_clients_expect(accept: str, status: int) -> None:
    """PERSISTED_QUERY_NOT_FOUND makes a client send the text as well, which is then run as any other."""
    persisted = {"persistedQuery": {"version": 1, "sha256Hash": ID}}
    async with http(toy_app(), accept=accept) as client:
        unknown = await client.post("/graphql", json={"extensions": persisted})
        known = await client.post("/graphql", json={"query": TEXT, "extensions": persisted})
    assert (unknown.status_code, code_of(unknown.json())) == (status, "PERSISTED_QUERY_NOT_FOUND")
    assert known.json() == ANSWER


async def test_an_id_with_another_text_is_refused() -> None:
    """Nobody runs a text under the name of a trusted one."""
    answer = await ask(toy_app(documents=[TEXT]), "{ tooMany }", documentId=ID)
    assert code_of(answer) == "DOCUMENT_ID_MISMATCH"


@pytest.mark.parametrize("wrong", [7, {"sha256Hash": 7}, {}, ["x"]])
async def test_a_persisted_query_of_a_wrong_form_is_refused(wrong: object) -> None:
    """A hash is text."""
    assert code_of(await ask(toy_app(), extensions={"persistedQuery": wrong})) == "BAD_REQUEST"


@pytest.mark.parametrize(("token", "runs"), [(None, False), ("member", False), ("owner", True), ("till", True)])
async def test_under_the_allow_list_only_named_callers_send_texts_of_their_own(token: str | None, runs: bool) -> None:
    """Anonymous callers and members run trusted documents; nothing of another text is parsed."""
    app = toy_app(ALLOW_LIST, [TEXT])
    answer = await ask(app, "{ nonsense", token)
    assert code_of(answer) == ("GRAPHQL_PARSE_FAILED" if runs else "TRUSTED_DOCUMENT_REQUIRED")


async def test_a_get_may_name_a_trusted_document() -> None:
    """By id, with variables; so that its answer may be asked for by a plain link."""
    async with http(toy_app(documents=[SHELF])) as client:
        response = await client.get("/graphql", params={"documentId": document_id(SHELF), "variables": '{"first":1}'})
    assert response.json() == {"data": {"toys": {"edges": [{"node": {"name": "toy 0"}}]}}}


def test_a_folder_of_documents_is_loaded_at_start(tmp_path: Path) -> None:
    """Every file is one document under the hash of its text without surrounding blanks."""
    (tmp_path / "name.graphql").write_text(TEXT + "\n", "utf-8")
    (tmp_path / "notes.txt").write_text("not a document", "utf-8")
    documents = TrustedDocuments.load(tmp_path, toy_schema._schema)
    assert documents.ids() == [ID]
    found = documents.by_id(ID)
    assert found is not None and found.text == TEXT


@pytest.mark.parametrize(("text", "complaint"), [("{ nothing }", "nothing"), ("query {", "Syntax Error")])
def test_a_document_that_does_not_fit_the_schema_stops_the_start(tmp_path: Path, text: str, complaint: str) -> None:
    """The message names the file and what is wrong."""
    (tmp_path / "broken.graphql").write_text(text, "utf-8")
    with pytest.raises(ValueError, match=rf"broken\.graphql: .*{complaint}"):
        TrustedDocuments.load(tmp_path, toy_schema._schema)


@pytest.mark.parametrize("look_up", [lambda all_: all_.by_id("../secret"), lambda all_: all_.by_text("\ud800")])
def test_nonsense_is_no_document(look_up: Callable[[TrustedDocuments], object]) -> None:
    """An id that is no hash, or a text that is no text, is simply not found."""
    assert look_up(TrustedDocuments([trust(TEXT, toy_schema._schema)])) is None
