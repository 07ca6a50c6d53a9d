"""The tree of RFC 9162, held against its own definition and against another implementation."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from application.audit import merkle
from application.audit.merkle import ProofError, Range
from application.audit.tree import BLOCK_EVENTS, Growth

LARGEST = 70
CONTENTS = [sha256(bytes([n])).digest() for n in range(LARGEST)]
OTHER_TREE = InmemoryTree(algorithm="sha256")
for content in CONTENTS:
    OTHER_TREE.append_entry(content)

sizes = st.integers(1, LARGEST)
size_and_part = sizes.flatmap(lambda size: st.tuples(st.just(size), st.integers(1, size)))


def defined_root(contents: Sequence[bytes]) -> bytes:
    """RFC 9162, section 2.1.1, word for word."""
    if not contents:
        return sha256(b"").digest()
    if len(contents) == 1:
        return sha256(b"\x00" + contents[0]).digest()
    k = 1
    while 2 * k < len(contents):
        k *= 2
    left, right = defined_root(contents[:k]), defined_root(contents[k:])
    return sha256(b"\x01" + left + right).digest()


def hashes_of(path: Sequence[Range]) -> list[bytes]:
    return [defined_root(CONTENTS[start:stop]) for start, stop in path]


@pytest.mark.parametrize("size", range(LARGEST + 1))
def test_the_root_is_the_one_that_is_defined(size: int) -> None:
    root = merkle.root_of(CONTENTS[:size])
    assert root == defined_root(CONTENTS[:size])
    parts = [part.leaves for part in merkle.perfect((0, size))]
    assert root == merkle.fold(hashes_of(parts))
    if size:
        assert root == OTHER_TREE.get_root(size)


@pytest.mark.parametrize("size", range(1, LARGEST + 1))
def test_every_leaf_of_every_tree_has_a_proof_as_the_other_implementation_makes_it(
    size: int,
) -> None:
    root = defined_root(CONTENTS[:size])
    for index in range(size):
        leaf = merkle.leaf_hash(CONTENTS[index])
        hashes = hashes_of(merkle.inclusion_path(index, size))
        assert merkle.root_from_inclusion(leaf, index, size, hashes) == root
        others = {
            bytes.fromhex(h)
            for h in OTHER_TREE.prove_inclusion(index + 1, size).serialize()["path"]
        }
        assert {leaf, *hashes} == others
        assert len(hashes) <= (size - 1).bit_length()


@given(size_and_part)
def test_a_tree_is_proved_to_extend_an_earlier_one(drawn: tuple[int, int]) -> None:
    size, old = drawn
    roots = defined_root(CONTENTS[:old]), defined_root(CONTENTS[:size])
    hashes = hashes_of(merkle.consistency_path(old, size))
    merkle.check_consistency(old, roots[0], size, roots[1], hashes)
    if old < size:
        with pytest.raises(ProofError):
            merkle.check_consistency(old, roots[1], size, roots[0], hashes)
        with pytest.raises(ProofError):
            merkle.check_consistency(old, roots[0], size, sha256(roots[1]).digest(), hashes)


@given(size_and_part, st.data())
def test_a_proof_of_extension_with_another_hash_fails(
    drawn: tuple[int, int], data: st.DataObject
) -> None:
    size, old = drawn
    roots = defined_root(CONTENTS[:old]), defined_root(CONTENTS[:size])
    hashes = hashes_of(merkle.consistency_path(old, size))
    for wrong in ([*hashes, roots[0]], hashes[:-1]):
        if wrong != hashes:
            with pytest.raises(ProofError):
                merkle.check_consistency(old, roots[0], size, roots[1], wrong)
    if hashes:
        place = data.draw(st.integers(0, len(hashes) - 1))
        hashes[place] = sha256(hashes[place]).digest()
        with pytest.raises(ProofError):
            merkle.check_consistency(old, roots[0], size, roots[1], hashes)


@given(size_and_part, st.integers(0, LARGEST))
def test_a_leaf_is_not_proved_at_another_index_or_in_another_tree(
    drawn: tuple[int, int], other: int
) -> None:
    size, position = drawn
    index, leaf = position - 1, merkle.leaf_hash(CONTENTS[position - 1])
    hashes = hashes_of(merkle.inclusion_path(index, size))
    root = defined_root(CONTENTS[:size])
    if other != index:
        assert root != _root_or_none(leaf, other, size, hashes)
    with pytest.raises(ProofError):
        merkle.root_from_inclusion(leaf, index, size, [*hashes, root])
    with pytest.raises(ProofError, match="has no leaf"):
        merkle.inclusion_path(size, size)


def _root_or_none(leaf: bytes, index: int, size: int, hashes: list[bytes]) -> bytes | None:
    try:
        return merkle.root_from_inclusion(leaf, index, size, hashes)
    except ProofError:
        return None


def test_a_tree_cannot_extend_a_larger_or_an_empty_one() -> None:
    for old in (0, 6):
        with pytest.raises(ProofError, match="cannot extend"):
            merkle.consistency_path(old, 5)


@given(st.lists(st.integers(1, 3 * BLOCK_EVENTS // 2), min_size=1, max_size=5))
def test_a_tree_grown_in_any_steps_is_the_tree_of_all(steps: list[int]) -> None:
    contents = [n.to_bytes(32, "big") for n in range(sum(steps))]
    growth, nodes, done = Growth(), [], 0
    for step in steps:
        nodes += growth.add(contents[done : done + step])
        done += step
    assert growth.size == done
    assert growth.root() == merkle.root_of(contents)
    for node in nodes:
        start, stop = node.subtree.leaves
        assert node.hash == merkle.root_of(contents[start:stop])
    whole = done // BLOCK_EVENTS
    peaks = [n for n in nodes if n.subtree in set(merkle.perfect((0, whole * BLOCK_EVENTS)))]
    peaks.sort(key=lambda node: node.subtree.leaves)
    resumed = Growth(whole, peaks)
    resumed.add(contents[whole * BLOCK_EVENTS :])
    assert resumed.root() == growth.root()
