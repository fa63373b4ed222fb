"""The proof of a broken promise: a good one holds, and each thing that is altered fails at its step."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.core.disclosure.promise import Promise, with_promise
from gateway.core.disclosure.promiseproof import parse_proof, print_proof, verify_proof
from gateway.core.errors import MalformedMessage, ProofRejected
from gateway.core.merkle.hashing import leaf_hash
from gateway.core.merkle.policy import parse_policy
from tests.support.bundles import altered
from tests.support.logkeys import LOG, ORIGIN, WITNESS
from tests.support.promises import POLICY, ProofWorld, leaf

WORLD = ProofWorld()
GOOD: dict[str, Any] = json.loads(print_proof(WORLD.proof()))
DAY = timedelta(hours=24)
Change = Callable[[dict[str, Any]], object]


def failed(document: dict[str, Any], max_delay: timedelta = DAY, policy: bytes = POLICY) -> set[int]:
    report = verify_proof(parse_proof(json.dumps(document).encode()), WORLD.conf, parse_policy(policy), max_delay)
    return {step.number for step in report.steps if not step.ok}


@pytest.mark.parametrize("stamp", ["single", "batch"])
@pytest.mark.parametrize("body", [None, b"{}"])
def test_a_good_proof(stamp: Any, body: bytes | None) -> None:
    proof = WORLD.proof(stamp=stamp, body=body)
    assert parse_proof(print_proof(proof)) == proof
    report = verify_proof(proof, WORLD.conf, parse_policy(POLICY), DAY)
    assert [(step.number, step.ok) for step in report.steps] == [(n, True) for n in range(2, 8)]
    assert (report.provider, report.promised) == ("VN/GOV/G01/dancu", WORLD.trust.pki.now)
    assert b'"{}"' not in print_proof(proof)  # no body is in it


ALTERED: dict[str, tuple[Change, set[int]]] = {
    "the leaf, to another": (lambda d: altered(d, "leaf"), {4}),
    "the answer": (lambda d: altered(d["response"], "part"), {3, 4}),
    "the body's digest": (lambda d: altered(d["response"], "body_sha512"), {3, 4}),
    "the signature": (lambda d: altered(d["response"], "signature"), {2, 3, 4, 6}),
    "the token": (lambda d: altered(d["time_stamp"], "token"), {2, 3, 4, 6}),
    "another token": (
        lambda d: d.update(time_stamp=json.loads(print_proof(WORLD.proof()))["time_stamp"]),
        {2, 3, 4, 6},
    ),
    "the checkpoint": (lambda d: d.update(checkpoint=d["checkpoint"].replace("\n3\n", "\n2\n")), {5, 6, 7}),
    "a leaf hash": (lambda d: altered(d, "leaves"), {7}),
    "one leaf hash less": (
        lambda d: d.update(leaves=base64.b64encode(base64.b64decode(d["leaves"])[32:]).decode()),
        {7},
    ),
    "no leaf hashes": (lambda d: d.update(leaves=None), {7}),
}


@pytest.mark.parametrize("name", ALTERED)
def test_whatever_is_altered_is_seen(name: str) -> None:
    change, steps = ALTERED[name]
    document = copy.deepcopy(GOOD)
    change(document)
    found = failed(document)
    assert found
    assert found <= steps


def test_an_entry_that_is_there_breaks_no_promise() -> None:
    assert failed(json.loads(print_proof(WORLD.proof(entries=[leaf(0), leaf(7)])))) == {7}


def test_too_early_a_view() -> None:
    assert failed(GOOD, timedelta(hours=47)) == set()
    assert failed(GOOD, timedelta(hours=49)) == {6}


def test_witnesses_are_those_of_ones_own_policy() -> None:
    alone = f"log {LOG.verifier}\nwitness w {WITNESS.verifier}\nquorum none\n".encode()
    assert failed(GOOD, policy=alone) == {6}
    assert failed(json.loads(print_proof(WORLD.proof(signers=(LOG, WITNESS))))) == {6}


def test_a_checkpoint_of_another_log() -> None:
    other = Promise("log.example/access/2027", (leaf_hash(leaf(7)),))
    assert failed(json.loads(print_proof(WORLD.proof(promise=other)))) == {5, 6, 7}


def test_somebody_else_cannot_promise_for_a_provider() -> None:
    assert failed(json.loads(print_proof(WORLD.proof(signer=WORLD.trust.client)))) == {3, 4}


def test_leaf_hashes_from_the_public_files() -> None:
    proof = WORLD.proof()
    without, conf, policy = replace(proof, leaves=None), WORLD.conf, parse_policy(POLICY)
    assert verify_proof(without, conf, policy, DAY, lambda _: proof.leaves or ()).ok
    assert not verify_proof(without, conf, policy, DAY, lambda _: ()).ok

    def away(_: object) -> tuple[bytes, ...]:
        raise ProofRejected("a tile is missing")

    assert not verify_proof(without, conf, policy, DAY, away).ok


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(format="other"),
        lambda d: d.update(more=1),
        lambda d: d.pop("leaf"),
        lambda d: d.update(max_delay=-1),
        lambda d: d.update(max_delay=True),
        lambda d: d.update(leaves="AAAA"),
        lambda d: d["response"].update(body_sha512="AAAA"),
        lambda d: d.update(checkpoint="\ud800"),
    ],
)
def test_no_proof_at_all(change: Change) -> None:
    document = copy.deepcopy(GOOD)
    change(document)
    with pytest.raises(MalformedMessage):
        parse_proof(json.dumps(document).encode())


def test_the_header_is_what_the_provider_signed() -> None:
    """A promise of another leaf in the same answer is not enough, nor is the service's own header."""
    other = Promise(ORIGIN, (leaf_hash(leaf(8)),))
    assert failed(json.loads(print_proof(WORLD.proof(promise=other)))) == {4}
    assert with_promise([("access-record", f"{ORIGIN} x")], None) == []
    assert WORLD.at == datetime.fromtimestamp(int(WORLD.at.timestamp()), UTC)
