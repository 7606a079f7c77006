"""Ledger stories told as aligned tables: each row is a step and what stands in the books after it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

from gamification.core.work import Work
from tests.builders import assert_invariants, balance, lots

Step = Callable[[str], Awaitable[object]]


async def tell(work: Work, member_id: UUID, story: str, step: Step) -> None:
    """Take each step and compare available, pending, debt and the lots that remain with its row.

    The first column is handed to `step`; the first row is the heading.
    """
    heading, *rows = (
        [column.strip() for column in row.split("|")]
        for row in story.strip().splitlines()
        if set(row.strip()) - {"-", "|", "+"}
    )
    assert heading == ["step", "available", "pending", "debt", "lots"]
    for words, *expected in rows:
        await step(words)
        now = await balance(work, member_id)
        remaining = " ".join(f"{points}" for points in await lots(member_id)) or "none"
        assert [f"{now.available}", f"{now.pending}", f"{now.debt}", remaining] == expected, words
        await assert_invariants()
