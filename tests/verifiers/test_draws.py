"""Draws: what was made by the rules is accepted, whatever was tampered with is refused, by both verifiers alike."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from py_mini_racer import MiniRacer

from tests.verifiers import vectors
from tests.verifiers.model import Document, Draw, a_random_draw, canonical, sha256
from tests.verifiers.running import verdicts

Tamper = Callable[[Document], None]
TERMS_HASH, NUMBERS, ROOT = "the terms do not have the published hash", "numbers are not 1, 2, 3, ...", (
    "the tickets do not have the published root"
)  # fmt: skip
ORDER, SEED = "the tickets are not in the order of their ids", "the seed is not the committed one"
WINNERS, RESERVES, PROMOTIONS = "the winners are others", "the reserves are others", "the promotions are others"
ROUND, RANDOMNESS = "the round is not the one after closing", "the randomness is not the hash of the signature"
BEACON, NOT_WHOLE = "the beacon is not the one that the terms name", "the document is not whole"


def in_terms(old: str, new: str) -> Tamper:
    """Change the text of the terms."""

    def tamper(document: Document) -> None:
        assert old in document["terms"]
        document["terms"] = document["terms"].replace(old, new, 1)

    return tamper


def rehashed(old: str, new: str) -> Tamper:
    """Change the terms, and publish their new hash."""

    def tamper(document: Document) -> None:
        in_terms(old, new)(document)
        document["terms_hash"] = sha256(document["terms"].encode()).hex()

    return tamper


def put(*path: str | int, value: object) -> Tamper:
    """Put a value at a place of the document."""

    def tamper(document: Document) -> None:
        inner = document
        for step in path[:-1]:
            inner = inner[step]  # type: ignore[index]
        inner[path[-1]] = value  # type: ignore[index]

    return tamper


def swap(name: str, column: int | None = None) -> Tamper:
    """Swap the first two rows of a list, or one column of them."""

    def tamper(document: Document) -> None:
        rows = document[name]
        if column is None:
            rows[0], rows[1] = rows[1], rows[0]
        else:
            rows[0][column], rows[1][column] = rows[1][column], rows[0][column]

    return tamper


def drop(name: str, at: int = -1) -> Tamper:
    return lambda document: document[name].pop(at)


def add(name: str, row: list[object]) -> Tamper:
    return lambda document: document[name].append(row)


def without(name: str) -> Tamper:
    return lambda document: document.pop(name)


def renumber(document: Document) -> None:
    """Take out a ticket and close the gap."""
    document["tickets"].pop(3)
    for number, ticket in enumerate(document["tickets"], 1):
        ticket[0] = number


def another_seed(document: Document) -> None:
    """A seed with a commitment of its own, as somebody would have to publish it anew."""
    old, new = document["terms"].split('"commitment":"')[1][:64], sha256(bytes(32)).hex()
    document["seed"] = "00" * 32
    rehashed(old, new)(document)


ALL = [WINNERS, RESERVES, PROMOTIONS]
TICKET = [13, "01890000-0000-7000-8000-00000000e0ac", "ca978112ca1bbdcafac231b39a23dc4d"]
BUYER = "3e23e8160039594a33894f6564e1b134"
TAMPERED: list[tuple[str, Tamper, list[str]]] = [
    ("ticket added", add("tickets", [*TICKET]), [ROOT, RESERVES]),
    ("ticket removed", drop("tickets"), [ROOT, RESERVES]),
    ("ticket removed within", drop("tickets", 3), [NUMBERS, ROOT, *ALL]),
    ("gap closed", renumber, [ROOT, *ALL]),
    ("tickets reordered", swap("tickets"), [NUMBERS, ORDER, ROOT, *ALL]),
    ("tickets renumbered", swap("tickets", 0), [NUMBERS, ROOT]),
    ("ids swapped", swap("tickets", 1), [ORDER, ROOT]),
    ("buyers swapped", swap("tickets", 2), [ROOT, *ALL]),
    ("ticket of another buyer", put("tickets", 0, 2, value=BUYER), [ROOT, *ALL]),
    ("seed", put("seed", value="00" * 32), [SEED, *ALL]),
    ("seed and commitment", another_seed, [*ALL]),
    ("root", put("root", value="00" * 32), [ROOT]),
    ("randomness", put("beacon", "randomness", value="00" * 32), [RANDOMNESS, *ALL]),
    ("round", put("beacon", "round", value=1001), [ROUND]),
    ("round before", put("beacon", "round", value=999), [ROUND]),
    ("signature", put("beacon", "signature", value="ab" * 48), [RANDOMNESS]),
    ("closed later", put("closed_at", value="2023-08-23T15:54:24.000001Z"), [ROUND]),
    ("closed too early", put("closed_at", value="2023-08-23T15:54:01Z"), ["it closed before its time", ROUND]),
    ("no beacon", put("beacon", value=None), [BEACON]),
    ("another kind", put("beacon", "kind", value="figure"), [BEACON]),
    ("delay", rehashed('"delay_seconds":300', '"delay_seconds":600'), [ROUND]),
    ("price", in_terms('"ticket_points":50', '"ticket_points":5'), [TERMS_HASH]),
    ("prize", in_terms('"points":200', '"points":900'), [TERMS_HASH]),
    ("quantity", rehashed('"quantity":3', '"quantity":4'), [*ALL]),
    ("limit", rehashed('"per_member":1,"place":2', '"per_member":null,"place":2'), [*ALL]),
    ("fewer reserves", rehashed('"reserves":6', '"reserves":5'), [RESERVES]),
    ("terms hash", put("terms_hash", value="00" * 32), [TERMS_HASH]),
    ("terms of another draw", rehashed("d0a0", "d0a1"), ["the terms are those of another draw"]),
    ("another draw", put("draw", value="01890000-0000-7000-8000-00000000d0a1"), [
        "the terms are those of another draw", ROOT, *ALL]),
    ("level", rehashed("PUBLIC", "OPERATOR"), ["the terms do not say which beacon it is"]),
    ("nobody may lapse", rehashed('"claim_seconds":86400', '"claim_seconds":null'), [PROMOTIONS]),
    ("winner changed", put("winners", 0, 1, value=12), [WINNERS]),
    ("winner added", add("winners", [6, 1, 2]), [WINNERS]),
    ("winner removed", drop("winners"), [WINNERS]),
    ("winners swapped", swap("winners", 1), [WINNERS]),
    ("prizes swapped", put("winners", 0, 2, value=2), [WINNERS]),
    ("rank changed", put("winners", 4, 0, value=6), [WINNERS]),
    ("reserve changed", put("reserves", 0, 1, value=3), [RESERVES]),
    ("reserves swapped", swap("reserves", 1), [RESERVES]),
    ("reserve removed", drop("reserves"), [RESERVES]),
    ("promotion changed", put("promotions", 0, 2, value=5), [PROMOTIONS]),
    ("promotion for another win", put("promotions", 1, 1, value=4), [PROMOTIONS]),
    ("promotion of another prize", put("promotions", 0, 3, value=2), [PROMOTIONS]),
    ("promotions swapped", swap("promotions"), [PROMOTIONS]),
    ("promotion removed", drop("promotions", 0), [PROMOTIONS]),
    ("promotion added", add("promotions", [9, 2, 12, 1]), [PROMOTIONS]),
    ("promotion for nobody's win", add("promotions", [9, 99, 2, 1]), [PROMOTIONS]),
    ("another format", put("format", value="jifen-draw-export-1"), ["the format is not that of the algorithm"]),
    ("another algorithm", rehashed("jifen-draw-2", "jifen-draw-9"), [
        "the algorithm is not one that this verifier knows"]),
]  # fmt: skip


@pytest.mark.parametrize(("tamper", "said"), [each[1:] for each in TAMPERED], ids=[each[0] for each in TAMPERED])
def test_tampering_is_refused_for_what_it_is(machine: MiniRacer, tamper: Tamper, said: list[str]) -> None:
    """Both say exactly what does not hold of a draw with a beacon, limits, reserves and promotions."""
    document = vectors.draw_2_drand()
    tamper(document)
    assert document != vectors.draw_2_drand()
    (found,) = verdicts(machine, "draw", [document])
    assert found == said


@pytest.mark.parametrize(
    "tamper",
    [
        *(without(name) for name in vectors.draw_2_drand() if name != "beacon"),
        put("tickets", 0, value=[1, "a|b", BUYER]),
        put("tickets", 0, 2, value=BUYER[:-1] + "|"),
        put("tickets", 0, 0, value="1"),
        put("tickets", 0, 0, value=True),
        put("tickets", 0, 0, value=-1),
        put("tickets", 0, value=[1, TICKET[1]]),
        put("winners", value={}),
        put("seed", value="00"),
        put("seed", value=SEED),
        put("closed_at", value="2023-13-41T15:54:01Z"),
        put("closed_at", value="yesterday"),
        put("beacon", value="none"),
        put("terms", value="{"),
        put("terms", value="[]"),
        put("terms", value='"jifen-draw-2"'),
        put("terms", value=None),
        in_terms('"prizes":[', '"prizes":[null,'),
        in_terms('"kind":"drand"', '"kind":"toString"'),
        in_terms("Weekend", "\ud800"),
    ],
)
def test_what_is_no_export_is_refused(machine: MiniRacer, tamper: Tamper) -> None:
    """A document that lacks something, or says it otherwise than exports do, is not read any further."""
    document = vectors.draw_2_drand()
    tamper(document)
    assert verdicts(machine, "draw", [document]) == [[NOT_WHOLE]]


def test_what_is_no_document_is_refused(machine: MiniRacer) -> None:
    """Whatever else JSON can hold is refused and raises nothing."""
    assert verdicts(machine, "draw", [None, [], {}, "draw", 7, True]) == [[NOT_WHOLE]] * 6


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32))
def test_draws_by_the_rules_are_accepted(machine: MiniRacer, number: int) -> None:
    """Any tickets, prizes, limits, beacons, reserves and lapses, decided by a plain model: nothing is wrong."""
    random = Random(number)
    documents = [a_random_draw(random).document() for _ in range(25)]
    assert verdicts(machine, "draw", documents) == [[]] * 25


def tampered(document: Document, random: Random) -> list[Document]:
    """The same draw, tampered with in every list and field that decides something.

    Who claimed in time is no matter of chance: that a last promotion is missing, or stands for another win of the same
    prize, can be told by those concerned only.
    """
    copies = []

    def change(path: tuple[str | int, ...], value: object) -> None:
        document_then = copy.deepcopy(document)
        put(*path, value=value)(document_then)
        copies.append(document_then)

    for name in ("winners", "reserves", "promotions", "tickets"):
        rows = document.get(name) or []
        if rows:
            at = random.randrange(len(rows))
            if name != "promotions" or at < len(rows) - 1:
                change((name,), rows[:at] + rows[at + 1 :])
            change((name,), [*rows, rows[at]])
            column = random.choice({"tickets": [0], "promotions": [0, 2, 3]}.get(name, range(len(rows[at]))))
            change((name, at, column), rows[at][column] + random.choice([1, 7]))
        if len(rows) > 1:
            first, second = sorted(random.sample(range(len(rows)), 2))
            moved = [*rows[:first], rows[second], *rows[first + 1 : second], rows[first], *rows[second + 1 :]]
            change((name,), moved)
    for name in ("seed", "root", "terms_hash"):
        at = random.randrange(64)
        text = document[name]
        change((name,), text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :])
    return copies


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32))
def test_no_tampering_passes(machine: MiniRacer, number: int) -> None:
    """Rows taken out, added, changed or swapped, and any digit of seed, root or hash: each is refused, by both."""
    random = Random(number)
    copies = [each for _ in range(6) for each in tampered(a_random_draw(random).document(), random)]
    found = verdicts(machine, "draw", copies)
    assert [place for place, problems in enumerate(found) if not problems] == []


def lapsing(lapsed: list[int], reserves: int = 3, limit: int | None = 1) -> Draw:
    """Six tickets of two buyers for one prize each, with reserves; who does not claim is said."""
    return Draw(
        vectors.DRAW, vectors.SEED, vectors.tickets(6, "ab"), [(2, limit)], reserves=reserves, claim_seconds=60,
        lapsed=lapsed,
    )  # fmt: skip


def test_a_lapse_without_a_reserve_is_no_promotion(machine: MiniRacer) -> None:
    """With both buyers at the limit a lapse goes to the same buyer's next ticket, and to nobody when there is none."""
    full, none_left = lapsing([1, 2]), lapsing([1], reserves=0)
    documents = [full.document(), none_left.document()]
    assert (len(documents[0]["promotions"]), documents[1]["promotions"], none_left.unclaimed) == (2, [], [1])
    buyers = {number: buyer for number, _, buyer in documents[0]["tickets"]}
    first, winner = documents[0]["promotions"][0], documents[0]["winners"][0]
    assert buyers[first[2]] == buyers[winner[1]]
    assert verdicts(machine, "draw", documents) == [[], []]


