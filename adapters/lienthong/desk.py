"""Where an event meets a dossier. Rule: everything that follows from it is one transaction with it.

  1. lock    the dossier's row: events of one dossier come one after the other
  2. decide  `engine.py`
  3. keep    state, entry, what came with the event
  4. do      questions to persons and messages to agencies: rows, which others carry out
If we crash before the commit nothing happened; after it, all of it will.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeAlias, assert_never
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from pydantic import TypeAdapter

from adapters.lienthong.definition import Definition
from adapters.lienthong.engine import decide, next_tick, open_dossier
from adapters.lienthong.model import (
    Alert,
    Ask,
    AskAgain,
    ConsentStatus,
    Decided,
    Done,
    Dossier,
    Effect,
    Event,
    Expired,
    LegStatus,
    NotPossible,
    Remind,
    Resubmitted,
    Returned,
    Send,
    Status,
    Tick,
    Undone,
    Withdrawn,
)
from adapters.lienthong.portal import Change, Portal
from adapters.sdk import Connection, MalformedCall, NotFound, Pool
from adapters.sdk.delivery import Message, post, post_again
from adapters.sdk.delivery.messages import json_body

_STATE: TypeAdapter[Dossier] = TypeAdapter(Dossier)
_Entry: TypeAlias = tuple[str, str | None, str | None, str | None, str]  # kind, leg, role, code, who
_LIFETIME = timedelta(days=7)
_INSERT = """
    insert into lienthong.dossier (id, procedure, province, opened_at, clock_until, status, leg, leg_status, leg_since, leg_due,
        reason, closed_at, next_tick, state) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
"""
_UPDATE = """
    update lienthong.dossier set status = $2, leg = $3, leg_status = $4, leg_since = $5, leg_due = $6, reason = $7,
        closed_at = coalesce(closed_at, $8), next_tick = $9, state = $10 where id = $1
"""
_ENTRIES = """
    insert into lienthong.entry (dossier, at, kind, leg, role, code, who)
    select $1, $2, e.kind, e.leg, e.role, e.code, e.who
    from unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[]) with ordinality
        as e (kind, leg, role, code, who, n) order by e.n
"""
_CONTENT = """
    insert into lienthong.content (dossier, part, value) select $1, c.part, c.value::jsonb
    from unnest($2::text[], $3::text[]) as c (part, value)
    on conflict (dossier, part) do update set value = excluded.value
"""
_PARTY = "insert into lienthong.party (dossier, part, person) values ($1, $2, $3)"
_LAST = """
    select message_id, state from delivery.outbox where issue = $1 and path = $2 order by position desc limit 1
"""
_CLOSE_IDLE = """
    update lienthong.question set closed_at = $4, expired = role = any($3)
    where dossier = $1 and closed_at is null and role <> all($2)
"""
_HASTEN = "update delivery.outbox set next_at = $2 where message_id = $1 and state = 'waiting'"


@dataclass(frozen=True, slots=True)
class Opening:
    """`persons`: numbers by part; `consents`: numbers by role; `document`: of the opening leg; `applicant`: who looks for the
    dossier at the portal, None: the first of the definition's `applicants`."""

    procedure: str
    province: str
    persons: Mapping[str, str] = field(repr=False)
    consents: Mapping[str, str] = field(repr=False)
    form: Mapping[str, Any] = field(repr=False)
    document: Mapping[str, Any] = field(repr=False)
    applicant: str | None = field(repr=False, default=None)


