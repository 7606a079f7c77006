"""The stand-alone verifier: accepts what we export, refuses whatever was tampered with, and uses nothing of ours."""

from __future__ import annotations

import asyncio
import copy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest

from gamification.core.clock import FixedClock
from gamification.core.work import Work
from gamification.draws import exports
from tests.draws.builders import DAY, a_prize, an_open_draw, bought, drawn, members_with

VERIFIER = Path(__file__).parents[2] / "docs" / "verifiers" / "verify_draw.py"
Tamper = Callable[[dict[str, Any]], None]


async def verify(document: dict[str, Any], folder: Path) -> tuple[int, str]:
    """Exit code and output of the verifier in an interpreter that sees only the standard library."""
    path = folder / "draw.json"
    path.write_bytes(orjson.dumps(document))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", str(VERIFIER), str(path), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode().strip()


async def exported(draw_id: UUID) -> dict[str, Any]:
    """The document of a drawn draw, read as anybody reads it."""
    export = await exports.export_of(draw_id)
    assert export is not None
    document: dict[str, Any] = orjson.loads(b"".join([chunk async for chunk in export.chunks()]))
    return document


async def an_export(work: Work, clock: FixedClock) -> dict[str, Any]:
    """A draw of 40 tickets and 9 prizes with a limit, drawn."""
    draw_id = await an_open_draw(work, a_prize(500, 2, 1), a_prize(20, 7, 2))
    await bought(work, draw_id, await members_with(work, [500] * 10) * 4)
    clock.advance(DAY)
    await drawn(work, draw_id, clock.now())
    return await exported(draw_id)


async def test_our_export_verifies(work: Work, clock: FixedClock, tmp_path: Path) -> None:
    """Terms, commitment, numbers, root and winners are recomputed."""
    assert await verify(await an_export(work, clock), tmp_path) == (0, "holds: 40 tickets, 9 winners recomputed")


def _swap_winners(document: dict[str, Any]) -> None:
    winners = document["winners"]
    winners[0][1], winners[1][1] = winners[1][1], winners[0][1]


def _raise_prize(document: dict[str, Any]) -> None:
    document["terms"] = document["terms"].replace('"points":500', '"points":900')


def _other_seed(document: dict[str, Any]) -> None:
    document["seed"] = "00" * 32


def _sell_to_another(document: dict[str, Any]) -> None:
    document["tickets"][0][2] = document["tickets"][1][2]


def _drop_ticket(document: dict[str, Any]) -> None:
    document["tickets"].pop(3)


def _swap_tickets(document: dict[str, Any]) -> None:
    tickets = document["tickets"]
    tickets[0], tickets[1] = tickets[1], tickets[0]


def _add_winner(document: dict[str, Any]) -> None:
    document["winners"].append([10, 1, 2])


def _drop_winner(document: dict[str, Any]) -> None:
    document["winners"].pop()


def _other_draw(document: dict[str, Any]) -> None:
    document["draw"] = "019c0000-0000-7000-8000-000000000001"


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (_swap_winners, "the winners are others"),
        (_add_winner, "the winners are others"),
        (_drop_winner, "the winners are others"),
        (_raise_prize, "the terms do not have the published hash"),
        (_other_seed, "the seed is not the committed one"),
        (_sell_to_another, "the tickets do not have the published root"),
        (_drop_ticket, "numbers are not 1, 2, 3, ..."),
        (_swap_tickets, "numbers are not 1, 2, 3, ..."),
        (_other_draw, "the terms are those of another draw"),
    ],
)
async def test_tampering_is_refused(work: Work, clock: FixedClock, tmp_path: Path, tamper: Tamper, said: str) -> None:
    """The verifier says what does not hold and exits with 1."""
    document = copy.deepcopy(await an_export(work, clock))
    tamper(document)
    code, output = await verify(document, tmp_path)
    assert code == 1 and said in output.splitlines()


async def test_nothing_is_exported_before_the_seed_is_revealed(work: Work, clock: FixedClock) -> None:
    """Nor for a draw that was voided: nobody won, so there is nothing to check."""
    draw_id = await an_open_draw(work)
    assert await exports.export_of(draw_id) is None
