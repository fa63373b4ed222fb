"""`verify log|receipt|checkpoint`: the transparency log, from public files and a policy alone.

checkpoint   1 form · 2 signature of a log of the policy · 3 enough witnesses, recently when asked for
receipt      the same, and 4 the entry is in that tree
log          the same, and 4 every bundle holds the entries of its tile · 5 every tile above is what those below give ·
             6 they give the checkpoint's root · 7 each older checkpoint is a beginning of this tree
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from gateway.app.verify.verdicts import Verdict
from gateway.core.errors import GatewayError, MalformedMessage, ProofRejected, SettingsError
from gateway.core.merkle.checkpoint import Checkpoint
from gateway.core.merkle.compact import CompactRange
from gateway.core.merkle.hashing import HASH_SIZE, leaf_hash, root_of
from gateway.core.merkle.note import SignedNote, parse_note
from gateway.core.merkle.policy import Cosignature, Policy, verify_log_signature, verify_quorum, verify_shape
from gateway.core.merkle.proofs import verify_inclusion
from gateway.core.merkle.receipt import parse_receipt
from gateway.core.merkle.text import parse_base64
from gateway.core.merkle.tiles import TILE_WIDTH, Tile, parse_entries, parse_hashes
from gateway.core.messagelog.steps import Steps
from gateway.settings.log import read_policy
from gateway.transparency.sources import Source, open_source, read_tile


@dataclass(frozen=True, slots=True)
class Belief:
    """`max_age`: hours within which enough witnesses must have cosigned; None: whenever."""

    policy: Policy
    now: datetime
    max_age: float | None


def verify_checkpoint_files(files: Iterable[Path], policy: Path, now: datetime, max_age: float | None) -> list[Verdict]:
    belief, found = Belief(read_policy(policy), now, max_age), []
    for path in files:
        steps = Steps()
        data = _read(path)
        note = steps.attempt(1, partial(_note, data))
        tree = None if note is None else check_note(note, belief, steps)
        found.append(Verdict(str(path), tuple(steps.done), _facts(tree)))
    return found


def verify_receipt_file(
    file: Path, policy: Path, leaf: str | None, entry: Path | None, now: datetime, max_age: float | None
) -> list[Verdict]:
    """SettingsError when not exactly one of `leaf` (a leaf hash, hex or base64) and `entry` is given."""
    if (leaf is None) == (entry is None):
        raise SettingsError(["say which entry: either --leaf-hash or --entry"])
    value = leaf_hash(_read(entry)) if entry is not None else _leaf_hash(leaf or "")
    belief, steps, data = Belief(read_policy(policy), now, max_age), Steps(), _read(file)
    receipt = steps.attempt(1, lambda: ("a receipt", parse_receipt(data)))
    tree = None if receipt is None else check_note(receipt.checkpoint, belief, steps)
    if receipt is not None and tree is not None:
        found = receipt

        def inclusion() -> tuple[str, None]:
            verify_inclusion(value, found.index, tree.size, tree.root, found.path)
            return f"the entry is number {found.index} of {tree.size}", None

        steps.attempt(4, inclusion)
    return [Verdict(str(file), tuple(steps.done), _facts(tree) | {"index": receipt and receipt.index})]


async def verify_log(
    source: str, policy: Path, older: Sequence[Path], now: datetime, max_age: float | None
) -> list[Verdict]:
    belief, steps = Belief(read_policy(policy), now, max_age), Steps()
    tree: Checkpoint | None = None
    async with open_source(source) as opened:
        data = await opened.read("checkpoint")
        if data is None:
            raise SettingsError([f"{source}: there is no checkpoint"])
        note = steps.attempt(1, partial(_note, data))
        tree = None if note is None else check_note(note, belief, steps)
        if tree is not None:
            await _audit(opened, tree, _older(older, belief, steps), steps)
    return [Verdict(source, tuple(steps.done), _facts(tree))]


def check_note(note: SignedNote, belief: Belief, steps: Steps) -> Checkpoint | None:
    """Steps 1 to 3. The checkpoint when its log signed it, even without enough witnesses."""
    tree = steps.attempt(1, lambda: _described(verify_shape(note)))
    if tree is None:
        return None
    keys = [log.key for log in belief.policy.logs]
    signed = steps.attempt(2, lambda: _signed(note, tree, keys))
    steps.attempt(3, lambda: _witnessed(note, belief))
    return None if signed is None else tree


def _note(data: bytes) -> tuple[str, SignedNote]:
    return "a signed note", parse_note(data)


def _described(tree: Checkpoint) -> tuple[str, Checkpoint]:
    return f"{tree.origin}, {tree.size} entries, root {tree.root.hex()}", tree


def _signed(note: SignedNote, tree: Checkpoint, keys: Sequence[Any]) -> tuple[str, bool]:
    signed_by = verify_log_signature(note, tree, keys)
    return f"signed by the log ({', '.join(key.kind.name for key in signed_by)})", True


def _witnessed(note: SignedNote, belief: Belief) -> tuple[str, tuple[Cosignature, ...]]:
    cosigned = verify_quorum(note, belief.policy)
    if belief.max_age is not None:
        oldest = belief.now.timestamp() - belief.max_age * 3600
        if not belief.policy.satisfied([c.witness for c in cosigned if c.at >= oldest]):
            raise ProofRejected(
                f"not enough witnesses cosigned within {belief.max_age:g} hours: an old view may be shown"
            )
    named = ", ".join(f"{c.witness} at {datetime.fromtimestamp(c.at, UTC).isoformat()}" for c in cosigned)
    return f"cosigned by {named}" if cosigned else "the policy asks for no witnesses", cosigned


# --- a whole log -----------------------------------------------------------------------------------------------------


def _older(files: Sequence[Path], belief: Belief, steps: Steps) -> list[tuple[str, Checkpoint]]:
    """Checkpoints that the log itself signed; others are not evidence against it."""
    found = []
    for path in files:
        data = _read(path)
        tree = steps.attempt(7, partial(_old_checkpoint, path, data, belief))
        if tree is not None:
            found.append((str(path), tree))
    return found


def _old_checkpoint(path: Path, data: bytes, belief: Belief) -> tuple[str, Checkpoint]:
    note = parse_receipt(data).checkpoint if data.startswith(b"c2sp.org/tlog-proof") else parse_note(data)
    tree = verify_shape(note)
    verify_log_signature(note, tree, [log.key for log in belief.policy.logs])
    return f"{path}: the log signed size {tree.size}", tree


async def _audit(source: Source, tree: Checkpoint, older: Sequence[tuple[str, Checkpoint]], steps: Steps) -> None:
    roots: dict[int, bytes] = {}
    wanted = sorted({o.size for _, o in older if o.size <= tree.size} | {tree.size})
    below, held = [], CompactRange()
    try:
        for number in range((tree.size + TILE_WIDTH - 1) // TILE_WIDTH):
            width = min(TILE_WIDTH, tree.size - number * TILE_WIDTH)
            hashes = await _hashes(source, Tile(0, number, width))
            bundle = Tile(None, number, width)
            entries = parse_entries(await read_tile(source, bundle), bundle)
            if [leaf_hash(e) for e in entries] != list(hashes):
                raise ProofRejected(f"{bundle.path} does not hold the entries of its tile")
            for size in wanted:
                if held.size <= size < held.size + width:
                    roots[size] = held.extended(hashes[: size - held.size]).root
            held = held.extended(hashes)
            below += [root_of(hashes)] if width == TILE_WIDTH else []
    except GatewayError as e:
        steps.fail(4, e.safe_detail, e.code)
        return
    roots[held.size] = held.root
    steps.note(4, f"{tree.size} entries are those of their tiles")
    try:
        level = await _upper_levels(source, below)
    except GatewayError as e:
        steps.fail(5, e.safe_detail, e.code)
        return
    steps.note(5, f"{level} level(s) of tiles above are what those below give")
    _compare(6, "the tiles give the checkpoint's root", roots[tree.size] == tree.root, steps)
    for name, old in older:
        same = old.origin == tree.origin and roots.get(old.size) == old.root
        _compare(7, f"{name} ({old.size} entries) is a beginning of this log", same, steps)


async def _upper_levels(source: Source, below: list[bytes]) -> int:
    level = 0
    while below:
        level += 1
        above = []
        for number in range((len(below) + TILE_WIDTH - 1) // TILE_WIDTH):
            expected = below[number * TILE_WIDTH : (number + 1) * TILE_WIDTH]
            tile = Tile(level, number, len(expected))
            if list(await _hashes(source, tile)) != expected:
                raise ProofRejected(f"{tile.path} is not what the tiles below give")
            above += [root_of(expected)] if len(expected) == TILE_WIDTH else []
        below = above
    return level


def _compare(number: int, what: str, holds: bool, steps: Steps) -> None:
    if holds:
        steps.note(number, what)
    else:
        steps.fail(number, f"it does not hold that {what}", ProofRejected.default_code)


async def _hashes(source: Source, tile: Tile) -> tuple[bytes, ...]:
    return parse_hashes(await read_tile(source, tile), tile)


def _facts(tree: Checkpoint | None) -> dict[str, Any]:
    if tree is None:
        return {"origin": None, "size": None, "root": None}
    return {"origin": tree.origin, "size": tree.size, "root": tree.root.hex()}


def _leaf_hash(text: str) -> bytes:
    try:
        value = bytes.fromhex(text) if len(text) == 2 * HASH_SIZE else parse_base64(text)
    except (ValueError, MalformedMessage) as e:
        raise SettingsError(["the leaf hash is 64 hex digits, or base64"]) from e
    if len(value) != HASH_SIZE:
        raise SettingsError(["a leaf hash has 32 bytes"])
    return value


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as e:
        raise SettingsError([f"{path}: {e.strerror}"]) from e
