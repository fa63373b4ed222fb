"""Access records straight into a database, as a provider's server would have written them."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

import asyncpg

from gateway.core.disclosure.leaf import AccessEntry, make_entry
from gateway.core.disclosure.record import Access
from gateway.core.subjects.kinds import Person

KIND = "vn-personal-number"
SERVER = "VN/GOV/G01/ss1"
_INSERT = """
INSERT INTO access_record (server, number, record_id, time, message_number, person_kind, person, fields, seed, leaf)
VALUES ($1, $2, $3, $4, 1, $5, $6, $7, $8, $9)
"""


async def add_access(
    pool: asyncpg.Pool, person: str, time: datetime, *, follows: str = "", server: str = SERVER, **more: Any
) -> AccessEntry:
    """One record at `time`. `more`: fields of Access other than the usual ones."""
    values = {
        "consumer": "VN/GOV/G22/dvc",
        "service": "VN/GOV/G01/dancu/person",
        "purpose": "DVC-GIAI-QUYET-HO-SO",
        "legal_basis": "ND-63-2024",
        "official": "",
        "request_hash": "ab" * 64,
        "categories": ("identity", "residence"),
        "outcome": "granted",
        "case": "",
        "signature_hash": "cd" * 64,
        **more,
    }
    number = (await pool.fetchval("SELECT count(*) FROM access_record")) + 1
    seed = hashlib.sha256(f"{number}".encode()).digest()
    entry = make_entry(Access(time=time, **values), Person(KIND, person), 1, seed, follows)
    texts = json.dumps(entry.fields, ensure_ascii=False)
    about = (entry.record_id, entry.time, KIND, person)
    await pool.execute(_INSERT, server, number, *about, texts, entry.seed, entry.leaf)
    return entry