def test_promotions_stand_in_the_order_of_the_wins_they_replace(machine: MiniRacer) -> None:
    """Handled the other way round the reserves would go to others, so this order is refused."""
    backwards = lapsing([2, 1], limit=None).document()
    assert verdicts(machine, "draw", [backwards, lapsing([1, 2], limit=None).document()]) == [[PROMOTIONS], []]


def test_a_beacon_decides(machine: MiniRacer) -> None:
    """Another published figure is another result, and the figure alone is refused with the old one."""
    document = vectors.draw_2_figure()
    other = copy.deepcopy(document)
    other["beacon"]["value"] = "3082.24"
    draw = Draw(
        vectors.DRAW, vectors.SEED, vectors.tickets(5, "ab"), [(2, None)], beacon=other["beacon"],
        beacon_terms=json.loads(document["terms"])["beacon"],
    )  # fmt: skip
    assert draw.document()["winners"] != document["winners"]
    assert verdicts(machine, "draw", [document, other, draw.document()]) == [[], [WINNERS], []]


def test_terms_are_hashed_as_they_were_written(machine: MiniRacer) -> None:
    """The same terms in another order of keys or with blanks are another text."""
    draw = vectors.draw_2_none()
    spaced = draw | {"terms": json.dumps(json.loads(draw["terms"]), ensure_ascii=False)}
    assert canonical(json.loads(draw["terms"])) == draw["terms"]
    assert verdicts(machine, "draw", [spaced]) == [[TERMS_HASH]]


def test_a_draw_of_no_tickets_has_no_winners(machine: MiniRacer) -> None:
    """The root of nothing is SHA-256 of nothing."""
    draw = Draw(vectors.DRAW, vectors.SEED, [], [(2, None)], reserves=2)
    document = draw.document()
    assert (document["root"], document["winners"]) == (sha256(b"").hex(), [])
    assert verdicts(machine, "draw", [document, replace(draw, tickets=vectors.tickets(1, "a")).document()]) == [[], []]
