"""The worked examples of docs/draws-algorithm.md are what the algorithm gives."""

from __future__ import annotations

import json

from tests.docs.pages import ROOT, prose
from tests.verifiers import vectors
from tests.verifiers.model import (
    CHAIN,
    CLOSED_AT,
    MILLION,
    ROUND,
    SIGNATURE,
    Draw,
    canonical,
    drand,
    instant,
    mac,
    root_of,
    round_at,
    sha256,
)

PAGE = ROOT / "docs" / "draws-algorithm.md"


def shown(heading: int) -> dict[str, str]:
    """The steps of the first or second worked example, as the page shows them."""
    part = prose(PAGE).split("### A worked example")[heading].split("\n## ")[0]
    rows = [line.strip("|").replace("\\|", "\0").split("|") for line in part.splitlines() if line.startswith("|")]
    return {name.strip(): value.strip().strip("`").replace("\0", "|") for name, value in rows[2:]}


def joined(rows: list[list[int]]) -> str:
    return " ".join(":".join(map(str, row)) for row in rows)


def test_the_worked_draw_is_the_vectors() -> None:
    """Each intermediate value of the page is recomputed: a third party can compare step by step."""
    draw = Draw(
        vectors.DRAW, vectors.SEED, vectors.tickets(12, "abcd"), [(2, 1), (3, 1)], beacon_terms=CHAIN,
        beacon=drand(ROUND, SIGNATURE), reserves=6, claim_seconds=86_400, lapsed=[1, 3, 6],
    )  # fmt: skip
    document, leaves = draw.document(), draw.leaves()
    assert document == vectors.draw_2_drand() and round_at(CLOSED_AT, CHAIN) == ROUND
    first, second = (sha256(b"\x00" + leaf) for leaf in leaves[:2])
    waited = -int(-CLOSED_AT.timestamp() // 1) + CHAIN["delay_seconds"] - CHAIN["genesis"]  # type: ignore[operator]
    assert shown(1) == {
        "commitment": sha256(vectors.SEED).hex(),
        "terms hash": document["terms_hash"],
        "leaf of 1": leaves[0].decode(),
        "hash of leaf 1": first.hex(),
        "hash of leaf 2": second.hex(),
        "node over 1 and 2": sha256(b"\x01" + first + second).hex(),
        "node over 1 to 8": root_of(leaves[:8]).hex(),
        "node over 9 to 12": root_of(leaves[8:]).hex(),
        "root": document["root"],
        "closed at": instant(CLOSED_AT),
        "x": str(waited),
        "round": str(ROUND),
        "randomness": sha256(bytes.fromhex(SIGNATURE)).hex(),
        "mixed seed": draw.mixed_seed().hex(),
        "place of 11": mac(draw.mixed_seed(), f"{draw.id}|11").hex(),
        "place of 6": mac(draw.mixed_seed(), f"{draw.id}|6").hex(),
        "line": " ".join(map(str, draw.order())),
        "winners": joined(document["winners"]),
        "reserves": " ".join(str(number) for _, number in document["reserves"]),
        "promotions": joined(document["promotions"]),
    }


def test_the_worked_play_is_the_vectors() -> None:
    """From the day's seed to the prize, and the figures for whoever has no big integers."""
    document = vectors.plays()
    day, play = document["days"][0], document["plays"][0]
    message = f"{document['draw']}|{document['member']}|1|0"
    drawn = mac(bytes.fromhex(day["seed"]), message)
    value = int.from_bytes(drawn[:8])
    assert shown(2) == {
        "seed of 2026-03-01": day["seed"],
        "its commitment": day["commitment"],
        "message": message,
        "its HMAC": drawn.hex(),
        "v": str(value),
        "roll": str(play["roll"]),
        "nominal": str(play["nominal"]),
    }
    page = PAGE.read_text("utf-8")
    last = 2**64 - 2**64 % MILLION
    assert f"{last:,}" in page and f"{last % 2**32:,}" in page and f"{2**32 % MILLION:,}" in page
    assert last >> 32 == 2**32 - 1 and f"{2**32 - 1:,}" in page


def test_every_vector_is_listed() -> None:
    """The page names each file with what is in it, and every term of a vector is canonical."""
    page = PAGE.read_text("utf-8")
    assert [name for name in vectors.MADE if f"(verifiers/vectors/{name}.json)" not in page] == []
    for make in vectors.MADE.values():
        document = make()
        texts = [each["terms"] for each in document["terms"]] if "plays" in document else [document["terms"]]
        assert [text for text in texts if canonical(json.loads(text)) != text] == []
