"""Proof that a provider broke a promise: a file that anybody can check and hand on, one JSON object.

    {"format": "broken-promise/1",
     "leaf": <leaf hash>, "max_delay": <seconds that the keeper allowed>,
     "response": {"part", "body_sha512", "signature", "hash_chain_result", "hash_chain"},
     "time_stamp": {"token", "chain_result", "chain"},
     "checkpoint": <the note, text>, "leaves": <every leaf hash of its tree, one after the other>}

Binary values are base64, hash chains null where there are none, `leaves` null where the tree is too large to carry: then the log's
public files are walked instead. The response's body is not in it, only the digest that the signature covers: who can guess a whole
body can confirm it.

Who verifies it:

1. The file is understood.
2. The signed answer existed at the time of its time-stamp, by an approved authority.
3. The provider's member signed it, with a certificate that was good then.
4. It promises this leaf in this log.
5. The checkpoint is one of that log, signed by it.
6. Enough witnesses cosigned it later than time-stamp and longest delay together.
7. Every leaf hash of that tree is there, and the promised one is not among them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.core.digest import Digest, DigestAlgorithm, sha512
from gateway.core.disclosure.promise import Promise, promise_of
from gateway.core.errors import MalformedMessage, ProofRejected
from gateway.core.globalconf.model import GlobalConfiguration
from gateway.core.merkle.absence import LeafWalk, witnessed_at
from gateway.core.merkle.checkpoint import Checkpoint
from gateway.core.merkle.hashing import HASH_SIZE
from gateway.core.merkle.note import SignedNote, parse_note
from gateway.core.merkle.policy import Policy, verify_log_signature, verify_quorum, verify_shape
from gateway.core.merkle.text import MAX_NUMBER, parse_base64, parse_hash, print_base64
from gateway.core.messagelog.stamping import Stamp
from gateway.core.messagelog.steps import Step, Steps
from gateway.core.messages.rest import RestResponse, parse_response
from gateway.core.signing.timestamp import VerifiedTimestamp, verify_batch_timestamp, verify_timestamp
from gateway.core.signing.verify import MessageDigests, SignerVerdicts, verify_message
from gateway.core.signing.xades import parse_signature

FORMAT = "broken-promise/1"
MOST_LEAVES = 1 << 16
"""Leaf hashes that a file carries: 2 MiB."""
MAX_FILE = 32 << 20  # bytes
ABSENCE = 7
"""The step that needs every leaf hash of the tree."""

_KEYS = {"format", "leaf", "max_delay", "response", "time_stamp", "checkpoint", "leaves"}
_RESPONSE = {"part", "body_sha512", "signature", "hash_chain_result", "hash_chain"}
_STAMP = {"token", "chain_result", "chain"}


@dataclass(frozen=True, slots=True)
class SignedPromise:
    """A response as it was signed, without its body. `body`: its SHA-512; None when there was no body part."""

    part: bytes
    body: Digest | None
    signature: bytes
    hash_chain_result: bytes | None
    hash_chain: bytes | None
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class PromiseProof:
    """`leaf`: the promised leaf hash. `leaves`: all of the checkpoint's tree; None: they are read from the log's public files."""

    leaf: bytes
    max_delay: timedelta
    made: SignedPromise
    checkpoint: bytes
    leaves: tuple[bytes, ...] | None


@dataclass(frozen=True, slots=True)
class PromiseReport:
    """`provider`: who signed; `promised`: when at the latest. None where a step did not come that far."""

    steps: tuple[Step, ...]
    provider: str | None
    promised: datetime | None
    tree: Checkpoint | None

    @property
    def ok(self) -> bool:
        return all(step.ok for step in self.steps)


def print_proof(proof: PromiseProof) -> bytes:
    made, stamp = proof.made, proof.made.stamp
    document = {
        "format": FORMAT,
        "leaf": print_base64(proof.leaf),
        "max_delay": int(proof.max_delay.total_seconds()),
        "response": {
            "part": print_base64(made.part),
            "body_sha512": None if made.body is None else print_base64(made.body.value),
            "signature": print_base64(made.signature),
            "hash_chain_result": _printed(made.hash_chain_result),
            "hash_chain": _printed(made.hash_chain),
        },
        "time_stamp": {
            "token": print_base64(stamp.token),
            "chain_result": _printed(stamp.chain_result),
            "chain": _printed(stamp.chain),
        },
        "checkpoint": proof.checkpoint.decode(),
        "leaves": None if proof.leaves is None else print_base64(b"".join(proof.leaves)),
    }
    return json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n"


def parse_proof(data: bytes) -> PromiseProof:
    """MalformedMessage for what is no such file."""
    if len(data) > MAX_FILE:
        raise MalformedMessage("a file of more than 32 MiB")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as e:
        raise MalformedMessage("not JSON") from e
    document = _object(document, _KEYS)
    if document["format"] != FORMAT:
        raise MalformedMessage("not the proof of a broken promise")
    response, stamp = _object(document["response"], _RESPONSE), _object(document["time_stamp"], _STAMP)
    body = _bytes_or_none(response["body_sha512"])
    made = SignedPromise(
        parse_base64(_text(response["part"])),
        None if body is None else _digest(body),
        parse_base64(_text(response["signature"])),
        _bytes_or_none(response["hash_chain_result"]),
        _bytes_or_none(response["hash_chain"]),
        Stamp(parse_base64(_text(stamp["token"])), *(_bytes_or_none(stamp[k]) for k in ("chain_result", "chain"))),
    )
    seconds = document["max_delay"]
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not 0 <= seconds <= MAX_NUMBER >> 32:
        raise MalformedMessage("'max_delay' is a number of seconds")
    leaves = _bytes_or_none(document["leaves"])
    return PromiseProof(
        parse_hash(_text(document["leaf"])),
        timedelta(seconds=seconds),
        made,
        _text(document["checkpoint"]).encode(),
        None if leaves is None else _hashes(leaves),
    )


def verify_proof(
    proof: PromiseProof,
    conf: GlobalConfiguration,
    policy: Policy,
    max_delay: timedelta,
    leaves: Callable[[Checkpoint], Sequence[bytes]] | None = None,
) -> PromiseReport:
    """Steps 2 to 7. `max_delay`: what the verifier allows; `leaves`: gives all leaf hashes of a tree where the file has none, or
    raises a GatewayError."""
    steps = Steps()
    stamped = steps.attempt(2, lambda: _stamped(proof.made, conf))
    response = steps.attempt(3, lambda: _signed(proof.made, stamped, conf))
    promise = steps.attempt(4, lambda: _promised(response, proof.leaf))
    note = steps.attempt(5, lambda: _checkpoint(proof.checkpoint, promise, policy))
    steps.attempt(6, lambda: _late_enough(note, stamped, max_delay, policy))
    tree = None if note is None else note[1]
    steps.attempt(ABSENCE, lambda: _absent(proof, tree, leaves))
    provider = None if response is None else str(response.service.client)
    return PromiseReport(tuple(steps.done), provider, None if stamped is None else stamped.time, tree)


def _stamped(made: SignedPromise, conf: GlobalConfiguration) -> tuple[str, VerifiedTimestamp]:
    tsas, stamp = [tsa for shared in conf.instances.values() for tsa in shared.approved_tsas], made.stamp
    if stamp.chain_result is None or stamp.chain is None:
        verified = verify_timestamp(stamp.token, parse_signature(made.signature).value, tsas)
    else:
        verified = verify_batch_timestamp(stamp.token, stamp.chain_result, stamp.chain, made.signature, tsas)
    return f"the answer existed at {verified.time.isoformat()}, says {verified.tsa.name}", verified


def _signed(
    made: SignedPromise, stamped: VerifiedTimestamp | None, conf: GlobalConfiguration
) -> tuple[str, RestResponse]:
    if stamped is None:
        raise ProofRejected("not checked: nobody says when it was signed")
    response, at = parse_response(made.part), stamped.time
    provider = response.service.client
    signed = verify_message(
        MessageDigests(sha512(made.part), () if made.body is None else (made.body,)),
        signature=made.signature,
        hash_chain_result=made.hash_chain_result,
        hash_chain=made.hash_chain,
        signer=provider,
        trust=conf.trust(provider.instance, at),
        at=at,
        verdicts=SignerVerdicts(most=1),
    )
    return f"{signed.member} signed the answer of {response.service}, as of {at.isoformat()}", response


def _promised(response: RestResponse | None, leaf: bytes) -> tuple[str, Promise]:
    if response is None:
        raise ProofRejected("not checked: nobody signed it")
    promise = promise_of(response.headers)
    if promise is None or leaf not in promise.leaves:
        raise ProofRejected("the answer does not promise this leaf")
    return f"it promises leaf {leaf.hex()} in {promise.origin}", promise


def _checkpoint(data: bytes, promise: Promise | None, policy: Policy) -> tuple[str, tuple[SignedNote, Checkpoint]]:
    note = parse_note(data)
    tree = verify_shape(note)
    verify_log_signature(note, tree, [log.key for log in policy.logs])
    if promise is not None and tree.origin != promise.origin:
        raise ProofRejected(f"the checkpoint is of {tree.origin}, not of the log that was promised")
    return f"{tree.origin} signed a tree of {tree.size} entries", (note, tree)


def _late_enough(
    found: tuple[SignedNote, Checkpoint] | None, stamped: VerifiedTimestamp | None, max_delay: timedelta, policy: Policy
) -> tuple[str, None]:
    if found is None or stamped is None:
        raise ProofRejected("not checked: a step before it failed")
    at = witnessed_at(verify_quorum(found[0], policy), policy)
    if at is None:
        raise ProofRejected("the policy asks for no witnesses: nobody says as of when the entry is missing")
    when = datetime.fromtimestamp(at, UTC)
    if when < stamped.time + max_delay:
        raise ProofRejected(f"witnesses cosigned it at {when.isoformat()}, not {max_delay} after the promise")
    return f"enough witnesses saw no larger tree at {when.isoformat()}, more than {max_delay} after the promise", None


def _absent(
    proof: PromiseProof, tree: Checkpoint | None, leaves: Callable[[Checkpoint], Sequence[bytes]] | None
) -> tuple[str, None]:
    if tree is None:
        raise ProofRejected("not checked: a step before it failed")
    hashes = proof.leaves if proof.leaves is not None or leaves is None else leaves(tree)
    if hashes is None:
        raise ProofRejected("the file does not carry the tree's leaf hashes: give the log's public files")
    walk = LeafWalk([proof.leaf])
    walk.take(hashes)
    walk.end(tree)
    if proof.leaf in walk.found:
        raise ProofRejected(f"the leaf is there: entry {walk.found[proof.leaf]}")
    return f"none of the {tree.size} entries is the promised one", None


def _printed(value: bytes | None) -> str | None:
    return None if value is None else print_base64(value)


def _object(value: object, keys: set[str]) -> Mapping[str, Any]:
    if not isinstance(value, dict) or value.keys() != keys:
        raise MalformedMessage(f"not an object with {', '.join(sorted(keys))}")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or any("\ud800" <= c <= "\udfff" for c in value):
        raise MalformedMessage("not a text")
    return value


def _bytes_or_none(value: object) -> bytes | None:
    return None if value is None else parse_base64(_text(value))


def _digest(value: bytes) -> Digest:
    if len(value) != DigestAlgorithm.SHA512.size:
        raise MalformedMessage("not a SHA-512")
    return Digest(DigestAlgorithm.SHA512, value)


def _hashes(value: bytes) -> tuple[bytes, ...]:
    if len(value) % HASH_SIZE:
        raise MalformedMessage("leaf hashes have 32 bytes")
    return tuple(value[i : i + HASH_SIZE] for i in range(0, len(value), HASH_SIZE))
