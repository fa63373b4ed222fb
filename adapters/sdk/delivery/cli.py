"""`python -m adapters.sdk.delivery`: what a person does with messages that did not arrive. Envelopes only, never the content."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import os
import random
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode
from uuid import UUID

import aiohttp

from adapters.sdk.delivery.outbox import Outbox
from adapters.sdk.postgres import Pool, database_parameters, open_pool, source_errors
from adapters.sdk.problems import SourceUnavailable
from adapters.sdk.tls import tls_of
from gateway.core.errors import MalformedMessage
from gateway.core.identifiers import SubsystemId, parse_client_id

_ATTEMPTS = """
    select attempt_id, number, began_at, ended_at, verdict, cause, request_id from delivery.attempt
    where message_id = $1 order by number
"""
_STATE = "select state, service, path, issue, posted_at, deadline, cause from delivery.outbox where message_id = $1"


def main(arguments: Sequence[str] | None = None) -> int:
    """0: done; 1: there is no such message, or it is not in a state for this; 2: wrong arguments, no database."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    try:
        return asyncio.run(_run(chosen))
    except (ValueError, OSError, MalformedMessage, aiohttp.ClientError, SourceUnavailable) as e:
        print(f"{parser.prog}: {e}", file=sys.stderr)
        return 2


async def _run(chosen: argparse.Namespace) -> int:
    async with source_errors(), open_pool(database_parameters(chosen.database), "delivery") as pool:
        outbox = Outbox(pool, lambda: datetime.now(UTC), random.random)
        match chosen.verb:
            case "dead":
                return await _dead(outbox)
            case "show":
                return await _show(pool, chosen.message)
            case "again":
                done = await outbox.send_again(chosen.message, chosen.who, timedelta(days=chosen.days))
                return _told(done, "it is sent again", "no dead letter has this id")
            case "aside":
                done = await outbox.set_aside(chosen.message, chosen.who, chosen.note)
                return _told(done, "set aside; those behind it go on", "no dead letter has this id")
            case _:
                return await _evidence(pool, chosen)


async def _dead(outbox: Outbox) -> int:
    for letter in await outbox.dead_letters():
        print(
            f"{letter.message_id}  {letter.issue}  {letter.service}{letter.path}  {letter.attempts} attempts,"
            f" last {letter.settled_at:%Y-%m-%d %H:%M}  {letter.cause}  {letter.behind} behind"
        )
    return 0


async def _show(pool: Pool, message: UUID) -> int:
    row = await pool.fetchrow(_STATE, message)
    if row is None:
        return _told(False, "", "no message has this id")
    print(f"{row['state']}  {row['issue']}  {row['service']}{row['path']}  posted {row['posted_at']:%Y-%m-%d %H:%M:%S}")
    for attempt in await pool.fetch(_ATTEMPTS, message):
        print(
            f"  {attempt['number']}  {attempt['began_at']:%Y-%m-%d %H:%M:%S}  X-Road-Id {attempt['attempt_id']}"
            f"  {attempt['verdict'] or 'no end'}  {attempt['cause'] or ''}"
        )
    return 0


async def _evidence(pool: Pool, chosen: argparse.Namespace) -> int:
    """The signed containers of the attempt that was delivered: the request, and the receipt signed for the receiver."""
    attempt = await pool.fetchval(
        "select attempt_id from delivery.attempt where message_id = $1 and verdict = 'delivered' limit 1",
        chosen.message,
    )
    if attempt is None:
        return _told(False, "", "no attempt of this message has a receipt")
    client = parse_client_id(chosen.client)
    if not isinstance(client, SubsystemId):
        raise ValueError("the client is a subsystem")
    names = ("xRoadInstance", "memberClass", "memberCode", "subsystemCode")
    query = urlencode({**dict(zip(names, client.pieces, strict=True)), "queryId": str(attempt), "force": ""})
    tls = tls_of(os.environ)
    known = True if tls is None else tls.calling()
    async with (
        aiohttp.ClientSession(trust_env=False) as session,
        session.get(f"{chosen.road}/asic?{query}", ssl=known) as answer,
    ):
        if answer.status != 200:
            return _told(False, "", f"the security server answers {answer.status}")
        target = Path(chosen.out or f"{chosen.message}.zip")
        await asyncio.to_thread(target.write_bytes, await answer.read())
    return _told(True, f"{target}: check it with `python -m gateway verify`", "")


def _told(done: bool, yes: str, no: str) -> int:
    print(yes if done else no, file=sys.stdout if done else sys.stderr)
    return 0 if done else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m adapters.sdk.delivery", description=__doc__)
    parser.add_argument(
        "--database", default="env:ADAPTER_DATABASE_URL", help="as of an adapter (default: %(default)s)"
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("dead", help="dead letters, oldest first")
    show = verbs.add_parser("show", help="a message and its attempts")
    again = verbs.add_parser("again", help="send a dead letter again; doing it twice is doing it once")
    again.add_argument("--days", type=int, default=7, help="how long it is tried (default: %(default)s)")
    aside = verbs.add_parser("aside", help="decide that a dead letter is not to arrive")
    aside.add_argument("--note", required=True, help="why")
    evidence = verbs.add_parser("evidence", help="the signed request and the signed receipt")
    evidence.add_argument("--road", required=True, help="the client proxy, https://127.0.10.3:8443")
    evidence.add_argument("--client", required=True, help="the sender, VN/GOV/G22/lienthong")
    evidence.add_argument("--out", help="file (default: MESSAGE.zip)")
    for verb in (show, again, aside, evidence):
        verb.add_argument("message", type=UUID)
    for verb in (again, aside):
        verb.add_argument("--who", default=getpass.getuser(), help="who decides (default: %(default)s)")
    return parser
