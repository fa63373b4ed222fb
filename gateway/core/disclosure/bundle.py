"""A citizen's bundle: everything that verifies a ledger without asking anybody, one JSON object a line.

    {"kind": "bundle", "version": 1, "made": <RFC 3339>, "person": {"kind", "number"}, "providers": [<security server>, ...]}
    {"kind": "policy", "policy": <C2SP tlog-policy>}                         keys of logs and witnesses
    {"kind": "destroyed", "member", "first", "last", "records", "at", "rule"}       access records that nobody can read any more
    {"kind": "record", "log", "leaf", "person", "fields", "salts", "subject_key", "statement_key", "receipt"}
    {"kind": "checkpoint", "log", "note"}                                    each log's newest, as it was published
    {"kind": "consistency", "log", "size", "hashes"}                         from a receipt's smaller tree to that checkpoint
    {"kind": "end", "records": <how many>}

Binary values are base64; `receipt` is a C2SP tlog-proof, null while the record waits for the log. `destroyed` is told to everybody
alike, by holder and days, and may be left out: who such a record was about is not known. Lines come in this order.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from gateway.core.disclosure.leaf import LeafKeys
from gateway.core.disclosure.record import parse_time
from gateway.core.errors import MalformedMessage
from gateway.core.merkle.text import MAX_NUMBER, parse_base64, parse_hash
from gateway.core.subjects.kinds import Person

VERSION = 1
MAX_LINE = 2 << 20
"""Bytes; a receipt has at most 1 MiB."""

_ORDER = ("bundle", "policy", "destroyed", "record", "checkpoint", "consistency", "end")
_KEYS = {
    "bundle": {"version", "made", "person", "providers"},
    "policy": {"policy"},
    "destroyed": {"member", "first", "last", "records", "at", "rule"},
    "record": {"log", "leaf", "person", "fields", "salts", "subject_key", "statement_key", "receipt"},
    "checkpoint": {"log", "note"},
    "consistency": {"log", "size", "hashes"},
    "end": {"records"},
}


@dataclass(frozen=True, slots=True)
class BundledRecord:
    """`line`: where it stands in the file, from 1. `log`: origin of the log that is to hold it; None when no log is known."""

    line: int
    log: str | None
    leaf: bytes
    person: Person
    fields: tuple[str, ...] = field(repr=False)
    keys: LeafKeys
    receipt: bytes | None


@dataclass(frozen=True, slots=True)
class DestroyedRecords:
    """What the holder's own server says; nothing proves it. `first`, `last`: days (UTC); `records`: of everybody."""

    member: str
    first: date
    last: date
    records: int
    at: datetime
    rule: str | None


@dataclass(frozen=True, slots=True)
class Continuation:
    """`hashes`: the consistency proof from the log's tree of `size` entries to the checkpoint in the bundle."""

    log: str
    size: int
    hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Bundle:
    """`checkpoints`: notes by origin."""

    made: datetime
    person: Person
    providers: tuple[str, ...]
    policy: bytes
    destroyed: tuple[DestroyedRecords, ...]
    records: tuple[BundledRecord, ...]
    checkpoints: Mapping[str, bytes]
    continuations: tuple[Continuation, ...]


def parse_bundle(lines: Iterable[bytes]) -> Bundle:
    """`lines`: of the file, with or without their ends. MalformedMessage names the line; also for a file that was cut off."""
    builder = _Builder()
    for number, line in enumerate(lines, 1):
        try:
            builder.take(number, *_line(line))
        except MalformedMessage as e:
            raise MalformedMessage(f"line {number}: {e.safe_detail}") from e
    return builder.bundle()


def _line(line: bytes) -> tuple[str, Mapping[str, Any]]:
    if len(line) > MAX_LINE:
        raise MalformedMessage("more than 2 MiB")
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as e:
        raise MalformedMessage("not JSON") from e
    kind = value.get("kind") if isinstance(value, dict) else None
    if not isinstance(kind, str) or value.keys() - {"kind"} != _KEYS.get(kind):
        raise MalformedMessage("not a line of a bundle")
    return kind, value


