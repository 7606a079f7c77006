"""Check a Jifen draw from its exported document, with nothing but Python's standard library.

usage: python verify_draw.py draw.json

Recomputes everything that decided the draw: the published terms and their hash, the commitment of the seed, the numbers
and the Merkle root (RFC 9162) of the tickets, and the winners. Exits 0 and says so, or 1 and says what does not hold.
A member compares `terms_hash` (and the commitment in the terms) with the receipt of a ticket bought before the draw.
"""

import hashlib
import hmac
import json
import sys


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def tree_root(leaves):
    """RFC 9162 §2.1.1: leaves under 0x00, nodes under 0x01, split at the largest power of two below the size."""
    if len(leaves) <= 1:
        return sha256(b"\x00", leaves[0]) if leaves else sha256(b"")
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return sha256(b"\x01", tree_root(leaves[:split]), tree_root(leaves[split:]))


def winners(seed, draw, buyers, prizes):
    """Tickets in the order of HMAC-SHA256(seed, draw|number) fill the prizes in their declared order."""
    line = sorted(range(1, len(buyers) + 1), key=lambda n: (hmac.digest(seed, f"{draw}|{n}".encode(), "sha256"), n))
    won = []
    for prize in prizes:
        rest, count, left, limit = [], {}, prize["quantity"], prize["per_member"]
        for number in line:
            buyer = buyers[number - 1]
            if left == 0 or (limit is not None and count.get(buyer, 0) >= limit):
                rest.append(number)
            else:
                count[buyer], left = count.get(buyer, 0) + 1, left - 1
                won.append([len(won) + 1, number, prize["place"]])
        line = rest
    return won


def problems(document):
    terms, draw, tickets = json.loads(document["terms"]), document["draw"], document["tickets"]
    seed = bytes.fromhex(document["seed"])
    leaves = [f"{draw}|{number}|{ticket}|{buyer}".encode() for number, ticket, buyer in tickets]
    buyers = [buyer for _, _, buyer in tickets]
    without_beacon = terms.get("beacon", {"kind": "none"}) == {"kind": "none"}
    known = terms["algorithm"] in ("jifen-draw-1", "jifen-draw-2") and without_beacon
    yield known, "the algorithm is not one that this verifier knows"
    yield terms["draw"] == draw, "the terms are those of another draw"
    yield sha256(document["terms"].encode()).hex() == document["terms_hash"], "the terms do not have the published hash"
    yield sha256(seed).hex() == terms["commitment"], "the seed is not the committed one"
    yield [ticket[0] for ticket in tickets] == list(range(1, len(tickets) + 1)), "numbers are not 1, 2, 3, ..."
    yield tree_root(leaves).hex() == document["root"], "the tickets do not have the published root"
    yield winners(seed, draw, buyers, terms["prizes"]) == document["winners"], "the winners are others"


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        export = json.load(file)
    found = [problem for holds, problem in problems(export) if not holds]
    print("\n".join(found) or f"holds: {len(export['tickets'])} tickets, {len(export['winners'])} winners recomputed")
    sys.exit(1 if found else 0)
