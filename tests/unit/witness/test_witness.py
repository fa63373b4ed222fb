"""The witness over HTTP: every status of C2SP tlog-witness, and a memory that is there before the answer."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from gateway.core.errors import SettingsError
from gateway.core.merkle.checkpoint import Checkpoint
from gateway.core.merkle.hashing import root_of
from gateway.core.merkle.note import SignedNote, parse_note, parse_signature_lines
from gateway.core.merkle.policy import verify_note
from gateway.core.merkle.proofs import consistency_proof
from gateway.core.merkle.witnessing import AddCheckpoint
from gateway.witness.store import WitnessStore
from tests.support.logkeys import AUDITOR, LOG, LOG_PQ, ORIGIN, WITNESS, Key, checkpoint_of, signed
from tests.support.logworld import NOW, RunningWitness, witness_at
from tests.unit.core.merkle.test_hashing import LEAVES

OTHER = (*LEAVES[:2], *LEAVES[:1], *LEAVES[3:])  # another third entry
STRANGER = Key("stranger.example")
HASH = hashlib.sha256(ORIGIN.encode()).hexdigest()


def nodes_of(leaves: tuple[bytes, ...]) -> Callable[[int, int], bytes]:
    return lambda level, n: root_of(leaves[n << level : (n + 1) << level])


def adding(old: int, size: int, leaves: tuple[bytes, ...] = LEAVES, *keys: Key) -> AddCheckpoint:
    checkpoint = checkpoint_of(leaves[:size])
    proof = consistency_proof(min(old, size), size, nodes_of(leaves))
    return AddCheckpoint(old, proof, signed(checkpoint, *(keys or (LOG,))), checkpoint)


async def post(running: RunningWitness, body: bytes | AddCheckpoint) -> tuple[int, bytes, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{running.url}/add-checkpoint", data=bytes(body)) as response,
    ):
        return response.status, await response.read(), response.headers["Content-Type"]


async def get(running: RunningWitness, path: str) -> tuple[int, bytes]:
    async with aiohttp.ClientSession() as session, session.get(f"{running.url}/{path}") as response:
        return response.status, await response.read()


async def test_a_log_that_grows(tmp_path: Path) -> None:
    async with witness_at(tmp_path, (WITNESS, AUDITOR), lambda: NOW) as running:
        old = 0
        for size in (0, 3, 4, 4, 8):
            asked = adding(old, size, LEAVES, LOG, LOG_PQ, STRANGER)
            status, answer, content_type = await post(running, asked)
            assert (status, content_type) == (200, "text/plain; charset=utf-8")
            lines = parse_signature_lines(answer.decode())
            cosigned = verify_note(SignedNote(asked.note.text, lines), [WITNESS.verifier, AUDITOR.verifier])
            assert [at for _, at in cosigned] == [int(NOW.timestamp())] * 2
            status, latest = await get(running, f"{HASH}/checkpoint")
            note = parse_note(latest)
            assert (status, note.text) == (200, asked.note.text)
            assert [s.name for s in note.signatures] == [ORIGIN, ORIGIN, WITNESS.name, AUDITOR.name]
            old = size
        assert running.refusals == []


FIRST = adding(0, 3)
REFUSED: dict[str, tuple[int, bytes | AddCheckpoint]] = {
    "nothing": (400, b""),
    "no old size": (400, bytes(FIRST).replace(b"old 0\n", b"")),
    "a leading zero": (400, bytes(FIRST).replace(b"old 0\n", b"old 00\n")),
    "old above the size": (400, replace(FIRST, old=4)),
    "64 hashes": (400, replace(adding(3, 8), proof=(LEAVES[0],) * 64)),
    "a short hash": (400, bytes(FIRST).replace(b"old 0\n", b"old 0\nAAAA\n")),
    "a note that is none": (400, b"old 0\n\ntext\n"),
    "a note that is no checkpoint": (400, b"old 0\n\n" + bytes(signed(b"text\n"))),
    "a body without end": (413, b"old 0\n" + b"x" * 600_000),
    "an unknown origin": (
        404,
        b"old 0\n\n" + bytes(signed(replace(checkpoint_of(LEAVES), origin="elsewhere.example"))),
    ),
    "a stranger's signature": (403, adding(3, 8, LEAVES, STRANGER)),
    "a good and a bad line of the log": (
        403,
        replace(adding(3, 8), note=adding(3, 8).note.with_signatures([LOG.sign(b"other\n")])),
    ),
    "an old size that was never": (409, adding(2, 8)),
    "from nothing again": (409, adding(0, 8)),
    "a rewind": (409, adding(2, 2)),
    "a fork": (422, adding(3, 8, OTHER)),
    "a fork at the same size": (422, adding(3, 3, OTHER)),
    "no proof": (422, replace(adding(3, 8), proof=())),
    "a proof for the same size": (422, replace(adding(3, 3), proof=(LEAVES[0],))),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_refused(tmp_path: Path, what: str) -> None:
    expected, body = REFUSED[what]
    async with witness_at(tmp_path, (WITNESS,), lambda: NOW) as running:
        assert (await post(running, FIRST))[0] == 200
        before = await get(running, f"{HASH}/checkpoint")
        status, answer, content_type = await post(running, body)
        assert status == expected
        if status == 409:
            assert (answer, content_type) == (b"3\n", "text/x.tlog.size")
        assert b"\xe2\x80\x94" not in answer  # no signature line leaves with a refusal
        assert await get(running, f"{HASH}/checkpoint") == before
        assert (await post(running, adding(3, 8)))[0] == 200  # and the true log goes on


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (adding(1, 3), 409),
        (replace(FIRST, proof=(LEAVES[0],)), 422),
        (AddCheckpoint(0, (), signed(Checkpoint(ORIGIN, 0, LEAVES[0])), Checkpoint(ORIGIN, 0, LEAVES[0])), 422),
        (adding(0, 0), 200),
    ],
)
async def test_the_first_time(tmp_path: Path, body: AddCheckpoint, expected: int) -> None:
    async with witness_at(tmp_path, (WITNESS,), lambda: NOW) as running:
        status, answer, _ = await post(running, body)
        assert status == expected
        assert status != 409 or answer == b"0\n"


async def test_nothing_was_cosigned_yet(tmp_path: Path) -> None:
    async with witness_at(tmp_path, (WITNESS,), lambda: NOW) as running:
        assert (await get(running, f"{HASH}/checkpoint"))[0] == 404
        assert (await get(running, f"{'0' * 64}/checkpoint"))[0] == 404
        assert (await get(running, "checkpoint"))[0] == 404
        assert (await get(running, "add-checkpoint"))[0] == 405


async def test_it_remembers(tmp_path: Path) -> None:
    async with witness_at(tmp_path, (WITNESS,), lambda: NOW) as running:
        assert (await post(running, adding(0, 3)))[0] == 200
    async with witness_at(tmp_path, (WITNESS,), lambda: NOW) as running:
        assert (await post(running, adding(0, 4)))[:2] == (409, b"3\n")
        assert (await post(running, adding(3, 4, OTHER)))[0] == 422
        assert running.refusals == [(ORIGIN, "StaleOldSize"), (ORIGIN, "Inconsistent")]
        assert (await post(running, adding(3, 4)))[0] == 200


@pytest.mark.parametrize("damage", [b"", b"junk", bytes(signed(checkpoint_of(LEAVES), LOG))])
async def test_a_damaged_memory_is_not_an_empty_one(tmp_path: Path, damage: bytes) -> None:
    async with witness_at(tmp_path, (WITNESS,), lambda: NOW) as running:
        assert (await post(running, adding(0, 3)))[0] == 200
    (tmp_path / HASH / "checkpoint").write_bytes(damage)
    with pytest.raises(SettingsError, match="retire its key"):
        async with witness_at(tmp_path, (WITNESS,), lambda: NOW):
            pass


async def test_two_processes_on_one_memory(tmp_path: Path) -> None:
    async with witness_at(tmp_path, (WITNESS,), lambda: NOW):
        with pytest.raises(SettingsError, match="another witness"):
            WitnessStore(tmp_path).open()


async def test_a_disk_that_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    async with witness_at(tmp_path, (WITNESS,), lambda: NOW) as running:
        with monkeypatch.context() as full:
            full.setattr(WitnessStore, "save", refuse)
            assert (await post(running, adding(0, 3)))[0] == 503
        assert (await get(running, f"{HASH}/checkpoint"))[0] == 404
        assert (await post(running, adding(0, 4)))[0] == 200


async def test_a_clock_that_went_back(tmp_path: Path) -> None:
    times = iter([NOW, NOW - timedelta(seconds=1), NOW])
    async with witness_at(tmp_path, (WITNESS,), lambda: next(times)) as running:
        assert [(await post(running, adding(old, old + 1)))[0] for old in (0, 1, 1)] == [200, 503, 200]


async def test_two_histories_at_the_same_moment(tmp_path: Path) -> None:
    async with witness_at(tmp_path, (WITNESS,), lambda: NOW) as running:
        answers = await asyncio.gather(*(post(running, adding(0, 5, tree)) for tree in (LEAVES, OTHER) * 5))
        assert sorted(status for status, _, _ in answers) == [200] + [409] * 9