class Desk:
    """`clock`: the time of day with its zone; `portal`: None where there is none to tell."""

    def __init__(
        self, definitions: Mapping[str, Definition], clock: Callable[[], datetime], portal: Portal | None = None
    ) -> None:
        self._definitions = definitions
        self._clock = clock
        self._portal = portal

    def definition(self, procedure: str) -> Definition:
        """NotFound for a procedure that there is none of."""
        found = self._definitions.get(procedure)
        if found is None:
            raise NotFound("Không có thủ tục này (there is no such procedure)")
        return found

    async def open(self, connection: Connection, opening: Opening, who: str) -> str:
        """The number of a new dossier. MalformedCall when persons or roles are not those of the procedure."""
        definition, now = self.definition(opening.procedure), self._clock()
        if set(opening.persons) - set(definition.persons) or not opening.persons:
            raise MalformedCall("Người trong hồ sơ không đúng thủ tục (these persons have no part in this procedure)")
        if set(opening.consents) != set(definition.roles):
            raise MalformedCall("Thiếu hoặc thừa người cần đồng ý (name one person for each role that is asked)")
        serial = await connection.fetchval("select nextval('lienthong.number')")
        dossier_id = f"999-{definition.letters}-{now:%Y}-{serial:06d}"
        decision = open_dossier(definition, dossier_id, opening.province, now)
        dossier = decision.dossier
        columns = (dossier.id, dossier.procedure, dossier.province, dossier.opened, dossier.clock_until)
        await connection.execute(_INSERT, *columns, *self._columns(definition, dossier, now))
        opened = definition.legs[0].code
        parts: dict[str, Mapping[str, Any]] = {
            "persons": opening.persons,
            "consents": opening.consents,
            "form": opening.form,
        }
        if (applicant := _applicant(definition, opening)) is not None:
            parts["applicant"] = {"id": applicant}
        await _keep_content(connection, dossier.id, {**parts, f"document:{opened}": opening.document})
        parties = [*opening.persons.items(), *opening.consents.items()]
        await connection.executemany(_PARTY, [(dossier.id, part, number) for part, number in parties])
        entries: list[_Entry] = [("opened", opened, None, None, who), *map(_told, decision.effects)]
        await _keep_entries(connection, dossier.id, now, entries)
        await self._carry_out(connection, definition, Change(None, None, decision), now)
        return dossier_id

    async def look(self, connection: Connection | Pool, dossier_id: str) -> tuple[Dossier, datetime]:
        """The dossier, and the moment of looking. NotFound."""
        row = await connection.fetchval("select state from lienthong.dossier where id = $1", dossier_id)
        if row is None:
            raise NotFound("Không có hồ sơ này (there is no such dossier)")
        return _STATE.validate_json(row), self._clock()

    async def happen(
        self,
        connection: Connection,
        dossier_id: str,
        event: Event,
        who: str,
        document: Mapping[str, Any] | None = None,
    ) -> Dossier:
        """The dossier after the event. NotFound, NotPossible. `who`: a client or an officer's code, never a person's number."""
        row = await connection.fetchval("select state from lienthong.dossier where id = $1 for update", dossier_id)
        if row is None:
            raise NotFound("Không có hồ sơ này (there is no such dossier)")
        before, now = _STATE.validate_json(row), self._clock()
        definition = self.definition(before.procedure)
        decision = decide(definition, before, event, now)
        after = decision.dossier
        if after == before and not decision.effects:
            return after
        await connection.execute(_UPDATE, after.id, *self._columns(definition, after, now))
        if document is not None and isinstance(event, Done):
            await _keep_content(connection, after.id, {f"document:{event.leg}": document})
        if document is not None and isinstance(event, Resubmitted):
            await _keep_content(connection, after.id, {"form": document})
        entries: list[_Entry] = []
        if (entry := _entry(event)) is not None:
            entries.append((*entry, who))
        if after.status is not before.status:
            entries.append((after.status.value, None, None, None, who))
        await _keep_entries(connection, after.id, now, [*entries, *map(_told, decision.effects)])
        await self._carry_out(connection, definition, Change(before, event, decision, document or {}), now)
        if after.consents:
            await _close_idle_questions(connection, after, now)
        return after

    def _columns(self, definition: Definition, dossier: Dossier, now: datetime) -> tuple[Any, ...]:
        leg = dossier.current
        closed = now if dossier.status in (Status.FINISHED, Status.WITHDRAWN) else None
        of_leg = (None,) * 4 if leg is None else (leg.code, leg.status.value, leg.since, leg.due)
        reason = None if leg is None or leg.reason is None else leg.reason.code
        state = _STATE.dump_json(dossier).decode()
        return (dossier.status.value, *of_leg, reason, closed, next_tick(definition, dossier), state)

    async def _carry_out(self, connection: Connection, definition: Definition, change: Change, now: datetime) -> None:
        for effect in change.decision.effects:
            await self._do(connection, definition, change.decision.dossier, effect, now)
        if self._portal is not None:
            await self._portal.tell(connection, definition, change, now)

    async def _do(
        self, connection: Connection, definition: Definition, dossier: Dossier, effect: Effect, now: datetime
    ) -> None:
        match effect:
            case Send():
                await self._send(connection, definition, dossier, effect, now)
            case Ask(role):
                await _question(connection, dossier.id, role, now)
            case Remind(role, number):
                await connection.execute(
                    "update lienthong.question set reminders = $3 where dossier = $1 and role = $2 and closed_at is null",
                    *(dossier.id, role, number),
                )
            case Expired() | Alert():
                pass  # the entry, and what the portal tells, is all there is to it
            case _:
                assert_never(effect)

    async def _send(
        self, connection: Connection, definition: Definition, dossier: Dossier, effect: Send, now: datetime
    ) -> None:
        """A request that has not arrived is hastened or sent again; one that has is followed by another."""
        leg = definition.leg(effect.leg)
        assert leg is not None
        assert leg.service is not None
        path = f"/v1/dossiers/{dossier.id}/legs/{effect.leg}"
        last = await connection.fetchrow(_LAST, dossier.id, path) if effect.ask > 1 else None
        if last is not None and last["state"] == "waiting":
            await connection.execute(_HASTEN, last["message_id"], now)
            return
        if last is not None and last["state"] == "dead":
            await post_again(connection, UUID(str(last["message_id"])), now, _LIFETIME)
            return
        body = await _request(connection, dossier, effect, leg.documents)
        name = f"lienthong:{dossier.id}/{effect.leg}/{effect.action}/{effect.round}/{effect.ask}"
        message = Message(
            message_id=uuid5(NAMESPACE_URL, name),
            ordering_key=dossier.id,
            issue=dossier.id,
            service=leg.service,
            path=path,
            body=json_body(body),
            deadline=now + _LIFETIME,
            purpose=leg.purpose,
            legal_basis=leg.legal_basis,
        )
        await post(connection, message, now)


