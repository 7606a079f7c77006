"""The golden vectors of docs/verifiers/vectors/, made anew; `python -m tests.verifiers.vectors` writes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from uuid import UUID

from tests.verifiers.model import (
    CHAIN,
    FIGURE,
    NONE,
    ROUND,
    SIGNATURE,
    Document,
    Draw,
    Plays,
    drand,
    figure,
    play_terms,
    sha256,
)  # fmt: skip
from tests.verifiers.running import VECTORS

SEED = bytes(range(32))
DRAW = UUID("01890000-0000-7000-8000-00000000d0a0")
MEMBER = UUID("01890000-0000-7000-8000-00000000a0b0")
DAYS = ("2026-03-01", "2026-03-02", "2026-03-03")


def tickets(count: int, buyers: str) -> list[tuple[UUID, str]]:
    """So many tickets, whose buyers are letters in turn."""
    names = [sha256(letter.encode())[:16].hex() for letter in buyers]
    return [(UUID(int=DRAW.int + 0x1000 + number), names[number % len(names)]) for number in range(count)]


def draw_1() -> Document:
    """Seven tickets of three buyers under the first algorithm."""
    return Draw(DRAW, SEED, tickets(7, "abc"), [(1, None), (3, 1)], algorithm="jifen-draw-1").document()


def draw_2_none() -> Document:
    """No beacon; two reserves, nobody failed to claim."""
    return Draw(DRAW, SEED, tickets(7, "abc"), [(1, None), (3, 1)], reserves=2, beacon_terms=NONE).document()


def draw_2_drand() -> Document:
    """Round 1000 of a chain that exists; two wins lapse, then the win of a reserve; limits pass reserves over."""
    beacon = drand(ROUND, SIGNATURE)
    return Draw(
        DRAW, SEED, tickets(12, "abcd"), [(2, 1), (3, 1)], beacon_terms=CHAIN, beacon=beacon, reserves=6,
        claim_seconds=86_400, lapsed=[1, 3, 6],
    ).document()  # fmt: skip


def draw_2_figure() -> Document:
    """A published figure that is not written in digits, so that its encoding matters."""
    beacon = figure("三千零八十二点二四")
    return Draw(DRAW, SEED, tickets(5, "ab"), [(2, None)], beacon_terms=FIGURE, beacon=beacon).document()


def plays(secret: frozenset[str] = frozenset()) -> Document:
    """Two versions, pity after two misses, a prize that runs out and one that is not released yet."""
    lines = [
        {"kind": "POINTS", "odds_ppm": 100_000, "pity_ppm": 400_000, "fallback": 2},
        {"kind": "POINTS", "odds_ppm": 200_000, "pity_ppm": 300_000, "fallback": 3},
        {"kind": "NONE", "odds_ppm": 700_000, "pity_ppm": 300_000, "fallback": None},
    ]
    better = [lines[0], lines[1] | {"odds_ppm": 300_000}, lines[2] | {"odds_ppm": 600_000}]
    seeds = {day: sha256(day.encode()) for day in DAYS}
    gone = {1: "STOCK", 2: "RELEASE"}
    played: list[tuple[str, int, dict[int, str]]] = [(DAYS[0], 1, {}) for _ in range(6)]
    played += [(DAYS[1], 1 + number // 3, {1: "BUDGET"}) for number in range(6)]
    played += [(DAYS[2], 2, gone if number % 2 else {}) for number in range(8)]
    versions = [play_terms(DRAW, 1, lines, 2), play_terms(DRAW, 2, better, 2)]
    return Plays(DRAW, MEMBER, versions, seeds, played, secret).document()


def plays_waiting() -> Document:
    """The same on its last day: that day's seed is still secret."""
    return plays(frozenset({DAYS[2]}))


MADE: Mapping[str, Callable[[], Document]] = {
    "draw-1": draw_1,
    "draw-2-none": draw_2_none,
    "draw-2-drand": draw_2_drand,
    "draw-2-figure": draw_2_figure,
    "plays": plays,
    "plays-waiting": plays_waiting,
}


def written(document: Document) -> str:
    """A vector as it stands in its file: a field a line, and a line for each row of a list."""
    fields = []
    for name, value in document.items():
        text = json.dumps(value, ensure_ascii=False)
        if isinstance(value, list) and value:
            rows = ",\n  ".join(json.dumps(row, ensure_ascii=False) for row in value)
            text = f"[\n  {rows}\n ]"
        fields.append(f' "{name}": {text}')
    return "{\n" + ",\n".join(fields) + "\n}\n"


if __name__ == "__main__":
    VECTORS.mkdir(exist_ok=True)
    for vector, make in MADE.items():
        (VECTORS / f"{vector}.json").write_text(written(make()), "utf-8")
