"""An agency's part in linked procedures: it is asked to do a leg of a dossier, and tells the outcome when it has one.

  1. the request comes as a delivery; the receiver makes it take effect once
  2. what the work needs of others is fetched and judged, while nothing is claimed and no connection is held (`PreparedWork`)
  3. the agency's work runs in the transaction of its receipt, by its own rules
  4. the outcome is posted in the same transaction, or later in the one in which an officer decides (`report`)
Asked again about what it has answered, the agency sends its answer again, under the same message id: whoever has it drops it.

    received, working        received and answered
    ---------------------    ---------------------
    the row of the leg       the row, the effect and the message with the outcome: all of them or none
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar
from uuid import UUID, uuid4

from adapters.sdk.delivery.messages import Message, json_body
from adapters.sdk.delivery.outbox import bootstrap_delivery, post, post_again
from adapters.sdk.postgres import Connection, Pool, bootstrap
from adapters.sdk.problems import MalformedCall
from adapters.sdk.web import Call, JsonObject

_ASKED = """
    insert into delivery.leg (dossier_id, leg, action, round, asked_at, purpose) values ($1, $2, $3, $4, $5, $6)
    on conflict do nothing returning true
"""
_IS_KNOWN = "select true from delivery.leg where dossier_id = $1 and leg = $2 and action = $3 and round = $4"
_KNOWN = """
    select outcome_message from delivery.leg
    where dossier_id = $1 and leg = $2 and action = $3 and round = $4 for update
"""
_TOLD = """
    update delivery.leg set outcome = $5, outcome_message = $6, told_at = $7
    where dossier_id = $1 and leg = $2 and action = $3 and round = $4 and outcome is null returning purpose
"""
_REFUSED = """
    select outcome_message from delivery.leg l join delivery.outbox o on o.message_id = l.outcome_message and o.state = 'dead'
    where l.dossier_id = $1 and l.leg = $2 and l.action = $3 and l.round = $4 for update
"""
_SET_ASIDE = "update delivery.outbox set state = 'set_aside' where message_id = $1"
_ACTION = (
    "insert into delivery.action (at, who, message_id, action, note) values ($1, $2, $3, 'set_aside', 'corrected')"
)
_UNTOLD = """
    update delivery.leg set outcome = null, outcome_message = null, told_at = null
    where dossier_id = $1 and leg = $2 and action = $3 and round = $4
