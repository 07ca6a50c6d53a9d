"""The Merkle tree of RFC 9162 over the log: hashes, what a proof needs, and checking one.

Leaf `i` is the event at position `i + 1`; its content is the event's chain hash. The tree of any
number of events is made of perfect subtrees that later events never change, so those can be kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import NamedTuple

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()

Range = tuple[int, int]
"""Leaves from the first number up to, not including, the second."""


class Subtree(NamedTuple):
    """The perfect subtree over the `2**level` leaves that begin at leaf `number * 2**level`."""

    level: int
    number: int

    @property
    def leaves(self) -> Range:
        return self.number << self.level, (self.number + 1) << self.level


class ProofError(ValueError):
    """A proof does not fit to what it is to prove."""


def leaf_hash(content: bytes) -> bytes:
    """The hash of a leaf, here of an event's chain hash."""
    return sha256(b"\0" + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return sha256(b"\1" + left + right).digest()


def root_of(contents: Iterable[bytes]) -> bytes:
    """The root over leaves with these contents."""
    # Pairs from the left, the odd one carried up: the same tree as the RFC's recursion.
    row = [sha256(b"\0" + content).digest() for content in contents]
    while len(row) > 1:
        above = [
            sha256(b"\1" + left + right).digest()
            for left, right in zip(row[::2], row[1::2], strict=False)
        ]
        if len(row) % 2:
            above.append(row[-1])
        row = above
    return row[0] if row else EMPTY_ROOT


def fold(hashes: Sequence[bytes]) -> bytes:
    """The root over neighbouring subtrees of falling size, given from left to right."""
    if not hashes:
        return EMPTY_ROOT
    result = hashes[-1]
    for left in reversed(hashes[:-1]):
        result = node_hash(left, result)
    return result


def perfect(leaves: Range) -> Iterator[Subtree]:
    """The perfect subtrees that a range of a tree consists of, from left to right."""
    start, end = leaves
    while start < end:
        level = (end - start).bit_length() - 1
        if start:
            level = min(level, (start & -start).bit_length() - 1)
        yield Subtree(level, start >> level)
        start += 1 << level


def inclusion_path(index: int, size: int) -> list[Range]:
    """The ranges whose roots prove leaf `index` in a tree of `size`: from the leaf's sibling upwards."""
    if not 0 <= index < size:
        raise ProofError(f"a tree of {size} leaves has no leaf {index}")
    start, end = 0, size
    path = []
    while end - start > 1:
        middle = _middle(start, end)
        if index < middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((start, middle))
            start = middle
    return path[::-1]


def consistency_path(old_size: int, size: int) -> list[Range]:
    """The ranges whose roots prove that a tree of `size` begins with the tree of `old_size`."""
    if not 0 < old_size <= size:
        raise ProofError(f"a tree of {size} leaves cannot extend one of {old_size}")
    start, end = 0, size
    path = []
    while end != old_size:
        middle = _middle(start, end)
        if old_size <= middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((start, middle))
            start = middle
    if start:  # else the old root itself stands for the old tree
        path.append((start, end))
    return path[::-1]


def root_from_inclusion(leaf: bytes, index: int, size: int, hashes: Sequence[bytes]) -> bytes:
    """The root that an inclusion proof leads to from a leaf's hash. Raises `ProofError`."""
    path = inclusion_path(index, size)
    if len(path) != len(hashes):
        raise ProofError(f"the proof has {len(hashes)} hashes instead of {len(path)}")
    for (start, _), sibling in zip(path, hashes, strict=True):
        leaf = node_hash(leaf, sibling) if start > index else node_hash(sibling, leaf)
    return leaf


def check_consistency(
    old_size: int, old_root: bytes, size: int, root: bytes, hashes: Sequence[bytes]
) -> None:
    """Raises `ProofError` unless the proof shows that `root` extends `old_root`."""
    path = consistency_path(old_size, size)
    if len(path) != len(hashes):
        raise ProofError(f"the proof has {len(hashes)} hashes instead of {len(path)}")
    old = new = None
    for (start, _), hash_ in zip(path, hashes, strict=True):
        if old is None or new is None:  # the first: a part of the old tree, or right of it
            old, new = (
                (hash_, hash_) if start < old_size else (old_root, node_hash(old_root, hash_))
            )
        elif start < old_size:
            old, new = node_hash(hash_, old), node_hash(hash_, new)
        else:
            new = node_hash(new, hash_)
    if (old or old_root) != old_root or (new or old_root) != root:
        raise ProofError("the proof does not lead from the old root to the new one")


def _middle(start: int, end: int) -> int:
    """Where a tree is split: the left side is the largest perfect subtree that is not all of it."""
    return start + (1 << ((end - start - 1).bit_length() - 1))
