"""A message log with time-stamper, for tests: its own authority in memory, a movable clock, records with real signatures.

log = StampedLog(database)          log.tsa.down = True         log.now += timedelta(hours=5)
await log.write(3)                  await log.stamper.round()
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime

from gateway.core.errors import EvidenceUnavailable
from gateway.core.globalconf.model import GlobalConfiguration
from gateway.core.identifiers import MemberId
from gateway.core.messagelog.record import MessageRecord
from gateway.core.signing.timestamp import verify_timestamp
from gateway.messagelog.batch import Batch, write_batch
from gateway.messagelog.groupcommit import LogLimits
from gateway.messagelog.records import facts_of, record_of
from gateway.messagelog.stamper import StampPolicy, TimeStamper
from gateway.messagelog.tsaclient import Token
from gateway.messagelog.writer import MessageLogWriter
from gateway.storage.database import Database
from tests.support.log_states import CONF, NOW, SERVER, signed_request
from tests.support.pki import Pki

PKI = Pki(now=NOW.replace(microsecond=0))
SIGNATURE = PKI.sign_message(PKI.issue_sign(MemberId("VN", "GOV", "G01")), b"GET /x\r\n\r\n").signature


class MemoryAuthority:
    """Stamps at once. `down`: gives nothing. `gate`: held back until set. `asked`: what was to be stamped, in order."""

    def __init__(self) -> None:
        self.down = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked: list[bytes] = []

    async def stamp(self, stamped: bytes, conf: GlobalConfiguration) -> Token:
        self.asked.append(stamped)
        await self.gate.wait()
        if self.down:
            raise EvidenceUnavailable("No time-stamp: TSA: it cannot be reached", code="timestamper_failed")
        token = PKI.stamp(stamped)
        return Token(token, verify_timestamp(token, stamped, (PKI.approved_tsa,)))


class _Conf:
    def current(self) -> GlobalConfiguration:
        return CONF


class StampedLog:
    def __init__(self, database: Database, policy: StampPolicy | None = None) -> None:
        self.database = database
        self.now: datetime = NOW
        self.tsa = MemoryAuthority()
        self.stamper = self.another(policy)

    def another(self, policy: StampPolicy | None = None) -> TimeStamper:
        """A further server's time-stamper on the same database."""
        return TimeStamper(self.database.pool, self.tsa, _Conf(), lambda: self.now, policy or StampPolicy())

    async def write(self, count: int) -> list[int]:
        """Numbers of new records, each with a signature of its own."""
        async with self.database.pool.acquire() as connection:
            numbers = await write_batch(connection, Batch([record() for _ in range(count)], [], str(SERVER)), {})
        return sorted(numbers.values())

    async def waiting(self) -> list[int]:
        rows = await self.database.pool.fetch("SELECT unnest(records) FROM unstamped_commit ORDER BY 1")
        return [row[0] for row in rows]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[MessageLogWriter]:
        """The stamper and a writer at work."""
        writer = MessageLogWriter(self.database.pool, lambda: self.now, SERVER, LogLimits(), self.stamper)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(writer.run())
            stamping = tasks.create_task(self.stamper.run())
            yield writer
            await writer.drain()
            stamping.cancel()


def record(signature: bytes | None = None) -> MessageRecord:
    """Of a request. A space after the root element makes each signature's bytes its own, and changes nothing else."""
    state = signed_request()
    state = replace(state, parts=replace(state.parts, signature=signature or SIGNATURE + b" " * next(_PADDING)))
    return record_of(facts_of(state), uuid.uuid4(), None)


def _count() -> Iterator[int]:
    n = 0
    while True:
        n += 1
        yield n


_PADDING = _count()
