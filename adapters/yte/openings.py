"""A notice that comes with the relatives' application opens the linked procedure: the ministry asks the coordinator, as a message.

Rule: the message is posted in the transaction that takes the notice in, so there is no notice whose dossier was forgotten, and no
dossier without its notice. One notice opens one dossier, whatever is sent again.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from structlog.typing import FilteringBoundLogger

from adapters.sdk import Connection, Pool
from adapters.sdk.delivery import DeliveryWorker, Message, Outbox, open_road, post
from adapters.sdk.delivery.messages import json_body
from adapters.sdk.tls import Tls
from adapters.yte.notices import Notice

CLIENT, ROAD = "VN/GOV/G18/yte", "http://127.0.10.4:8080"
COORDINATOR = "VN/GOV/G22/lienthong/dossiers"
PURPOSES = {"birth": "LIEN-THONG-KHAI-SINH", "death": "LIEN-THONG-KHAI-TU"}
_LIFETIME = timedelta(days=7)


async def post_opening(connection: Connection, notice: Notice, application: Mapping[str, Any], now: datetime) -> None:
    """`application`: as the relatives made it at the hospital; persons are those of the notice."""
    persons = {part.removesuffix("_id"): number for part, number in notice.persons.items()}
    body: dict[str, object] = {
        "procedure": notice.KIND,
        "province": application["province"],
        "persons": persons,
        "form": application["form"],
        "document": {"number": notice.number},
    }
    if "applicant_id" in application:
        body["applicant"] = str(application["applicant_id"])
    if "consents" in application:
        body["consents"] = {role: str(number) for role, number in application["consents"].items()}
    message = Message(
        message_id=uuid5(NAMESPACE_URL, f"yte:{notice.number}"),
        ordering_key=notice.number,
        issue=notice.number,
        service=COORDINATOR,
        path="/v1/dossiers",
        body=json_body(body),
        deadline=now + _LIFETIME,
        purpose=PURPOSES[notice.KIND],
    )
    await post(connection, message, now)


async def send_openings(road_url: str, tls: Tls | None, pool: Pool, log: FilteringBoundLogger) -> None:
    """`Adapter.beside`, given the client proxy of our security server: until cancelled."""
    async with open_road(road_url, CLIENT, tls=tls) as road:
        await DeliveryWorker(Outbox(pool, lambda: datetime.now(UTC), random.random), road, log, lanes=2).run(pool)
