"""Check a proof of Jifen's transparency log with nothing but Python's standard library.

usage: python verify_ledger.py KEY proof.json [checkpoint.txt …]

KEY is the log's public key in vkey format, from a place that you trust. proof.json is the saved answer of `entryProof`
(the entry stands in the log under the checkpoint) or of `consistencyProof` (the later checkpoint extends the earlier).
Checkpoints that you kept yourself may follow: the proof must be about exactly these. Exits 0 and says what holds, or 1.
"""

import base64
import hashlib
import json
import sys

P, ORDER = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P


def need(holds, otherwise):
    if not holds:
        raise ValueError(otherwise)


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def point(raw):
    """RFC 8032 §5.1.3: the point of 32 bytes, as (X, Y, Z, T)."""
    number = int.from_bytes(raw, "little")
    y, sign = number & (2**255 - 1), number >> 255
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    need(len(raw) == 32 and y < P and (x * x - square) % P == 0 and (x or not sign), "this is no point of the curve")
    x = P - x if x % 2 != sign else x
    return x, y, 1, x * y % P


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(number, p):
    total = (0, 1, 1, 0)
    while number:
        total, p, number = (add(total, p) if number % 2 else total), add(p, p), number // 2
    return total


def has_signed(key, message, signature):
    """RFC 8032 §5.1.7: whether an Ed25519 signature is that of the key."""
    s = int.from_bytes(signature[32:], "little")
    h = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % ORDER
    base = point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
    p, q = times(s, base), add(point(signature[:32]), times(h, point(key)))
    return s < ORDER and (p[0] * q[2] - q[0] * p[2]) % P == 0 and (p[1] * q[2] - q[1] * p[2]) % P == 0


def head(checkpoint, vkey):
    """Size and root of a C2SP checkpoint that the key has signed (c2sp.org/tlog-checkpoint, c2sp.org/signed-note)."""
    name, key_id, encoded = vkey.split("+", 2)
    key = base64.b64decode(encoded)
    need(key[0] == 1 and sha256(name.encode(), b"\n", key)[:4].hex() == key_id, "the key is no Ed25519 vkey")
    text, _, signatures = checkpoint.rpartition("\n\n")
    for line in signatures.splitlines():
        _, signer, signature = line.split(" ")
        raw = base64.b64decode(signature)
        if signer == name and raw[:4].hex() == key_id:
            need(has_signed(key[1:], (text + "\n").encode(), raw[4:]), "the signature of the checkpoint is wrong")
            origin, size, root = text.split("\n")[:3]
            need(origin == name, "the checkpoint is of another log")
            return int(size), base64.b64decode(root)
    raise ValueError("the key has not signed the checkpoint")


def climb(index, last, start, path):
    """RFC 9162 §2.1.3.2 and §2.1.4.2: the roots of the older and of the newer tree to which a proof leads."""
    old = new = start
    for sibling in path:
        need(last, "the proof is too long")
        if index % 2 or index == last:
            old, new = sha256(b"\x01", sibling, old), sha256(b"\x01", sibling, new)
            while index % 2 == 0 and index:
                index, last = index // 2, last // 2
        else:
            new = sha256(b"\x01", new, sibling)
        index, last = index // 2, last // 2
    need(last == 0, "the proof is too short")
    return old, new


def check_entry(proof, vkey):
    size, root = head(proof["checkpoint"]["text"], vkey)
    index, leaf = int(proof["index"]), proof["leaf"].encode()
    path = [base64.b64decode(each) for each in proof["auditPath"]]
    need(0 <= index < size, "the entry does not stand in the log of this checkpoint")
    need(climb(index, size - 1, sha256(b"\x00", leaf), path)[1] == root, "the entry does not stand in the log")
    if proof.get("salt"):
        digest = sha256(bytes.fromhex(proof["salt"]), proof["details"].encode()).hex()
        need(proof["leaf"].rpartition("|")[2] == digest, "the details are not those of the entry")
    return f"holds: the entry stands at {index} of {size}"


def check_consistency(proof, vkey):
    (first, old), (second, new) = head(proof["from"]["text"], vkey), head(proof["to"]["text"], vkey)
    path = [base64.b64decode(each) for each in proof["hashes"]]
    need(0 < first <= second, "the later checkpoint is the smaller one")
    if first == second:
        need(not path and old == new, "two checkpoints of one size differ")
    else:
        path = [old, *path] if first & (first - 1) == 0 else path
        need(path, "the proof is too short")
        alike = ((first - 1) ^ first).bit_length() - 1
        roots = climb((first - 1) >> alike, (second - 1) >> alike, path[0], path[1:])
        need(roots == (old, new), "the later checkpoint does not extend the earlier")
    return f"holds: the log of {second} extends the log of {first}"


def check(vkey, answer, kept):
    proof = next(iter(answer.get("data", answer).values()), None)
    need(isinstance(proof, dict), "this is no answer of entryProof or consistencyProof")
    parts = [proof["checkpoint"]] if "leaf" in proof else [proof["from"], proof["to"]]
    need(set(kept) <= {part["text"] for part in parts}, "the proof is about another checkpoint than the one you kept")
    return check_entry(proof, vkey) if "leaf" in proof else check_consistency(proof, vkey)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    try:
        with open(sys.argv[2], encoding="utf-8") as file:
            saved = json.load(file)
        texts = []
        for name in sys.argv[3:]:
            with open(name, encoding="utf-8") as file:
                texts.append(file.read())
        print(check(sys.argv[1].strip(), saved, texts))
    except Exception as fault:  # noqa: BLE001 - whatever cannot be read does not hold
        sys.exit(f"DOES NOT HOLD: {fault!r}")
