"""One public log as this server believes it: by its checkpoint, its tiles and the hints of its receipts, from outside.

A checkpoint counts when its log signed it, enough witnesses cosigned it, and it continues the largest one believed before. What a
receipt says is a hint where to look; the tiles decide, under that checkpoint. Errors tell apart why nothing was learnt:

    PeerUnavailable                     the log does not answer
    MalformedMessage, ProofRejected     what it shows does not verify, or is older than what it showed before
    TwoHistories                        two trees of one log, both signed by it, of which neither continues the other
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from gateway.core.errors import PeerUnavailable, ProofRejected
from gateway.core.merkle.absence import LeafWalk
from gateway.core.merkle.checkpoint import Checkpoint, parse_checkpoint
from gateway.core.merkle.hashing import Nodes, leaf_hash, range_root
from gateway.core.merkle.note import SignedNote, parse_note
from gateway.core.merkle.policy import Policy, VerifiedCheckpoint, verify_checkpoint
from gateway.core.merkle.proofs import consistency_proof, inclusion_proof, verify_consistency, verify_inclusion
from gateway.core.merkle.receipt import parse_receipt
from gateway.core.merkle.tiles import TILE_WIDTH, KnownTiles, Tile, TileWanted, parse_entries, parse_hashes
from gateway.transparency.ports import LogFrozen
from gateway.transparency.sources import Source, read_tile
from gateway.transparency.witnesses import WitnessClient

T = TypeVar("T")
_MOST_TILES = 4096
"""Kept of one tree at a time: 32 MiB."""


class TwoHistories(ProofRejected):
    """`notes`: the two, each signed by the log."""

    def __init__(self, notes: tuple[bytes, bytes]) -> None:
        self.notes = notes
        super().__init__("the log shows two histories")


@dataclass(slots=True)
class View:
    """A believed checkpoint, and its tree as far as it was looked at."""

    note: SignedNote
    verified: VerifiedCheckpoint
    tiles: KnownTiles = field(repr=False)

    @property
    def tree(self) -> Checkpoint:
        return self.verified.checkpoint


class LogView:
    """`source`: the log's public files and receipts; `policy`: whom to believe; `witnesses`: of the policy, for this log alone."""

    def __init__(self, origin: str, source: Source, policy: Policy, witnesses: WitnessClient) -> None:
        self.origin = origin
        self._source = source
        self._policy = policy
        self._witnesses = witnesses

    async def newest(self, known: bytes | None) -> View:
        """The log's checkpoint, which continues `known`, the note believed last. Errors as the module says."""
        data = await self._source.read("checkpoint")
        if data is None:
            raise PeerUnavailable("the log has no checkpoint")
        note = parse_note(data)
        verified = verify_checkpoint(note, self._policy)
        view = View(note, verified, KnownTiles(verified.checkpoint.size))
        if view.tree.origin != self.origin:
            raise ProofRejected("the checkpoint is of another log")
        if known is not None:
            await self._continues(view, known)
        return view

    async def places(self, view: View, leaf: bytes) -> Mapping[bytes, int]:
        """Where the leaf stands, and every other leaf of its tile: index by leaf hash, proven by inclusion in the view's tree.
        Empty when the log says that it does not have it, or not yet."""
        data = await self._source.read(f"receipt/{leaf.hex()}")
        if data is None:
            return {}
        index, size = parse_receipt(data).index, view.tree.size
        if index >= size:
            return {}
        number, at = divmod(index, TILE_WIDTH)
        path = await self._computed(view, lambda nodes: inclusion_proof(index, size, nodes))
        verify_inclusion(leaf, index, size, view.tree.root, path)
        # The tile's other hashes gave the siblings on this path, so the same root speaks for them; its own hash there did not.
        hashes = await self._computed(view, lambda _: view.tiles.nodes.tile(0, number))
        others = {h: number * TILE_WIDTH + i for i, h in enumerate(hashes) if i != at}
        return {**others, leaf: index}

    async def entries(self, view: View, places: Mapping[bytes, int]) -> Mapping[bytes, bytes]:
        """The entry of each leaf hash, from the log's public bundles. ProofRejected when another stands there."""
        found: dict[bytes, bytes] = {}
        bundles: defaultdict[int, list[bytes]] = defaultdict(list)
        for leaf, index in places.items():
            bundles[index // TILE_WIDTH].append(leaf)
        for number, leaves in bundles.items():
            tile = Tile(None, number, min(TILE_WIDTH, view.tree.size - number * TILE_WIDTH))
            held = parse_entries(await read_tile(self._source, tile), tile)
            for leaf in leaves:
                entry = found[leaf] = held[places[leaf] % TILE_WIDTH]
                if leaf_hash(entry) != leaf:
                    raise ProofRejected(f"{tile.path} holds another entry than the tree")
        return found

    async def walk(
        self, view: View, wanted: Iterable[bytes], keep: int
    ) -> tuple[Mapping[bytes, int], tuple[bytes, ...] | None]:
        """Index of each wanted leaf in the whole tree: what is not there is not in it. With every leaf hash, when there are at most
        `keep`."""
        walk, size = LeafWalk(wanted), view.tree.size
        leaves: list[bytes] = []
        for number in range((size + TILE_WIDTH - 1) // TILE_WIDTH):
            tile = Tile(0, number, min(TILE_WIDTH, size - number * TILE_WIDTH))
            hashes = parse_hashes(await read_tile(self._source, tile), tile)
            await asyncio.to_thread(walk.take, hashes)
            if size <= keep:
                leaves += hashes
        walk.end(view.tree)
        return walk.found, tuple(leaves) if size <= keep else None

    async def cosigned_anew(self, view: View) -> View:
        """The same tree, as those witnesses that answer see it now: they know of no larger one. A log at work asks them itself; for
        one that is not any more, whose year is over, anybody can. ProofRejected when one has seen a larger tree, or another."""
        while True:
            try:
                lines = await self._witnesses.cosign(view.note, view.tree, lambda: view.tiles.nodes)
                break
            except TileWanted as wanted:  # of a witness that is behind
                await self._learn(view, wanted.tile)
            except LogFrozen as e:
                raise ProofRejected(f"the log shows a tree of {view.tree.size} entries, but {e.why}") from e
        anew = {(line.name, line.key_id) for line in lines}
        kept = tuple(line for line in view.note.signatures if (line.name, line.key_id) not in anew)
        note = SignedNote(view.note.text, (*kept, *lines))
        return View(note, verify_checkpoint(note, self._policy), view.tiles)

    async def _continues(self, view: View, known: bytes) -> None:
        note = parse_note(known)
        old, new = parse_checkpoint(note.text), view.tree
        if new.size < old.size:
            raise ProofRejected(f"the log shows a tree of {new.size} entries, and had {old.size} before")
        if old.size == new.size:
            if old.root != new.root:
                raise TwoHistories((known, bytes(view.note)))
            return
        path = await self._computed(view, lambda nodes: consistency_proof(old.size, new.size, nodes))
        try:
            verify_consistency(old.size, old.root, new.size, new.root, path)
        except ProofRejected as e:
            # Files that give the new root and another old one prove that the log forked; files that do not are only damaged.
            other = await self._computed(view, lambda nodes: range_root(nodes, 0, old.size) if old.size else old.root)
            verify_consistency(old.size, other, new.size, new.root, path)
            raise TwoHistories((known, bytes(view.note))) from e

    async def _computed(self, view: View, compute: Callable[[Nodes], T]) -> T:
        while True:
            try:
                return compute(view.tiles.nodes)
            except TileWanted as wanted:
                await self._learn(view, wanted.tile)

    async def _learn(self, view: View, tile: Tile) -> None:
        if len(view.tiles.known) >= _MOST_TILES:
            view.tiles = KnownTiles(view.tree.size)
        view.tiles.known[tile] = await read_tile(self._source, tile)
