"""The staff's files over HTTP as a browser or a script fetches them."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import httpx
import pytest

from tests.docs.conftest import WEDNESDAY_NOON
from tests.stories.served import Programme

DAYS = {
    "from": (WEDNESDAY_NOON - timedelta(days=2)).date().isoformat(),
    "to": (WEDNESDAY_NOON + timedelta(days=2)).date().isoformat(),
}


async def fetched(programme: Programme, caller: str, path: str, **query: str) -> httpx.Response:
    headers = {"authorization": f"Bearer {getattr(programme.tokens, caller)}", "accept-language": "en"}
    return await programme.http.get(f"/admin/exports/{path}", params=query, headers=headers)


async def test_the_owner_takes_the_demonstrations_entries_home(programme: Programme) -> None:
    """Every entry of the demonstration member as one whole file; that it was taken stands in the audit trail."""
    answer = await fetched(programme, "owner", "entries.csv", **DAYS)
    assert answer.status_code == 200
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert [(row["kind"], row["points"]) for row in rows if row["currency"] == "POINTS"] == [
        ("LADDER", "100"), ("LADDER", "425"), ("LADDER", "575"),
    ]  # fmt: skip
    assert "the ladder's points from 525 to 1100" in rows[-2]["explanation"] + rows[-1]["explanation"]
    text = '{ auditRecords(search: {action: "entries.exported"}) { edges { node { subject after } } } }'
    (edge,) = (await programme.ask("owner", text))["auditRecords"]["edges"]
    assert edge["node"]["subject"] == "export:entries" and edge["node"]["after"]["since"] == DAYS["from"]


async def test_the_liability_of_the_demonstration_ties(programme: Programme) -> None:
    """1,100 points are owed; the file and GraphQL say the same."""
    answer = await fetched(programme, "owner", "liability.csv", breakageBp="1000")
    *_, total = csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""))
    assert total == ["total", "1100", "0", "0", "1100", "110", "990"]
    text = "{ liability(breakageBp: 1000) { netFen reconciliation { ties entries } } }"
    assert (await programme.ask("owner", text))["liability"] == {
        "netFen": 990, "reconciliation": {"ties": True, "entries": 1100},
    }  # fmt: skip


@pytest.mark.parametrize(("caller", "status"), [("cashier", 403), ("integration", 403), ("member", 401)])
async def test_others_take_nothing_home(programme: Programme, caller: str, status: int) -> None:
    """A cashier and a till may not, and a member's token is no token of the staff's."""
    assert (await fetched(programme, caller, "entries.csv", **DAYS)).status_code == status
