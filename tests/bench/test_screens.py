"""What a screen reads ahead is what its document would have read."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from app.documents import document_id
from schema.screens import SCREENS
from tests.bench.operations import text_of
from tests.bench.programme import Measured
from tests.bench.statements import in_process, recorded

MEMBERS = range(1, 9)


async def _asked(
    client: httpx.AsyncClient, measured: Measured, number: int, body: dict[str, Any], language: str
) -> Any:
    headers = {"authorization": f"Bearer {measured.member_token(number)}", "accept-language": language}
    answer = await client.post("/graphql", json=body, headers=headers)
    return answer.json()


@pytest.mark.parametrize("screen", SCREENS)
async def test_members_who_ask_at_once_share_a_read_and_each_sees_their_own(few: Measured, screen: str) -> None:
    """Eight members, in two languages, get what each gets from the same text under another name, in two reads."""
    text = text_of(screen)
    trusted = {"documentId": document_id(text)}
    plain = {"query": text.replace(f"query {screen}", "query Elsewhere")}
    languages = {number: "en" if number % 2 else "zh-CN" for number in MEMBERS}
    async with in_process(few.settings) as client:
        for each in (trusted, plain):  # and the sessions are known
            await asyncio.gather(*(_asked(client, few, number, each, languages[number]) for number in MEMBERS))
        with recorded() as sent:
            screens = await asyncio.gather(
                *(_asked(client, few, number, trusted, languages[number]) for number in MEMBERS)
            )
        assert len(sent) <= 2, [each.sql for each in sent]  # the first to come begins; the others share
        alone = [await _asked(client, few, number, plain, languages[number]) for number in MEMBERS]
    assert screens == alone
    assert len({answer["data"]["me"]["number"] for answer in screens}) == len(MEMBERS)
