"""A person's inbox at the portal: requests for consent, reminders, returns, results. Written once, read as often as one likes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from adapters.dvc.catalogue import KINDS
from adapters.sdk import Call, JsonObject, Pool
from adapters.sdk.postgres import Connection

_WRITE = """
    insert into dvc.notification (person_id, dossier, kind, role, count, answer_by, reference, at)
    values ($1, $2, $3, $4, $5, $6, $7, $8) returning id
"""
_READ = """
    select * from dvc.notification where person_id = $1 and ($2::bigint is null or id < $2) order by id desc limit $3
"""


@dataclass(frozen=True, slots=True)
class Notification:
    """`role`: as which the person is asked, in two languages; `count`: of a reminder; `reference`: what was given out, or the code
    of a reason."""

    person_id: str = field(repr=False)
    dossier: str
    kind: str
    at: datetime
    role: Mapping[str, str] | None = None
    count: int | None = None
    answer_by: datetime | None = None
    reference: str | None = None


async def notify(connection: Connection, notification: Notification) -> int:
    """In the transaction of what it tells of."""
    n = notification
    role = None if n.role is None else json.dumps(n.role, ensure_ascii=False)
    written: int = await connection.fetchval(
        _WRITE, n.person_id, n.dossier, n.kind, role, n.count, n.answer_by, n.reference, n.at
    )
    return written


async def inbox_of(pool: Pool, call: Call) -> JsonObject:
    """The newest first; `before`: the id from which an earlier page goes on."""
    limit = call.query["limit"]
    rows = await pool.fetch(_READ, str(call.path["id"]), call.query.get("before"), limit + 1)
    items = [_record(row) for row in rows[:limit]]
    return {"items": items, **({"before": rows[limit - 1]["id"]} if len(rows) > limit else {})}


def text_of(row: Mapping[str, Any]) -> dict[str, str]:
    """What a notification says, by language."""
    role = {} if row["role"] is None else json.loads(row["role"])
    given = {name: row[name] for name in ("dossier", "count", "reference")}
    return {
        language: text.format(role=role.get(language, "-"), **given)
        for language, text in zip(("vi", "en"), KINDS[row["kind"]], strict=True)
    }


def _record(row: Mapping[str, Any]) -> dict[str, object]:
    known = {"count": row["count"], "reference": row["reference"]}
    answer_by = {} if row["answer_by"] is None else {"answer_by": row["answer_by"].isoformat()}
    return {
        "id": row["id"],
        "kind": row["kind"],
        "dossier": row["dossier"],
        "text": text_of(row),
        "at": row["at"].isoformat(),
        **answer_by,
        **{name: value for name, value in known.items() if value is not None},
    }
