"""Every query of the documents is executed against the real product, in its order, on the demonstration programme.

A block says who sends it by a word behind its language (`graphql staff`) or a comment (`# as integration`); a member
does otherwise. `# DRAW_ID = draws.edges.0.node.id` gives a value of the answer the name that later blocks write in its
place; `# refused: CODE` announces a refusal; before `# once the log is signed` the log's job runs. Variables of
reference pages get their values here.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from gamification.orders.columns import Layout
from gamification.orders.files import Row, read
from gamification.transparency.keeper import keeper
from gamification.transparency.service import sign_head
from tests.docs.conftest import WEDNESDAY_NOON
from tests.docs.pages import FRONT, PAGES, ROOT, Block, blocks, name_of
from tests.docs.served import Served, expected_refusals, is_subscription, variable_names
from tests.transparency.builders import caught_up

Value = Callable[[Served], Any]

ELSEWHERE = (ROOT / "docs" / "weekly-draw.md", ROOT / "docs" / "programmes.md")
"""Their queries are sent on different days, and to an empty database: test_weekly_draw.py, test_programmes.py."""
QUERIED = [page for page in PAGES if blocks(page, "graphql") and page not in ELSEWHERE]
CAMPAIGN_TERMS = {
    "titleZh": "山村图书馆",
    "titleEn": "Mountain libraries",
    "descriptionZh": "每一千积分捐十元。",
    "descriptionEn": "Ten yuan for a thousand points.",
    "beneficiary": "示例公益基金会",
    "agreementReference": "DOCS-1",
    "opensAt": "2026-01-01T00:00:00+08:00",
}
DRAW_PLAN = {
    "titleZh": "新年抽奖",
    "titleEn": "New year's draw",
    "ticketPoints": 50,
    "opensAt": "2030-01-01T00:00:00+08:00",
    "closesAt": "2030-01-02T00:00:00+08:00",
    "prizes": [{"nameZh": "一等奖", "nameEn": "First prize", "points": 1000, "quantity": 1}],
}
FIGURE = {
    "nameZh": "上证指数收盘",
    "nameEn": "SSE Composite close",
    "source": "https://www.sse.com.cn",
    "dueAt": "2030-01-02T15:00:00+08:00",
}
INSTANT_ODDS = {
    "playPoints": 50,
    "lines": [
        {
            "nameZh": "一百积分",
            "nameEn": "100 points",
            "kind": "POINTS",
            "points": 100,
            "oddsPpm": 250000,
            "fallback": 2,
        },
        {"nameZh": "谢谢参与", "nameEn": "No luck", "kind": "NONE", "oddsPpm": 750000},
    ],
}
INSTANT_DRAW_PLAN = {
    "titleZh": "新年转盘",
    "titleEn": "New year's wheel",
    "opensAt": "2030-01-01T00:00:00+08:00",
    "closesAt": "2030-01-08T00:00:00+08:00",
    "odds": INSTANT_ODDS,
}
VARIABLES: Mapping[str, Mapping[str, Value]] = {
    "docs/beacons.md": {
        "drand": lambda served: {**DRAW_PLAN, "beacon": {"kind": "DRAND"}},
        "figure": lambda served: {**DRAW_PLAN, "beacon": {"kind": "FIGURE", "figure": FIGURE}},
        "id": lambda served: served.at("planDraw.id"),
    },
    "docs/charity.md": {
        "terms": lambda served: CAMPAIGN_TERMS,
        "id": lambda served: served.at("createCharityCampaign.id"),
        "campaign": lambda served: served.names["CAMPAIGN_ID"],
        "key": lambda served: "docs-charity",
        "code": lambda served: served.at("donatePoints.donation.certificate.verificationCode"),
    },
    "docs/checkins.md": {"member": lambda served: served.names["MEMBER_ID"]},
    "docs/draws.md": {
        "draw": lambda served: served.at("draws.edges.0.node.id"),
        "key": lambda served: "docs-draws",
        "rank": lambda served: 1,
        "input": lambda served: DRAW_PLAN,
        "id": lambda served: served.at("draws.edges.0.node.id"),
    },
    "docs/instant-draws.md": {
        "draw": lambda served: served.at("instantDraws.edges.0.node.id"),
        "key": lambda served: "docs-instant-draws",
        "input": lambda served: INSTANT_DRAW_PLAN,
        "id": lambda served: served.at("planInstantDraw.id"),
        "odds": lambda served: {**INSTANT_ODDS, "playPoints": 40},
        "play": lambda served: served.at("playInstantDraw.play.id"),
    },
    "docs/tiers.md": {"member": lambda served: served.names["MEMBER_ID"]},
    "docs/statements.md": {"member": lambda served: served.names["MEMBER_ID"]},
}
"""Where the variables of a page come from."""

KNOWN_IDS = Block(
    "the test's own ids",
    "graphql",
    (),
    """# CAMPAIGN_ID = charityCampaigns.edges.0.node.id
