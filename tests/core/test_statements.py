"""Loads and drafts as SQL: what is composed, cached and written."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from gamification.core.calendar import Calendar
from gamification.core.clock import FixedClock
from gamification.core.database import fetch, fetch_row
from gamification.core.draft import Draft, Guard, Load, Loaded, Rows
from gamification.core.ids import new_id
from gamification.core.models import Receipt
from gamification.core.policy import Policies
from gamification.core.statements import LedgerCall, load_statement, write_arguments, write_statement
from gamification.earning.models import MonthSpend
from tests.builders import a_member
from tests.databases import Database

AT = datetime(2026, 3, 2, tzinfo=UTC)
CALL = LedgerCall("accepted($1::timestamptz, $2::uuid[])", 2)


class Named(NamedTuple):
    member_id: UUID
    number: str


class Word(NamedTuple):
    word: str
    letters: int


NAMES = Load("names", Named, "SELECT id, number FROM member WHERE id = ANY({members})")
WORDS = Load(
    "words", Word, "SELECT w, length(w) FROM unnest({words}) AS w",
    arguments={"words": ("text[]", lambda commands, now: [*commands, now.isoformat()])}, shared=True,
)  # fmt: skip


def a_draft(member_id: UUID) -> Draft:
    return Draft(member_id, AT, Loaded(), Policies(), Calendar())


async def test_several_loads_are_one_statement(database: Database, clock: FixedClock) -> None:
    """Rows by member, shared rows by key, arguments from the commands, and the newest policy revision (0: none)."""
    mei, lan = await a_member(clock), await a_member(clock)
    statement = load_statement((NAMES, WORDS))
    record = await fetch_row(statement.sql, *statement.arguments([mei, lan], AT, ["积分", "ab"]))
    revision, loaded = statement.read(record)
    assert revision == 0
    assert {each: len(rows) for each, rows in loaded.by_member["names"].items()} == {mei: 1, lan: 1}
    assert loaded.by_key["words"] == {word: Word(word, len(word)) for word in ("积分", "ab", AT.isoformat())}


async def test_a_load_without_rows_is_empty(database: Database) -> None:
    """Nobody and nothing are empty mappings, not failures."""
    statement = load_statement((NAMES, WORDS))
    _, loaded = statement.read(await fetch_row(statement.sql, *statement.arguments([new_id()], AT, [])))
    assert dict(loaded.by_member["names"]) == {} and list(loaded.by_key["words"]) == [AT.isoformat()]


def test_statements_are_composed_once_per_combination() -> None:
    """The same loads, rows and guards give the same object."""
    guard = Guard("open", "SELECT key FROM {claims}")
    rows = (Rows(Receipt, ("member_id", "key")),)
    assert load_statement((NAMES, WORDS)) is load_statement((NAMES, WORDS))
    assert write_statement(CALL, rows, (guard,), True) is write_statement(CALL, rows, (guard,), True)


def test_rows_join_the_accepted_members_and_guards_come_last() -> None:
    """Only what belongs to an accepted member is written; scarce rows are locked after the accounts, in key order."""
    guard = Guard("open", "SELECT key FROM {claims} WHERE {now} IS NOT NULL")
    sql = write_statement(
        CALL, (Rows(MonthSpend, ("member_id", "month", "net_fen"), ("member_id", "month")),), (guard,), True
    )
    assert sql == (
        "WITH ok AS MATERIALIZED (SELECT w.member_id FROM accepted($1::timestamptz, $2::uuid[]) AS w(member_id)), "
        'rows_0 AS (INSERT INTO "month_spend" ("member_id", "month", "net_fen") '
        'SELECT r."member_id", CASE WHEN cardinality($4::DATE[]) = 1 THEN ($4::DATE[])[1] ELSE r."month" END, '
        'CASE WHEN cardinality($5::BIGINT[]) = 1 THEN ($5::BIGINT[])[1] ELSE r."net_fen" END '
        'FROM unnest($3::UUID[], $4::DATE[], $5::BIGINT[]) AS r("member_id", "month", "net_fen") '
        "JOIN ok ON ok.member_id = r.member_id "
        'ON CONFLICT ("member_id", "month") DO UPDATE SET "net_fen" = excluded."net_fen"), '
        "guard_0_claims AS MATERIALIZED (SELECT c.key, sum(c.amount)::bigint AS amount "
        "FROM unnest($6::uuid[], $7::uuid[], $8::bigint[]) AS c(member_id, key, amount) "
        "JOIN ok ON ok.member_id = c.member_id GROUP BY c.key ORDER BY c.key), "
        "guard_0 AS (SELECT key FROM guard_0_claims WHERE $1::timestamptz IS NOT NULL) "
        "SELECT ok.member_id FROM ok "
        "WHERE claims_hold('open', (SELECT count(*) FROM guard_0), (SELECT count(*) FROM guard_0_claims))"
    )


def test_a_row_put_twice_is_written_once_as_it_is_in_the_end() -> None:
    """A replaced row keeps its last values; inserted rows are all kept, in order, over all drafts."""
    mei, lan = new_id(), new_id()
    drafts: Sequence[Any] = [a_draft(mei), a_draft(lan)]
    for net in (1, 2):
        drafts[0].put(MonthSpend, ("member_id", "month"), month=AT.date(), net_fen=net)
        drafts[0].insert(Receipt, key=f"{net}")
    drafts[1].put(MonthSpend, ("member_id", "month"), month=AT.date(), net_fen=3)
    rows, guards, arguments = write_arguments(drafts)
    assert [each.model for each in rows] == [MonthSpend, Receipt] and guards == ()
    assert [list(each) for each in arguments] == [[mei, lan], [AT.date()], [2, 3], [mei, mei], ["1", "2"]]
    assert drafts[0].changes == 4


async def test_what_is_the_same_in_all_rows_is_sent_once(database: Database, clock: FixedClock) -> None:
    """Columns of one value, JSON too, arrive in every row; the members and what differs arrive as they are."""
    mei, lan = await a_member(clock), await a_member(clock)
    drafts = [a_draft(mei), a_draft(lan)]
    same = {"operation": "v", "fingerprint": b"same", "answer": '{"n": 1}', "refusal": True, "created_at": AT}
    for draft, number in ((drafts[0], 1), (drafts[0], 2), (drafts[1], 1)):
        draft.insert(Receipt, actor=f"{draft.member_id}", key=f"{number}", **same)
    rows, _, arguments = write_arguments(drafts)
    assert [len(each) for each in arguments] == [3, 3, 3, 1, 1, 1, 1, 1]
    everybody = LedgerCall("unnest($1::uuid[])", 1)
    await fetch(write_statement(everybody, rows, (), True), [mei, lan], *arguments)
    written = await fetch("SELECT member_id, key, operation, fingerprint, answer, refusal, created_at FROM receipt")
    told = ("v", b"same", '{"n": 1}', True, AT)
    assert {tuple(row) for row in written} == {(mei, "1", *told), (mei, "2", *told), (lan, "1", *told)}


def test_claims_are_handed_over_per_member() -> None:
    """Each claim keeps its member, so that a member who is not accepted claims nothing."""
    mei, key, guard = new_id(), new_id(), Guard("open", "SELECT key FROM {claims}")
    draft = a_draft(mei)
    draft.claim(guard, key)
    draft.claim(guard, key, 3)
    assert write_arguments([draft]) == ((), (guard,), [[mei, mei], [key, key], [1, 3]])
