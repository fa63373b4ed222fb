"""The log's values: every proof holds and no altered one does; any bytes give a value or MalformedMessage; one spelling each."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.errors import MalformedMessage, ProofRejected
from gateway.core.merkle.checkpoint import parse_checkpoint
from gateway.core.merkle.compact import CompactRange
from gateway.core.merkle.hashing import leaf_hash, root_of
from gateway.core.merkle.keys import parse_vkey
from gateway.core.merkle.note import parse_note, parse_signature_lines
from gateway.core.merkle.policy import parse_policy, verify_checkpoint
from gateway.core.merkle.proofs import consistency_proof, inclusion_proof, verify_consistency, verify_inclusion
from gateway.core.merkle.receipt import parse_receipt, verify_receipt
from gateway.core.merkle.tiles import (
    Tile,
    TileNodes,
    TreeEdge,
    grow,
    parse_entries,
    parse_hashes,
    parse_tile_path,
    print_entries,
)
from tests.support.logkeys import LOG, WITNESS
from tests.unit.core.merkle.test_hashing import LEAVES as REFERENCE
from tests.unit.core.merkle.test_policy import FILE, LINES, POLICY, RECEIPT

LEAVES = [leaf_hash(n.to_bytes(2, "big")) for n in range(700)]
VERIFIED = verify_checkpoint(RECEIPT.checkpoint, POLICY)
SIZES = st.integers(1, 700)


def nodes_at(size: int) -> TileNodes:
    files = dict(grow(TreeEdge(), [n.to_bytes(2, "big") for n in range(size)]).files)
    return TileNodes(size, lambda tile: files[tile.path])


@settings(max_examples=40)
@given(size=SIZES, data=st.data())
def test_every_proof_holds_and_no_altered_one_does(size: int, data: st.DataObject) -> None:
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    nodes, root, old_root = nodes_at(size), root_of(LEAVES[:size]), root_of(LEAVES[:old])
    path, steps = inclusion_proof(index, size, nodes), consistency_proof(old, size, nodes)
    differs = (index ^ (size - 1)).bit_length()
    assert len(path) == differs + (index >> differs).bit_count()  # RFC 9162 2.1.3.1
    verify_inclusion(LEAVES[index], index, size, root, path)
    verify_consistency(old, old_root, size, root, steps)

    bit = data.draw(st.integers(0, 32 * 8 - 1))
    for altered in _altered(path, bit, data):
        with pytest.raises(ProofRejected):
            verify_inclusion(LEAVES[index], index, size, root, altered)
    for altered in _altered(steps, bit, data):
        with pytest.raises(ProofRejected):
            verify_consistency(old, old_root, size, root, altered)
    other = data.draw(st.integers(0, 800))
    if other != index:
        with pytest.raises(ProofRejected):
            verify_inclusion(LEAVES[index], other, size, root, path)
    if other not in (old, 0):
        with pytest.raises(ProofRejected):
            verify_consistency(other, old_root, size, root, steps)


def _altered(path: tuple[bytes, ...], bit: int, data: st.DataObject) -> list[tuple[bytes, ...]]:
    found = [(*path, LEAVES[0]), (LEAVES[0], *path)]
    if path:
        at = data.draw(st.integers(0, len(path) - 1))
        flipped = int.from_bytes(path[at], "big") ^ (1 << bit)
        found += [path[1:], path[:-1], (*path[:at], flipped.to_bytes(32, "big"), *path[at + 1 :])]
    return found


@settings(max_examples=30)
@given(cuts=st.lists(SIZES, max_size=4))
def test_a_tree_grown_in_pieces_is_the_tree(cuts: list[int]) -> None:
    edge, held = TreeEdge(), CompactRange()
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), 700], strict=True):
        edge = grow(edge, [n.to_bytes(2, "big") for n in range(start, end)]).edge
        held = held.extended(LEAVES[start:end])
        assert edge.root == held.root == root_of(LEAVES[:end])


@given(entries=st.lists(st.binary(max_size=300), min_size=1, max_size=256))
def test_bundles(entries: list[bytes]) -> None:
    data = print_entries(entries)
    assert parse_entries(data, Tile(None, 0, len(entries))) == tuple(entries)


@given(level=st.none() | st.integers(0, 63), number=st.integers(0, 10**15), width=st.integers(1, 256))
def test_tile_paths(level: int | None, number: int, width: int) -> None:
    tile = Tile(level, number, width)
    assert parse_tile_path(tile.path) == tile


def _text(parse: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda data: parse(data.decode("utf-8", "surrogateescape"))


_PARSERS: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "note": (parse_note, bytes(RECEIPT.checkpoint)),
    "lines": (_text(parse_signature_lines), str(WITNESS.sign(b"x\n")).encode()),
    "checkpoint": (parse_checkpoint, RECEIPT.checkpoint.text),
    "receipt": (parse_receipt, FILE.encode()),
    "policy": (parse_policy, LINES.encode()),
    "vkey": (_text(parse_vkey), str(LOG.verifier).encode()),
    "path": (_text(parse_tile_path), b"tile/3/x001/x234/067.p/8"),
    "hashes": (lambda data: parse_hashes(data, Tile(0, 0, 2)), bytes(64)),
    "entries": (lambda data: parse_entries(data, Tile(None, 0, 2)), b"\0\1a\0\2bc"),
}


@pytest.mark.parametrize("what", _PARSERS)
@given(data=st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes(what: str, data: bytes) -> None:
    with suppress(MalformedMessage):
        _PARSERS[what][0](data)


@pytest.mark.parametrize("what", _PARSERS)
@given(data=st.data())
def test_one_altered_byte(what: str, data: st.DataObject) -> None:
    parse, good = _PARSERS[what]
    at, byte = data.draw(st.integers(0, len(good) - 1)), data.draw(st.integers(0, 255))
    with suppress(MalformedMessage):
        parse(good[:at] + bytes([byte]) + good[at + 1 :])


@pytest.mark.parametrize("what", ["note", "receipt"])
@given(data=st.data())
def test_one_spelling(what: str, data: st.DataObject) -> None:
    """What parses prints as it came: nothing that is checked can be written in two ways."""
    parse, good = _PARSERS[what]
    at = data.draw(st.integers(0, len(good) - 1))
    altered = good[:at] + data.draw(st.binary(max_size=2)) + good[at + 1 :]
    with suppress(MalformedMessage):
        assert bytes(parse(altered)) == altered  # type: ignore[call-overload]


@given(data=st.data())
def test_an_altered_receipt_says_nothing_else(data: st.DataObject) -> None:
    """A line whose name or key id is altered is a stranger's, and means nothing; whatever still holds says what was said."""
    good = FILE.encode()
    at = data.draw(st.integers(0, len(good) - 1))
    altered = good[:at] + bytes([good[at] ^ data.draw(st.integers(1, 255))]) + good[at + 1 :]
    with suppress(MalformedMessage, ProofRejected):
        receipt = parse_receipt(altered)
        verified = verify_receipt(receipt, REFERENCE[5], POLICY)
        assert (verified.index, receipt.path, verified.checkpoint.checkpoint) == (5, RECEIPT.path, VERIFIED.checkpoint)
        assert set(verified.checkpoint.cosignatures) <= set(VERIFIED.cosignatures)
