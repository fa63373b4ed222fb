"""The look-ups of the civil-status register, and the adapter that holds all its endpoints together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from structlog.typing import FilteringBoundLogger

from adapters.hotich.births import add_number, birth_record, register_birth
from adapters.hotich.book import parse_entry_number
from adapters.hotich.copies import find_copy, issue_copy
from adapters.hotich.deaths import death_record, register_death
from adapters.hotich.marriages import marriage_record, register_marriage
from adapters.hotich.notices import Notices
from adapters.hotich.seed import VERSION, invented
from adapters.hotich.signing import Registrar
from adapters.people.generator import CITIZENS
from adapters.people.identifiers import parse_person_name, parse_personal_number
from adapters.sdk import Adapter, Call, Effect, Endpoint, JsonObject, NotFound, Pool, seed_once

_ABOUT = """
    select number, registered_on, 'birth' as kind,
        case $1 when child_id then 'child' when mother_id then 'mother' else 'father' end as role
    from hotich.birth where child_id = $1 or mother_id = $1 or father_id = $1
    union all
    select number, registered_on, 'marriage', case $1 when husband_id then 'husband' else 'wife' end
    from hotich.marriage where husband_id = $1 or wife_id = $1
    union all
    select number, registered_on, 'death', 'deceased' from hotich.death where person_id = $1
    order by registered_on, number
"""


def _entry(
    pool: Pool, table: str, record: Callable[[Mapping[str, Any]], JsonObject]
) -> Callable[[Call], Awaitable[JsonObject]]:
    async def find(call: Call) -> JsonObject:
        row = await pool.fetchrow(f"select * from hotich.{table} where number = $1", call.path["number"])  # noqa: S608 - ours
        if row is None:
            raise NotFound("Không có đăng ký mang số này (no entry has this number)")
        return record(row)

    return find


async def _entries_about(pool: Pool, call: Call) -> JsonObject:
    rows = await pool.fetch(_ABOUT, str(call.path["id"]))
    return {
        "items": [
            {
                "number": row["number"],
                "kind": row["kind"],
                "role": row["role"],
                "registered_on": row["registered_on"].isoformat(),
            }
            for row in rows
        ]
    }


def _endpoints(registrar: Registrar, notices: Notices, pool: Pool) -> tuple[Endpoint | Effect, ...]:
    return (
        Endpoint("GET", "/v1/persons/{id}/entries", partial(_entries_about, pool)),
        Effect("POST", "/v1/births", register_birth(notices)),
        Endpoint("GET", "/v1/births/{number}", _entry(pool, "birth", birth_record)),
        Effect("POST", "/v1/births/{number}/personal-number", add_number),
        Effect("POST", "/v1/marriages", register_marriage),
        Endpoint("GET", "/v1/marriages/{number}", _entry(pool, "marriage", marriage_record)),
        Effect("POST", "/v1/deaths", register_death(notices)),
        Endpoint("GET", "/v1/deaths/{number}", _entry(pool, "death", death_record)),
        Effect("POST", "/v1/copies", issue_copy(registrar)),
        Endpoint("GET", "/v1/copies/{number}", partial(find_copy, pool)),
    )


def build_adapter(registrar: Registrar, notices: Notices, citizens: int = CITIZENS) -> Adapter:
    """The adapter with invented entries about so many citizens, made when its database is still empty."""

    async def prepare(pool: Pool, log: FilteringBoundLogger) -> None:
        await seed_once(pool, VERSION, partial(invented, citizens), log)

    return Adapter(
        name="hotich",
        folder=Path(__file__).parent,
        endpoints=partial(_endpoints, registrar, notices),
        formats={
            "vn-personal-number": parse_personal_number,
            "person-name": parse_person_name,
            "hotich-number": parse_entry_number,
        },
        prepare=prepare,
    )
