"""Proofs about a growing tree, against the definitions of RFC 9162 and its own test vectors' roots."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import combinations_with_replacement

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamification.core.merkle import (
    EMPTY,
    Growth,
    Range,
    complete_subtrees,
    consistency_ranges,
    inclusion_ranges,
    joined,
    leaf_hash,
    proves_consistency,
    proves_inclusion,
    tree_root,
)

SIZES = range(1, 40)
LEAVES = [leaf_hash(str(number).encode()) for number in range(40)]
BILLION = 10**9


def roots(ranges: Sequence[Range]) -> list[bytes]:
    """The roots over ranges, from the leaves themselves."""
    return [tree_root(LEAVES[low:high]) for low, high in ranges]


def test_every_leaf_of_every_size_is_proved() -> None:
    """The path leads to the root from its own place, and from no other."""
    for size in SIZES:
        root = tree_root(LEAVES[:size])
        for index in range(size):
            path = roots(inclusion_ranges(index, size))
            assert proves_inclusion(LEAVES[index], index, size, path, root)
            assert not proves_inclusion(LEAVES[index], (index + 1) % size, size, path, root) or size == 1


def test_every_size_extends_every_smaller_one() -> None:
    """The proof fits the two roots, and neither of them may be another."""
    for first, second in combinations_with_replacement(range(40), 2):
        new = tree_root(LEAVES[:second])
        old, path = tree_root(LEAVES[:first]), roots(consistency_ranges(first, second))
        assert proves_consistency(first, second, path, old, new)
        assert not proves_consistency(first, second, path, bytes(32), new)
        assert first == 0 or not proves_consistency(first, second, path, old, bytes(32))
        assert not proves_consistency(first, second, [*path, bytes(32)], old, new)
        assert not path or not proves_consistency(first, second, path[:-1], old, new)


def test_the_roots_are_those_of_the_published_test_vectors() -> None:
    """The eight leaves that Certificate Transparency's implementations test with, and the root over them."""
    published = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    hashes = [leaf_hash(bytes.fromhex(each)) for each in published]
    assert tree_root(hashes).hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    assert joined([]) == EMPTY == hashlib.sha256().digest()


@given(st.integers(1, BILLION), st.data())
def test_proofs_stay_short(size: int, data: st.DataObject) -> None:
    """Up to 10^9 leaves a proof names at most 31 ranges, made of at most 60 complete subtrees."""
    index, first = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    for ranges in (inclusion_ranges(index, size), consistency_ranges(first, size)):
        assert len(ranges) <= 31
        assert sum(len(complete_subtrees(low, high)) for low, high in ranges) <= 60
    assert sum(1 << level for level, _ in complete_subtrees(0, size)) == size


@pytest.mark.parametrize("begun_at", [0, 1, 5, 16, 31])
def test_a_tree_goes_on_where_it_stopped(begun_at: int) -> None:
    """From the roots of its complete subtrees alone it reaches the same root, and tells the runs that it fills."""
    begun = [
        tree_root(LEAVES[place << level : (place + 1) << level]) for level, place in complete_subtrees(0, begun_at)
    ]
    tree = Growth(begun_at, begun, step=2)
    for leaf in LEAVES[begun_at:]:
        tree.add(leaf)
    assert (tree.size, tree.root()) == (40, tree_root(LEAVES))
    filled = [
        (level, place, tree_root(LEAVES[place << level : (place + 1) << level]))
        for level in (2, 4)
        for place in range(40 >> level)
        if (place + 1) << level > begun_at
    ]
    assert sorted(tree.filled) == sorted(filled)
