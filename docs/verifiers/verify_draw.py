"""Check a Jifen draw from its exported document, with nothing but Python's standard library.

usage: python verify_draw.py draw.json

Recomputes everything that decided the draw: the published terms and their hash, the commitment of the seed, the order,
the numbers and the Merkle root (RFC 9162) of the tickets, how the beacon was mixed in, the winners, the reserves and
who was promoted. Exits 0 and says so, or 1 and says what does not hold. The algorithm is in docs/draws-algorithm.md.
A member compares `terms_hash` (and the commitment in the terms) with the receipt of a ticket bought before the draw.
"""

import hashlib
import hmac
import json
import re
import sys
from collections import Counter
from datetime import datetime, timedelta

NOT_WHOLE = "the document is not whole"
HEX, ID, TEXT = "[0-9a-f]{64}", "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", r"[\s\S]*"
INSTANT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z"
FORMATS = {"jifen-draw-1": "jifen-draw-export-1", "jifen-draw-2": "jifen-draw-export-2"}
PRIZES = [{"place": int, "quantity": int, "per_member": (int, None)}]
TERMS = {"algorithm": TEXT, "draw": ID, "commitment": HEX, "proof_level": TEXT, "closes_at": INSTANT, "prizes": PRIZES}
DOCUMENT = {"format": TEXT, "draw": ID, "terms_hash": HEX, "seed": HEX, "root": HEX,
            "tickets": [[int, ID, "[0-9a-f]{32}"]], "winners": [[int, int, int]]}  # fmt: skip
TERMS_2 = {"beacon": {"kind": TEXT}, "reserves": int, "claim_seconds": (int, None)}
DOCUMENT_2 = {
    "closed_at": INSTANT,
    "beacon": (None, {"kind": TEXT}),
    "reserves": [[int, int]],
    "promotions": [[int, int, int, int]],
}
CHAIN = {"chain": HEX, "genesis": int, "period_seconds": int, "delay_seconds": int}
ROUND = {"kind": "drand", "round": int, "randomness": HEX, "signature": "([0-9a-f]{2})+"}
FIGURE = {"kind": "figure", "value": TEXT, "source": TEXT}
BEACONS = {"none": ({}, None), "drand": (CHAIN, ROUND), "figure": ({}, FIGURE)}


def fits(value, shape):
    """Whether a value is what a shape says: a pattern, int, None, one of a tuple, a dict or a list of shapes."""
    if isinstance(shape, dict):
        return isinstance(value, dict) and all(fits(value.get(key), each) for key, each in shape.items())
    if isinstance(shape, tuple):
        return any(fits(value, each) for each in shape)
    if isinstance(shape, list):  # of one shape: any number of those; of several: one of each
        if not isinstance(value, list) or (len(shape) > 1 and len(value) != len(shape)):
            return False
        return all(map(fits, value, shape * len(value) if len(shape) == 1 else shape))
    if shape is int:
        return type(value) is int and 0 <= value < 2**53
    return value is None if shape is None else isinstance(value, str) and re.fullmatch(shape, value) is not None


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def tree_root(leaves):
    """RFC 9162 §2.1.1: leaves under 0x00, nodes under 0x01, split at the largest power of two below the size."""
    if len(leaves) <= 1:
        return sha256(b"\x00", leaves[0]) if leaves else sha256(b"")
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return sha256(b"\x01", tree_root(leaves[:split]), tree_root(leaves[split:]))


