"""The sequencer of one shard: gives entries their place, once and for ever.

One batch, step by step; what is true if we crash after each:

    1. lock the shard's row, compare the fence                 nothing happened
    2. take what waits, grow the tree by it
    3. sign the checkpoint of the new size                     nobody has seen it
    4. in the same transaction: give places, stage the files, write size, root and checkpoint
    5. commit                                                  the entries stand; the files are in the database
    6. files to the disk, read back                            the next leader writes the same bytes again
    (publisher.py)
    7. witnesses; 8. replace `checkpoint`                      the committed checkpoint is published again

Whoever leads holds an advisory lock on its connection and the highest fence. After any error what is in memory is forgotten, and
`lead` starts again from the database: a log that went on after a failed transaction is how logs of others lost entries.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from gateway.core.errors import GatewayError, MalformedMessage, ProofRejected
from gateway.core.merkle.checkpoint import Checkpoint, parse_checkpoint, print_checkpoint
from gateway.core.merkle.hashing import EMPTY_ROOT, leaf_hash, range_root
from gateway.core.merkle.note import SignedNote, parse_note
from gateway.core.merkle.policy import verify_log_signature
from gateway.core.merkle.tiles import TILE_WIDTH, Growth, Tile, TileNodes, TreeEdge, grow
from gateway.exchange.ports import Clock
from gateway.transparency import rows
from gateway.transparency.files import LogFiles
from gateway.transparency.ports import LeadLost, LogFrozen, NoteSigner, OnStep
from gateway.transparency.rows import ShardRow

_LEAD_POLL = 1.0  # seconds between a standby's attempts


@dataclass(frozen=True, slots=True)
class Committed:
    """A checkpoint whose files are durable: it may be published. `fence`: of the leader that made them so."""

    checkpoint: Checkpoint
    note: SignedNote
    fence: int


def signed_checkpoint(checkpoint: Checkpoint, signers: Sequence[NoteSigner], at: int) -> SignedNote:
    text = print_checkpoint(checkpoint)
    return SignedNote(text, tuple(signer.sign(text, at) for signer in signers))


class Sequencer:
    """`signers`: all keys of the log, named like `origin`. `batch`: most entries in one."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        origin: str,
        signers: Sequence[NoteSigner],
        files: LogFiles,
        clock: Clock,
        on_step: OnStep,
        *,
        batch: int = 1000,
    ) -> None:
        self.origin = origin
        self._pool = pool
        self._signers = signers
        self._files = files
        self._clock = clock
        self._on_step = on_step
        self.batch = batch
        self._connection: asyncpg.Connection | None = None
        self._edge = TreeEdge()
        self._fence = 0
        self._durable = 0  # size up to which the files are on the disk

    async def lead(self) -> Committed:
        """Become the leader, waiting while another is; then bring the disk to what was committed. LogFrozen when the shard is
        frozen, or must be: the database is behind what was published, or disagrees with the files."""
        connection = await self._lock()
        note = signed_checkpoint(Checkpoint(self.origin, 0, EMPTY_ROOT), self._signers, self._now())
        await rows.create_shard(connection, self.origin, EMPTY_ROOT, bytes(note))
        shard = await rows.take_lead(connection, self.origin)
        self._fence = shard.fence
        if shard.frozen is not None:
            raise LogFrozen(shard.frozen)
        await asyncio.to_thread(self._files.write_tiles, await rows.staged(connection, self.origin))
        self._edge = await self._load_edge(connection, shard)
        await asyncio.to_thread(self._check_published, shard)
        self._durable = shard.size
        return self._committed(shard.size, shard.root, parse_note(shard.note))

    async def step(self) -> Committed | None:
        """One batch; None when nothing waits. LeadLost, LogFrozen, a database error, EvidenceUnavailable, KeyTokenError: call
        `lead` again before the next."""
        connection = self._connection
        if connection is None:
            raise LeadLost("nobody leads here")
        async with connection.transaction():
            shard = await rows.lock_shard(connection, self.origin)
            self._compare(shard)
            await rows.unstage(connection, self.origin, self._durable)
            head = await rows.queue_head(connection, self.origin, self.batch)
            if not head.records:
                return None
            self._on_step("locked")
            growth = grow(self._edge, head.entries)
            size, root = growth.edge.size, growth.edge.root
            note = signed_checkpoint(Checkpoint(self.origin, size, root), self._signers, self._now())
            self._on_step("signed")
            await rows.place(connection, self.origin, head, shard.size)
            await rows.stage(connection, self.origin, size, growth.files)
            await rows.note_partials(connection, self.origin, _replacing(growth, shard.size))
            await rows.advance(connection, self.origin, size, root, bytes(note))
            self._on_step("staged")
        # if we crash here: committed; `lead` of whoever comes next writes the staged files
        self._on_step("committed")
        await asyncio.to_thread(self._files.write_tiles, growth.files)
        self._on_step("tiles")
        self._edge, self._durable = growth.edge, size
        return self._committed(size, root, note)

    async def freeze(self, reason: LogFrozen) -> bool:
        """Write it down; False when another process leads. A database error when it cannot be: nothing is published either."""
        async with self._pool.acquire() as connection:
            return await rows.freeze(connection, self.origin, self._fence, reason.why, reason.evidence)

    def hang_up(self) -> None:
        """Stop leading; the advisory lock goes with the connection."""
        if self._connection is not None:
            with contextlib.suppress(asyncpg.InterfaceError):  # the pool took it back when it was lost
                self._connection.terminate()
            self._connection = None

    def nodes(self, size: int) -> TileNodes:
        """The subtree roots of the tree of that size, from the files. Blocking."""
        return TileNodes(size, self._files.read_tile)

    # --- leading -------------------------------------------------------------------------------------------------------

    async def _lock(self) -> asyncpg.Connection:
        self.hang_up()
        self._connection = connection = await self._pool.acquire()
        # Not `pg_advisory_lock`, which would wait inside a statement and block on a connection that fell silent.
        while not await rows.try_lead_lock(connection, self.origin):  # noqa: ASYNC110 - the event is in another process
            await asyncio.sleep(_LEAD_POLL)
        return connection

    def _compare(self, shard: ShardRow) -> None:
        if shard.fence != self._fence:
            raise LeadLost("another process leads this shard")
        if shard.frozen is not None:
            raise LogFrozen(shard.frozen)
        if (shard.size, shard.root) != (self._edge.size, self._edge.root):
            raise LeadLost("what is in memory is not what was committed")

    async def _load_edge(self, connection: asyncpg.Connection, shard: ShardRow) -> TreeEdge:
        """The edge from entries in the database and tiles on the disk; LogFrozen when that is not the committed root."""
        first = shard.size - shard.size % TILE_WIDTH
        bundle = await rows.entries_between(connection, self.origin, first, shard.size)
        edge = await asyncio.to_thread(self._edge_of, shard.size, bundle)
        if edge is None or edge.root != shard.root:
            raise LogFrozen("the files and the database disagree about the tree: do not repair by hand, run fsck")
        return edge

    def _edge_of(self, size: int, bundle: tuple[bytes, ...]) -> TreeEdge | None:
        levels = [tuple(map(leaf_hash, bundle))]
        nodes = self.nodes(size)
        above = size // TILE_WIDTH
        try:
            while above:
                full, width = divmod(above, TILE_WIDTH)
                levels.append(nodes.tile(len(levels), full) if width else ())
                above = full
        except GatewayError:
            return None  # a tile that was there is missing or damaged
        return TreeEdge(size, tuple(levels), bundle) if len(bundle) == size % TILE_WIDTH else None

    def _check_published(self, shard: ShardRow) -> None:
        """What is public must be a beginning of what was committed: otherwise the database is an old one, restored."""
        published = self._files.checkpoint()
        if published is None:
            return
        evidence = (("published", published), ("committed", shard.note))
        try:
            note = parse_note(published)
            checkpoint = parse_checkpoint(note.text)
            verify_log_signature(note, checkpoint, [signer.verifier for signer in self._signers])
        except (MalformedMessage, ProofRejected) as e:
            raise LogFrozen("the published checkpoint is not one of this log", evidence) from e
        if checkpoint.origin != self.origin or checkpoint.size > shard.size:
            raise LogFrozen("the database is behind the published checkpoint: it was restored from a backup", evidence)
        if self.root_at(checkpoint.size, shard.size) != checkpoint.root:
            raise LogFrozen("the published checkpoint is of another history than the database", evidence)

    def root_at(self, size: int, within: int) -> bytes:
        """The root of the first `size` entries, from the files of the tree of `within` entries. Blocking."""
        return range_root(self.nodes(within), 0, size)

    def _committed(self, size: int, root: bytes, note: SignedNote) -> Committed:
        return Committed(Checkpoint(self.origin, size, root), note, self._fence)

    def _now(self) -> int:
        return int(self._clock().timestamp())


def _replacing(growth: Growth, since: int) -> list[str]:
    """Full tiles of this growth whose partial forms were written before."""
    found = []
    for level in (None, *range(len(growth.edge.levels))):
        number, width = divmod(since >> (8 * (level or 0)), TILE_WIDTH)
        path = Tile(level, number).path
        if width and any(path == written for written, _ in growth.files):
            found.append(path)
    return found
