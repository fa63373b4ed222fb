"""`python -m adapters.lienthong demo`: both procedures from the first notice to the last benefit, through a running `make run`.

What a hospital, a portal and two persons do is done here, over the same addresses that they would use. The birth is opened by the
hospital's notice, the death by a relative at the portal; `--opened-by` has both begin in one way. With `--by-hand` you answer for
the persons, in the browser.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import secrets
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from typing import Any
from urllib.parse import urljoin
from uuid import uuid4

import aiohttp

from adapters.lienthong.definition import Definition, load_definitions
from adapters.lienthong.process import CLIENT, Places
from adapters.people.generator import generate
from adapters.people.model import ALIVE, Person

PORTAL = "VN/GOV/G22/dvc"
MOTHER, HOUSEHOLDER, OWNER = (
    "999300000017",
    "999070000015",
    "999173000034",
)  # the family of `adapters/people/example.py`
_HOUSEHOLD = "H99900000001"
_PEOPLE = 2000
_PATIENCE = 120.0


class DemoFailed(Exception):
    """What went otherwise than it should, in a sentence."""


@dataclass(frozen=True, slots=True)
class Stage:
    """`road`: the client proxy of the portal's security server; `opened_by`: hospital or portal, empty for what is usual."""

    http: aiohttp.ClientSession
    road: str
    pages: str
    by_hand: bool
    opened_by: str = ""

    async def call(
        self, method: str, service: str, path: str, body: object = None, purpose: str | None = None
    ) -> tuple[int, Any]:
        """As the portal, an ordinary exchange."""
        headers = {"X-Road-Client": PORTAL, "Idempotency-Key": str(uuid4())}
        if purpose is not None:
            headers["Purpose-Code"] = purpose
        url = f"{self.road}/r1/{service}{path}"
        async with self.http.request(method, url, json=body, headers=headers) as answer:
            return answer.status, json.loads(await answer.read() or b"null")


async def birth(stage: Stage, definition: Definition) -> str:
    form = {
        "office": "UBND Phường An Khánh Tây",
        "birth_place": "Bệnh viện Đa khoa Long Thạnh",
        "ethnicity": "Kinh",
        "household_code": _HOUSEHOLD,
        "relation": "Cháu",
        "facility": "Trạm y tế Phường Tân Lập",
    }
    application = {
        "province": "Thành phố Vân Hải",
        "applicant_id": MOTHER,
        "consents": {"householder": HOUSEHOLDER, "owner": OWNER},
        "form": form,
    }
    sent = ("--births", "1", "--person", MOTHER)
    if stage.opened_by != "portal":
        return await _from_the_hospital(stage, definition, sent, application)
    return await _from_the_portal(stage, definition, sent, application, {"mother": MOTHER})


async def death(stage: Stage, definition: Definition) -> str:
    person, claimant = await _pensioner(stage)
    form = {
        "office": "UBND " + person.permanent.commune,
        "death_place": "Tại nhà",
        "claimant_id": claimant,
    }
    application = {"province": person.permanent.province, "applicant_id": claimant, "form": form}
    sent = ("--births", "0", "--deaths", "1", "--person", person.id)
    if stage.opened_by == "hospital":
        return await _from_the_hospital(stage, definition, sent, application)
    return await _from_the_portal(stage, definition, sent, application, {"deceased": person.id})


async def _from_the_hospital(
    stage: Stage, definition: Definition, sent: Sequence[str], application: Mapping[str, Any]
) -> str:
    """The relatives fill in the form at the hospital; the notice takes it along, and the dossier appears at the portal."""
    applicant = str(application["applicant_id"])
    known = await _dossiers(stage, applicant)
    await _notice(*sent, "--application", json.dumps(application))
    for _ in range(int(_PATIENCE)):
        if new := await _dossiers(stage, applicant) - known:
            return await _through(stage, definition, new.pop(), applicant)
        await asyncio.sleep(1)
    raise DemoFailed("the notice was taken, and no dossier appeared at the portal")


