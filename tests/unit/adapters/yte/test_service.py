"""Notices are taken in once, as they came, and given out by number; the tool that sends them says what was said."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from adapters.people.dice import Dice
from adapters.people.generator import generate
from adapters.sdk.contract import contract_text
from adapters.sdk.manifest import load_manifest
from adapters.sdk.testkit import Served, served
from adapters.yte import build_adapter
from adapters.yte.emit import Errand, Hospital, emit, main, message, send
from adapters.yte.invent import invent_birth, invent_death
from adapters.yte.notices import Notice, print_notice
from certs.generate import generate as make_certs
from certs.generate import load_topology
from tests.support.databases import Content, register_of

ROOT = Path(__file__).resolve().parents[4]
FOLDER = ROOT / "adapters" / "yte"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
PEOPLE = generate(400).persons
BIRTH, DEATH = invent_birth(PEOPLE, "99901", NOW, Dice(3)), invent_death(PEOPLE, "99901", NOW, Dice(3))


NOTICES, NOTICE = "/v1/notices", "/v1/notices/{number}"


@pytest.fixture
def source_content() -> Content:
    return register_of(build_adapter())


@pytest.fixture
async def yte(source_pool: Any) -> AsyncIterator[Served]:
    async with served(build_adapter(), source_pool) as opened:
        yield opened


def body_of(notice: Notice) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(message(print_notice(notice)))
    return found


@pytest.mark.parametrize("notice", [BIRTH, DEATH], ids=["birth", "death"])
async def test_taken_in_and_given_out(yte: Served, notice: Notice) -> None:
    taken = await yte.post(NOTICES, body_of(notice))
    assert (taken.status, taken.body["number"], taken.body["kind"]) == (201, notice.number, notice.KIND)
    found = (await yte.get(NOTICE, number=notice.number)).body
    assert found["document"] == b64encode(print_notice(notice)).decode()
    assert (found["facility"], found["kind"]) == ("99901", notice.KIND)
    assert {name: found[name] for name in notice.persons} == notice.persons
    assert not any(number in yte.log for number in notice.persons.values())


async def test_once_and_no_number_twice(yte: Served) -> None:
    first = await yte.post(NOTICES, body_of(BIRTH), key="one")
    assert await yte.post(NOTICES, body_of(BIRTH), key="one") == first
    assert (await yte.post(NOTICES, body_of(DEATH), key="one")).outcome == (422, "idempotency_key_reused")
    assert (await yte.post(NOTICES, body_of(BIRTH))).outcome == (409, "number_used")


async def test_numbers_beside_the_document_are_those_inside(yte: Served) -> None:
    good = body_of(BIRTH)
    for change in ({"mother_id": DEATH.deceased_id}, {"deceased_id": DEATH.deceased_id}):
        assert (await yte.post(NOTICES, good | change)).outcome == (422, "other_persons")
    del good["father_id"]
    assert (await yte.post(NOTICES, good)).outcome == (422, "other_persons")


@pytest.mark.parametrize("document", ["!!!!", b64encode(b"<notice/>").decode(), b64encode(b"\x00" * 30).decode()])
async def test_what_is_no_notice(yte: Served, document: str) -> None:
    assert (await yte.post(NOTICES, {"document": document})).outcome == (400, "malformed_notice")


async def test_no_such_notice(yte: Served) -> None:
    assert (await yte.get(NOTICE, number="CS-99901-2026-999999")).outcome == (404, "not_found")
    assert (await yte.get(NOTICE, number="CS-1")).outcome == (422, "invalid_identifier")


def test_the_contract_is_the_manifests() -> None:
    written = (ROOT / "config" / "contracts" / "yte-notices.yaml").read_text("utf-8")
    assert written == contract_text(load_manifest(FOLDER))


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("keys") / "out"
    topology = load_topology(ROOT / "certs" / "topology.yaml")
    make_certs(out, topology.model_copy(update={"members": (), "information_systems": {}, "transparency": None}), NOW)
    return out


async def test_the_tool_sends_and_says(yte: Served, keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = str(yte.client.make_url("")).rstrip("/")
    hospital = Hospital("99901", keys, "99902")
    assert await emit(hospital, target, "VN/GOV/G18/coso", Errand(births=2, deaths=1)) == 0
    lines = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    assert [said for _, said in lines] == [f"201 {number}" for number, _ in lines]
    assert [number[:2] for number, _ in lines] == ["CS", "CS", "BT"]


async def test_the_tool_spoils_on_purpose(yte: Served, keys: Path) -> None:
    good = Hospital("99901", keys, "99902").written(BIRTH, NOW)
    unsigned, altered, other = (
        Hospital("99901", keys, "99902", bad).written(BIRTH, NOW) for bad in ("unsigned", "altered", "other")
    )
    assert b"Signature" not in unsigned
    assert altered.count(b"+07:30<") == 1
    assert good.count(b"<X509Certificate>") == other.count(b"<X509Certificate>") == 1
    async with aiohttp.ClientSession() as session:
        said = await send(session, str(yte.client.make_url("")).rstrip("/"), "VN/GOV/G18/coso", message(good), "birth")
        assert said == f"201 {BIRTH.number}"
        again = await send(session, str(yte.client.make_url("")).rstrip("/"), "VN/GOV/G18/coso", message(good), "birth")
        assert again == "409 number_used"


def test_the_tool_without_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--keys", str(tmp_path)]) == 2
    assert "facility-99901.pin" in capsys.readouterr().err


APPLICATION = {
    "province": "Thành phố Vân Hải",
    "consents": {"householder": "999070000015", "owner": "999173000034"},
    "form": {"office": "UBND Phường Tân Lập", "child_name": "Nguyễn An"},
}


async def test_with_an_application_it_opens_the_linked_procedure(yte: Served) -> None:
    """Once, in the transaction of the notice; a notice that is refused opens nothing."""
    body = json.loads(message(print_notice(BIRTH), APPLICATION))
    assert (await yte.post(NOTICES, body | {"mother_id": DEATH.deceased_id})).code == "other_persons"
    assert await yte.pool.fetchval("select count(*) from delivery.outbox") == 0
    first = await yte.post(NOTICES, body, key="one")
    assert first.status == 201
    assert await yte.post(NOTICES, body, key="one") == first
    (row,) = await yte.pool.fetch("select service, path, purpose, issue, body from delivery.outbox")
    assert tuple(row)[:4] == ("VN/GOV/G22/lienthong/dossiers", "/v1/dossiers", "LIEN-THONG-KHAI-SINH", BIRTH.number)
    opening = json.loads(row["body"])
    assert opening["persons"] == {"mother": BIRTH.mother_id, "father": BIRTH.father_id}
    assert (opening["document"], opening["consents"]) == ({"number": BIRTH.number}, APPLICATION["consents"])
    assert (opening["form"]["child_name"], opening["form"]["sex"]) == ("Nguyễn An", BIRTH.sex.value)
    assert "Nguyễn" not in yte.log


async def test_without_one_it_opens_nothing(yte: Served) -> None:
    assert (await yte.post(NOTICES, body_of(DEATH))).status == 201
    assert await yte.pool.fetchval("select count(*) from delivery.outbox") == 0
