"""The whole ledger of one person as a bundle (`core/disclosure/bundle.py`), line by line while it is sent.

Receipts, checkpoints and proofs are passed on as the log gives them: whoever has the file judges them. Checkpoints come after the
records, so that each is at least as new as every receipt. Records of a year whose log the portal's policy does not name are there
without log and receipt: the check says so.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping

from gateway.citizen.portal import Portal, year_of
from gateway.citizen.proofs import PublicLog, Receipt
from gateway.citizen.records import MOST_ON_A_PAGE, Filter, StoredRecord
from gateway.citizen.views import destroyed_json, opening_json
from gateway.core.disclosure.bundle import VERSION
from gateway.core.disclosure.record import print_time
from gateway.core.errors import MalformedMessage, ServiceUnavailable
from gateway.core.merkle.checkpoint import Checkpoint, parse_checkpoint
from gateway.core.merkle.note import parse_note
from gateway.core.merkle.proofs import consistency_proof
from gateway.core.merkle.receipt import parse_receipt
from gateway.core.merkle.text import print_base64
from gateway.core.merkle.tiles import KnownTiles, TileWanted
from gateway.core.subjects.kinds import Person

Line = Mapping[str, object]
_AT_ONCE = 20


async def bundle_lines(portal: Portal, person: Person) -> AsyncIterator[Line]:
    """DATABASE_ERRORS and ServiceUnavailable end it before its last line: what was cut off is no bundle."""
    about = {"kind": person.kind, "number": person.number}
    made, providers = print_time(portal.clock()), list(portal.records.servers)
    yield {"kind": "bundle", "version": VERSION, "made": made, "person": about, "providers": providers}
    yield {"kind": "policy", "policy": portal.policy.decode()}
    for gone in await portal.records.destroyed():
        yield {"kind": "destroyed", **destroyed_json(gone)}
    count, sizes = 0, defaultdict[int, set[int]](set)
    async for record, receipt in _records(portal, person):
        proof = None if receipt is None else receipt.file
        if proof is not None:
            sizes[year_of(record)].add(_size(proof))
        opening = opening_json(record, person, portal.log.origin(year_of(record)))
        count += 1
        yield {"kind": "record", **opening, "receipt": None if proof is None else proof.decode()}
    notes = {year: (await portal.log.checkpoint(year)).body for year in sizes}
    for year, note in notes.items():
        yield {"kind": "checkpoint", "log": portal.log.origin(year), "note": note.decode()}
    for year, note in notes.items():
        async for line in _consistency(portal.log, year, note, sizes[year]):
            yield line
    yield {"kind": "end", "records": count}


async def _records(portal: Portal, person: Person) -> AsyncIterator[tuple[StoredRecord, Receipt | None]]:
    """With what the log says of each; it is asked for several at once."""
    cursor: str | None = None
    while True:
        page = await portal.records.page(person, Filter(), cursor, MOST_ON_A_PAGE)
        for first in range(0, len(page.records), _AT_ONCE):
            some = page.records[first : first + _AT_ONCE]
            known = [record for record in some if portal.log.origin(year_of(record)) is not None]
            receipts = dict(zip(known, await asyncio.gather(*map(portal.receipt, known)), strict=True))
            for found in ((record, receipts.get(record)) for record in some):
                yield found
        if (cursor := page.next) is None:
            return


def _size(proof: bytes) -> int:
    """Of the tree that the receipt is under."""
    try:
        return parse_checkpoint(parse_receipt(proof).checkpoint.text).size
    except MalformedMessage as e:
        raise ServiceUnavailable("the public log gives no receipts") from e


async def _consistency(log: PublicLog, year: int, note: bytes, sizes: set[int]) -> AsyncIterator[Line]:
    try:
        newest = parse_checkpoint(parse_note(note).text)
    except MalformedMessage as e:
        raise ServiceUnavailable("the public log has no checkpoint") from e
    tiles = KnownTiles(newest.size)
    for size in sorted(s for s in sizes if s < newest.size):
        hashes = [print_base64(h) for h in await _proof(log, year, newest, size, tiles)]
        yield {"kind": "consistency", "log": newest.origin, "size": size, "hashes": hashes}


async def _proof(log: PublicLog, year: int, newest: Checkpoint, size: int, tiles: KnownTiles) -> tuple[bytes, ...]:
    while True:
        try:
            return consistency_proof(size, newest.size, tiles.nodes)
        except TileWanted as wanted:
            tiles.known[wanted.tile] = await log.hashes(year, wanted.tile)
        except MalformedMessage as e:
            raise ServiceUnavailable("the public log's files are not those of its checkpoint") from e