async def _from_the_portal(
    stage: Stage,
    definition: Definition,
    sent: Sequence[str],
    application: Mapping[str, Any],
    persons: Mapping[str, str],
) -> str:
    """A relative files with the notice in hand, and copies from it."""
    notice, copied = await _notice(*sent)
    rest = {name: value for name, value in application.items() if name not in ("applicant_id", "form")}
    opening = {
        **rest,
        "procedure": definition.procedure,
        "persons": persons,
        "applicant": application["applicant_id"],
        "form": {**copied, **application["form"]},
        "document": {"number": notice},
    }
    purpose = f"LIEN-THONG-KHAI-{'SINH' if definition.procedure == 'birth' else 'TU'}"
    status, receipt = await stage.call("POST", f"{CLIENT}/dossiers", "/v1/dossiers", opening, purpose)
    if status != 200:
        raise DemoFailed(f"the dossier was not opened: {receipt}")
    return await _through(stage, definition, str(receipt["dossier_id"]), str(application["applicant_id"]))


async def _dossiers(stage: Stage, person: str) -> set[str]:
    """Numbers of what the person has at the portal."""
    status, found = await stage.call("GET", f"{PORTAL}/portal", f"/v1/persons/{person}/dossiers")
    if status != 200:
        raise DemoFailed(f"the portal does not answer: {found}")
    return {item["number"] for item in found["items"]}


async def _through(stage: Stage, definition: Definition, number: str, applicant: str) -> str:
    """Tell each change until it is finished, then what applicant and householder find in their inboxes."""
    print(f"\n{definition.title.vi} ({definition.title.en}): {number}", flush=True)
    told: dict[str, str] = {}
    try:
        async with asyncio.timeout(None if stage.by_hand else _PATIENCE):
            while True:
                _, state = await stage.call("GET", f"{CLIENT}/dossiers", f"/v1/dossiers/{number}")
                _tell(definition, state, told)
                if state["status"] == "finished":
                    await _inboxes(stage, number, dict.fromkeys((applicant, HOUSEHOLDER)))
                    return number
                if (back := next((leg for leg in state["legs"] if leg["status"] == "returned"), None)) is not None:
                    raise DemoFailed(f"{number} was returned at {back['leg']}: {back['reason']}")
                if any(c["status"] == "asked" for c in state["consents"]):
                    await _consents(stage, number, told)
                await asyncio.sleep(1)
    except TimeoutError as e:
        raise DemoFailed(f"{number} did not finish in {_PATIENCE:.0f} s; see the operators' page") from e


async def _inboxes(stage: Stage, number: str, persons: Iterable[str]) -> None:
    """The portal is told beside the procedure, so the last word may come a little later."""
    for person in persons:
        for _ in range(20):
            _, found = await stage.call("GET", f"{PORTAL}/portal", f"/v1/persons/{person}/notifications")
            told = [item for item in reversed(found["items"]) if item["dossier"] == number]
            if person == HOUSEHOLDER or any(item["kind"] == "finished" for item in told):
                break
            await asyncio.sleep(0.5)
        for item in told:
            print(f"    ✉ {person}: {item['text']['vi']}", flush=True)


def _tell(definition: Definition, state: Mapping[str, Any], told: dict[str, str]) -> None:
    for position, leg in enumerate(state["legs"], start=1):
        rules = definition.leg(leg["leg"])
        if rules is not None and told.get(leg["leg"]) != leg["status"] and leg["status"] != "not_begun":
            told[leg["leg"]] = leg["status"]
            mark = {"done": "✓", "consent": "?", "returned": "!"}.get(leg["status"], "…")
            print(f"  {mark} {position}. {rules.title.vi:<32} {rules.agency.vi:<40} {leg['status']}", flush=True)


async def _consents(stage: Stage, number: str, told: dict[str, str]) -> None:
    if stage.by_hand:
        if told.setdefault("by hand", "") == "":
            told["by hand"] = "said"
            print(f"    open http://{stage.pages}/ and answer as {HOUSEHOLDER} (householder) and {OWNER} (owner)")
        return
    for person, role in ((OWNER, "chủ sở hữu chỗ ở (owner)"), (HOUSEHOLDER, "chủ hộ (householder)")):
        await _answer(stage.pages, person)
        print(f"    {role} đồng ý trên VNeID giả lập (consents at the stand-in identity provider)", flush=True)
    if told.setdefault("asked", number) != number:
        raise DemoFailed("the same question twice")


