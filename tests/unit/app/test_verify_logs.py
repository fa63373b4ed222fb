"""`verify log|receipt|checkpoint`: a good log passes, and each thing that is altered fails at its step."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from typer.testing import CliRunner

from gateway.app.cli import cli
from gateway.app.verify.logs import verify_checkpoint_files, verify_log, verify_receipt_file
from gateway.app.verify.verdicts import Verdict
from gateway.core.errors import SettingsError
from gateway.core.merkle.hashing import leaf_hash, root_of
from gateway.core.merkle.proofs import inclusion_proof
from gateway.core.merkle.receipt import Receipt
from gateway.core.merkle.text import print_base64
from gateway.core.merkle.tiles import TreeEdge, grow
from tests.support.logkeys import AT, AUDITOR, LOG, LOG_PQ, WITNESS, Key, checkpoint_of, signed

NOW = datetime.fromtimestamp(AT, UTC) + timedelta(hours=1)
ENTRIES = [n.to_bytes(4, "big") * 27 for n in range(600)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
POLICY = f"""log {LOG.verifier}
log {LOG_PQ.verifier}
witness dpa {WITNESS.verifier}
witness audit {AUDITOR.verifier}
group q all dpa audit
quorum q
"""
ALL = (LOG, LOG_PQ, WITNESS, AUDITOR)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A public folder of 600 entries, its policy, an older checkpoint and a receipt beside it."""
    base = tmp_path_factory.mktemp("verify")
    for path, data in grow(TreeEdge(), ENTRIES).files:
        file = base / "log" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    note = signed(checkpoint_of(LEAVES), *ALL)
    (base / "log/checkpoint").write_bytes(bytes(note))
    (base / "policy.txt").write_text(POLICY)
    (base / "older").write_bytes(bytes(signed(checkpoint_of(LEAVES[:300]), *ALL)))
    proof = inclusion_proof(77, 600, lambda level, n: root_of(LEAVES[n << level : (n + 1) << level]))
    (base / "77.tlog-proof").write_bytes(bytes(Receipt(77, proof, note)))
    (base / "77.entry").write_bytes(ENTRIES[77])
    return base


