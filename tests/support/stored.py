"""Records of real signed messages in a real database, time-stamped or not, as the writer and the time-stamper leave them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import uuid4

from gateway.core.digest import sha512
from gateway.core.messagelog.record import GRANTED, MessageRecord, RecordedBody, RecordKind
from gateway.core.signing.timestamp import verify_timestamp
from gateway.core.signing.xades import parse_signature
from gateway.messagelog import stamps
from gateway.messagelog.batch import Batch, write_batch
from gateway.messagelog.tsaclient import Token
from gateway.storage.database import Database
from tests.support.containers import ContainerWorld, StampKind, tree_around
from tests.support.log_states import SERVER


async def store(database: Database, records: Sequence[MessageRecord]) -> list[int]:
    """Their numbers."""
    async with database.pool.acquire() as connection:
        numbers = await write_batch(connection, Batch(records, [], str(SERVER)), {"f": {"instance-identifier": b"VN"}})
    return [numbers[record.uid] for record in records]


async def stamp(database: Database, world: ContainerWorld, number: int, record: MessageRecord, kind: StampKind) -> None:
    """As the time-stamper, under the role that serves."""
    made, conf = world.stamp(record, kind), world.conf()
    tsas = conf.instances["VN"].approved_tsas
    stamped = made.chain_result or parse_signature(record.signature).value
    verified = verify_timestamp(made.token, stamped, tsas)
    tree = tree_around(record)
    hashes = b"".join(tree.leaf(n).value for n in range(tree.leaves))
    batch = (made.chain_result, hashes) if made.chain_result else None
    others = (-number, 10**9 + number)  # before and behind it in the tree, of a log that is not here
    async with database.pool.acquire() as connection, connection.transaction():
        await stamps.keep(connection, conf)
        numbers = [others[0], number, others[1]] if batch else [number]
        await stamps.store(connection, Token(made.token, verified), batch, numbers, conf.fingerprint)
        commits = await connection.fetch("SELECT number FROM unstamped_commit WHERE $1 = ANY (records)", number)
        await stamps.leave_queue(connection, [c["number"] for c in commits])


async def store_stamped(
    database: Database, world: ContainerWorld, records: Sequence[MessageRecord], kind: StampKind = "single"
) -> list[int]:
    numbers = await store(database, records)
    for number, record in zip(numbers, records, strict=True):
        await stamp(database, world, number, record, kind)
    return numbers


async def in_pieces(database: Database, record: MessageRecord, body: bytes, piece: int = 100_000) -> MessageRecord:
    """The record with its body beside it."""
    pieces_id = uuid4()
    pieces = [body[at : at + piece] for at in range(0, len(body), piece)]
    await database.pool.executemany(
        "INSERT INTO body_chunk (body_id, n, data) VALUES ($1, $2, $3)",
        [(pieces_id, n, p) for n, p in enumerate(pieces)],
    )
    return replace(record, body=RecordedBody(len(body), sha512(body), None, pieces_id))


def of_server(record: MessageRecord, kind: RecordKind) -> MessageRecord:
    """The same message on the provider's side."""
    decision = GRANTED if kind == "request" else None
    return replace(record, uid=uuid4(), side="server", peer_server="VN/GOV/G22/ss1", decision=decision)
