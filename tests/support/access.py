"""Access records straight into a database, as a provider's server would have written them."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import asyncpg

from gateway.core.disclosure.leaf import AccessEntry, make_entry
from gateway.core.disclosure.record import Access
from gateway.core.sealing.access import seal_access
from gateway.core.sealing.keys import DataKey
from gateway.core.subjects.kinds import Person
from gateway.messagelog.access import STORED, clear_row, sealed_row

KIND = "vn-personal-number"
SERVER = "VN/GOV/G01/ss1"
_INSERT = f"""
INSERT INTO access_record (server, number, message_number, record_id, time, leaf, fields, {", ".join(STORED.split(", ")[3:])})
VALUES ($1, $2, 1, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
"""  # noqa: S608 - constants of ours


async def add_access(
    pool: asyncpg.Pool,
    person: str,
    time: datetime,
    *,
    follows: str = "",
    server: str = SERVER,
    key: DataKey | None = None,
    **more: Any,
) -> AccessEntry:
    """One record at `time`, sealed under `key`. `more`: fields of Access other than the usual ones."""
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
    row = clear_row(entry) if key is None else sealed_row(entry, seal_access(entry, key, number.to_bytes(12, "big")))
    await pool.execute(_INSERT, server, number, *row)
    return entry