async def _answer(pages: str, person: str) -> None:
    """What a person does in the browser: sign in, open the question, say yes."""
    jar = aiohttp.CookieJar(unsafe=True)  # the addresses of the demonstration are numbers
    async with aiohttp.ClientSession(cookie_jar=jar, trust_env=False) as http:
        url, text = await _page(http, "GET", f"http://{pages}/sign-in/person")
        url, text = await _page(http, "POST", urljoin(url, "/authorize"), {**_hidden(text), "citizen": person})
        while 'name="question"' in text:
            url, text = await _page(http, "POST", urljoin(url, "/mine/answer"), _hidden(text))
            url, text = await _page(http, "POST", urljoin(url, "/authorize"), {**_hidden(text), "citizen": person})
            chosen = {**_hidden(text), "decision": "granted"}
            url, text = await _page(http, "POST", urljoin(url, "/authorize"), chosen)


async def _page(
    http: aiohttp.ClientSession, method: str, url: str, form: Mapping[str, str] | None = None
) -> tuple[str, str]:
    async with http.request(method, url, data=form) as answer:
        return str(answer.url), await answer.text()


def _hidden(page: str) -> dict[str, str]:
    """The hidden fields of the first form that asks something; of several questions the first."""
    found: dict[str, str] = {}
    for name, value in re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page):
        found.setdefault(name, unescape(value))
    return found


async def _notice(*arguments: str) -> tuple[str, Mapping[str, str]]:
    """A signed notice, as the hospital's software sends it; its number, and what a relative copies from it into the form."""
    command = (sys.executable, "-m", "adapters.yte.emit", "--json", *arguments)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    said = (await process.communicate())[0].decode()
    if process.returncode != 0 or not said:
        raise DemoFailed(f"the notice was not taken: {said.strip()}")
    told = json.loads(said)
    return told["number"], told["form"]


async def _pensioner(stage: Stage) -> tuple[Person, str]:
    """Somebody old with a pension, who does not live alone, and who is to claim the benefit."""
    people = generate(_PEOPLE).persons
    living = {person.id: person for person in people if person.status == ALIVE}
    old = sorted(living.values(), key=lambda p: p.birth_date)[: len(living) // 8]
    secrets.SystemRandom().shuffle(old)
    for person in old:
        if person.spouse_id not in living:
            continue
        service, purpose = "VN/GOV/G12/bhxh/insurance", "DVC-GIAI-QUYET-HO-SO"
        status, found = await stage.call("GET", service, f"/v1/participants/{person.id}", purpose=purpose)
        if status == 200 and found["status"] == "Hưởng lương hưu":
            return person, str(person.spouse_id)
    raise DemoFailed("no pensioner was found")


def main(arguments: Sequence[str]) -> int:
    """0: both procedures came to their end."""
    places = Places()
    parser = argparse.ArgumentParser(prog="python -m adapters.lienthong demo", description=__doc__)
    parser.add_argument("--road", default=places.road, help="client proxy of the portal (default: %(default)s)")
    parser.add_argument("--pages", default=places.pages, help="the coordinator's pages (default: %(default)s)")
    parser.add_argument("--by-hand", action="store_true", help="you answer for householder and owner, in the browser")
    parser.add_argument("--opened-by", choices=("hospital", "portal"), default="", help="who opens both dossiers")
    parser.add_argument("--only", choices=("birth", "death"), help="one of the procedures")
    chosen = parser.parse_args(arguments)
    try:
        asyncio.run(_run(chosen))
    except (DemoFailed, aiohttp.ClientError, OSError) as e:
        print(f"{parser.prog}: {e}", file=sys.stderr)
        return 1
    return 0


async def _run(chosen: argparse.Namespace) -> None:
    definitions = load_definitions()
    async with aiohttp.ClientSession(trust_env=False) as http:
        stage = Stage(http, chosen.road, chosen.pages, chosen.by_hand, chosen.opened_by)
        for name, run in (("birth", birth), ("death", death)):
            if chosen.only in (None, name):
                await run(stage, definitions[name])
    print(
        f"\nHồ sơ và chặng: http://{chosen.pages}/ (sign in as {MOTHER}, or on duty as VH-03)."
        f"\nNgười nộp xem ở Cổng Dịch vụ công: http://127.0.10.122:8660/ (what the applicant reads)."
        f"\nAi đã hỏi dữ liệu: http://127.0.0.1:8700/ (the same person, every step and every access)."
    )
