"""Merkle trees: the published vectors, the proofs, and trees over runs of leaves."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamification.core.merkle import EMPTY, Accumulator, inclusion_proof, leaf_hash, proves_inclusion, tree_root

LEAVES = [
    bytes.fromhex(text)
    for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""The vectors of Certificate Transparency's reference implementation."""


def by_definition(leaves: Sequence[bytes]) -> bytes:
    """RFC 9162 §2.1.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + by_definition(leaves[:split]) + by_definition(leaves[split:])).digest()


def numbered(size: int) -> list[bytes]:
    return [leaf_hash(str(number).encode()) for number in range(size)]


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_reference_implementation(size: int) -> None:
    """Leaves under 0x00, nodes under 0x01."""
    assert tree_root(map(leaf_hash, LEAVES[:size])).hex() == ROOTS[size - 1]


@given(st.lists(st.binary(max_size=8), max_size=70))
def test_the_streamed_root_is_the_defined_one(leaves: list[bytes]) -> None:
    """For every size, the empty tree included."""
    assert tree_root(map(leaf_hash, leaves)) == by_definition(leaves)


def test_an_accumulator_holds_one_hash_per_bit() -> None:
    """A million leaves need twenty hashes of memory."""
    tree = Accumulator()
    for _ in range(1000):
        tree.add(EMPTY)
    assert (tree.size, len(tree._complete)) == (1000, (1000).bit_count())


@given(st.integers(1, 200), st.data())
def test_a_proof_proves_its_leaf_and_no_other(size: int, data: st.DataObject) -> None:
    """Another leaf, index, size, sibling or root is refused."""
    leaves = numbered(size)
    index = data.draw(st.integers(0, size - 1))
    proof, root = inclusion_proof(leaves, index), tree_root(leaves)
    assert len(proof) <= (size - 1).bit_length()
    assert proves_inclusion(leaves[index], index, size, proof, root)
    assert not proves_inclusion(EMPTY, index, size, proof, root)
    assert not proves_inclusion(leaves[index], index, size, proof, EMPTY)
    assert not proves_inclusion(leaves[index], index, size, [*proof, EMPTY], root)
    assert not proves_inclusion(leaves[index], size, size, proof, root)
    for other in range(size):
        assert other == index or not proves_inclusion(leaves[index], other, size, proof, root)
    for place in range(len(proof)):
        assert not proves_inclusion(leaves[index], index, size, proof[:place] + proof[place + 1 :], root)


@given(st.integers(1, 100), st.integers(0, 4), st.data())
def test_a_tree_over_runs_of_leaves_is_the_tree_over_the_leaves(size: int, power: int, data: st.DataObject) -> None:
    """Runs of 2^k leaves: same root, and the two proofs one after the other are the proof."""
    run, leaves = 1 << power, numbered(size)
    index = data.draw(st.integers(0, size - 1))
    roots = [tree_root(leaves[at : at + run]) for at in range(0, size, run)]
    assert tree_root(roots) == tree_root(leaves)
    first = index // run * run
    below = inclusion_proof(leaves[first : first + run], index - first)
    assert below + inclusion_proof(roots, index // run) == inclusion_proof(leaves, index)
