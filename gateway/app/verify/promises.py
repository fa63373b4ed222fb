"""`verify promise`: the proof that a provider promised an access record which is not in the public log.

The steps are those of `core/disclosure/promiseproof.py`; a tree too large for the file is read from the log's public files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path

from gateway.app.verify.containers import load_verification_conf
from gateway.app.verify.verdicts import Verdict
from gateway.core.disclosure.promiseproof import MAX_FILE, PromiseProof, parse_proof, verify_proof
from gateway.core.errors import GatewayError, SettingsError
from gateway.core.globalconf.model import GlobalConfiguration
from gateway.core.merkle.checkpoint import Checkpoint, parse_checkpoint
from gateway.core.merkle.note import parse_note
from gateway.core.merkle.policy import Policy
from gateway.core.merkle.tiles import TILE_WIDTH, Tile, parse_hashes
from gateway.core.messagelog.steps import Steps
from gateway.settings.log import read_policy
from gateway.transparency.sources import open_source, read_tile


async def verify_promise_files(
    files: Iterable[Path], conf: Path, policy: Path, max_delay: float, log: str | None
) -> list[Verdict]:
    """`max_delay`: hours; `log`: folder or URL of the log's public files, for trees that are too large for the proof file."""
    trust, believed, delay = load_verification_conf(conf), read_policy(policy), timedelta(hours=max_delay)
    return [await _verdict(path, trust, believed, delay, log) for path in files]


async def _verdict(
    path: Path, trust: GlobalConfiguration, policy: Policy, delay: timedelta, log: str | None
) -> Verdict:
    data, steps = _read(path), Steps()
    proof = steps.attempt(1, lambda: ("the proof of a broken promise", parse_proof(data)))
    if proof is None:
        return Verdict(str(path), tuple(steps.done), {"provider": None, "leaf": None, "promised": None})
    leaves = None if log is None or proof.leaves is not None else await _leaves(proof, log)
    report = verify_proof(proof, trust, policy, delay, leaves)
    facts = {
        "provider": report.provider,
        "leaf": proof.leaf.hex(),
        "promised": None if report.promised is None else report.promised.isoformat(),
        "size": None if report.tree is None else report.tree.size,
        "keeper_max_delay": proof.max_delay.total_seconds() / 3600,
    }
    return Verdict(str(path), (*steps.done, *report.steps), facts)


class _Leaves:
    """All leaf hashes of a tree, read already; or why they could not be."""

    def __init__(self, found: Sequence[bytes] | GatewayError) -> None:
        self._found = found

    def __call__(self, _: Checkpoint) -> Sequence[bytes]:
        if isinstance(self._found, GatewayError):
            raise self._found
        return self._found


async def _leaves(proof: PromiseProof, log: str) -> _Leaves:
    hashes: list[bytes] = []
    try:
        size = parse_checkpoint(parse_note(proof.checkpoint).text).size
        async with open_source(log) as source:
            for number in range((size + TILE_WIDTH - 1) // TILE_WIDTH):
                tile = Tile(0, number, min(TILE_WIDTH, size - number * TILE_WIDTH))
                hashes += parse_hashes(await read_tile(source, tile), tile)
    except GatewayError as e:
        return _Leaves(e)
    return _Leaves(hashes)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE + 1)
    except OSError as e:
        raise SettingsError([f"{path}: {e.strerror}"]) from e
