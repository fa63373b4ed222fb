"""`python -m gateway inquiries …`: an agency reads what citizens ask about their records, and answers."""

from __future__ import annotations

import getpass
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from gateway.app import process
from gateway.app.listeners import clock
from gateway.app.sources import database_source, log_keys, settings_of
from gateway.core.errors import SettingsError
from gateway.messagelog.sealedtexts import SealedTexts
from gateway.messagelog.sealing import Seal
from gateway.monitoring.logs import build_log
from gateway.ownservices.inquiries import MOST_WORDS
from gateway.ownservices.inquirystore import InquiryStore, ListedInquiry
from gateway.storage.database import open_database

inquiries = typer.Typer(
    no_args_is_help=True, help="Citizens' inquiries about their access records: read and answer them."
)

Server = Annotated[str, typer.Option(help="security server that took them, e.g. VN/GOV/G01/ss1")]
Configs = Annotated[Path, typer.Option(help="folder with the security servers' YAML files")]


@inquiries.command("list")
def list_(
    server: Server,
    answered: Annotated[bool, typer.Option("--all", help="answered ones too")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="say it in JSON")] = False,
    configs: Configs = Path("config/servers"),
) -> None:
    """What waits for an answer, what is due first comes first. It holds personal data: it is printed and logged nowhere."""
    for line in process.run(_list(configs, server, answered=answered, as_json=as_json)):
        typer.echo(line)


@inquiries.command()
def answer(
    inquiry: Annotated[UUID, typer.Argument(help="its id, as `list` prints it")],
    server: Server,
    words: Annotated[str | None, typer.Option(help="the answer, as the citizen reads it")] = None,
    file: Annotated[Path | None, typer.Option(help="or a text file with it, UTF-8")] = None,
    configs: Configs = Path("config/servers"),
) -> None:
    """Answer one, for good: it stops the clock, and the portal fetches it, signed by the agency."""
    time = process.run(_answer(configs, server, inquiry, _words(words, file)))
    typer.echo(f"answered {inquiry} at {time.isoformat(timespec='seconds')}")


async def _list(configs: Path, server: str, *, answered: bool, as_json: bool) -> list[str]:
    async with _store(configs, server) as store:
        found = await store.listed(answered=answered)
    if as_json:
        return [json.dumps(_value(one), ensure_ascii=False) for one in found]
    return [line for one in found for line in _lines(one)] or ["no inquiry waits"]


async def _answer(configs: Path, server: str, inquiry: UUID, words: str) -> datetime:
    async with _store(configs, server) as store:
        time = await store.reply(inquiry, words)
    if time is None:
        raise SettingsError([f"{inquiry}: no such inquiry here, or it is answered already"])
    build_log().info("inquiry.answered", server=server, inquiry=str(inquiry), by=getpass.getuser())
    return time


@asynccontextmanager
async def _store(configs: Path, server: str) -> AsyncIterator[InquiryStore]:
    settings = settings_of(configs, server)
    database = await open_database(database_source(settings), connections=1)
    try:
        pool, keys = database.pool, await log_keys(settings, database)
        yield InquiryStore(pool, clock, None if keys is None else SealedTexts(pool, keys, Seal(pool, keys)))
    finally:
        await database.close()


def _words(words: str | None, file: Path | None) -> str:
    try:
        text = (words if file is None else file.read_text("utf-8")) or ""
    except (OSError, UnicodeDecodeError) as e:
        raise SettingsError([f"{file}: cannot be read as UTF-8 text"]) from e
    text = text.strip()
    if not 0 < len(text) <= MOST_WORDS or "\0" in text:
        raise SettingsError([f"an answer has 1 to {MOST_WORDS} characters: --words or --file"])
    return text


def _value(one: ListedInquiry) -> dict[str, object]:
    answered = None if one.answered is None else one.answered.isoformat()
    told = {"received": one.received.isoformat(), "answered": answered, "answer": one.answer}
    if one.content is None:
        return {"id": str(one.id), "due": one.due.isoformat(), "shredded": True, **told}
    return {**json.loads(one.content), **told}


def _lines(one: ListedInquiry) -> list[str]:
    state = "answered" if one.answered else "OVERDUE" if one.due < clock() else "open"
    due = one.due.isoformat(timespec="minutes")
    if one.content is None:
        return [f"{one.id}  {state}  due {due}  {one.receiver}", "  shredded: its data key was destroyed"]
    asked = json.loads(one.content)
    record = asked["record"]
    return [
        f"{one.id}  {asked['kind']}  {state}  due {due}  {one.receiver}",
        f"  about {asked['person']['number']} ({asked['asked_by']}), access {record['record']} of {record['time']}",
        f"  {record['consumer']} asked {record['service']}: {record['purpose'] or 'no purpose'}, {record['case'] or 'no case'}",
        *(f"  > {line}" for line in asked["words"].splitlines()),
        *(f"  < {line}" for line in (one.answer or "").splitlines()),
    ]
