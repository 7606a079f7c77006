"""Merkle trees as RFC 9162 §2.1 hashes them: leaves under 0x00, nodes under 0x01, split at the largest power of two.

A tree may be cut into runs of `2^k` leaves: the tree over the roots of the runs has the same root as the tree over all
leaves. So a long list is hashed run by run, and a proof needs the leaves of one run and the roots of the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

EMPTY = hashlib.sha256(b"").digest()
"""The root of a tree without leaves."""


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of a leaf's content."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees side by side."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Accumulator:
    """The root of a list of hashes that come one by one; holds one hash per bit of their number."""

    def __init__(self) -> None:
        self.size = 0
        self._complete: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        """Append the hash of a leaf, or the root of the next run of equal power-of-two length."""
        self.size += 1
        number = self.size
        while number % 2 == 0:
            leaf = node_hash(self._complete.pop(), leaf)
            number //= 2
        self._complete.append(leaf)

    def root(self) -> bytes:
        """The root over everything added so far."""
        if not self._complete:
            return EMPTY
        *left, root = self._complete
        for subtree in reversed(left):
            root = node_hash(subtree, root)
        return root


def tree_root(hashes: Iterable[bytes]) -> bytes:
    """The root over the hashes of leaves (or of equal power-of-two runs of them)."""
    tree = Accumulator()
    for each in hashes:
        tree.add(each)
    return tree.root()


def inclusion_proof(hashes: Sequence[bytes], index: int) -> list[bytes]:
    """The siblings on the way from leaf `index` (from 0) to the root, lowest first (RFC 9162 §2.1.3.1)."""
    assert 0 <= index < len(hashes), "a proof is about a leaf of the tree"
    if len(hashes) == 1:
        return []
    split = 1 << (len(hashes) - 1).bit_length() - 1
    if index < split:
        return [*inclusion_proof(hashes[:split], index), tree_root(hashes[split:])]
    return [*inclusion_proof(hashes[split:], index - split), tree_root(hashes[:split])]


def proves_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether a proof leads from a leaf's hash at `index` to the root of a tree of `size` (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size:
        return False
    place, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if place % 2 or place == last:
            found = node_hash(sibling, found)
            while place % 2 == 0 and place:
                place, last = place // 2, last // 2
        else:
            found = node_hash(found, sibling)
        place, last = place // 2, last // 2
    return last == 0 and found == root


Range = tuple[int, int]
"""Leaves from an index up to, not including, another."""

Subtree = tuple[int, int]
"""A complete subtree: its level, and its place among those of that level; it holds `2^level` leaves."""


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """Whose roots prove that leaf `index` stands in a tree of `size`, lowest first (RFC 9162 §2.1.3.1)."""
    assert 0 <= index < size, "a proof is about a leaf of the tree"
    ranges, low, high = [], 0, size
    while high - low > 1:
        split = _split(low, high)
        if index < split:
            ranges.append((split, high))
            high = split
        else:
            ranges.append((low, split))
            low = split
    return ranges[::-1]


def consistency_ranges(first: int, second: int) -> list[Range]:
    """Whose roots prove that a tree of `second` leaves extends one of `first`, lowest first (RFC 9162 §2.1.4.1).

    Nothing is needed where `first` is 0 or equals `second`.
    """
    assert 0 <= first <= second, "a log only grows"
    ranges, low, high = [], 0, second
    while 0 < first < high:
        split = _split(low, high)
        if first <= split:
            ranges.append((split, high))
            high = split
        else:
            ranges.append((low, split))
            low = split
    return [*([(low, high)] if low else []), *ranges[::-1]]


def _split(low: int, high: int) -> int:
    return low + (1 << (high - low - 1).bit_length() - 1)


def complete_subtrees(low: int, high: int) -> list[Subtree]:
    """The complete subtrees that a range of a proof, or the whole tree, is made of: the largest and leftmost first."""
    found = []
    while low < high:
        level = (high - low).bit_length() - 1
        assert low % (1 << level) == 0, "a range of a proof starts where a complete subtree does"
        found.append((level, low >> level))
        low += 1 << level
    return found


def joined(roots: Sequence[bytes]) -> bytes:
    """The root over the complete subtrees of a range, given in their order."""
    if not roots:
        return EMPTY
    *left, root = roots
    for subtree in reversed(left):
        root = node_hash(subtree, root)
    return root


class Growth(Accumulator):
    """A tree that goes on growing from a size, and tells the root of each subtree of a kept level as it fills.

    Every `step`-th level is kept, from `step` on; `filled` holds (level, place, root) in the order of completion.
    """

    def __init__(self, size: int, complete: Sequence[bytes], *, step: int) -> None:
        super().__init__()
        assert len(complete) == size.bit_count(), "one root per complete subtree"
        self.size = size
        self._complete = list(complete)
        self._step = step
        self.filled: list[tuple[int, int, bytes]] = []

    def add(self, leaf: bytes) -> None:
        self.size += 1
        number, level = self.size, 0
        while number % 2 == 0:
            leaf = node_hash(self._complete.pop(), leaf)
            number, level = number // 2, level + 1
            if level % self._step == 0:
                self.filled.append((level, number - 1, leaf))
        self._complete.append(leaf)


def proves_consistency(first: int, second: int, proof: Sequence[bytes], first_root: bytes, second_root: bytes) -> bool:
    """Whether a proof shows that the tree of `second` leaves extends that of `first` (RFC 9162 §2.1.4.2)."""
    if not 0 <= first <= second:
        return False
    if first in (0, second):
        return not proof and first_root == (EMPTY if first == 0 else second_root)
    path = [first_root, *proof] if first.bit_count() == 1 else list(proof)
    if not path:
        return False
    place, last = first - 1, second - 1
    while place % 2:
        place, last = place // 2, last // 2
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if place % 2 or place == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while place % 2 == 0 and place:
                place, last = place // 2, last // 2
        else:
            new = node_hash(new, sibling)
        place, last = place // 2, last // 2
    return last == 0 and old == first_root and new == second_root