@pytest.fixture
def world(made: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return shutil.copytree(made, tmp_path / "copy")


def failed(verdicts: list[Verdict]) -> set[int]:
    return {step.number for verdict in verdicts for step in verdict.steps if not step.ok}


async def audit(world: Path, *older: Path, max_age: float | None = None) -> list[Verdict]:
    return await verify_log(str(world / "log"), world / "policy.txt", older, NOW, max_age)


async def test_a_good_log(world: Path) -> None:
    (verdict,) = await audit(world, world / "older", world / "77.tlog-proof", max_age=2.0)
    assert verdict.ok
    assert [step.number for step in verdict.steps] == [1, 1, 2, 3, 7, 7, 4, 5, 6, 7, 7]
    assert verdict.facts == {"origin": LOG.name, "size": 600, "root": root_of(LEAVES).hex()}


async def test_over_http(world: Path) -> None:
    app = web.Application()
    app.router.add_static("/2026", world / "log")  # any server of files will do
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/2026/"
        assert [v.ok for v in await verify_log(url, world / "policy.txt", [], NOW, None)] == [True]
        with pytest.raises(SettingsError, match="no checkpoint"):
            await verify_log(f"{url}nothing", world / "policy.txt", [], NOW, None)
    finally:
        await runner.cleanup()


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def checkpoint(*keys: Key, leaves: list[bytes] | None = None) -> Callable[[Path], object]:
    note = bytes(signed(checkpoint_of(LEAVES if leaves is None else leaves), *keys))
    return lambda world: (world / "log/checkpoint").write_bytes(note)


ALTERED: dict[str, tuple[Callable[[Path], object], set[int]]] = {
    "no note": (lambda w: (w / "log/checkpoint").write_bytes(b"x"), {1}),
    "a stranger's signature": (checkpoint(Key("stranger.example"), WITNESS, AUDITOR), {2, 3}),
    "one witness of two": (checkpoint(LOG, WITNESS), {3}),
    "a bundle changed": (lambda w: flip(w / "log/tile/entries/001"), {4}),
    "a tile changed": (lambda w: flip(w / "log/tile/0/000"), {4}),
    "a tile cut": (lambda w: (w / "log/tile/0/000").write_bytes(bytes(32)), {4}),
    "a partial tile too long": (lambda w: (w / "log/tile/0/002.p/88").write_bytes(bytes(8192)), {4}),
    "a tile gone": (lambda w: (w / "log/tile/0/002.p/88").unlink(), {4}),
    "a tile above changed": (lambda w: flip(w / "log/tile/1/000.p/2"), {5}),
    "another root": (checkpoint(*ALL, leaves=[*LEAVES[:-1], LEAVES[0]]), {6}),
    "a shorter log": (checkpoint(*ALL, leaves=LEAVES[:299]), {5}),
}


@pytest.mark.parametrize("what", ALTERED)
async def test_an_altered_log(world: Path, what: str) -> None:
    change, expected = ALTERED[what]
    change(world)
    assert failed(await audit(world, world / "older")) & expected


async def test_a_history_that_changed(world: Path) -> None:
    (world / "older").write_bytes(bytes(signed(checkpoint_of([*LEAVES[:299], LEAVES[0]]), LOG)))
    assert failed(await audit(world, world / "older")) == {7}
    (world / "older").write_bytes(bytes(signed(checkpoint_of([*LEAVES, LEAVES[0]]), LOG)))  # a rewind
    assert failed(await audit(world, world / "older")) == {7}


async def test_an_old_view(world: Path) -> None:
    assert failed(await audit(world, max_age=0.5)) == {3}


def test_checkpoints(world: Path) -> None:
    files = [world / "log/checkpoint", world / "older"]
    assert failed(verify_checkpoint_files(files, world / "policy.txt", NOW, 2.0)) == set()
    assert failed(verify_checkpoint_files(files, world / "policy.txt", NOW, 0.5)) == {3}
    flip(files[0])
    assert not verify_checkpoint_files(files[:1], world / "policy.txt", NOW, None)[0].ok


def test_receipts(world: Path) -> None:
    def verify(leaf: str | None = None, entry: Path | None = None) -> set[int]:
        return failed(verify_receipt_file(world / "77.tlog-proof", world / "policy.txt", leaf, entry, NOW, 2.0))

    assert verify(entry=world / "77.entry") == verify(LEAVES[77].hex()) == verify(print_base64(LEAVES[77])) == set()
    assert verify(LEAVES[78].hex()) == {4}
    for wrong in ({}, {"leaf": "x"}, {"leaf": "AAAA"}, {"leaf": "", "entry": world / "77.entry"}):
        with pytest.raises(SettingsError):
            verify(**wrong)
    flip(world / "77.tlog-proof")
    assert verify(LEAVES[77].hex())


def run(*arguments: object) -> tuple[int, Any]:
    result = CliRunner().invoke(cli, ["verify", *map(str, arguments), "--json"])
    return result.exit_code, json.loads(result.stdout)


def test_the_command_line(world: Path) -> None:
    policy = ("--policy", world / "policy.txt")
    for arguments in (
        ("log", world / "log", *policy, "--older", world / "older"),
        ("checkpoint", world / "log/checkpoint", *policy),
        ("receipt", world / "77.tlog-proof", *policy, "--entry", world / "77.entry"),
    ):
        status, answer = run(*arguments)
        assert (status, answer["ok"], answer["verified"][0]["size"]) == (0, True, 600)
    flip(world / "log/tile/entries/000")
    status, answer = run("log", world / "log", *policy)
    assert (status, answer["ok"]) == (1, False)
    assert [step["step"] for step in answer["verified"][0]["steps"] if not step["ok"]] == [4]
