"""The population into the database, once: COPY in one transaction, the stamp last.

If we crash before the commit, nothing is there and the next start begins again. Data that is there is never replaced, also not
when the generator has changed since; the log says which version it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from structlog.typing import FilteringBoundLogger

from adapters.people.generator import VERSION, generate
from adapters.people.model import Household, Person
from adapters.sdk import Pool, Rows, copy_rows
from adapters.sdk.seeding import invented

_PERSON = (
    "id", "full_name", "sex", "birth_date", "birth_place", "nationality", "ethnicity", "religion", "marital_status",
    "permanent_line", "permanent_commune", "permanent_province", "current_line", "current_commune", "current_province",
    "father_id", "mother_id", "spouse_id", "status", "death_date", "previous_ids", "as_of",
)  # fmt: skip
_HOUSEHOLD = ("code", "line", "commune", "province", "as_of")
_MEMBER = ("household_code", "position", "person_id", "relation")


async def load_population(pool: Pool, citizens: int, log: FilteringBoundLogger) -> None:
    """Returns with the population durable; does nothing when the database has one."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("lock table dancu.population in exclusive mode")  # two starts at once: one waits
        if known := await connection.fetchrow("select version, persons, households from dancu.population"):
            log.info("population_kept", generator=VERSION, **dict(known))
            return
        log.info("population_generating", citizens=citizens)
        people = await invented(partial(generate, citizens))
        await copy_rows(connection, Rows("dancu.person", _PERSON, [_row(p) for p in people.persons]), log)
        await copy_rows(connection, Rows("dancu.household", _HOUSEHOLD, _homes(people.households)), log)
        await copy_rows(connection, Rows("dancu.household_member", _MEMBER, _members(people.households)), log)
        await connection.execute(
            "insert into dancu.population (version, persons, households) values ($1, $2, $3)",
            people.version,
            len(people.persons),
            len(people.households),
        )
    log.info(
        "population_loaded", version=people.version, persons=len(people.persons), households=len(people.households)
    )


def _row(p: Person) -> tuple[object, ...]:
    return (
        p.id, p.full_name, p.sex.value, p.birth_date, p.birth_place, p.nationality, p.ethnicity, p.religion, p.marital_status,
        p.permanent.line, p.permanent.commune, p.permanent.province, p.current.line, p.current.commune, p.current.province,
        p.father_id, p.mother_id, p.spouse_id, p.status, p.death_date, list(p.previous_ids), p.as_of,
    )  # fmt: skip


def _homes(households: Iterable[Household]) -> list[tuple[object, ...]]:
    return [(h.code, h.address.line, h.address.commune, h.address.province, h.as_of) for h in households]


def _members(households: Iterable[Household]) -> list[tuple[object, ...]]:
    return [(h.code, at, m.id, m.relation) for h in households for at, m in enumerate(h.members, start=1)]
