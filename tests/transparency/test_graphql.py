"""The log over GraphQL and HTTP: public heads, proofs for whose entry it is, figures for staff."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
import pytest
import strawberry
from starlette.applications import Starlette
from strawberry import relay

from app.transparency import transparency_routes
from gamification.core.actors import ANONYMOUS, Actor
from gamification.core.clock import FixedClock
from gamification.core.work import Work
from gamification.transparency.checkpoints import Verifier, read_checkpoint
from gamification.transparency.keeper import Keeper
from schema.admin.transparency import AdminTransparencyQuery
from schema.context import Context
from schema.extensions import make_schema
from schema.transparency import TransparencyQuery
from tests.builders import FOR_EVER, a_work, earn
from tests.conftest import MONDAY_MORNING
from tests.transparency.builders import SIGNER, a_signed_ledger, caught_up

PROOF = """query ($id: ID!) { entryProof(entryId: $id) {
    leaf index auditPath details salt checkpoint { text origin size root signedAt verifierKey } } }"""
CONSISTENCY = """query ($from: String!, $to: String!) { consistencyProof(from: $from, to: $to) {
    hashes from { text size } to { text size } } }"""
LATEST = "{ latestCheckpoint { text origin size root signedAt verifierKey } }"
STATE = "{ transparencyLog { size unlogged unloggedSince checkpoint { size } } }"
AUDITOR = Actor("staff", UUID(int=2), role="auditor")
CASHIER = Actor("staff", UUID(int=3), role="cashier")

MEMBERS = make_schema(query=strawberry.type(type("Query", (TransparencyQuery,), {})))
ADMIN = make_schema(query=strawberry.type(type("Query", (AdminTransparencyQuery,), {})))


async def ask(work: Work, text: str, actor: Actor, schema: Any = MEMBERS, **variables: Any) -> Any:
    """What GraphQL answers to one root field; an error is raised as its code."""
    context = Context(work=work, clock=work.clock, actor=actor, locale="en")
    result = await schema.execute(text, variable_values=variables, context_value=context)
    if result.errors:
        raise RuntimeError((result.errors[0].extensions or {}).get("code"), result.errors[0].message)
    return next(iter(result.data.values()))


def entry_id(member_id: UUID, seq: int, currency: str = "POINTS") -> str:
    return relay.to_base64("PointsEntry", f"{member_id}.{currency}.{seq}")


async def test_everybody_reads_the_newest_head(work: Work, clock: FixedClock, keeper: Keeper) -> None:
    """Null before the first; then the signed text, with what it says beside it."""
    assert await ask(work, LATEST, ANONYMOUS) is None
    await a_signed_ledger(work, clock, keeper)
    newest = await ask(work, LATEST, ANONYMOUS)
    origin, head = read_checkpoint(newest["text"], [SIGNER.verifier])
    assert (newest["origin"], newest["size"], head.size) == (origin, "27", 27)
    assert newest["root"] == newest["text"].split("\n")[2]
    assert Verifier.parse(newest["verifierKey"]) == SIGNER.verifier
    assert newest["signedAt"] == "2026-03-02T04:00:00+00:00"


async def test_a_member_proves_an_entry_of_their_own(work: Work, clock: FixedClock, keeper: Keeper) -> None:
    """Others get nothing; nor does the member before a checkpoint covers the entry."""
    members = await a_signed_ledger(work, clock, keeper)
    mei, lin = Actor("member", members[0]), Actor("member", members[1])
    proof = await ask(work, PROOF, mei, id=entry_id(members[0], 2))
    assert proof["leaf"].split("|")[2:9] == ["POINTS", "2", "ACCRUAL", "30", "0", "0", "0"]
    assert proof["index"] == "1" and len(proof["auditPath"]) == 5 and len(proof["salt"]) == 64
    assert proof["checkpoint"]["size"] == "27" and '"trace":{"rule":"test"}' in proof["details"]
    assert str(members[0]) not in proof["leaf"] + proof["details"]
    assert await ask(work, PROOF, lin, id=entry_id(members[0], 2)) is None
    assert await ask(work, PROOF, mei, id=entry_id(members[0], 10)) is None
    await earn(work, members[0], 1)
    await caught_up()
    assert await ask(work, PROOF, mei, id=entry_id(members[0], 10)) is None


async def test_anybody_checks_that_the_log_only_grew(work: Work, clock: FixedClock, keeper: Keeper) -> None:
    """Between two checkpoints; other sizes have no proof."""
    await a_signed_ledger(work, clock, keeper)
    found = await ask(work, CONSISTENCY, ANONYMOUS, **{"from": "9", "to": "27"})
    assert (found["from"]["size"], found["to"]["size"]) == ("9", "27") and len(found["hashes"]) == 6
    assert await ask(work, CONSISTENCY, ANONYMOUS, **{"from": "10", "to": "27"}) is None
    assert await ask(work, CONSISTENCY, ANONYMOUS, **{"from": "27", "to": "9"}) is None


def surroundings() -> Work:
    """For what is refused before the database is asked."""
    return a_work(FixedClock(MONDAY_MORNING), FOR_EVER)


async def test_a_bad_size_is_named() -> None:
    """The argument stands in the error."""
    for size in ("0", "-1", "09", "x", "1e3", "9" * 19, ""):
        with pytest.raises(RuntimeError) as refused:
            await ask(surroundings(), CONSISTENCY, ANONYMOUS, **{"from": size, "to": "27"})
        assert refused.value.args == ("BAD_USER_INPUT", "`from` is the size of a checkpoint in decimal.")


async def test_a_bad_id_is_named() -> None:
    """Whatever is no entry's id is refused as such."""
    one = UUID(int=1)
    keys = ("x", f"{one}.POINTS.0", f"{one}.YUAN.1", "x.POINTS.1", f"{one}.POINTS.{'9' * 19}")
    for wrong in ("x", relay.to_base64("Member", str(one)), *(relay.to_base64("PointsEntry", key) for key in keys)):
        with pytest.raises(RuntimeError) as refused:
            await ask(surroundings(), PROOF, Actor("member", one), id=wrong)
        assert refused.value.args[0] == "BAD_USER_INPUT" and "`entryId`" in refused.value.args[1]


