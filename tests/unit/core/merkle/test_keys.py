"""Keys and their signature lines."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from gateway.core.errors import MalformedMessage, ProofRejected
from gateway.core.merkle.checkpoint import Checkpoint, print_checkpoint
from gateway.core.merkle.keys import KeyKind, VerifierKey, parse_vkey, signature_line, signed_message
from gateway.core.merkle.text import print_base64
from tests.support.logkeys import AT, AUDITOR, LOG, LOG_PQ, ORIGIN, WITNESS, Key

TEXT = print_checkpoint(Checkpoint(ORIGIN, 15, bytes(range(32))))


@pytest.mark.parametrize("key", [LOG, LOG_PQ, WITNESS, AUDITOR], ids=lambda k: k.kind.name)
def test_each_kind(key: Key) -> None:
    line = key.sign(TEXT)
    verifier = parse_vkey(str(key.verifier))
    assert verifier == key.verifier
    assert verifier.made(line)
    assert verifier.verify(TEXT, line) == (None if key is LOG else AT)


def test_what_is_signed() -> None:
    assert signed_message(LOG.verifier, TEXT, None) == TEXT
    assert signed_message(WITNESS.verifier, TEXT, AT) == b"cosignature/v1\ntime 1764000000\n" + TEXT
    name, origin = AUDITOR.name.encode(), ORIGIN.encode()
    assert signed_message(AUDITOR.verifier, TEXT, AT) == (
        b"subtree/v1\n\0" + bytes([len(name)]) + name + AT.to_bytes(8, "big") + bytes([len(origin)]) + origin
        + bytes(8) + (15).to_bytes(8, "big") + bytes(range(32))
    )  # fmt: skip


@pytest.mark.parametrize("key", [LOG, LOG_PQ, WITNESS], ids=lambda k: k.kind.name)
def test_altered(key: Key) -> None:
    line = key.sign(TEXT)
    attacks = [
        (TEXT.replace(b"15", b"16"), line),
        (TEXT, replace(line, blob=line.blob[:-1])),
        (TEXT, replace(line, blob=line.blob + b"\0")),
        (TEXT, replace(line, blob=line.blob[:-1] + bytes([line.blob[-1] ^ 1]))),
        (TEXT, replace(line, blob=bytes([line.blob[0] ^ 1]) + line.blob[1:])),
    ]
    if key is not LOG:
        attacks += [
            (TEXT, replace(line, blob=(AT + 1).to_bytes(8, "big") + line.blob[8:])),
            (TEXT, replace(line, blob=line.blob[:7])),
        ]
    for text, attack in attacks:
        with pytest.raises(ProofRejected):
            key.verifier.verify(text, attack)


@pytest.mark.parametrize("at", [0, 2**63])
def test_a_cosignature_without_a_usable_time(at: int) -> None:
    line = signature_line(WITNESS.verifier, at, WITNESS.private.sign(signed_message(WITNESS.verifier, TEXT, at)))
    with pytest.raises(ProofRejected):
        WITNESS.verifier.verify(TEXT, line)


def test_ml_dsa_signs_checkpoints_only() -> None:
    with pytest.raises(MalformedMessage):
        AUDITOR.sign(b"anything\n")
    with pytest.raises(ProofRejected):
        AUDITOR.verifier.verify(b"anything\n", AUDITOR.sign(TEXT))
    with pytest.raises(MalformedMessage):
        AUDITOR.sign(TEXT.replace(ORIGIN.encode(), b"o" * 256))


def test_ml_dsa_binds_the_cosigners_name() -> None:
    other = replace(AUDITOR.verifier, name="witness.example/other")
    with pytest.raises(ProofRejected):
        other.verify(TEXT, AUDITOR.sign(TEXT))


def vkey(name: str, kind: int, material: bytes) -> str:
    key_id = hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + material).hexdigest()[:8]
    return f"{name}+{key_id}+{print_base64(bytes([kind]) + material)}"


GOOD = LOG.verifier.material
VKEYS_FAIL = {
    "empty": "",
    "no key": "name",
    "no key id": "name+AQAA",
    "another key id": str(LOG.verifier).replace(LOG.verifier.key_id.hex(), "00000000"),
    "a key id in capitals": vkey(ORIGIN, 1, GOOD).replace(LOG.verifier.key_id.hex(), LOG.verifier.key_id.hex().upper()),
    "no material": vkey("n", 1, b""),
    "nothing at all": "n+00000000+",
    "a short key": vkey("n", 1, GOOD[:-1]),
    "a long key": vkey("n", 1, GOOD + b"\0"),
    "an unknown kind": vkey("n", 2, GOOD),
    "ml-dsa of another length": vkey("n", 6, GOOD),
    "a blank in the name": vkey("n n", 1, GOOD),
    "no name": vkey("", 1, GOOD),
    "a name too long for ml-dsa": vkey("n" * 256, 6, LOG_PQ.verifier.material),
    "not UTF-8": str(LOG.verifier).replace("log", "l\udcffg"),
    "junk behind": f"{LOG.verifier} ",
}


@pytest.mark.parametrize("what", VKEYS_FAIL)
def test_vkey_fail(what: str) -> None:
    with pytest.raises(MalformedMessage):
        parse_vkey(VKEYS_FAIL[what])


@pytest.mark.parametrize("sign", [0, 0x80])
@pytest.mark.parametrize(
    "y",
    [
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ],
)
def test_keys_of_small_order_verify_anything(y: str, sign: int) -> None:
    material = bytes.fromhex(y)
    material = material[:-1] + bytes([material[-1] | sign])
    with pytest.raises(MalformedMessage):
        VerifierKey("n", KeyKind.ED25519_COSIGNATURE, material)


def test_a_vkey_whose_base64_has_a_plus_sign() -> None:
    key = next(k for n in range(100) if "+" in str(k := Key(f"n{n}").verifier).split("+", 2)[2])
    assert parse_vkey(str(key)) == key