def seconds(text):
    """An instant as Unix seconds, rounded up."""
    return -((datetime.fromisoformat("1970-01-01T00:00:00Z") - datetime.fromisoformat(text)) // timedelta(seconds=1))


def round_after(chain, closed_at):
    """The first round whose instant is not before the closing and the delay."""
    wait = seconds(closed_at) + chain["delay_seconds"] - chain["genesis"]
    return 1 + max(0, -(-wait // max(1, chain["period_seconds"])))


def outcome(seed, draw, buyers, prizes):
    """Winners, and the tickets left in line: HMAC-SHA256(seed, draw|number) orders them, prizes go down the line."""
    line = sorted(range(1, len(buyers) + 1), key=lambda n: (hmac.digest(seed, f"{draw}|{n}".encode(), "sha256"), n))
    won = []
    for prize in prizes:
        passed, count, left, seen = [], {}, prize["quantity"], 0
        while left and seen < len(line):
            number, seen = line[seen], seen + 1
            buyer = buyers[number - 1]
            if prize["per_member"] is not None and count.get(buyer, 0) >= prize["per_member"]:
                passed.append(number)
            else:
                count[buyer], left = count.get(buyer, 0) + 1, left - 1
                won.append([len(won) + 1, number, prize["place"]])
        line = passed + line[seen:]
    return won, line


def promoted(lapsed, won, reserves, buyers, prizes):
    """Who gets the prizes of the wins that lapsed: the first reserve left whose buyer is below the prize's limit."""
    limits = {prize["place"]: prize["per_member"] for prize in prizes}
    standing = {rank: (buyers[number - 1], place) for rank, number, place in won}
    held, free, found = Counter(standing.values()), list(reserves), []
    for old in lapsed:
        if old not in standing:
            return None
        lost = standing.pop(old)
        held[lost] -= 1
        place, limit = lost[1], limits[lost[1]]
        chosen = next((n for n in free if limit is None or held[buyers[n - 1], place] < limit), None)
        if chosen is None:
            return None
        free.remove(chosen)
        found.append([len(won) + len(found) + 1, old, chosen, place])
        standing[found[-1][0]] = (buyers[chosen - 1], place)
        held[buyers[chosen - 1], place] += 1
    return found


def checks(document, terms):
    """Everything that has to hold, each with what is wrong otherwise."""
    draw, tickets, seed = document["draw"], document["tickets"], bytes.fromhex(document["seed"])
    buyers, ids, prizes = [buyer for _, _, buyer in tickets], [ticket for _, ticket, _ in tickets], terms["prizes"]
    leaves = [f"{draw}|{number}|{ticket}|{buyer}".encode() for number, ticket, buyer in tickets]
    yield FORMATS[terms["algorithm"]] == document["format"], "the format is not that of the algorithm"
    yield terms["draw"] == draw, "the terms are those of another draw"
    yield sha256(document["terms"].encode()).hex() == document["terms_hash"], "the terms do not have the published hash"
    yield sha256(seed).hex() == terms["commitment"], "the seed is not the committed one"
    yield [ticket[0] for ticket in tickets] == list(range(1, len(tickets) + 1)), "numbers are not 1, 2, 3, ..."
    yield all(map(str.__lt__, ids, ids[1:])), "the tickets are not in the order of their ids"
    yield tree_root(leaves).hex() == document["root"], "the tickets do not have the published root"
    if terms["algorithm"] == "jifen-draw-1":
        yield outcome(seed, draw, buyers, prizes)[0] == document["winners"], "the winners are others"
        return
    named, beacon = terms["beacon"], document.get("beacon")
    of_terms, of_document = BEACONS[named["kind"]]
    level = "OPERATOR" if named["kind"] == "none" else "PUBLIC"
    yield terms["proof_level"] == level and fits(named, of_terms), "the terms do not say which beacon it is"
    yield fits(beacon, of_document), "the beacon is not the one that the terms name"
    if not (fits(named, of_terms) and fits(beacon, of_document)):
        return
    yield seconds(document["closed_at"]) >= seconds(terms["closes_at"]), "it closed before its time"
    if beacon is not None:
        if named["kind"] == "drand":
            yield beacon["round"] == round_after(named, document["closed_at"]), "the round is not the one after closing"
            sealed = sha256(bytes.fromhex(beacon["signature"])).hex()
            yield sealed == beacon["randomness"], "the randomness is not the hash of the signature"
        value = beacon["randomness" if named["kind"] == "drand" else "value"]
        seed = hmac.digest(seed, f"beacon|{draw}|{value}".encode(), "sha256")
    won, line = outcome(seed, draw, buyers, prizes)
    reserves, promotions = line[: terms["reserves"]], document["promotions"]
    yield won == document["winners"], "the winners are others"
    yield [[place, n] for place, n in enumerate(reserves, 1)] == document["reserves"], "the reserves are others"
    lapsed = [old for _, old, _, _ in promotions]
    may = not lapsed or (terms["claim_seconds"] is not None and all(map(int.__lt__, lapsed, lapsed[1:])))
    yield may and promoted(lapsed, won, reserves, buyers, prizes) == promotions, "the promotions are others"


def problems(document):
    """What does not hold; nothing when the draw is what was promised."""
    try:
        terms = json.loads(document["terms"])
        if fits(terms, {"algorithm": TEXT}) and terms["algorithm"] not in FORMATS:
            return ["the algorithm is not one that this verifier knows"]
        second = terms["algorithm"] == "jifen-draw-2"
        if not fits(document, {**DOCUMENT, **(DOCUMENT_2 if second else {})}):
            return [NOT_WHOLE]
        if not fits(terms, {**TERMS, **(TERMS_2 if second else {})}):
            return [NOT_WHOLE]
        return [problem for holds, problem in checks(document, terms) if not holds]
    except (KeyError, TypeError, ValueError):
        return [NOT_WHOLE]


def to_compare(document):
    """What no computation here can tell: where the beacon's value has to be looked up."""
    beacon = document.get("beacon") or {}
    if beacon.get("kind") == "drand":
        chain = json.loads(document["terms"])["beacon"]["chain"]
        yield f"compare with any drand relay: chain {chain}, round {beacon['round']}, signature {beacon['signature']}"
        yield "its BLS signature is not checked here"
    if beacon.get("kind") == "figure":
        yield f"compare with its source: {beacon['value']} ({beacon['source']})"


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        export = json.load(file)
    found = problems(export)
    print("\n".join(found) or f"holds: {len(export['tickets'])} tickets, {len(export['winners'])} winners recomputed")
    print("".join(f"{line}\n" for line in ([] if found else to_compare(export))), end="")
    sys.exit(1 if found else 0)
