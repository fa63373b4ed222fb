"""What a security server submits: one JSON document for one shard.

    {"source": "VN/GOV/G01/ss1",
     "leaves": [{"record": "<UUID>", "sequence": 17, "entry": "<base64>"}, ...]}

`record` is what makes a submission idempotent; `sequence` is the server's own count, without gaps. The entry is opaque to the log.
"""

from __future__ import annotations

import json
import re
from uuid import UUID

from gateway.core.errors import MalformedMessage
from gateway.core.merkle.hashing import leaf_hash
from gateway.core.merkle.text import MAX_NUMBER, parse_base64
from gateway.core.merkle.tiles import MAX_ENTRY
from gateway.transparency.rows import Submitted

MAX_LEAVES = 1000
MAX_SUBMISSION = 4 * 1024 * 1024  # bytes
_RECORD = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SOURCE = re.compile(r"[!-~\u00a1-\uffff]{1,255}")


def parse_submission(data: bytes) -> tuple[Submitted, ...]:
    """MalformedMessage for anything else, unknown keys and records that stand there twice included."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as e:
        raise MalformedMessage("a submission is JSON", code="bad_request") from e
    if not isinstance(value, dict) or value.keys() != {"source", "leaves"}:
        raise MalformedMessage("a submission has 'source' and 'leaves'", code="bad_request")
    source, leaves = value["source"], value["leaves"]
    if not isinstance(source, str) or not _SOURCE.fullmatch(source):
        raise MalformedMessage("'source' is not the id of a security server", code="bad_request")
    if not isinstance(leaves, list) or not 0 < len(leaves) <= MAX_LEAVES:
        raise MalformedMessage(f"'leaves' has 1 to {MAX_LEAVES} leaves", code="bad_request")
    found = tuple(_leaf(source, leaf) for leaf in leaves)
    if len({s.record for s in found}) < len(found) or len({s.sequence for s in found}) < len(found):
        raise MalformedMessage("a record or sequence number stands there twice", code="bad_request")
    return found


def _leaf(source: str, leaf: object) -> Submitted:
    match leaf:
        case {"record": str(record), "sequence": int(sequence), "entry": str(encoded), **more} if not more:
            pass
        case _:
            raise MalformedMessage("a leaf has 'record', 'sequence' and 'entry'", code="bad_request")
    if not _RECORD.fullmatch(record) or isinstance(sequence, bool) or not 0 <= sequence <= MAX_NUMBER:
        raise MalformedMessage("'record' is a UUID, 'sequence' a number", code="bad_request")
    entry = parse_base64(encoded)
    if not 0 < len(entry) <= MAX_ENTRY:
        raise MalformedMessage("an entry has 1 to 65,535 bytes", code="bad_request")
    return Submitted(UUID(record), source, sequence, entry, leaf_hash(entry))
