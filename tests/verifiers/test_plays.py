"""Plays: what was made by the rules is accepted, whatever was tampered with is refused, by both verifiers alike."""

from __future__ import annotations

import copy
import json
import runpy
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from py_mini_racer import MiniRacer

from tests.verifiers import vectors
from tests.verifiers.model import Document, some_plays
from tests.verifiers.running import PYTHON, SCRIPT, printed, reported, verdicts
from tests.verifiers.test_draws import Tamper, drop, put, swap, without

NUMBERS, BACKWARDS = "numbers are not 1, 2, 3, ...", "days or versions go backwards"
NOT_WHOLE = "the document is not whole"


def in_version(old: str, new: str, version: int = 1) -> Tamper:
    """Change the text of a version's terms."""

    def tamper(document: Document) -> None:
        terms = document["terms"][version - 1]
        assert old in terms["terms"]
        terms["terms"] = terms["terms"].replace(old, new, 1)

    return tamper


def all_odds(document: Document) -> None:
    """Better odds for the house, in a sum that is still whole."""
    for old, new in (('"odds_ppm":100000', '"odds_ppm":5'), ('"odds_ppm":700000', '"odds_ppm":799995')):
        in_version(old, new)(document)


def once_more(document: Document) -> None:
    """The first day stands twice, under another seed."""
    document["days"].append(document["days"][0] | {"seed": "00" * 32})


TAMPERED: list[tuple[str, Tamper, list[str]]] = [
    ("roll", put("plays", 4, "roll", value=318_542), ["play 5: the roll is another"]),
    ("roll of another prize", put("plays", 4, "roll", value=1), [
        "play 5: the roll is another", "play 5: the prize is another"]),
    ("number", put("plays", 4, "number", value=6), [NUMBERS, "play 6: the roll is another"]),
    ("nominal", put("plays", 4, "nominal", value=2), [
        "play 5: the prize is another", "play 5: what was given is no declared fallback"]),
    ("given", put("plays", 2, "given", value=3), [
        "play 3: what was given is no declared fallback", "play 5: the pity is another",
        "play 5: the prize is another"]),
    ("given and reason", lambda document: document["plays"][4].update(given=1, reason="STOCK"), [
        "play 5: what was given is no declared fallback", "play 6: the pity is another",
        "play 6: the prize is another"]),
    ("reason taken away", put("plays", 8, "reason", value=None), ["play 9: what was given is no declared fallback"]),
    ("reason without need", put("plays", 0, "reason", value="STOCK"), [
        "play 1: what was given is no declared fallback"]),
    ("pity", put("plays", 5, "pity", value=False), ["play 6: the pity is another"]),
    ("version", put("plays", 5, "version", value=2), [BACKWARDS]),
    ("version unknown", put("plays", 5, "version", value=3), [BACKWARDS, "play 6: its day or its version is missing"]),
    ("day", put("plays", 5, "business_date", value="2026-03-02"), ["play 6: the roll is another"]),
    ("play removed", drop("plays", 3), [NUMBERS, "play 6: the pity is another", "play 6: the prize is another"]),
    ("first play removed", drop("plays", 0), [NUMBERS]),
    ("plays reordered", swap("plays"), [NUMBERS]),
    ("seed", put("days", 0, "seed", value="00" * 32), [
        "2026-03-01: the seed is not the committed one",
        *(f"play {number}: the roll is another" for number in range(1, 7))]),
    ("commitment", put("days", 2, "commitment", value="00" * 32), ["2026-03-03: the seed is not the committed one"]),
    ("seed withheld", put("days", 1, "seed", value=None), ["a seed is secret though a later one is revealed"]),
    ("day removed", drop("days", 2), ["play 13: its day or its version is missing"]),
    ("day twice", once_more, ["the days are not in their order", "2026-03-01: the seed is not the committed one",
        *(f"play {number}: the roll is another" for number in range(1, 7))]),
    ("odds", in_version('"odds_ppm":100000', '"odds_ppm":100001'), [
        "version 1: the terms have another hash", "version 1: the odds do not sum to 1000000"]),
    ("price of a prize", in_version('"points":20', '"points":2'), ["version 1: the terms have another hash"]),
    ("pity later", in_version('"pity_after":2', '"pity_after":9'), [
        "version 1: the terms have another hash", "play 6: the pity is another", "play 6: the prize is another",
        "play 9: the pity is another", "play 9: the prize is another"]),
    ("fallback", in_version('"fallback":2', '"fallback":3'), [
        "version 1: the terms have another hash", "play 9: what was given is no declared fallback"]),
    ("terms hash", put("terms", 1, "terms_hash", value="00" * 32), ["version 2: the terms have another hash"]),
    ("terms of another draw", in_version("d0a0", "d0a1", 2), [
        "version 2: the terms have another hash", "version 2: the terms are of something else"]),
    ("terms of another version", in_version('"version":2', '"version":3', 2), [
        "version 2: the terms have another hash", "version 2: the terms are of something else"]),
    ("another algorithm", in_version("jifen-play-1", "jifen-play-2"), [
        "version 1: the terms have another hash", "version 1: the algorithm is not one that this verifier knows"]),
    ("another format", put("format", value="jifen-play-export-2"), ["the format is not one that this verifier knows"]),
    ("member", put("member", value=str(vectors.DRAW)), [f"play {n}: the roll is another" for n in range(1, 21)]),
]  # fmt: skip


