"""A real instance with sealed logs: no file of the database holds what a citizen's identifier is, both sides verify, and what was
shredded still verifies as far as digests go."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from gateway.app.listeners import clock
from gateway.messagelog.keyadmin import KeyAdministration, Selection
from gateway.messagelog.keysource import KeySource
from gateway.messagelog.reader import MessageLogReader
from gateway.messagelog.verification import RecordReport, verify_message
from gateway.settings.common import SecretReference
from gateway.storage.database import Database, EmbeddedDatabase, open_database
from tests.support.country import Country, Server
from tests.support.service import serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(100)]

IDENTIFIER = b"001185017482"
SMALL, LARGE = b'{"citizen":"%s"}' % IDENTIFIER, b'{"citizen":"%s"}' % IDENTIFIER * 10_000


@pytest.fixture
def folder() -> Iterator[Path]:
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    path = Path(tempfile.mkdtemp(prefix="sealed", dir=memory))
    yield path
    shutil.rmtree(path, ignore_errors=True)


def files_with(folder: Path, words: bytes) -> list[str]:
    """Of the whole data directory: tables, indexes, write-ahead log, logs."""
    return [str(path) for path in folder.rglob("*") if path.is_file() and words in path.read_bytes()]


def keys_of(country: Country, name: str) -> KeySource:
    return KeySource(SecretReference("file", country.cert(f"{name}-log.keys")).read)


async def verified(database: Database, keys: KeySource, message_id: str) -> Sequence[RecordReport]:
    reports = await verify_message(MessageLogReader(database.pool, keys), message_id)
    assert len(reports) == 2
    for report in reports:
        assert report.ok, report
    return reports


async def test_what_is_sealed_and_what_remains_of_it(folder: Path) -> None:
    async with serving() as service:
        services = {"dancu": [{"code": "echo", "url": service.url, "rights": [{"to": "GOV/G22/dvc"}]}]}
        sealed = {
            name: {"evidence": {"seal_with": f"file:{folder}/certs/{name}-log.keys"}} for name in ("G22-ss1", "G01-ss1")
        }
        servers = [
            Server("G22", ["dvc"], more=sealed["G22-ss1"]),
            Server("G01", ["dancu"], services=services, more=sealed["G01-ss1"]),
        ]
        async with Country(folder, servers) as country:
            for message_id, data in (("clear-small", SMALL), ("clear-large", LARGE)):
                status, _, answer = await country.call(
                    "G22",
                    f"G01/dancu/echo/persons/{IDENTIFIER.decode()}?id={IDENTIFIER.decode()}",
                    client="dvc",
                    method="POST",
                    data=data,
                    headers={"X-Road-Id": message_id, "X-Person": IDENTIFIER.decode()},
                )
                assert status == 200, answer
            assert country.postgres is not None
            async with country.log_of("G22") as pool:
                assert await pool.fetchval("SELECT count(*) FROM message_record") == 4
            await _checkpoint(country)
            found = await asyncio.to_thread(files_with, folder / "pg", IDENTIFIER)
            assert found == []
            assert await asyncio.to_thread(
                files_with, folder / "pg", b"clear-small"
            )  # what is clear would have been found
            for name, own, other in (("G22-ss1", "g22_ss1", "VN/GOV/G22"), ("G01-ss1", "g01_ss1", "VN/GOV/G01")):
                await _shred(country, name, own, other)


async def _checkpoint(country: Country) -> None:
    database = await open_database(EmbeddedDatabase(country.folder / "pg", "g22_ss1"), connections=1)
    try:
        async with database.owner() as owner:
            await owner.execute("CHECKPOINT")
    finally:
        await database.close()


async def _shred(country: Country, name: str, database_name: str, member: str) -> None:
    keys = keys_of(country, name)
    database = await open_database(EmbeddedDatabase(country.folder / "pg", database_name), connections=2)
    try:
        for message_id in ("clear-small", "clear-large"):
            whole = await verified(database, keys, message_id)
            assert not [step for report in whole for step in report.steps if step.code == "shredded"]
        administration = KeyAdministration(database, clock)
        found = await administration.listed(Selection(member=member))
        await administration.destroy(
            found, "a test", "shredded for a test", lost=True
        )  # today's, as no real one may be
        for message_id in ("clear-small", "clear-large"):
            request, response = await verified(database, keys, message_id)
            shredded = [(step.number, step.code) for step in request.steps if step.code]
            assert shredded == [(1, "shredded"), (2, "shredded")]
            assert [step.number for step in response.steps if step.code == "shredded"][-1] == 5
            said = " ".join(step.what for step in request.steps)
            assert f"the data key of {member} for" in said
            assert "(shredded for a test)" in said
            assert f"signed by {'VN/GOV/G22'}" in said
            assert "Signature value verifies" in said
    finally:
        await database.close()