async def _keep_content(connection: Connection, dossier_id: str, parts: Mapping[str, Mapping[str, Any]]) -> None:
    texts = [json.dumps(value, ensure_ascii=False) for value in parts.values()]
    await connection.execute(_CONTENT, dossier_id, list(parts), texts)


async def _keep_entries(connection: Connection, dossier_id: str, now: datetime, entries: Sequence[_Entry]) -> None:
    if entries:
        await connection.execute(_ENTRIES, dossier_id, now, *(list(column) for column in zip(*entries, strict=True)))


def _told(effect: Effect) -> _Entry:
    """What follows from an event, as it stands in the dossier."""
    match effect:
        case Send():
            return "asked_agency", effect.leg, None, effect.action, "lienthong"
        case Ask(role):
            return "asked_person", None, role, None, "lienthong"
        case Remind(role):
            return "reminded", None, role, None, "lienthong"
        case Expired(role):
            return "question_expired", None, role, None, "lienthong"
        case Alert(kind):
            return kind, None, None, None, "lienthong"
        case _:
            assert_never(effect)


async def _request(
    connection: Connection, dossier: Dossier, effect: Send, documents: tuple[str, ...]
) -> dict[str, object]:
    wanted = ["persons", "form", *(f"document:{code}" for code in documents)]
    rows = await connection.fetch(
        "select part, value from lienthong.content where dossier = $1 and part = any($2)", dossier.id, wanted
    )
    parts = {row["part"]: json.loads(row["value"]) for row in rows}
    return {
        "dossier_id": dossier.id,
        "procedure": dossier.procedure,
        "leg": effect.leg,
        "action": effect.action,
        "round": effect.round,
        "ask": effect.ask,
        "province": dossier.province,
        "persons": parts.get("persons", {}),
        "form": parts.get("form", {}),
        "documents": {code: parts.get(f"document:{code}", {}) for code in documents},
    }


def _applicant(definition: Definition, opening: Opening) -> str | None:
    named = (opening.persons[part] for part in definition.applicants if part in opening.persons)
    return opening.applicant or next(named, None)


async def _question(connection: Connection, dossier_id: str, role: str, now: datetime) -> None:
    asked = await connection.fetchval(
        "select value ->> $2 from lienthong.content where dossier = $1 and part = 'consents'", dossier_id, role
    )
    await connection.execute(
        "insert into lienthong.question (id, dossier, role, person, asked_at) values ($1, $2, $3, $4, $5)",
        *(uuid4(), dossier_id, role, asked, now),
    )


async def _close_idle_questions(connection: Connection, dossier: Dossier, now: datetime) -> None:
    """A question that expired, or whose leg does not wait for it any more, is closed without an answer."""
    legs = {leg.code: leg.status for leg in dossier.legs}
    open_roles = [
        c.role for c in dossier.consents if c.status is ConsentStatus.ASKED and legs[c.leg] is LegStatus.CONSENT
    ]
    unanswered = [c.role for c in dossier.consents if c.status is ConsentStatus.UNANSWERED]
    await connection.execute(_CLOSE_IDLE, dossier.id, open_roles, unanswered, now)


def _entry(event: Event) -> tuple[str, str | None, str | None, str | None] | None:
    """Kind, leg, role, code."""
    match event:
        case Done(leg):
            return "done", leg, None, None
        case Returned(leg, reason):
            return "returned", leg, None, reason.code
        case Undone(leg):
            return "undone", leg, None, None
        case Decided(role, granted):
            return "consent_granted" if granted else "consent_refused", None, role, None
        case Resubmitted(leg):
            return "resubmitted", leg, None, None
        case AskAgain(leg):
            return "asked_again", leg, None, None
        case Withdrawn():
            return "withdrawal", None, None, None
        case Tick():
            return None
        case _:
            assert_never(event)


__all__ = ["Desk", "NotPossible", "Opening"]
