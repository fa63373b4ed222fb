"""The portal over real HTTP and a real database: dossiers, results, inboxes, and who may tell of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from adapters.dvc import build_adapter
from adapters.dvc.service import parse_moment
from adapters.people.example import PERSONS
from adapters.people.generator import generate
from adapters.people.model import ALIVE
from adapters.sdk.testkit import Served, served
from tests.support.databases import Content, register_of

SIZE = 300
FATHER, MOTHER, DAUGHTER, *_ = (person.id for person in PERSONS)
AGENCY, OTHER = "VN/GOV/G15/hotich", "VN/GOV/G12/bhxh"
NUMBER = "HT-2026-000001"
DOSSIER = {
    "number": NUMBER,
    "procedure": "HT-BS",
    "applicant_id": DAUGHTER,
    "filed_at": "2026-11-20T08:30:00+07:00",
}
AT = "2026-11-21T08:30:00+07:00"
RETURNED = {"state": "returned", "at": AT, "reason": {"code": "HO-SO-TRUNG", "legal_reference": "ND-118-2025"}}
RESULT = {
    "kind": "copy",
    "reference": "TL-2026-000001",
    "title": {"vi": "Trích lục", "en": "Copy"},
    "issued_by": {"vi": "Hộ tịch", "en": "Civil status"},
    "at": AT,
}
REMINDER = {"person_id": FATHER, "dossier": NUMBER, "kind": "consent_reminder", "at": AT, "count": 2}
STATES, RESULTS = "/v1/dossiers/{number}/states", "/v1/dossiers/{number}/results"
INBOX = "/v1/persons/{id}/notifications"


@pytest.fixture
def source_content() -> Content:
    return register_of(build_adapter(SIZE), SIZE)


@pytest.fixture
async def portal(source_pool: Any) -> AsyncIterator[Served]:
    async with served(build_adapter(SIZE), source_pool) as opened:
        yield opened


@pytest.fixture
async def entered(portal: Served) -> Served:
    assert (await portal.post("/v1/dossiers", DOSSIER, client=AGENCY)).status == 201
    return portal


async def kinds(portal: Served, person: str) -> list[str]:
    items = (await portal.get(INBOX, id=person)).body["items"]
    return [item["kind"] for item in items if item["dossier"] == NUMBER]


async def test_the_invented_dossiers_hang_together(portal: Served) -> None:
    """Adults have accounts and file; what is finished has a result, what is returned a reason."""
    adults = [p for p in generate(SIZE).persons if p.status == ALIVE and 2026 - p.birth_date.year >= 18]
    assert await portal.pool.fetchval("select count(*) from dvc.account") == len(adults)
    states: set[str] = set()
    for person in adults[:60]:
        for item in (await portal.get("/v1/persons/{id}/dossiers", id=person.id)).body["items"]:
            whole = (await portal.get("/v1/dossiers/{number}", number=item["number"])).body
            assert whole["applicant_id"] == person.id
            assert whole["state"] == whole["states"][-1]["state"]
            assert (whole["state"] == "finished") == bool(whole["results"])
            assert (whole["state"] == "returned") == ("reason" in whole["states"][-1])
            states.add(whole["state"])
    assert states == {"finished", "returned", "processing"}
    assert len((await portal.get("/v1/procedures")).body["items"]) == 7


async def test_a_dossier_goes_its_way(entered: Served) -> None:
    assert (await entered.post(STATES, RETURNED, client=AGENCY, number=NUMBER)).body["position"] == 2
    for state in ("processing", "finished"):
        told = await entered.post(STATES, {"state": state, "at": AT}, client=AGENCY, number=NUMBER)
        assert (told.status, told.body["state"]) == (201, state)
    assert (await entered.post(RESULTS, RESULT, client=AGENCY, number=NUMBER)).status == 201
    assert (await entered.post(RESULTS, RESULT, client=AGENCY, number=NUMBER)).outcome == (409, "already_delivered")
    whole = (await entered.get("/v1/dossiers/{number}", number=NUMBER)).body
    assert [state["state"] for state in whole["states"]] == ["received", "returned", "processing", "finished"]
    assert whole["results"][0]["reference"] == "TL-2026-000001"
    assert await kinds(entered, DAUGHTER) == ["result", "finished", "returned"], "the newest first"
    late = await entered.post(STATES, {"state": "processing", "at": AT}, client=AGENCY, number=NUMBER)
    assert late.outcome == (409, "dossier_closed")


async def test_the_same_message_again_tells_nobody_twice(entered: Served) -> None:
    first = await entered.post(STATES, RETURNED, key="told", client=AGENCY, number=NUMBER)
    assert await entered.post(STATES, RETURNED, key="told", client=AGENCY, number=NUMBER) == first
    assert await kinds(entered, DAUGHTER) == ["returned"]


@pytest.mark.parametrize("path", [STATES, RESULTS, "/v1/notifications"])
async def test_only_who_entered_it_goes_on_with_it(entered: Served, path: str) -> None:
    body = {STATES: RETURNED, RESULTS: RESULT}.get(path, REMINDER)
    where = {} if path == "/v1/notifications" else {"number": NUMBER}
    assert (await entered.post(path, body, client=OTHER, **where)).outcome == (403, "not_your_dossier")
    assert (await entered.post(path, body, client=None, **where)).outcome == (400, "client_missing")
    assert await kinds(entered, DAUGHTER) == []
    where = {} if path == "/v1/notifications" else {"number": "HT-2026-999999"}
    unknown = await entered.post(
        path, body | {"dossier": "HT-2026-999999"} if not where else body, client=AGENCY, **where
    )
    assert unknown.outcome == (404, "not_found")


REFUSED = {
    "entered before": (DOSSIER, 409, "already_entered"),
    "no such procedure": (DOSSIER | {"number": "HT-2026-000002", "procedure": "XX"}, 422, "unknown_procedure"),
    "nobody's number": (DOSSIER | {"number": "HT-2026-000002", "applicant_id": "12"}, 422, "invalid_identifier"),
    "no zone": (DOSSIER | {"number": "HT-2026-000002", "filed_at": "2026-11-20T08:30:00"}, 400, "malformed_request"),
}


@pytest.mark.parametrize(("body", "status", "code"), REFUSED.values(), ids=REFUSED.keys())
async def test_refused_fail(entered: Served, body: dict[str, Any], status: int, code: str) -> None:
    assert (await entered.post("/v1/dossiers", body, client=AGENCY)).outcome == (status, code)


@pytest.mark.parametrize("body", [{"state": "returned", "at": AT}, RETURNED | {"state": "finished"}])
async def test_a_return_and_nothing_else_has_a_reason(entered: Served, body: dict[str, Any]) -> None:
    assert (await entered.post(STATES, body, client=AGENCY, number=NUMBER)).outcome == (422, "reason_misplaced")


async def test_an_inbox_by_pages(entered: Served) -> None:
    for count in range(1, 6):
        sent = await entered.post("/v1/notifications", REMINDER | {"count": count}, client=AGENCY)
        assert (sent.status, sent.body["has_account"]) == (201, True)
    seen, query = [], "?limit=2"
    while True:
        page = (await entered.get(INBOX, query, id=FATHER)).body
        seen += [item["count"] for item in page["items"] if item["dossier"] == NUMBER]
        if "before" not in page or len(seen) == 5:
            break
        query = f"?limit=2&before={page['before']}"
    assert seen == [5, 4, 3, 2, 1]
    newest = (await entered.get(INBOX, "?limit=1", id=FATHER)).body["items"][0]
    assert (
        newest["text"]["en"] == f"Reminder 5: dossier {NUMBER} still waits for your consent (-). Silence is no consent."
    )


async def test_a_person_without_an_account_is_told_of_to_the_sender(entered: Served) -> None:
    sent = await entered.post("/v1/notifications", REMINDER | {"person_id": "999300099999"}, client=AGENCY)
    assert sent.body["has_account"] is False


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-11-20", "1999-12-31T00:00:00Z", "2200-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00"]
)
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(ValueError, match=r"moment|isoformat|year"):
        parse_moment(text)