"""


@dataclass(frozen=True, slots=True)
class Done:
    """`document`: what the agency gives, for the legs after it."""

    document: Mapping[str, object] = field(repr=False, default_factory=dict)


@dataclass(frozen=True, slots=True)
class Returned:
    """`code`, `legal_reference`: of the controlled list. `note`: for the applicant, without data of persons."""

    code: str
    legal_reference: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Undone:
    """What was done is taken back, or was never done."""


@dataclass(frozen=True, slots=True)
class Later:
    """Somebody has to decide first; `report` tells the outcome then."""


Outcome: TypeAlias = Done | Returned | Undone


@dataclass(frozen=True, slots=True)
class LegRequest:
    """`persons`: numbers by their part in the dossier; `form`: what the applicant filled in; `documents`: given by earlier legs;
    `purpose`: for which the leg is asked for, and its outcome told."""

    dossier_id: str
    leg: str
    action: str
    round: int
    procedure: str
    province: str
    persons: Mapping[str, str] = field(repr=False)
    form: Mapping[str, Any] = field(repr=False)
    documents: Mapping[str, Mapping[str, Any]] = field(repr=False)
    purpose: str | None = None

    @property
    def key(self) -> LegKey:
        return self.dossier_id, self.leg, self.action, self.round


LegKey: TypeAlias = tuple[str, str, str, int]
"""Dossier, leg, action, round."""

Work: TypeAlias = Callable[[Connection, LegRequest], Awaitable[Outcome | Later]]
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class PreparedWork(Generic[Found]):
    """Work that needs what others know. `before` fetches and judges it (see `web.Prepared`): what it raises means what it would
    mean in the work, a return or that the leg comes again. It is not asked about a leg that is known already."""

    before: Callable[[LegRequest], Awaitable[Found]]
    work: Callable[[Connection, LegRequest, Found], Awaitable[Outcome | Later]]

    async def ready(self, asked: LegRequest) -> Work:
        """What is left to do in the transaction."""
        found = await self.before(asked)
        return lambda connection, asked: self.work(connection, asked, found)


@dataclass(frozen=True, slots=True)
class Coordinator:
    """Where outcomes go: the service of the coordinator, for how long they are tried. Their purpose is that of the request."""

    service: str = "VN/GOV/G22/lienthong/dossiers"
    lifetime: timedelta = timedelta(days=30)


async def bootstrap_legs(pool: Pool) -> None:
    """The tables of delivery, then those of legs."""
    await bootstrap_delivery(pool)
    await bootstrap(pool, "sdk.legs", (Path(__file__).parent / "legs.sql").read_text("utf-8"))


def leg_request(call: Call) -> LegRequest:
    """MalformedCall when body and path name different legs."""
    body = call.body
    if (body["dossier_id"], body["leg"]) != (call.path["dossier_id"], call.path["leg"]):
        raise MalformedCall("Nội dung không khớp đường dẫn (the body is about another leg than the path)")
    return LegRequest(
        dossier_id=body["dossier_id"],
        leg=body["leg"],
        action=body["action"],
        round=body["round"],
        procedure=body["procedure"],
        province=body["province"],
        persons=body["persons"],
        form=body["form"],
        documents=body["documents"],
        purpose=call.road.purpose,
    )


async def is_known(pool: Pool, asked: LegRequest) -> bool:
    """Whether the leg was received, in this round; a leg once received stays so."""
    return bool(await pool.fetchval(_IS_KNOWN, *asked.key))


async def take_leg(
    connection: Connection, asked: LegRequest, work: Work | None, coordinator: Coordinator, now: datetime
) -> JsonObject:
    """The members of the receipt, in the transaction of the effect (`Effect.handler`).

    `work`: what it raises undoes everything; None for a leg that is known, whose outcome is only told again.
    """
    if work is None or not await connection.fetchval(_ASKED, *asked.key, now, asked.purpose):
        told = await connection.fetchval(_KNOWN, *asked.key)
        if told is not None:
            await post_again(connection, UUID(str(told)), now, coordinator.lifetime)
        return {"state": "working" if told is None else "told_again"}
    outcome = await work(connection, asked)
    if isinstance(outcome, Later):
        return {"state": "working"}
    await report(connection, asked.key, outcome, coordinator, now)
    return {"state": "told"}


async def report(
    connection: Connection, key: LegKey, outcome: Outcome, coordinator: Coordinator, now: datetime
) -> bool:
    """Tell the outcome of a leg, in the caller's transaction. False when it was told before."""
    dossier_id, leg, _, _ = key
    message_id = uuid4()
    word, path, body = _words(dossier_id, leg, outcome)
    row = await connection.fetchrow(_TOLD, *key, word, message_id, now)
    if row is None:
        return False
    message = Message(
        message_id=message_id,
        ordering_key=dossier_id,
        issue=dossier_id,
        service=coordinator.service,
        path=path,
        body=json_body(body),
        deadline=now + coordinator.lifetime,
        purpose=None if isinstance(outcome, Undone) else row["purpose"],  # it names nobody
    )
    await post(connection, message, now)
    return True


async def correct(
    connection: Connection,
    key: LegKey,
    outcome: Outcome,
    coordinator: Coordinator,
    who: str,
    now: datetime,
) -> bool:
    """Tell another outcome in place of one that was refused: its dead letter is set aside. False when there is none."""
    message_id = await connection.fetchval(_REFUSED, *key)
    if message_id is None:
        return False
    await connection.execute(_SET_ASIDE, message_id)
    await connection.execute(_ACTION, now, who, message_id)
    await connection.execute(_UNTOLD, *key)
    return await report(connection, key, outcome, coordinator, now)


def _words(dossier_id: str, leg: str, outcome: Outcome) -> tuple[str, str, Mapping[str, object]]:
    path = f"/v1/dossiers/{dossier_id}/legs/{leg}"
    match outcome:
        case Done(document):
            return "done", f"{path}/outcome", {"outcome": "done", "document": dict(document)}
        case Returned(code, legal_reference, note):
            reason = {"code": code, "legal_reference": legal_reference, "note": note}
            return "returned", f"{path}/outcome", {"outcome": "returned", "reason": reason}
        case Undone():
            return "undone", f"{path}/undone", {"outcome": "undone"}
