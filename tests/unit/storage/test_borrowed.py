"""What a test finds in a database that another had before (tests/support/databases.py): nothing of the other."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from tests.support.databases import Content, Databases, adapters_content

_SCHEMA = """
    create table kept (number int generated always as identity primary key, word text);
    create table pointing (kept int references kept);
    create table empty (number serial);
    create sequence turns;
    insert into kept (word) values ('one'), ('two');
"""
_LOOK = """
    select (select array_agg(kept order by number)::text from kept), (select count(*) from pointing), (select count(*) from empty)
"""


_FRESH = ('{"(1,one)","(2,two)"}', 0, 0)


@pytest.fixture
def content(request: pytest.FixtureRequest) -> Content:
    return adapters_content(request.node.nodeid, lambda pool: pool.execute(_SCHEMA))


@pytest.mark.parametrize(
    "statement",
    [
        "select 1",
        "insert into empty default values",
        "insert into kept (word) values ('three')",
        "update kept set word = 'changed'",
        "delete from kept",
        "insert into pointing values (1)",
        "select nextval('turns'), nextval('empty_number_seq'), nextval('kept_number_seq')",
        "alter table kept add column more int",
        "create function more() returns int language sql as 'select 1'",
        "grant select on kept to public",
        "create temporary table kept (word text)",
        "drop table pointing, empty",
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
    ],
)
async def test_the_next_one_finds_what_the_first_found(databases: Databases, content: Content, statement: str) -> None:
    for _ in range(2):
        async with databases.lend(content) as (_, pool):
            assert tuple(await pool.fetchrow(_LOOK)) == _FRESH
            drawn = await pool.fetchval("insert into kept (word) values ('drawn') returning number")
            assert (drawn, await pool.fetchval("select nextval('turns')")) == (3, 1)
            await pool.execute(statement)


async def test_nobody_stays_connected(databases: Databases, content: Content) -> None:
    async with databases.lend(content) as (target, pool):
        forgotten = await asyncpg.connect(**target)
        await forgotten.execute("begin; insert into empty default values")
        held: Any = await pool.acquire()
        await held.execute("begin; update kept set word = 'changed'")
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
        await forgotten.execute("commit")
    async with databases.lend(content) as (_, pool):
        assert tuple(await pool.fetchrow(_LOOK)) == _FRESH


async def test_its_sessions_serve_the_next_one_unless_they_were_closed(databases: Databases, content: Content) -> None:
    async with databases.lend(content) as (first, pool):
        session = await pool.fetchval("select pg_backend_pid()")
    async with databases.lend(content) as (second, pool):
        assert (second, await pool.fetchval("select pg_backend_pid()")) == (first, session)
        await pool.close()
    async with databases.lend(content) as (third, pool):
        assert third == first
        assert await pool.fetchval("select pg_backend_pid()") != session