# MEMBER_ID = me.id
{ me { id } charityCampaigns(first: 1) { edges { node { id } } } }""",
)
ENOUGH_POINTS = Block(
    "the test's own order",
    "graphql",
    ("integration",),
    """mutation { recordOrder(input: {
      externalId: "docs", member: { reference: { namespace: EXTERNAL, value: "demo-xiaohong" } },
      paidAt: "2025-06-01T12:00:00+08:00", paidFen: 500000, lines: [{ netFen: 500000 }]
    }) { ... on OrderRecorded { points } } }""",
)
"""5,000 yuan in a month of its own: 10,000 points by the ladder."""


def test_there_are_queries_to_execute() -> None:
    """Both READMEs hold a tour of GraphQL, so that an unread page cannot pass for a tested one."""
    assert {ROOT / name for name in FRONT} <= set(QUERIED)
    assert all(len(blocks(ROOT / name, "graphql")) >= 8 for name in FRONT)


@pytest.mark.parametrize("page", QUERIED, ids=name_of)
async def test_every_query_of_a_page_is_answered(page: Path, served: Served) -> None:
    """No query of a page is answered with errors, nor refused unless the page says with what."""
    if name_of(page) not in FRONT:
        await served.send(KNOWN_IDS)
        posted = await served.send(ENOUGH_POINTS)
        assert posted == {"recordOrder": {"points": 10_000}}
    for block in blocks(page, "graphql"):
        if is_subscription(block):
            continue
        if block.notes("once the log is signed"):
            await sign_log()
        data = await served.send(block, variables_of(page, block, served))
        refused = [value["code"] for value in data.values() if isinstance(value, dict) and "code" in value]
        assert refused == expected_refusals(block), f"{block.place}: {data}"
        assert all(value not in (None, {}) for value in data.values()), f"{block.place}: {data}"


@pytest.mark.parametrize("name", FRONT)
async def test_the_tour_says_the_right_figures(name: str, served: Served) -> None:
    """The order of the tour brings 1,200 points at 2 %, and the statement says what ticket and gift leave of them."""
    for block in blocks(ROOT / name, "graphql"):
        await served.send(block)
        if "recordOrder" in block.text:
            assert served.at("recordOrder.ladderPoints") == served.at("recordOrder.points") == 1_200
    moved = [edge["node"]["points"] for edge in served.at("me.entries.edges")]
    assert moved == [-1_000, -50, 5, 1_200, 575, 425, 100]
    assert served.at("me.entries.edges.0.node.available") == 1_255


@pytest.mark.parametrize("name", FRONT)
def test_the_file_of_the_tour_can_be_imported(name: str) -> None:
    """Every line of the sample file is read as an order or a refund."""
    (sample,) = [
        match
        for block in blocks(ROOT / name, "sh")
        for match in re.findall(r"<<'CSV'\n(.*?)^CSV$", block.text, re.DOTALL | re.MULTILINE)
    ]
    rows = list(read(io.BytesIO(sample.encode()), Layout()))
    assert [type(row) for row in rows] == [Row, Row, Row]


async def sign_log() -> None:
    """What the log's job does by time: give every entry its leaf, and sign the head."""
    await caught_up()
    await sign_head(keeper(), WEDNESDAY_NOON)


def variables_of(page: Path, block: Block, served: Served) -> dict[str, Any]:
    """The values of a block's variables."""
    known = VARIABLES.get(name_of(page), {})
    names = variable_names(block)
    assert set(names) <= known.keys(), f"{block.place}: say in {Path(__file__).name} where {names} come from"
    return {name: known[name](served) for name in names}
