"""Which logs and witnesses are believed (C2SP tlog-policy), and the judgement of a checkpoint under such a policy.

    log <vkey> [url]      witness <name> <vkey> [url]      group <name> all|any|<k> <member>...      quorum <name>|none

Definitions come before their use; each name is a member of at most one group; no key stands twice. Where the specification leaves
it open we are strict: one key is not a log's and a witness's at once, so a log can never count as its own witness.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.core.errors import MalformedMessage, ProofRejected
from gateway.core.merkle.checkpoint import Checkpoint, parse_checkpoint
from gateway.core.merkle.hashing import EMPTY_ROOT
from gateway.core.merkle.keys import LOG_KINDS, WITNESS_KINDS, VerifierKey, parse_vkey
from gateway.core.merkle.note import SignedNote
from gateway.core.merkle.text import parse_decimal

_MAX_POLICY = 1024 * 1024  # bytes
_NONE = "none"


@dataclass(frozen=True, slots=True)
class PolicyLog:
    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyWitness:
    name: str
    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Satisfied by `threshold` of its members, witnesses or groups."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """`quorum`: the name of a witness or group; None: no cosignatures are needed."""

    logs: tuple[PolicyLog, ...]
    witnesses: tuple[PolicyWitness, ...]
    groups: tuple[Group, ...]
    quorum: str | None

    def satisfied(self, cosigned: Sequence[str]) -> bool:
        """Whether these witnesses are enough."""
        reached = set(cosigned)
        for group in self.groups:  # in the order of definition: members come first
            if sum(member in reached for member in group.members) >= group.threshold:
                reached.add(group.name)
        return self.quorum is None or self.quorum in reached


@dataclass(frozen=True, slots=True)
class Cosignature:
    """`at`: POSIX time at which the witness says it saw this as the largest tree."""

    witness: str
    at: int


@dataclass(frozen=True, slots=True)
class VerifiedCheckpoint:
    """A checkpoint that a log of the policy signed and whose witnesses are enough. `signed_by`: the log's keys that did."""

    checkpoint: Checkpoint
    signed_by: tuple[VerifierKey, ...]
    cosignatures: tuple[Cosignature, ...]


def verify_note(note: SignedNote, keys: Sequence[VerifierKey]) -> tuple[tuple[VerifierKey, int | None], ...]:
    """Which of `keys` signed, with the time of cosignatures. Lines of other keys mean nothing; a line of one of `keys` that does
    not hold rejects the whole note: ProofRejected."""
    found = []
    for key in keys:
        times = [key.verify(note.text, line) for line in note.signatures if key.made(line)]
        if times:
            found.append((key, times[0]))
    return tuple(found)


def verify_checkpoint(note: SignedNote, policy: Policy) -> VerifiedCheckpoint:
    """Steps: 1. it is a checkpoint; 2. signed by a log of the policy whose name is the origin; 3. cosigned by enough witnesses.
    MalformedMessage or ProofRejected."""
    # 1
    checkpoint = verify_shape(note)
    # 2
    signed_by = verify_log_signature(note, checkpoint, [log.key for log in policy.logs])
    # 3
    return VerifiedCheckpoint(checkpoint, signed_by, verify_quorum(note, policy))


def verify_quorum(note: SignedNote, policy: Policy) -> tuple[Cosignature, ...]:
    """Who of the policy's witnesses cosigned; ProofRejected when that is not enough."""
    names = {witness.key: witness.name for witness in policy.witnesses}
    cosigned = tuple(Cosignature(names[key], at or 0) for key, at in verify_note(note, tuple(names)))
    if not policy.satisfied([c.witness for c in cosigned]):
        raise ProofRejected("the policy's quorum of witnesses did not cosign")
    return cosigned


def verify_shape(note: SignedNote) -> Checkpoint:
    """The checkpoint in the note; MalformedMessage, or ProofRejected when an empty tree has a root."""
    checkpoint = parse_checkpoint(note.text)
    if checkpoint.size == 0 and checkpoint.root != EMPTY_ROOT:
        raise ProofRejected("the empty tree has another root")
    return checkpoint


def verify_log_signature(
    note: SignedNote, checkpoint: Checkpoint, keys: Sequence[VerifierKey]
) -> tuple[VerifierKey, ...]:
    """The keys of `keys` named like the checkpoint's origin that signed, at least one; ProofRejected otherwise."""
    signed_by = tuple(key for key, _ in verify_note(note, [k for k in keys if k.name == checkpoint.origin]))
    if not signed_by:
        raise ProofRejected("no signature of a key of that log")
    return signed_by


def parse_policy(data: bytes) -> Policy:
    """MalformedMessage names the line."""
    if len(data) > _MAX_POLICY:
        raise MalformedMessage("a policy of more than 1 MiB")
    if any((c < 0x20 and c not in b"\t\n") or c == 0x7F for c in data):
        raise MalformedMessage("a control character in a policy")
    builder = _Builder()
    # Octets above 0x7F are opaque to the specification: kept apart, never normalised.
    for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), 1):
        words = line.replace("\t", " ").split(" ")
        words = [word for word in words if word]
        if words and not words[0].startswith("#"):
            try:
                builder.line(words)
            except MalformedMessage as e:
                raise MalformedMessage(f"policy line {number}: {e.safe_detail}") from e
    return builder.policy()


class _Builder:
    def __init__(self) -> None:
        self._logs: list[PolicyLog] = []
        self._witnesses: list[PolicyWitness] = []
        self._groups: list[Group] = []
        self._names = {_NONE}
        self._grouped: set[str] = set()
        self._materials: set[bytes] = set()
        self._quorums: list[str] = []

    def line(self, words: Sequence[str]) -> None:
        match words:
            case ["log", vkey, *url] if len(url) <= 1:
                self._logs.append(PolicyLog(self._key(vkey, LOG_KINDS), *url))
            case ["witness", name, vkey, *url] if len(url) <= 1:
                self._define(name)
                self._witnesses.append(PolicyWitness(name, self._key(vkey, WITNESS_KINDS), *url))
            case ["group", name, rule, *members] if members:
                self._group(name, rule, members)
            case ["quorum", name]:
                if name not in self._names:
                    raise MalformedMessage("the quorum is not defined above")
                self._quorums.append(name)
            case _:
                raise MalformedMessage("not a line of a policy")

    def _key(self, vkey: str, kinds: frozenset[int]) -> VerifierKey:
        key = parse_vkey(vkey)
        if key.kind not in kinds:
            raise MalformedMessage("a key of a kind for another role")
        if key.material in self._materials:
            raise MalformedMessage("a key that stands there already")
        self._materials.add(key.material)
        return key

    def _define(self, name: str) -> None:
        if name in self._names:
            raise MalformedMessage("a name that is taken")
        self._names.add(name)

    def _group(self, name: str, rule: str, members: Sequence[str]) -> None:
        for member in members:
            if member == _NONE or member not in self._names or member in self._grouped:
                raise MalformedMessage("a member is not defined above, or in a group already")
            self._grouped.add(member)
        threshold = {"all": len(members), "any": 1}.get(rule) or parse_decimal(rule)
        if not 1 <= threshold <= len(members):
            raise MalformedMessage("a threshold that cannot be met, or always is")
        self._define(name)
        self._groups.append(Group(name, threshold, tuple(members)))

    def policy(self) -> Policy:
        if len(self._quorums) != 1:
            raise MalformedMessage("a policy has exactly one quorum line")
        quorum = None if self._quorums[0] == _NONE else self._quorums[0]
        return Policy(tuple(self._logs), tuple(self._witnesses), tuple(self._groups), quorum)