async def test_staff_see_how_far_the_log_is(work: Work, clock: FixedClock, keeper: Keeper) -> None:
    """Its size, what is missing and since when; and the proof of anybody's entry."""
    members = await a_signed_ledger(work, clock, keeper)
    await earn(work, members[0], 1)
    assert await ask(work, STATE, AUDITOR, ADMIN) == {
        "size": "27", "unlogged": 1, "unloggedSince": "2026-03-02T05:00:00+00:00", "checkpoint": {"size": "27"},
    }  # fmt: skip
    proof = await ask(work, PROOF, AUDITOR, ADMIN, id=entry_id(members[2], 9))
    assert proof["index"] == "26"


async def test_who_may_ask() -> None:
    """Proofs of entries are for signed-in members and for staff who read the books."""
    asked: list[tuple[str, Any, dict[str, Any], Actor, str]] = [
        (PROOF, MEMBERS, {"id": entry_id(UUID(int=1), 1)}, ANONYMOUS, "UNAUTHENTICATED"),
        (PROOF, MEMBERS, {"id": entry_id(UUID(int=1), 1)}, AUDITOR, "FORBIDDEN"),
        (PROOF, ADMIN, {"id": entry_id(UUID(int=1), 1)}, CASHIER, "FORBIDDEN"),
        (STATE, ADMIN, {}, CASHIER, "FORBIDDEN"),
        (STATE, ADMIN, {}, ANONYMOUS, "UNAUTHENTICATED"),
    ]
    for text, schema, variables, actor, code in asked:
        with pytest.raises(RuntimeError) as refused:
            await ask(surroundings(), text, actor, schema, **variables)
        assert refused.value.args[0] == code


async def test_the_head_is_a_page_of_plain_text(work: Work, clock: FixedClock, keeper: Keeper) -> None:
    """Byte for byte as it was signed, for tools that know no GraphQL; beside it the key."""
    transport = httpx.ASGITransport(Starlette(routes=transparency_routes()))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        missing = [(await client.get(f"/transparency/{page}")).status_code for page in ("checkpoint", "key")]
        await a_signed_ledger(work, clock, keeper)
        head, key = [await client.get(f"/transparency/{page}") for page in ("checkpoint", "key")]
    assert missing == [404, 404]
    assert head.headers["content-type"] == key.headers["content-type"] == "text/plain; charset=utf-8"
    assert head.text == (await ask(work, LATEST, ANONYMOUS))["text"]
    assert key.text == f"{SIGNER.verifier.text}\n"
