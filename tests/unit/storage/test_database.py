"""Opening a database; and what those who serve may not do to it."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from gateway.core.errors import EvidenceUnavailable, SettingsError
from gateway.storage.database import WRITER_ROLE, Database, EmbeddedDatabase, open_database
from gateway.storage.embedded import EmbeddedPostgres

TABLES = (
    "message_record",
    "message_record_default",
    "body_chunk",
    "globalconf_snapshot",
    "replay_claim",
    "signature_frame",
)
FORBIDDEN = ("UPDATE {} SET {}", "DELETE FROM {}", "TRUNCATE {}", "ALTER TABLE {} ADD COLUMN more int", "DROP TABLE {}")
COLUMN = dict(
    zip(TABLES, ("part = ''", "part = ''", "data = ''", "names = '{}'", "peer = ''", "frame = ''"), strict=True)
)


@pytest.mark.parametrize("statement", FORBIDDEN, ids=lambda s: s.split()[0])
async def test_the_log_is_append_only(database: Database, statement: str) -> None:
    for table in TABLES:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await database.pool.execute(statement.format(table, COLUMN[table]))


async def test_numbers_and_the_moment_of_writing_are_not_the_writers_to_choose(database: Database) -> None:
    for statement in (
        "INSERT INTO message_record (number) VALUES (1)",
        "INSERT INTO message_record (written) VALUES (now())",
        "INSERT INTO body_chunk (written) VALUES (now())",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await database.pool.execute(statement)


async def test_every_session_is_the_writer_also_after_it_was_reset(database: Database) -> None:
    for _ in range(2):
        async with database.pool.acquire() as connection:
            assert await connection.fetchval("SELECT current_user") == WRITER_ROLE
    async with database.owner() as owner:
        assert await owner.fetchval("SELECT current_user") != WRITER_ROLE


@pytest_asyncio.fixture
async def plain_user(pg: EmbeddedPostgres, database: Database) -> AsyncIterator[tuple[str, str]]:
    """A user without CREATEROLE and its password; it owns nothing."""
    name = "u_" + uuid.uuid4().hex[:12]
    async with database.owner() as owner:
        await owner.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'pw'")
        yield name, await owner.fetchval("SELECT current_database()")
        await owner.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


def _url(pg: EmbeddedPostgres, user: str, database: str, password: str) -> str:
    return f"postgresql://{user}:{password}@/{database}?host={pg.dsn_kwargs()['host']}"


async def test_a_url_whose_user_may_not_become_the_writer(pg: EmbeddedPostgres, plain_user: tuple[str, str]) -> None:
    with pytest.raises(SettingsError, match="CREATE ROLE gateway_citizen NOLOGIN; GRANT gateway_writer"):
        await open_database(_url(pg, *plain_user, "pw"))


async def test_a_url_whose_user_was_made_a_member(pg: EmbeddedPostgres, plain_user: tuple[str, str]) -> None:
    name = "t_" + uuid.uuid4().hex[:12]
    user, _ = plain_user
    admin = await asyncpg.connect(**pg.dsn_kwargs())
    await admin.execute(f"GRANT {WRITER_ROLE} TO {user}")
    await admin.execute(f"CREATE DATABASE {name} OWNER {user}")
    opened = await open_database(_url(pg, user, name, "pw"))
    assert await opened.pool.fetchval("SELECT current_user") == WRITER_ROLE
    assert opened.server is None
    await opened.run()  # nothing to keep alive
    await opened.close()
    await admin.execute(f"DROP DATABASE {name}")
    await admin.close()


async def test_a_url_of_a_database_that_is_missing(pg: EmbeddedPostgres, plain_user: tuple[str, str]) -> None:
    with pytest.raises(SettingsError, match="may not create it"):
        await open_database(_url(pg, plain_user[0], "no_such_database", "pw"))


async def test_created_when_missing_also_from_a_url(pg: EmbeddedPostgres) -> None:
    name = "t_" + uuid.uuid4().hex[:12]
    password = pg.dsn_kwargs()["password"]
    opened = await open_database(_url(pg, "gateway", name, password))
    await opened.close()
    again = await open_database(EmbeddedDatabase(pg.directory, name), read_only=True)
    assert await again.pool.fetchval("SELECT count(*) FROM message_record") == 0
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await again.pool.execute("INSERT INTO replay_claim VALUES ('p', 'r', now())")
    async with again.owner() as owner:
        assert await owner.fetchval("SELECT current_database()") == name
    await again.close()


@pytest.mark.parametrize(
    ("url", "error", "words"),
    [
        ("postgresql://nobody:wrong@/{database}?host={host}", SettingsError, "user or password"),
        ("postgresql://127.0.0.1:1/x", EvidenceUnavailable, "does not answer"),
        ("mysql://127.0.0.1/x", SettingsError, "not one"),
    ],
    ids=["wrong password", "nobody there", "not a URL"],
)
async def test_errors_in_words(pg: EmbeddedPostgres, url: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        await open_database(url.format(database="postgres", host=pg.dsn_kwargs()["host"]))


async def test_read_only_makes_nothing(pg: EmbeddedPostgres) -> None:
    with pytest.raises(SettingsError, match="does not exist"):
        await open_database(EmbeddedDatabase(pg.directory, "never_made"), read_only=True)
    with pytest.raises(SettingsError, match="holds no gateway schema"):
        await open_database(EmbeddedDatabase(pg.directory, "postgres"), read_only=True)
