"""Everything of one shard against everything: entries, tiles, checkpoint, database.

    1. the database's entries are numbered 0 to size - 1, none missing; each hashes to its leaf hash
    2. every tile and bundle of the committed size is on the disk, or staged, and holds exactly these entries
    3. their root is the committed one, and the committed checkpoint says so, signed by the log
    4. what else lies in the folder is a partial tile of this tree
    5. the published checkpoint is signed by the log and is a beginning of what was committed

May run beside a log at work: it judges one committed size, from one snapshot of the database. Memory: a hash for each 256 entries.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import asyncpg

from gateway.core.errors import GatewayError, MalformedMessage, ProofRejected
from gateway.core.merkle.checkpoint import Checkpoint
from gateway.core.merkle.hashing import leaf_hash, range_root, root_of
from gateway.core.merkle.keys import VerifierKey
from gateway.core.merkle.note import parse_note
from gateway.core.merkle.policy import verify_log_signature, verify_shape
from gateway.core.merkle.tiles import (
    TILE_WIDTH,
    Tile,
    TileNodes,
    edge_root,
    parse_entries,
    parse_hashes,
    parse_tile_path,
    print_hashes,
)
from gateway.storage.durable import is_leftover
from gateway.transparency import rows
from gateway.transparency.files import LogFiles

_PIECE = 16 * TILE_WIDTH  # entries read at once
_MOST = 100


@dataclass(slots=True)
class FsckReport:
    """All is well when `problems` is empty; the first hundred are kept. `published`: None when nothing is."""

    origin: str
    size: int = 0
    waiting: int = 0
    published: int | None = None
    problems: list[str] = field(default_factory=list)

    def add(self, problem: str) -> None:
        if len(self.problems) < _MOST:
            self.problems.append(problem)


async def fsck(pool: asyncpg.Pool, origin: str, keys: Sequence[VerifierKey], files: LogFiles) -> FsckReport:
    """Database errors are raised; all else that is wrong is a problem in the report."""
    report = FsckReport(origin)
    published = await asyncio.to_thread(files.checkpoint)  # before the snapshot, so never ahead of it in a healthy log
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        shard = await rows.read_shard(connection, origin)
        if shard is None:
            if published is not None:
                report.add("a checkpoint is published, and the database has no such log")
            return report
        report.size = shard.size
        tree = _Tree(files, dict(await rows.staged(connection, origin)), report)
        for start in range(0, shard.size, _PIECE):
            end = min(start + _PIECE, shard.size)
            found = await rows.numbered_between(connection, origin, start, end)
            await asyncio.to_thread(tree.extend, start, end, found)
        entries, places, report.waiting = await rows.count_entries(connection, origin)
        if places != shard.size:
            report.add(f"the database has {places} places, and {shard.size} were committed")
        if entries != places + report.waiting:
            report.add(f"of {entries} entries {places} have a place and {report.waiting} wait for one")
    root = await asyncio.to_thread(tree.finish)
    if root != shard.root:
        report.add("the entries have another root than the committed one")
    _check_note(shard.note, "committed", Checkpoint(origin, shard.size, shard.root), keys, report)
    await asyncio.to_thread(_check_published, published, origin, keys, tree, report)
    after = await rows.read_shard(pool, origin)
    await asyncio.to_thread(_check_folder, files, tree, shard.size, shard.size if after is None else after.size, report)
    return report


class _Tree:
    """The tree, built again from entries, each tile compared with its file as it becomes complete."""

    def __init__(self, files: LogFiles, staged: Mapping[str, bytes], report: FsckReport) -> None:
        self._files = files
        self._staged = staged
        self._report = report
        self._levels: list[list[bytes]] = [[]]

    def extend(self, start: int, end: int, found: Sequence[tuple[int, bytes, bytes]]) -> None:
        """The entries from `start` (a multiple of 256) to `end`: index, entry, leaf hash."""
        if [index for index, _, _ in found] != list(range(start, end)):
            self._report.add(f"entries are missing between {start} and {end}")
        hashes = [leaf_hash(entry) for _, entry, _ in found]
        for (index, _, stored), computed in zip(found, hashes, strict=True):
            if stored != computed:
                self._report.add(f"entry {index} does not hash to its leaf hash")
        for at in range(0, len(hashes), TILE_WIDTH):
            part = hashes[at : at + TILE_WIDTH]
            number = (start + at) // TILE_WIDTH
            self._compare_bundle(Tile(None, number, len(part)), part)
            self._close(0, number, part)

    def finish(self) -> bytes:
        """The upper levels; returns the root."""
        level = 1
        while level < len(self._levels) and self._levels[level]:
            hashes = self._levels[level]
            for number in range((len(hashes) + TILE_WIDTH - 1) // TILE_WIDTH):
                self._close(level, number, hashes[number * TILE_WIDTH : (number + 1) * TILE_WIDTH])
            level += 1
        edge = [level_hashes[len(level_hashes) - len(level_hashes) % TILE_WIDTH :] for level_hashes in self._levels]
        return edge_root(edge)

    def read(self, tile: Tile) -> bytes:
        staged = self._staged.get(tile.path)
        return self._files.read_tile(tile) if staged is None else staged

    def _close(self, level: int, number: int, hashes: list[bytes]) -> None:
        tile = Tile(level, number, len(hashes))
        try:
            if self.read(tile) != print_hashes(hashes):
                self._report.add(f"{tile.path} holds other hashes than the entries give")
        except GatewayError as e:
            self._report.add(e.safe_detail)
        if level == 0 and len(hashes) < TILE_WIDTH:
            self._levels[0] = hashes
        if len(hashes) == TILE_WIDTH:
            if len(self._levels) == level + 1:
                self._levels.append([])
            self._levels[level + 1].append(root_of(hashes))

    def _compare_bundle(self, tile: Tile, hashes: list[bytes]) -> None:
        try:
            if [leaf_hash(entry) for entry in parse_entries(self.read(tile), tile)] != hashes:
                self._report.add(f"{tile.path} holds other entries than the database")
        except GatewayError as e:
            self._report.add(e.safe_detail)


def _check_note(
    data: bytes, what: str, expected: Checkpoint | None, keys: Sequence[VerifierKey], report: FsckReport
) -> Checkpoint | None:
    """The checkpoint in it, when it is one of this log."""
    try:
        note = parse_note(data)
        checkpoint = verify_shape(note)
        verify_log_signature(note, checkpoint, keys)
    except (MalformedMessage, ProofRejected) as e:
        report.add(f"the {what} checkpoint: {e.safe_detail}")
        return None
    if expected is not None and checkpoint != expected:
        report.add(f"the {what} checkpoint says something else than the database")
    return checkpoint


def _check_published(
    data: bytes | None, origin: str, keys: Sequence[VerifierKey], tree: _Tree, report: FsckReport
) -> None:
    checkpoint = None if data is None else _check_note(data, "published", None, keys, report)
    if checkpoint is None:
        return
    report.published = checkpoint.size
    if checkpoint.origin != origin or checkpoint.size > report.size:
        report.add("the published checkpoint is ahead of the database, or of another log")
        return
    try:
        root = range_root(TileNodes(report.size, tree.read), 0, checkpoint.size)
    except GatewayError as e:
        report.add(e.safe_detail)
        return
    if root != checkpoint.root:
        report.add("the published checkpoint is of another history")


def _check_folder(files: LogFiles, tree: _Tree, size: int, size_now: int, report: FsckReport) -> None:
    """`size`: what was judged; `size_now`: how far the log may have come since."""
    for path in sorted(files.folder.rglob("*")):
        name = path.relative_to(files.folder).as_posix()
        if path.is_dir() or is_leftover(path) or name == "checkpoint":
            continue
        try:
            tile = parse_tile_path(name)
        except MalformedMessage:
            report.add(f"{name} does not belong there")
            continue
        shift = 8 * (tile.level or 0)
        end = tile.number * TILE_WIDTH + tile.width
        if end > size_now >> shift:
            report.add(f"{name} holds more than was ever committed")
        elif end <= size >> shift and tile.width < TILE_WIDTH:
            _check_partial(tree, tile, min(TILE_WIDTH, (size >> shift) - tile.number * TILE_WIDTH), report)


def _check_partial(tree: _Tree, tile: Tile, width: int, report: FsckReport) -> None:
    """Against the widest form of the same tile, which was compared with the entries."""
    widest = Tile(tile.level, tile.number, width)
    try:
        own, whole = tree.read(tile), tree.read(widest)
        if tile.level is None:
            same = parse_entries(own, tile) == parse_entries(whole, widest)[: tile.width]
        else:
            same = parse_hashes(own, tile) == parse_hashes(whole, widest)[: tile.width]
    except GatewayError as e:
        report.add(e.safe_detail)
        return
    if not same:
        report.add(f"{tile.path} is not the beginning of its full tile")
