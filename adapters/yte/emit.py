"""`python -m adapters.yte.emit`: sends invented notices as a hospital's software does, through a security server.

`--bad` spoils them on purpose, to see what the gateway makes of it: `unsigned`, `altered` after signing, or signed by the `other`
of two facilities. Each notice is one line: its number, and what the security server or the service said; with `--json` an object
that also has what a relative copies from the notice into a form.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import sys
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp

from adapters.people import VIETNAM
from adapters.people.dice import Dice
from adapters.people.generator import generate
from adapters.sdk import Problem
from adapters.yte.invent import invent_birth, invent_death
from adapters.yte.notices import BirthNotice, Notice, parse_notice, print_notice
from adapters.yte.signing import load_facility_key, sign_notice

BAD = ("unsigned", "altered", "other")
_PURPOSES = {"birth": "LIEN-THONG-KHAI-SINH", "death": "LIEN-THONG-KHAI-TU"}
_PEOPLE = 2000  # enough for any notice; a larger population begins with these
_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Hospital:
    """`keys`: folder of the facilities' keys; `other`: whose key signs when `bad` is `other`."""

    code: str
    keys: Path
    other: str
    bad: str | None = None

    def written(self, notice: Notice, now: datetime) -> bytes:
        """The notice as it leaves the house. OSError or ValueError when there is no key."""
        document = print_notice(notice)
        if self.bad == "unsigned":
            return document
        signed = sign_notice(
            document, load_facility_key(self.keys, self.other if self.bad == "other" else self.code), now
        )
        return signed.replace(b"+07:00<", b"+07:30<", 1) if self.bad == "altered" else signed


def message(document: bytes, application: Mapping[str, Any] | None = None) -> bytes:
    """The body of a call of the service: the document, and beside it whom it is about.

    `application`: of the relatives, without what stands in the notice."""
    notice = parse_notice(document)
    body: dict[str, object] = {**notice.persons, "document": b64encode(document).decode()}
    if application is not None:
        body["application"] = {**application, "form": {**copied(notice), **application.get("form", {})}}
    return json.dumps(body).encode()


async def send(session: aiohttp.ClientSession, target: str, client: str, body: bytes, kind: str) -> str:
    """`target`: URL of the service at the client proxy; `body`: of `message`. What was said, in a few words."""
    headers = {
        "X-Road-Client": client,
        "Idempotency-Key": str(uuid4()),
        "Purpose-Code": _PURPOSES[kind],
        "Content-Type": "application/json",
    }
    async with session.post(f"{target}/v1/notices", data=body, headers=headers) as answer:
        said = json.loads(await answer.read())
        warned = answer.headers.get("Document-Check")
        word = said.get("number") or said.get("type") or said.get("code") or "-"
        return f"{answer.status} {word}" + ("" if warned is None else f"  ({warned})")


def copied(notice: Notice) -> dict[str, str]:
    """What a relative copies from the notice into the form of a linked procedure."""
    if isinstance(notice, BirthNotice):
        born = notice.born_at.astimezone(VIETNAM).date().isoformat()
        return {"child_name": notice.planned_name, "sex": notice.sex.value, "birth_date": born}
    died = notice.died_at.astimezone(VIETNAM).date().isoformat()
    return {"full_name": notice.deceased_name, "death_date": died}


@dataclass(frozen=True, slots=True)
class Errand:
    """What to send: `person`: the mother, or the deceased; None: somebody. `application`: what relatives filled in at the hospital,
    which opens a linked procedure. `as_json`: how it is told."""

    births: int
    deaths: int
    person: str | None = None
    as_json: bool = False
    application: Mapping[str, Any] | None = None


async def emit(hospital: Hospital, target: str, client: str, errand: Errand) -> int:
    """The number of notices that were not taken."""
    people = generate(_PEOPLE).persons
    dice, refused = Dice(secrets.randbits(32)), 0
    async with aiohttp.ClientSession(trust_env=False, timeout=aiohttp.ClientTimeout(_SECONDS)) as session:
        for invent in [invent_birth] * errand.births + [invent_death] * errand.deaths:
            now = datetime.now(UTC)
            notice = invent(people, hospital.code, now, dice, errand.person)
            body = message(hospital.written(notice, now), errand.application)
            said = await send(session, target, client, body, notice.KIND)
            refused += not said.startswith("2")
            told = {"number": notice.number, "said": said, "form": copied(notice)}
            print(json.dumps(told, ensure_ascii=False) if errand.as_json else f"{notice.number}  {said}", flush=True)
    return refused


def main(arguments: Sequence[str] | None = None) -> int:
    """0: all were taken; 1: some were not; 2: no key, no security server."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    hospital = Hospital(chosen.facility, chosen.keys, chosen.other, chosen.bad)
    target = f"{chosen.through.rstrip('/')}/r1/{chosen.service}"
    try:
        application = None if chosen.application is None else json.loads(chosen.application)
        errand = Errand(chosen.births, chosen.deaths, chosen.person, chosen.json, application)
        return min(1, asyncio.run(emit(hospital, target, chosen.client, errand)))
    except (OSError, ValueError, aiohttp.ClientError, Problem) as e:
        print(f"{parser.prog}: {e}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m adapters.yte.emit", description=__doc__)
    parser.add_argument("--births", type=int, default=1, help="birth notices to send (default: %(default)s)")
    parser.add_argument("--deaths", type=int, default=0, help="death notices to send (default: %(default)s)")
    parser.add_argument("--person", help="personal number of the mother or the deceased (default: somebody)")
    parser.add_argument(
        "--application", help="JSON of what the relatives filled in: the notice opens a linked procedure"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a notice")
    parser.add_argument("--facility", default="99901", help="whose notices (default: %(default)s)")
    parser.add_argument("--other", default="99902", help="who signs with --bad other (default: %(default)s)")
    parser.add_argument("--bad", choices=BAD, help="spoil them")
    parser.add_argument("--keys", type=Path, default=Path("certs/out"), help="folder of facilities' keys")
    parser.add_argument("--through", default="http://127.0.10.4:8080", help="the client proxy (default: %(default)s)")
    parser.add_argument("--client", default="VN/GOV/G18/coso", help="the sender (default: %(default)s)")
    parser.add_argument("--service", default="VN/GOV/G18/yte/notices", help="the receiver (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
