"""Check a member's plays in a Jifen instant draw from their exported document, with Python's standard library only.

usage: python verify_play.py plays.json

Recomputes each play: the hash of the terms it stood under, the commitment of its day's seed, the roll, the prize that
the published odds give for it, the better odds after losing plays, and that what was given is that prize or its
declared fallback. Exits 0 and says so, or 1 and says what does not hold. The algorithm is in docs/draws-algorithm.md.
Compare the commitments and `terms_hash` with what you were answered when you played. Plays of a day whose seed is
still secret are counted as waiting: their roll cannot be recomputed yet.
"""

import hashlib
import hmac
import json
import re
import sys
from itertools import pairwise

NOT_WHOLE = "the document is not whole"
HEX, ID, DAY, TEXT = "[0-9a-f]{64}", "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "[0-9]{4}(-[0-9]{2}){2}", r"[\s\S]*"
REASON = "STOCK|RELEASE|MEMBER_LIMIT|BUDGET"
ODDS = 1_000_000
LINES = [{"place": int, "kind": TEXT, "odds_ppm": int, "pity_ppm": (int, None), "fallback": (int, None)}]
TERMS = {"algorithm": TEXT, "draw": ID, "version": int, "pity_after": (int, None), "lines": LINES}
PLAY = {"number": int, "business_date": DAY, "version": int, "roll": int, "nominal": int, "given": int,
        "reason": (REASON, None), "pity": bool}  # fmt: skip
DOCUMENT = {"format": TEXT, "draw": ID, "member": ID, "plays": [PLAY],
            "terms": [{"version": int, "terms": TEXT, "terms_hash": HEX}],
            "days": [{"business_date": DAY, "commitment": HEX, "seed": (HEX, None)}]}  # fmt: skip


def fits(value, shape):
    """Whether a value is what a shape says: a pattern, int, bool, None, one of a tuple, a dict or a list of a shape."""
    if isinstance(shape, dict):
        return isinstance(value, dict) and all(fits(value.get(key), each) for key, each in shape.items())
    if isinstance(shape, tuple):
        return any(fits(value, each) for each in shape)
    if isinstance(shape, list):
        return isinstance(value, list) and all(fits(each, shape[0]) for each in value)
    if shape in (int, bool):
        return type(value) is shape and 0 <= value < 2**53
    return value is None if shape is None else isinstance(value, str) and re.fullmatch(shape, value) is not None


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def roll(seed, message):
    """0 to 999,999, each as likely: the first 64 bits below the greatest multiple of a million, modulo a million."""
    attempt = 0
    while True:
        drawn = hmac.digest(seed, f"{message}|{attempt}".encode(), "sha256")
        value = int.from_bytes(drawn[:8], "big")
        if value < 2**64 - 2**64 % ODDS:
            return value % ODDS
        attempt += 1


def nominal(lines, column, rolled):
    """The place of the first line in declared order whose cumulated odds exceed the roll."""
    for line in lines:
        rolled -= line[column] or 0
        if rolled < 0:
            return line["place"]
    return None


def may_give(lines, play):
    """Whether what was given is the prize itself, for no reason, or for a reason one that its fallbacks lead to."""
    if play["reason"] is None:
        return play["given"] == play["nominal"]
    fallbacks, place = {line["place"]: line["fallback"] for line in lines}, play["nominal"]
    for _ in lines:
        place = fallbacks.get(place)
        if place == play["given"]:
            return True
    return False


def checks_of_terms(draw, each, terms):
    """What has to hold of one published version."""
    version, columns = each["version"], ["odds_ppm"] if terms["pity_after"] is None else ["odds_ppm", "pity_ppm"]
    yield sha256(each["terms"].encode()) == each["terms_hash"], f"version {version}: the terms have another hash"
    yield terms["algorithm"] == "jifen-play-1", f"version {version}: the algorithm is not one that this verifier knows"
    yield (terms["draw"], terms["version"]) == (draw, version), f"version {version}: the terms are of something else"
    sums = [sum(line[column] or 0 for line in terms["lines"]) for column in columns]
    yield set(sums) == {ODDS}, f"version {version}: the odds do not sum to {ODDS}"


def checks(document, versions):
    """Everything that has to hold, each with what is wrong otherwise."""
    draw, plays, days = document["draw"], document["plays"], document["days"]
    yield document["format"] == "jifen-play-export-1", "the format is not one that this verifier knows"
    for each in document["terms"]:
        yield from checks_of_terms(draw, each, versions[each["version"]])
    yield len(versions) == len(document["terms"]), "a version stands twice"
    dates = [day["business_date"] for day in days]
    yield dates == sorted(set(dates)), "the days are not in their order"
    for day in days:
        opened = day["seed"] is None or sha256(bytes.fromhex(day["seed"])) == day["commitment"]
        yield opened, f"{day['business_date']}: the seed is not the committed one"
    secret = [day["seed"] is None for day in days]
    yield secret == sorted(secret), "a seed is secret though a later one is revealed"
    yield [play["number"] for play in plays] == list(range(1, len(plays) + 1)), "numbers are not 1, 2, 3, ..."
    order = [(play["business_date"], play["version"]) for play in plays]
    forwards = all(one[0] <= other[0] and one[1] <= other[1] for one, other in pairwise(order))
    yield forwards, "days or versions go backwards"
    seeds, lost = {day["business_date"]: day["seed"] for day in days}, 0
    for play in plays:
        where = f"play {play['number']}"
        if play["business_date"] not in seeds or play["version"] not in versions:
            yield False, f"{where}: its day or its version is missing"
            return
        terms, seed = versions[play["version"]], seeds[play["business_date"]]
        pity = terms["pity_after"] is not None and lost >= terms["pity_after"]
        rolled = play["roll"]
        if seed is not None:
            rolled = roll(bytes.fromhex(seed), f"{draw}|{document['member']}|{play['number']}")
        yield play["roll"] == rolled, f"{where}: the roll is another"
        yield play["pity"] == pity, f"{where}: the pity is another"
        place = nominal(terms["lines"], "pity_ppm" if pity else "odds_ppm", play["roll"])
        yield play["nominal"] == place, f"{where}: the prize is another"
        yield may_give(terms["lines"], play), f"{where}: what was given is no declared fallback"
        kinds = {each["place"]: each["kind"] for each in terms["lines"]}
        lost = lost + 1 if kinds.get(play["given"]) == "NONE" else 0


def problems(document):
    """What does not hold; nothing when every play is what was promised."""
    try:
        if not fits(document, DOCUMENT):
            return [NOT_WHOLE]
        versions = {each["version"]: json.loads(each["terms"]) for each in document["terms"]}
        if not all(fits(terms, TERMS) for terms in versions.values()):
            return [NOT_WHOLE]
        return [problem for holds, problem in checks(document, versions) if not holds]
    except ValueError:
        return [NOT_WHOLE]


def waiting(document):
    """How many plays stand on a seed that is still secret."""
    secret = {day["business_date"] for day in document["days"] if day["seed"] is None}
    return sum(play["business_date"] in secret for play in document["plays"])


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        export = json.load(file)
    found = problems(export)
    rest = 0 if found else waiting(export)
    awaited = f", {rest} await their seed" if rest else ""
    print("\n".join(found) or f"holds: {len(export['plays']) - rest} plays recomputed{awaited}")
    sys.exit(1 if found else 0)