@pytest.mark.parametrize(("tamper", "said"), [each[1:] for each in TAMPERED], ids=[each[0] for each in TAMPERED])
def test_tampering_is_refused_for_what_it_is(machine: MiniRacer, tamper: Tamper, said: list[str]) -> None:
    """Both say exactly what does not hold of plays with pity, substitutions, two versions and three days."""
    document = vectors.plays()
    tamper(document)
    (found,) = verdicts(machine, "play", [document])
    assert found == said


def test_odds_that_were_changed_show_in_what_was_played(machine: MiniRacer) -> None:
    """Other odds in the same whole have another hash, and give another prize for a roll that stays."""
    document = vectors.plays()
    all_odds(document)
    (found,) = verdicts(machine, "play", [document])
    assert found[0] == "version 1: the terms have another hash" and "play 3: the prize is another" in found


@pytest.mark.parametrize(
    "tamper",
    [
        *map(without, vectors.plays()),
        put("plays", 0, "pity", value=None),
        put("plays", 0, "pity", value=0),
        put("plays", 0, "reason", value="WHIM"),
        put("plays", 0, "business_date", value="2026-3-1"),
        put("plays", 0, value=[]),
        put("days", 0, "seed", value="00"),
        put("terms", 0, "terms", value="{"),
        put("terms", 0, "terms", value="null"),
        in_version('"fallback":2', '"fallback":"2"'),
        in_version("Prize", "\udc00"),
    ],
)
def test_what_is_no_export_is_refused(machine: MiniRacer, tamper: Tamper) -> None:
    """A document that lacks something, or says it otherwise than exports do, is not read any further."""
    document = vectors.plays()
    tamper(document)
    assert verdicts(machine, "play", [document, None, [], {}]) == [[NOT_WHOLE]] * 4


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32))
def test_plays_by_the_rules_are_accepted(machine: MiniRacer, number: int) -> None:
    """Any odds, fallbacks, pity, days and versions, decided by a plain model: nothing is wrong."""
    random = Random(number)
    assert verdicts(machine, "play", [some_plays(random).document() for _ in range(25)]) == [[]] * 25


def tampered(document: Document, random: Random) -> list[Document]:
    """The same plays with a play taken out, or one of its facts changed."""
    copies = [copy.deepcopy(document) for _ in range(5)]
    at = random.randrange(len(document["plays"]))
    secret = {day["business_date"] for day in document["days"] if day["seed"] is None}
    if at < len(document["plays"]) - 1:
        copies[0]["plays"].pop(at)
    else:
        copies[0]["plays"][at]["number"] += 1
    play = document["plays"][at]
    copies[1]["plays"][at]["nominal"] = play["nominal"] % 5 + 1
    copies[2]["plays"][at]["pity"] = not play["pity"]
    copies[3]["plays"][at]["given"] = 6
    if play["business_date"] not in secret:
        copies[4]["plays"][at]["roll"] = (play["roll"] + random.randrange(1, 10**6)) % 10**6
    else:
        copies[4]["terms"][play["version"] - 1]["terms"] += " "
    return copies


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32))
def test_no_tampering_passes(machine: MiniRacer, number: int) -> None:
    """A play taken out, another roll, prize, gift or pity: each is refused, by both alike."""
    random = Random(number)
    copies = [each for _ in range(10) for each in tampered(some_plays(random).document(), random)]
    found = verdicts(machine, "play", copies)
    assert [place for place, problems in enumerate(found) if not problems] == []


def test_a_secret_seed_is_waited_for(machine: MiniRacer, tmp_path: Any) -> None:
    """Plays of a day that is not over are counted apart; their prize is checked by the roll that was answered."""
    document = vectors.plays_waiting()
    path = tmp_path / "plays.json"
    path.write_text(json.dumps(document), "utf-8")
    said = (0, ["holds: 12 plays recomputed, 8 await their seed"])
    assert printed("play", path) == reported(machine, path) == said
    document["plays"][19]["nominal"] = 1
    assert verdicts(machine, "play", [document]) == [["play 20: the prize is another"]]


REJECTED = [2**64 - 551_616, 2**64 - 1, 2**64 - 551_617]
"""The first two lie above the last whole million of 64 bits; the third is the last number below."""


def test_a_number_above_the_last_whole_million_is_drawn_again(machine: MiniRacer) -> None:
    """No value is likelier than another: both draw on until a number is fair, and both take the last fair one."""
    module = runpy.run_path(str(PYTHON["play"]))
    drawn = iter(REJECTED)
    asked: list[bytes] = []

    def digest(key: bytes, message: bytes, name: str) -> bytes:
        asked.append(message)
        return next(drawn).to_bytes(8) + bytes(24)

    module["roll"].__globals__["hmac"] = type("Scripted", (), {"digest": staticmethod(digest)})
    assert module["roll"](b"", "m") == 999_999 and asked == [b"m|0", b"m|1", b"m|2"]
    words = ", ".join(f"[{each >> 32}, {each & 0xFFFFFFFF}]" for each in REJECTED)
    scripted = (
        f"function hmac (key) {{ const drawn = [{words}]; return () => drawn.shift() }}\n function unused (key) {{"
    )
    source = SCRIPT.read_text("utf-8").replace("function hmac (key) {", scripted, 1)
    bare = source.replace("return { verifyDraw, verifyPlay, report }", "return { roll, bytesOf }", 1)
    other = MiniRacer()
    other.eval(bare)
    assert other.eval("jifen.roll(jifen.bytesOf(''), 'm')") == 999_999