class _Builder:
    def __init__(self) -> None:
        self._kind = ""
        self._head: tuple[datetime, Person, tuple[str, ...]] | None = None
        self._policy: bytes | None = None
        self._destroyed: list[DestroyedRecords] = []
        self._records: list[BundledRecord] = []
        self._checkpoints: dict[str, bytes] = {}
        self._continuations: list[Continuation] = []
        self._ended = False

    def take(self, number: int, kind: str, value: Mapping[str, Any]) -> None:
        if self._ended or (self._kind and _ORDER.index(kind) < _ORDER.index(self._kind)):
            raise MalformedMessage(f"'{kind}' does not come here")
        self._kind = kind
        match kind:
            case "bundle" if self._head is None:
                if _number(value["version"]) != VERSION:
                    raise MalformedMessage("a version that this program does not know")
                self._head = parse_time(_text(value["made"])), _person(value["person"]), _texts(value["providers"])
            case "policy" if self._policy is None:
                self._policy = _text(value["policy"]).encode()
            case "destroyed":
                self._destroyed.append(_destroyed(value))
            case "record":
                self._records.append(_record(number, value))
            case "checkpoint" if _text(value["log"]) not in self._checkpoints:
                self._checkpoints[value["log"]] = _text(value["note"]).encode()
            case "consistency":
                hashes = tuple(map(parse_hash, _texts(value["hashes"])))
                self._continuations.append(Continuation(_text(value["log"]), _number(value["size"]), hashes))
            case "end":
                if _number(value["records"]) != len(self._records):
                    raise MalformedMessage(
                        f"the file has {len(self._records)} records, and the end says another number"
                    )
                self._ended = True
            case _:
                raise MalformedMessage(f"'{kind}' stands there already")

    def bundle(self) -> Bundle:
        if self._head is None or self._policy is None or not self._ended:
            raise MalformedMessage("without its beginning, its policy or its end: the file was cut off")
        records, continuations = tuple(self._records), tuple(self._continuations)
        return Bundle(*self._head, self._policy, tuple(self._destroyed), records, self._checkpoints, continuations)


def _record(line: int, value: Mapping[str, Any]) -> BundledRecord:
    keys = LeafKeys(
        tuple(map(parse_hash, _texts(value["salts"]))),
        parse_hash(_text(value["subject_key"])),
        parse_hash(_text(value["statement_key"])),
    )
    receipt = None if value["receipt"] is None else _text(value["receipt"]).encode()
    log = None if value["log"] is None else _text(value["log"])
    leaf, person = parse_base64(_text(value["leaf"])), _person(value["person"])
    return BundledRecord(line, log, leaf, person, _texts(value["fields"]), keys, receipt)


def _destroyed(value: Mapping[str, Any]) -> DestroyedRecords:
    rule = None if value["rule"] is None else _text(value["rule"])
    days, at = (_day(value["first"]), _day(value["last"])), parse_time(_text(value["at"]))
    return DestroyedRecords(_text(value["member"]), *days, _number(value["records"]), at, rule)


def _day(value: object) -> date:
    try:
        return date.fromisoformat(_text(value))
    except ValueError as e:
        raise MalformedMessage("not a day") from e


def _person(value: object) -> Person:
    match value:
        case {"kind": kind, "number": number, **more} if not more:
            return Person(_text(kind), _text(number))
    raise MalformedMessage("not a person")


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise MalformedMessage("not a list of texts")
    return tuple(map(_text, value))


def _text(value: object) -> str:
    """Without lone surrogates, which JSON can spell and UTF-8 cannot."""
    if not isinstance(value, str) or any("\ud800" <= c <= "\udfff" for c in value):
        raise MalformedMessage("not a text")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_NUMBER:
        raise MalformedMessage("not a number")
    return value
