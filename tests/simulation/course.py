"""What the people in it do, all the time: applicants open and submit again, persons consent, officers correct what was refused."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

from adapters.lienthong.model import AskAgain, Decided, NotPossible
from adapters.sdk.delivery import Message, Road
from adapters.sdk.delivery.judging import Answer
from adapters.sdk.delivery.legs import Coordinator, Returned, correct
from adapters.sdk.delivery.messages import json_body
from adapters.sdk.delivery.outbox import Claim
from adapters.sdk.delivery.road import NoAnswer
from adapters.sdk.postgres import source_errors
from adapters.sdk.problems import SourceUnavailable
from tests.simulation.parties import COORDINATOR, LEGS, Parties, persistently
from tests.simulation.plan import GOOD_REASON, Fate

_AT_ONCE = 8
_TRIES = 200
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
# What is lost is tried again and again; it counts as under way only once nothing loses it any more.
_LEFT = "select count(*) from delivery.outbox where state = 'waiting' and ($1 or cause is distinct from 'lost')"


class People:
    """`portal`: the road of the applicants' portal. Whoever is not answered does it again, under the same key."""

    def __init__(self, parties: Parties, portal: Road) -> None:
        self.parties = parties
        self._portal = portal
        self._pool = parties.pools[COORDINATOR]
        self.opened = self.left = 0

    async def open_all(self) -> None:
        waiting = list(reversed(list(self.parties.plan.fates.values())))

        async def applicant() -> None:
            while waiting:
                await self._open(waiting.pop())
                self.opened += 1

        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(applicant())

    async def _open(self, fate: Fate) -> None:
        persons = {"mother": "999300000017"} if fate.procedure == "birth" else {"deceased": "999070000015"}
        body: dict[str, Any] = {
            "procedure": fate.procedure,
            "province": fate.province,
            "persons": persons,
            "form": {"plan": fate.number},
            "document": {},
        }
        if fate.procedure == "birth":
            body["consents"] = {"householder": "999070000015", "owner": "999173000034"}
        assert (await self._told(f"open/{fate.number}", "/v1/dossiers", body)).status == 200

    async def _told(self, name: str, path: str, body: dict[str, Any]) -> Answer:
        """An answer of the coordinator, whatever it says; no answer and a fault on the way are tried again."""
        message = Message(
            message_id=uuid.uuid5(uuid.NAMESPACE_URL, f"simulation:{name}"),
            ordering_key=name,
            issue="simulation",
            service=f"{COORDINATOR}/dossiers",
            path=path,
            body=json_body(body),
            deadline=self.parties.clock() + timedelta(days=1),
        )
        for number in range(1, _TRIES):
            with suppress(NoAnswer, SourceUnavailable):
                async with source_errors():
                    answer = await self._portal.send(Claim(uuid.uuid4(), number, message))
                if answer.error is None and answer.status < 500:
                    return answer
            await asyncio.sleep(0.25)
        raise AssertionError("the coordinator never answers")

    async def step(self) -> int:
        """One round of everybody; how much there was to do, messages under way included."""
        done = await asyncio.gather(
            *map(persistently, (self._consent, self._submit_again, self._correct, self._under_way))
        )
        self.left = sum(done)
        return self.left

    async def ask_again(self) -> int:
        """An operator sends every stuck dossier again, as the button on the page does."""
        rows = await persistently(lambda: self._pool.fetch(_STUCK, self.parties.clock()))

        async def ask(dossier: str, leg: str, asks: int) -> None:
            with suppress(NotPossible):  # its answer came meanwhile
                async with self._pool.acquire() as connection, connection.transaction():
                    await self.parties.desk.happen(connection, dossier, AskAgain(leg, asks), "VH-03")

        await _at_once([persistently(partial(ask, row["id"], row["leg"], row["asks"])) for row in rows])
        return len(rows)

    async def _under_way(self) -> int:
        repaired = self.parties.repaired
        return sum([await pool.fetchval(_LEFT, repaired) for pool in self.parties.pools.values()])

    async def _consent(self) -> int:
        rows = await self._pool.fetch(_ASKED, 200)

        async def answer(dossier: str, role: str) -> None:
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute("select 1 from lienthong.dossier where id = $1 for update", dossier)
                if await connection.execute(_ANSWERED, dossier, role) == "UPDATE 1":
                    await self.parties.desk.happen(connection, dossier, Decided(role, granted=True), "simulated")

        await _at_once([persistently(partial(answer, row["dossier"], row["role"])) for row in rows])
        return len(rows)

    async def _submit_again(self) -> int:
        rows = await self._pool.fetch(_BACK, 200)
        jobs = [
            self._told(f"again/{row['id']}", f"/v1/dossiers/{row['id']}/legs/{row['leg']}/resubmission", form)
            for row in rows
            for form in [{"form": {"plan": int(row["plan"])}}]
        ]
        await _at_once(jobs)
        return len(rows)

    async def _correct(self) -> int:
        total = 0
        good = Returned(GOOD_REASON["code"], GOOD_REASON["legal_reference"])
        for client in LEGS:
            pool = self.parties.pools[client]
            rows = await pool.fetch(_REFUSED, 200)
            total += len(rows)
            for row in rows:
                async with pool.acquire() as connection, connection.transaction():
                    key = (row["dossier_id"], row["leg"], row["action"], row["round"])
                    await correct(connection, key, good, Coordinator(), "officer", self.parties.clock())
        return total


async def _at_once(jobs: Sequence[Awaitable[object]]) -> None:
    limit = asyncio.Semaphore(_AT_ONCE)

    async def one(job: Awaitable[object]) -> None:
        async with limit:
            await job

    await asyncio.gather(*(one(job) for job in jobs))
