"""Promises out of recorded responses: once, whatever crashes; out of a sealed log too; nothing without a promise."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from gateway.core.disclosure.promise import PROMISE_HEADER, Promise, with_promise
from gateway.core.errors import EvidenceUnavailable
from gateway.core.merkle.hashing import leaf_hash
from gateway.core.messagelog.record import MessageRecord
from gateway.core.sealing.records import RECORD_NONCES, seal_content
from gateway.messagelog.promises import RecordedPromises
from gateway.messagelog.sealing import Seal
from gateway.messagelog.stamper import StampPolicy, TimeStamper
from gateway.storage.database import Database
from tests.support.logkeys import ORIGIN
from tests.support.promises import PromiseWorld, leaf
from tests.support.sealing import key_source
from tests.support.stored import of_server, store


@pytest.fixture
def world(database: Database, tmp_path: Path) -> PromiseWorld:
    return PromiseWorld(database, tmp_path)


def promising(world: PromiseWorld, *leaves: int) -> MessageRecord:
    promise = Promise(ORIGIN, tuple(leaf_hash(leaf(n)) for n in leaves))
    return world.response("G01", with_promise([("Content-Type", "application/json")], promise), b"{}")


async def noted(world: PromiseWorld) -> list[tuple[str, str, bytes]]:
    rows = await world.database.pool.fetch("SELECT service, origin, leaf FROM promise ORDER BY number")
    return [tuple(row) for row in rows]


async def left(world: PromiseWorld) -> int:
    found: int = await world.database.pool.fetchval("SELECT count(*) FROM stamped_commit")
    return found


async def test_only_responses_to_our_own_clients_hold_promises(world: PromiseWorld) -> None:
    request = world.trust.record("request")
    plain, mine = world.response("G15", [], None), promising(world, 1, 2)
    garbled = world.response("G01", [(PROMISE_HEADER, "x")], b"{}")
    for record in (request, plain, mine, garbled, of_server(promising(world, 3), "response")):
        await store(world.database, [record])
    evidence = RecordedPromises(world.database.pool, None)
    assert not await evidence.note()
    await world.stamp()
    assert await left(world) == 5
    assert not await evidence.note()
    service = "VN/GOV/G01/dancu/person"
    assert await noted(world) == [(service, ORIGIN, leaf_hash(leaf(1))), (service, ORIGIN, leaf_hash(leaf(2)))]
    assert await left(world) == 0
    made = await evidence.signed((mine.time, mine.uid))
    assert made is not None
    assert (made.part, made.signature, made.body) == (mine.part, mine.signature, mine.body and mine.body.digest)
    assert made.stamp.chain is not None  # five records under one token


async def test_many_commits_in_several_goes(world: PromiseWorld) -> None:
    for n in range(20):
        await store(world.database, [promising(world, n)])
    await world.stamp()
    evidence = RecordedPromises(world.database.pool, None)
    assert await evidence.note()
    assert not await evidence.note()
    assert [entry[2] for entry in await noted(world)] == [leaf_hash(leaf(n)) for n in range(20)]


async def test_a_crash_while_noting_loses_and_doubles_nothing(
    world: PromiseWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store(world.database, [promising(world, 1)])
    await world.stamp()
    evidence = RecordedPromises(world.database.pool, None)
    with monkeypatch.context() as patch:
        patch.setattr("gateway.messagelog.promises._NOTE", "SELECT 1/0 FROM (VALUES ($1, $2, $3, $4, $5)) AS v")
        with pytest.raises(Exception, match=r".+"):
            await evidence.note()
    assert (await noted(world), await left(world)) == ([], 1)
    await evidence.note()
    await evidence.note()
    assert (len(await noted(world)), await left(world)) == (1, 0)


async def test_a_sealed_log(world: PromiseWorld) -> None:
    record, keys = promising(world, 1), key_source()
    key = await Seal(world.database.pool, keys).key(date(2026, 11, 24), "VN/GOV/G22")
    part, body = seal_content(record.part, record.body, record.uid, key, os.urandom(RECORD_NONCES))
    await store(world.database, [replace(record, part=part, body=body, sealed_by=key.id)])
    await world.stamp()
    with pytest.raises(EvidenceUnavailable):
        await RecordedPromises(world.database.pool, None).note()
    evidence = RecordedPromises(world.database.pool, keys)
    await evidence.note()
    assert [entry[2] for entry in await noted(world)] == [leaf_hash(leaf(1))]
    made = await evidence.signed((record.time, record.uid))
    assert made is not None
    assert made.part == record.part


async def test_nothing_is_handed_on_where_nobody_looks(world: PromiseWorld) -> None:
    await store(world.database, [promising(world, 1)])
    authorities = world.stamper._authorities
    await TimeStamper(world.database.pool, authorities, world, world.clock, StampPolicy()).round()
    assert await left(world) == 0
