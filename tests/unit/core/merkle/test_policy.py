"""Policies, checkpoints judged under them, and receipts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.core.errors import MalformedMessage, ProofRejected
from gateway.core.merkle.checkpoint import Checkpoint
from gateway.core.merkle.hashing import root_of
from gateway.core.merkle.keys import KeyKind
from gateway.core.merkle.note import SignedNote
from gateway.core.merkle.policy import Cosignature, Policy, parse_policy, verify_checkpoint
from gateway.core.merkle.proofs import inclusion_proof
from gateway.core.merkle.receipt import Receipt, parse_receipt, verify_receipt
from tests.support.logkeys import AT, AUDITOR, LOG, LOG_PQ, ORIGIN, WITNESS, Key, checkpoint_of, signed
from tests.unit.core.merkle.test_hashing import LEAVES

OTHER = Key("witness.example/univ", KeyKind.ED25519_COSIGNATURE)
LINES = f"""
# which log, and who watches it
log {LOG.verifier} http://127.0.0.1/
\tlog  {LOG_PQ.verifier}
witness dpa {WITNESS.verifier} http://127.0.0.2/
witness audit {AUDITOR.verifier}
witness đại-học {OTHER.verifier}
group q 2 dpa audit đại-học
quorum q
"""
POLICY = parse_policy(LINES.encode())
CHECKPOINT = checkpoint_of(LEAVES)


def test_policy() -> None:
    assert [log.url for log in POLICY.logs] == ["http://127.0.0.1/", None]
    assert [w.name for w in POLICY.witnesses] == ["dpa", "audit", "đại-học"]
    assert not POLICY.satisfied(["dpa"])
    assert POLICY.satisfied(["dpa", "audit"])


@pytest.mark.parametrize(
    ("groups", "enough", "short"),
    [
        ("quorum none", [], None),
        ("quorum a", ["a"], ["b", "c"]),
        ("group g any a b c\nquorum g", ["c"], []),
        ("group g all a b c\nquorum g", ["a", "b", "c"], ["a", "c"]),
        ("group x all a b\ngroup g any x c\nquorum g", ["a", "b"], ["a"]),
        ("group x any a b\ngroup g all x c\nquorum g", ["b", "c"], ["a", "b"]),
    ],
)
def test_quorums(groups: str, enough: list[str], short: list[str] | None) -> None:
    witnesses = "\n".join(f"witness {n} {Key(n, KeyKind.ED25519_COSIGNATURE).verifier}" for n in "abc")
    policy = parse_policy(f"{witnesses}\n{groups}\n".encode())
    assert policy.satisfied(enough)
    assert short is None or not policy.satisfied(short)


W = f"witness w {WITNESS.verifier}"
POLICIES_FAIL = {
    "empty": "",
    "no quorum": W,
    "two quorums": f"{W}\nquorum w\nquorum w",
    "a quorum of nobody": "quorum w",
    "an unknown word": "wittness\nquorum none",
    "a log without key": "log\nquorum none",
    "a log with a witness's key": f"log {WITNESS.verifier}\nquorum none",
    "a witness with a log's key": f"witness w {LOG.verifier}\nquorum none",
    "two addresses": f"log {LOG.verifier} http://a/ http://b/\nquorum none",
    "a key twice": f"log {LOG.verifier}\nlog {LOG.verifier}\nquorum none",
    "one key, two witnesses": f"{W}\nwitness v {replace(WITNESS.verifier, name='other')}\nquorum w",
    "the log's key as a witness": (
        f"log {LOG.verifier}\nwitness w {replace(LOG.verifier, kind=KeyKind.ED25519_COSIGNATURE)}\nquorum w"
    ),
    "a name twice": f"{W}\nwitness w {AUDITOR.verifier}\nquorum w",
    "a witness called none": f"witness none {WITNESS.verifier}\nquorum none",
    "a group of nobody": f"{W}\ngroup g any\nquorum w",
    "a group with none": f"{W}\ngroup g any none\nquorum w",
    "a group before its member": f"group g any w\n{W}\nquorum w",
    "a group of itself": f"{W}\ngroup g any g\nquorum w",
    "a member twice": f"{W}\ngroup g 2 w w\nquorum g",
    "in two groups": f"{W}\ngroup g any w\ngroup h any w\nquorum h",
    "a threshold of 0": f"{W}\ngroup g 0 w\nquorum g",
    "a threshold above": f"{W}\ngroup g 2 w\nquorum g",
    "a threshold with a sign": f"{W}\ngroup g +1 w\nquorum g",
    "a carriage return": f"{W}\r\nquorum w\r\n",
    "a form feed": f"{W}\n\fquorum w",
}


@pytest.mark.parametrize("what", POLICIES_FAIL)
def test_policy_fail(what: str) -> None:
    with pytest.raises(MalformedMessage):
        parse_policy(POLICIES_FAIL[what].encode())


def test_names_are_octets() -> None:
    policy = parse_policy(b"witness \xff " + str(WITNESS.verifier).encode() + b"\nquorum \xff\n")
    assert policy.quorum == policy.witnesses[0].name
    with pytest.raises(MalformedMessage):
        parse_policy(b"witness K " + str(WITNESS.verifier).encode() + b"\nquorum \xe2\x84\xaa\n")


def test_a_checkpoint_that_holds() -> None:
    stranger = Key("stranger.example")
    verified = verify_checkpoint(signed(CHECKPOINT, stranger, LOG, LOG_PQ, WITNESS, AUDITOR), POLICY)
    assert verified.checkpoint == CHECKPOINT
    assert verified.signed_by == (LOG.verifier, LOG_PQ.verifier)
    assert verified.cosignatures == (Cosignature("dpa", AT), Cosignature("audit", AT))


def _bad_line(key: Key) -> SignedNote:
    line = key.sign(b"another text\n") if key is not LOG_PQ else LOG_PQ.sign(b"o\n0\n" + b"A" * 43 + b"=\n")
    return signed(CHECKPOINT, LOG, WITNESS, AUDITOR).with_signatures([line])


CHECKPOINTS_FAIL = {
    "nobody of the policy signed": signed(CHECKPOINT, Key("stranger.example"), WITNESS, AUDITOR),
    "witnesses without a log": signed(CHECKPOINT, WITNESS, AUDITOR),
    "one witness of two": signed(CHECKPOINT, LOG, WITNESS),
    "one witness, twice": signed(CHECKPOINT, LOG, WITNESS, WITNESS),
    "the log as its own witness": signed(CHECKPOINT, LOG, LOG_PQ, WITNESS),
    "another origin": signed(replace(CHECKPOINT, origin="elsewhere.example"), LOG, WITNESS, AUDITOR),
    "an empty tree with a root": signed(Checkpoint(ORIGIN, 0, LEAVES[0]), LOG, WITNESS, AUDITOR),
    "a good line of the log and a bad one": _bad_line(LOG),
    "a bad line of the log's other key": _bad_line(LOG_PQ),
    "a good line of a witness and a bad one": _bad_line(WITNESS),
}


@pytest.mark.parametrize("what", CHECKPOINTS_FAIL)
def test_checkpoint_fail(what: str) -> None:
    with pytest.raises(ProofRejected):
        verify_checkpoint(CHECKPOINTS_FAIL[what], POLICY)


def test_a_note_that_is_no_checkpoint() -> None:
    with pytest.raises(MalformedMessage):
        verify_checkpoint(signed(b"text\n", LOG), POLICY)


# --- receipts ------------------------------------------------------------------------------------------------------


def receipt_of(index: int) -> Receipt:
    path = inclusion_proof(index, 8, lambda level, n: root_of(LEAVES[n << level : (n + 1) << level]))
    return Receipt(index, path, signed(CHECKPOINT, LOG, LOG_PQ, WITNESS, AUDITOR))


RECEIPT = receipt_of(5)
FILE = bytes(RECEIPT).decode()
NO_WITNESSES = Policy(POLICY.logs, (), (), None)


def test_receipt() -> None:
    assert FILE.startswith("c2sp.org/tlog-proof@v1\nindex 5\n")
    assert parse_receipt(FILE.encode()) == RECEIPT
    assert verify_receipt(RECEIPT, LEAVES[5], POLICY).index == 5
    assert verify_receipt(RECEIPT, LEAVES[5], NO_WITNESSES).checkpoint.cosignatures == ()


def test_a_receipt_with_something_extra() -> None:
    extra = replace(RECEIPT, extra=b"opening")
    assert parse_receipt(bytes(extra)) == extra
    assert b"\nextra b3BlbmluZw==\nindex 5\n" in bytes(extra)


def test_a_receipt_of_a_log_with_one_entry() -> None:
    receipt = Receipt(0, (), signed(checkpoint_of(LEAVES[:1]), LOG))
    assert parse_receipt(bytes(receipt)) == receipt
    verify_receipt(receipt, LEAVES[0], NO_WITNESSES)


RECEIPTS_FAIL = {
    "empty": "",
    "another version": FILE.replace("@v1", "@v2"),
    "no index": FILE.replace("index 5\n", ""),
    "two indices": FILE.replace("index 5\n", "index 5\nindex 5\n"),
    "a leading zero": FILE.replace("index 5", "index 05"),
    "other digits": FILE.replace("index 5", "index ٥"),
    "extra behind the index": FILE.replace("index 5\n", "index 5\nextra AA==\n"),
    "extra twice": FILE.replace("index 5\n", "extra AA==\nextra AA==\nindex 5\n"),
    "a carriage return": FILE.replace("index 5\n", "index 5\r\n"),
    "a hash that is short": FILE.replace("index 5\n", "index 5\nAA==\n"),
    "64 hashes": FILE.replace("index 5\n", "index 5\n" + ("A" * 43 + "=\n") * 61),
    "a blank line too many": FILE.replace("index 5\n", "index 5\n\n"),
    "no note": FILE.partition("\n\n")[0] + "\n\n",
    "text before": f" {FILE}",
    "text behind": f"{FILE} ",
}


@pytest.mark.parametrize("what", RECEIPTS_FAIL)
def test_receipt_fail(what: str) -> None:
    assert RECEIPTS_FAIL[what] != FILE
    with pytest.raises(MalformedMessage):
        verify_receipt(parse_receipt(RECEIPTS_FAIL[what].encode()), LEAVES[5], POLICY)


@pytest.mark.parametrize(
    "receipt",
    [
        replace(RECEIPT, index=4),
        replace(RECEIPT, index=8),
        replace(RECEIPT, path=RECEIPT.path[::-1]),
        replace(RECEIPT, path=RECEIPT.path[1:]),
        replace(RECEIPT, path=receipt_of(4).path),
        replace(RECEIPT, checkpoint=signed(CHECKPOINT, LOG, WITNESS)),
    ],
)
def test_a_receipt_that_does_not_hold(receipt: Receipt) -> None:
    with pytest.raises(ProofRejected):
        verify_receipt(receipt, LEAVES[5], POLICY)


def test_a_receipt_of_another_entry() -> None:
    with pytest.raises(ProofRejected):
        verify_receipt(RECEIPT, LEAVES[4], POLICY)
