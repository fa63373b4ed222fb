"""A citizen's bundle as the portal makes one, from keys that tests hold."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

from gateway.citizen.records import StoredRecord
from gateway.citizen.views import opening_json
from gateway.core.disclosure.leaf import AccessEntry, make_entry
from gateway.core.disclosure.record import Access
from gateway.core.merkle.hashing import leaf_hash, root_of
from gateway.core.merkle.proofs import consistency_proof, inclusion_proof
from gateway.core.merkle.receipt import Receipt
from gateway.core.merkle.text import print_base64
from gateway.core.subjects.kinds import Person
from tests.support.access import KIND, SERVER
from tests.support.logkeys import AUDITOR, LOG, ORIGIN, WITNESS, Key, checkpoint_of, signed
from tests.support.portal import ANH, NOW

OLD_LOG = Key("log.example/access/2025")
Lines = list[dict[str, Any]]
_PERSON = Person(KIND, ANH)


def policy_text(*logs: Key, log: Key = LOG, witness: Key = AUDITOR) -> bytes:
    """`logs`: further ones."""
    lines = [
        *(f"log {key.verifier}" for key in (log, *logs)),
        f"witness w {WITNESS.verifier}",
        f"witness a {witness.verifier}",
    ]
    return "\n".join([*lines, "group q all w a", "quorum q", ""]).encode()


def bundle_file(
    *keys: Key, records: int = 3, first: bytes = b"somebody else's", origin: str = ORIGIN, seed: int = 0
) -> Lines:
    """One person's records after a first entry, under a tree of these; the newest checkpoint has one entry more. `seed`: of the
    first record, the others follow."""
    keys = keys or (LOG, WITNESS, AUDITOR)
    entries = [_entry(seed + n) for n in range(records)]
    hashes = [leaf_hash(e) for e in (first, *(e.leaf for e in entries), b"a later one")]
    old, newest = (signed(checkpoint_of(hashes[:size], origin), *keys) for size in (records + 1, records + 2))

    def nodes(level: int, n: int) -> bytes:
        return root_of(hashes[n << level : (n + 1) << level])

    lines: Lines = [
        {
            "kind": "bundle",
            "version": 1,
            "made": "2026-11-24T08:00:00.000Z",
            "person": {"kind": KIND, "number": ANH},
            "providers": [SERVER],
        },
        {"kind": "policy", "policy": policy_text().decode()},
    ]
    for n, entry in enumerate(entries):
        stored = StoredRecord(SERVER, entry.record_id, entry.time, entry.fields, entry.seed, entry.leaf)
        receipt = Receipt(n + 1, inclusion_proof(n + 1, records + 1, nodes), old)
        lines.append({"kind": "record", **opening_json(stored, _PERSON, origin), "receipt": bytes(receipt).decode()})
    proof = [print_base64(h) for h in consistency_proof(records + 1, records + 2, nodes)]
    lines.append({"kind": "checkpoint", "log": origin, "note": bytes(newest).decode()})
    lines.append({"kind": "consistency", "log": origin, "size": records + 1, "hashes": proof})
    return [*lines, {"kind": "end", "records": records}]


def of_two_years() -> Lines:
    """Records under the log that the policy names, and under one of the year before that it does not."""
    old = bundle_file(OLD_LOG, WITNESS, AUDITOR, records=2, origin=OLD_LOG.name, seed=10)
    lines = bundle_file()
    lines[2:2] = old[2:4]
    lines[-3:-2] = [old[4], lines[-3]]
    lines[-1:-1] = [old[5]]
    return [*lines[:-1], {"kind": "end", "records": 5}]


def altered(holder: Any, key: Any) -> None:
    """One bit of a base64 value."""
    value = bytearray(base64.b64decode(holder[key]))
    value[len(value) // 2] ^= 1
    holder[key] = base64.b64encode(value).decode()


def _entry(n: int) -> AccessEntry:
    access = Access(
        time=NOW - timedelta(minutes=n),
        consumer="VN/GOV/G22/dvc",
        service="VN/GOV/G01/dancu/person",
        purpose="DVC-GIAI-QUYET-HO-SO",
        legal_basis="ND-63-2024",
        official="",
        request_hash="ab" * 64,
        categories=("identity",),
        outcome="granted",
        case="",
        signature_hash="cd" * 64,
    )
    return make_entry(access, _PERSON, 1, bytes([n]) * 32)
