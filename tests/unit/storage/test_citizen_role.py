"""What the portal's role may do in a database of ours: this, and nothing more."""

from __future__ import annotations

import uuid

import asyncpg
import pytest

from gateway.storage.database import CITIZEN_ROLE, WRITER_ROLE, Database, open_database, open_pool
from gateway.storage.embedded import EmbeddedPostgres

VERBS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
ADDED_TO = {
    "citizen_lookup",
    "citizen_inquiry",
    "citizen_outbox",
    "citizen_delivery",
    "citizen_answer",
    "citizen_answers_read",
}
MAY = {
    "schema_migration": {"SELECT"},
    **{name: {"SELECT", "INSERT"} for name in ADDED_TO},
    "citizen_login": {"SELECT", "INSERT", "DELETE"},
    "citizen_session": {"SELECT", "INSERT", "DELETE"},
}
COLUMNS = {
    ("access_record", "SELECT"): {
        "record_id",
        "time",
        "leaf",
        "fields",
        "person_kind",
        "person",
        "seed",
        "token",
        "content",
        "sealed_by",
    },
    ("data_key", "SELECT"): {"id", "day", "member", "kek", "wrapped", "destroyed", "rule", "accesses"},
    ("citizen_session", "UPDATE"): {"seen", "acting_kind", "acting_person", "acting_name", "acting_evidence"},
}


async def test_the_role_has_these_rights_and_no_others(database: Database) -> None:
    async with database.owner() as owner:
        tables = [r["relname"] for r in await owner.fetch("SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'v') "
                                                          "AND relnamespace = current_schema()::regnamespace")]  # fmt: skip
        for table in tables:
            whole = {
                v
                for v in VERBS
                if await owner.fetchval("SELECT has_table_privilege($1, $2, $3)", CITIZEN_ROLE, table, v)
            }
            assert whole == MAY.get(table, set()), table
            for verb in ("SELECT", "INSERT", "UPDATE", "REFERENCES"):
                if verb not in whole:
                    rows = await owner.fetch(
                        "SELECT attname FROM pg_attribute WHERE attrelid = $2::regclass AND attnum > 0 AND NOT attisdropped"
                        " AND has_column_privilege($1, $2::regclass, attname, $3)",
                        *(CITIZEN_ROLE, table, verb),
                    )
                    assert {r["attname"] for r in rows} == COLUMNS.get((table, verb), set()), (table, verb)
        functions = await owner.fetch(
            "SELECT proname FROM pg_proc WHERE pronamespace = current_schema()::regnamespace"
            " AND has_function_privilege($1, oid, 'EXECUTE') AND prosecdef",
            CITIZEN_ROLE,
        )
        assert functions == []
    assert {"access_record", "message_record", "inquiry"} < set(tables)


async def test_the_writer_has_no_rights_on_the_portals_tables(database: Database) -> None:
    """A security server that is broken into opens no citizen's session."""
    async with database.owner() as owner:
        named = "SELECT tablename FROM pg_tables WHERE tablename LIKE 'citizen_%' AND schemaname = current_schema()"
        tables = [r["tablename"] for r in await owner.fetch(named)]
        assert set(tables) == ADDED_TO | {"citizen_login", "citizen_session"}
        for table in tables:
            for verb in VERBS:
                asked = (
                    "has_table_privilege" if verb in ("DELETE", "TRUNCATE", "TRIGGER") else "has_any_column_privilege"
                )
                assert not await owner.fetchval(f"SELECT {asked}($1, $2, $3)", WRITER_ROLE, table, verb), (table, verb)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT part FROM message_record",
        "SELECT message_number FROM access_record",
        "UPDATE access_record SET leaf = leaf",
        "DELETE FROM citizen_lookup",
        "UPDATE citizen_inquiry SET due = due",
        "UPDATE citizen_session SET person = ''",
        "SELECT * FROM inquiry",
        "SELECT reason FROM data_key",
        "SELECT access_numbers('x', 1)",
        "CREATE TABLE mine ()",
    ],
)
async def test_it_cannot(database: Database, statement: str) -> None:
    pool = await open_pool(database._target, role=CITIZEN_ROLE)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(statement)
    finally:
        await pool.close()


async def test_a_user_of_the_portals_own_reads_a_providers_database(pg: EmbeddedPostgres, database: Database) -> None:
    """It owns nothing and is a member of nothing else: RESET ROLE gives it no more."""
    name = "u_" + uuid.uuid4().hex[:12]
    async with database.owner() as owner:
        where = await owner.fetchval("SELECT current_database()")
        await owner.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'pw'; GRANT {CITIZEN_ROLE} TO {name}")
        try:
            url = f"postgresql://{name}:pw@/{where}?host={pg.dsn_kwargs()['host']}"
            opened = await open_database(url, read_only=True, role=CITIZEN_ROLE)
            assert await opened.pool.fetch("SELECT record_id FROM access_record") == []
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await opened.pool.execute("SET ROLE gateway_writer")
            async with opened.pool.acquire() as connection:
                await connection.execute("RESET ROLE")
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.fetch("SELECT part FROM message_record")
            await opened.close()
        finally:
            await owner.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")
