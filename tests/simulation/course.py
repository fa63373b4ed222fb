"""What the people in it do, all the time: applicants open and submit again, persons consent, officers correct what was refused."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Sequence
from contextlib import suppress

from adapters.lienthong.model import AskAgain, Decided, NotPossible
from adapters.sdk import RoadHeaders
from adapters.sdk.delivery.legs import Coordinator, Returned, correct
from adapters.sdk.web import Call
from gateway.core.identifiers import parse_client_id
from tests.simulation.parties import COORDINATOR, LEGS, PORTAL, Parties
from tests.simulation.plan import GOOD_REASON, Fate

_AT_ONCE = 8
_ASKED = "select dossier, role from lienthong.question where closed_at is null limit $1"
_ANSWERED = """
    update lienthong.question set decision = 'granted', statement = 'simulated', closed_at = now()
    where dossier = $1 and role = $2 and closed_at is null
"""
_BACK = """
    select d.id, d.leg, (select value -> 'plan' from lienthong.content c where c.dossier = d.id and part = 'form') as plan
    from lienthong.dossier d where status = 'open' and leg_status = 'returned' limit $1
"""
_STUCK = """
    select b.id, b.leg, (e ->> 'asks')::int as asks from lienthong.board($1, '', '', '', '', -1, 'stuck', '') b,
        jsonb_array_elements(b.state -> 'legs') e where e ->> 'code' = b.leg
"""
_REFUSED = """
    select l.dossier_id, l.leg, l.action, l.round from delivery.leg l join delivery.outbox o on o.message_id = l.outcome_message
    where o.state = 'dead' and o.cause = 'return_reason_refused' limit $1
"""


class People:
    def __init__(self, parties: Parties) -> None:
        self._parties = parties
        self._pool = parties.pools[COORDINATOR]

    async def open_all(self) -> None:
        waiting = list(reversed(self._parties.plan.fates))

        async def applicant() -> None:
            while waiting:
                await self._open(waiting.pop())

        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(applicant())

    async def _open(self, fate: Fate) -> None:
        persons = {"mother": "999300000017"} if fate.procedure == "birth" else {"deceased": "999070000015"}
        body = {
            "procedure": fate.procedure,
            "province": fate.province,
            "persons": persons,
            "form": {"plan": fate.number},
            "document": {"facility": fate.facility},
        }
        if fate.procedure == "birth":
            body["consents"] = {"householder": "999070000015", "owner": "999173000034"}
        await self._parties.arrive(COORDINATOR, "/v1/dossiers", _call(f"open/{fate.number}", body, {}))

    async def step(self) -> int:
        """One round of everybody; how much there was to do."""
        done = await asyncio.gather(self._consent(), self._submit_again(), self._correct())
        return sum(done)

    async def ask_again(self) -> int:
        """An operator sends every stuck dossier again, as the button on the page does."""
        rows = await self._pool.fetch(_STUCK, self._parties.clock())

        async def ask(dossier: str, leg: str, asks: int) -> None:
            with suppress(NotPossible):  # its answer came meanwhile
                async with self._pool.acquire() as connection, connection.transaction():
                    await self._parties.desk.happen(connection, dossier, AskAgain(leg, asks), "VH-03")

        await _at_once([ask(row["id"], row["leg"], row["asks"]) for row in rows])
        return len(rows)

    async def _consent(self) -> int:
        rows = await self._pool.fetch(_ASKED, 200)

        async def answer(dossier: str, role: str) -> None:
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute("select 1 from lienthong.dossier where id = $1 for update", dossier)
                if await connection.execute(_ANSWERED, dossier, role) == "UPDATE 1":
                    await self._parties.desk.happen(connection, dossier, Decided(role, granted=True), "simulated")

        await _at_once([answer(row["dossier"], row["role"]) for row in rows])
        return len(rows)

    async def _submit_again(self) -> int:
        rows = await self._pool.fetch(_BACK, 200)

        async def submit(dossier: str, leg: str, plan: int) -> None:
            path = {"dossier_id": dossier, "leg": leg}
            again = _call(f"again/{dossier}", {"form": {"plan": plan}}, path)
            await self._parties.arrive(COORDINATOR, "/v1/dossiers/{dossier_id}/legs/{leg}/resubmission", again)

        await _at_once([submit(row["id"], row["leg"], int(row["plan"])) for row in rows])
        return len(rows)

    async def _correct(self) -> int:
        total = 0
        good = Returned(GOOD_REASON["code"], GOOD_REASON["legal_reference"])
        for client in LEGS:
            pool = self._parties.pools[client]
            rows = await pool.fetch(_REFUSED, 200)
            total += len(rows)
            for row in rows:
                async with pool.acquire() as connection, connection.transaction():
                    key = (row["dossier_id"], row["leg"], row["action"], row["round"])
                    await correct(connection, key, good, Coordinator(), "officer", self._parties.clock())
        return total


def _call(name: str, body: dict[str, object], path: dict[str, str]) -> Call:
    """A message of the portal with an id of its own, the same if it is sent again."""
    return Call(
        road=RoadHeaders(client=parse_client_id(PORTAL)),
        path=path,
        query={},
        body=body,
        raw=json.dumps(body, ensure_ascii=False).encode(),
        idempotency_key=str(uuid.uuid5(uuid.NAMESPACE_URL, f"simulation:{name}")),
    )


async def _at_once(jobs: Sequence[object]) -> None:
    limit = asyncio.Semaphore(_AT_ONCE)

    async def one(job: object) -> None:
        async with limit:
            await job  # type: ignore[misc]

    await asyncio.gather(*(one(job) for job in jobs))
