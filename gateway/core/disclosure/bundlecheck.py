"""Judges a citizen's bundle, from its bytes and a policy alone.

1. The file is whole: every line understood, as many records as its end says.
2. Every record is there once, and about the person of the bundle.
3. Every record's texts and person are those that its leaf commits to, and its time is the leaf's.
4. Every record has a receipt by which its leaf stands in a tree of the log that is named beside it.
5. Every checkpoint, those of receipts and each log's newest, is signed by a log of the policy.
6. Enough witnesses of the policy cosigned each.
7. One history: the tree of every receipt is a beginning of that log's newest checkpoint.

A step that fails says of which record, by its line in the file. Steps 5 to 7 judge each log by itself: a year whose log the policy
does not name is not checked, which fails, and keeps nobody from judging the others.

What no bundle can prove: that there are no other records. What none needs: the log's own public files. A leaf that its receipt puts
into a witnessed tree is in it, whatever the files say; whether they are whole is another question, and `verify log` answers it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TypeAlias

from gateway.core.disclosure.bundle import Bundle, BundledRecord, parse_bundle
from gateway.core.disclosure.leaf import BUCKET_SECONDS, check_leaf
from gateway.core.disclosure.record import Field, parse_time
from gateway.core.errors import GatewayError, ProofRejected
from gateway.core.merkle.checkpoint import Checkpoint
from gateway.core.merkle.hashing import leaf_hash
from gateway.core.merkle.note import SignedNote, parse_note
from gateway.core.merkle.policy import Policy, parse_policy, verify_log_signature, verify_quorum, verify_shape
from gateway.core.merkle.proofs import verify_consistency, verify_inclusion
from gateway.core.merkle.receipt import Receipt, parse_receipt
from gateway.core.messagelog.steps import Step, Steps

_MOST_NAMED = 5
_Tree: TypeAlias = tuple[SignedNote, Checkpoint, str]


@dataclass(frozen=True, slots=True)
class BundleReport:
    """`bundle`: None when the file is none."""

    bundle: Bundle | None
    steps: tuple[Step, ...]


@dataclass(slots=True)
class _Seen:
    """Checkpoints found so far: one for each note, and where each stands. Receipts of one day share theirs."""

    trees: dict[bytes, _Tree] = field(default_factory=dict)

    def add(self, note: SignedNote, where: str) -> Checkpoint:
        """MalformedMessage or ProofRejected when it is no checkpoint."""
        known = self.trees.get(bytes(note))
        if known is None:
            known = self.trees[bytes(note)] = (note, verify_shape(note), where)
        return known[1]

    def by_log(self) -> Mapping[str, Sequence[_Tree]]:
        found: dict[str, list[_Tree]] = {}
        for tree in self.trees.values():
            found.setdefault(tree[1].origin, []).append(tree)
        return found


def verify_bundle(lines: Iterable[bytes], policy: Policy | None) -> BundleReport:
    """`policy`: None believes the one in the bundle, which whoever made the bundle chose."""
    steps = Steps()
    bundle = steps.attempt(1, lambda: _whole(lines))
    if bundle is None:
        return BundleReport(None, tuple(steps.done))
    seen = _Seen()
    steps.attempt(2, lambda: _one_person(bundle))
    _each(3, bundle.records, _content, "what its leaf commits to", steps)
    _each(4, bundle.records, lambda r: _included(r, seen), "in its log by its receipt", steps)
    for origin, data in bundle.checkpoints.items():
        steps.attempt(4, partial(_newest, data, origin, seen))
    believed, logs = steps.attempt(5, lambda: _policy(bundle, policy)), seen.by_log()
    if believed is not None:
        for origin, trees in logs.items():
            steps.attempt(5, partial(_signed, origin, trees, believed))
        for origin, trees in logs.items():
            steps.attempt(6, partial(_witnessed, origin, trees, believed))
    else:
        steps.fail(6, "witnesses not checked: there is no policy")
    for origin, trees in logs.items():
        steps.attempt(7, partial(_one_history, origin, trees, bundle))
    return BundleReport(bundle, tuple(steps.done))


def _whole(lines: Iterable[bytes]) -> tuple[str, Bundle]:
    bundle = parse_bundle(lines)
    count = f"{len(bundle.records)} record(s) of {len(bundle.providers)} server(s)"
    return f"made {bundle.made.isoformat()}, {count}", bundle


def _one_person(bundle: Bundle) -> tuple[str, None]:
    for record in bundle.records:
        if record.person != bundle.person:
            raise ProofRejected(f"{_named(record)} is about somebody else")
    known: dict[bytes, BundledRecord] = {}
    for record in bundle.records:
        if record.leaf in known:
            raise ProofRejected(f"{_named(record)} is the same as {_named(known[record.leaf])}")
        known[record.leaf] = record
    gone = sum(one.records for one in bundle.destroyed)
    also = f"; {gone} records of everybody were destroyed, says the file" if gone else ""
    beyond = (
        "that there are no others, no file can prove; the log's public files are not looked at, 'verify log' does that"
    )
    return f"all about one person, none twice; {beyond}{also}", None


def _content(record: BundledRecord) -> None:
    check_leaf(record.leaf, record.keys, record.fields, record.person)
    time = parse_time(record.fields[Field.TIME])
    if int(time.timestamp()) // BUCKET_SECONDS != int.from_bytes(record.leaf[4:8], "big"):
        raise ProofRejected("its time is not that of the leaf")


def _included(record: BundledRecord, seen: _Seen) -> None:
    if record.log is None:
        raise ProofRejected("whoever made the bundle knew no log of its year: not checked")
    if record.receipt is None:
        raise ProofRejected("waits for the log, there is no receipt yet: take the bundle again later")
    receipt: Receipt = parse_receipt(record.receipt)
    tree = seen.add(receipt.checkpoint, _named(record))
    if tree.origin != record.log:
        raise ProofRejected("its receipt is of another log")
    verify_inclusion(leaf_hash(record.leaf), receipt.index, tree.size, tree.root, receipt.path)


def _newest(data: bytes, origin: str, seen: _Seen) -> tuple[str, None]:
    tree = seen.add(parse_note(data), f"the newest checkpoint of {origin}")
    if tree.origin != origin:
        raise ProofRejected(f"the checkpoint beside {origin} is of another log")
    return f"{origin} had {tree.size} entries when the bundle was made", None


def _each(
    number: int, records: Iterable[BundledRecord], check: Callable[[BundledRecord], None], what: str, steps: Steps
) -> None:
    """A sentence for each record that fails, up to a few, or one for all."""
    held, wrong = 0, 0
    for record in records:
        try:
            check(record)
        except GatewayError as e:
            wrong += 1
            if wrong <= _MOST_NAMED:
                steps.fail(number, f"{_named(record)}: {e.safe_detail}", e.code)
        else:
            held += 1
    if wrong > _MOST_NAMED:
        steps.fail(number, f"and {wrong - _MOST_NAMED} more record(s)", ProofRejected.default_code)
    if not wrong:
        steps.note(number, f"{held} record(s), each is {what}")


def _policy(bundle: Bundle, own: Policy | None) -> tuple[str, Policy]:
    if own is not None:
        return "judged by the policy that was given", own
    digest = hashlib.sha256(bundle.policy).hexdigest()
    what = f"judged by the bundle's own policy, SHA-256 {digest}: compare it with the published one"
    return what, parse_policy(bundle.policy)


def _signed(origin: str, trees: Sequence[_Tree], policy: Policy) -> tuple[str, None]:
    keys = [log.key for log in policy.logs if log.key.name == origin]
    if not keys:
        raise ProofRejected(f"{origin}: the policy names no such log, its {len(trees)} checkpoint(s) are not checked")
    _each_tree(trees, lambda note, tree: verify_log_signature(note, tree, keys))
    return f"{origin}: {len(trees)} checkpoint(s), each signed by it", None


def _witnessed(origin: str, trees: Sequence[_Tree], policy: Policy) -> tuple[str, None]:
    times: list[int] = []
    _each_tree(trees, lambda note, _: times.extend(c.at for c in verify_quorum(note, policy)))
    if policy.quorum is None:
        return f"{origin}: the policy asks for no witnesses", None
    latest = f", the latest at {datetime.fromtimestamp(max(times), UTC).isoformat()}" if times else ""
    return f"{origin}: each cosigned by enough witnesses{latest}", None


def _each_tree(trees: Sequence[_Tree], check: Callable[[SignedNote, Checkpoint], object]) -> None:
    for note, tree, where in trees:
        try:
            check(note, tree)
        except GatewayError as e:
            raise ProofRejected(f"{where}: {e.safe_detail}") from e


def _one_history(origin: str, trees: Sequence[_Tree], bundle: Bundle) -> tuple[str, None]:
    last = next((tree for note, tree, _ in trees if bundle.checkpoints.get(origin) == bytes(note)), None)
    proofs = {c.size: c.hashes for c in bundle.continuations if c.log == origin}
    for _, tree, where in trees:
        if last is None:
            raise ProofRejected(f"{where}: the newest checkpoint of {origin} is not in the bundle")
        proof = () if tree.size == last.size else proofs.get(tree.size)
        if proof is None:
            raise ProofRejected(f"{where}: no proof that the newest checkpoint continues its tree of {tree.size}")
        try:
            verify_consistency(tree.size, tree.root, last.size, last.root, proof)
        except ProofRejected as e:
            raise ProofRejected(f"{where}: two histories, or an altered proof: {e.safe_detail}") from e
    return f"{origin}: one history", None


def _named(record: BundledRecord) -> str:
    return f"the record in line {record.line}"
