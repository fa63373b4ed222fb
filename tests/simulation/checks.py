"""What is held against the plan. Each check gives rows of one table; a row holds when planned and found are the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import asyncpg

from tests.simulation.notices import code_of
from tests.simulation.parties import CLIENTS, COORDINATOR, DEFINITIONS, LEGS, Parties
from tests.simulation.plan import BAD_CAUSES

_STUCK = """
    select (c.value -> 'plan')::int as plan from lienthong.board($1, '', '', '', '', -1, 'stuck', '') b
    join lienthong.content c on c.dossier = b.id and c.part = 'form'
"""
_LEGS = {
    name: [leg.code for leg in definition.legs if leg.service is not None] for name, definition in DEFINITIONS.items()
}
_SIDES = {"client": ("request", "response"), "server": ("request", "response")}
_LOGGED = """
    select message_id, side, kind, count(*) as n from message_record
    where message_id = any($1) group by message_id, side, kind
"""
_EXCHANGED = "select attempt_id::text from delivery.attempt where verdict = 'delivered'"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the verdict."""

    what: str
    planned: int
    found: int

    @property
    def holds(self) -> bool:
        return self.planned == self.found


async def stuck_is_lost(parties: Parties, road: str) -> Sequence[Row]:
    """After the limits of the legs: the stuck list is the lost set, and each dossier stands in it once."""
    rows = await parties.pools[COORDINATOR].fetch(_STUCK, parties.clock())
    found = Counter(row["plan"] for row in rows)
    lost = parties.plan.lost
    return (
        Row(f"{road}: returns lost, and in the stuck list", len(lost), len(lost & found.keys())),
        Row(f"{road}: in the stuck list without being lost, or twice", 0, found.total() - len(lost & found.keys())),
    )


async def bad_reasons_refused(parties: Parties, road: str) -> Sequence[Row]:
    rows = await parties.pools[COORDINATOR].fetch(
        "select cause, count(*) as n from lienthong.refused_return group by 1"
    )
    found = {row["cause"]: row["n"] for row in rows}
    causes = [
        Row(f"{road}: returns refused, {cause}", parties.plan.bad(cause), found.pop(cause, 0)) for cause in BAD_CAUSES
    ]
    return (*causes, Row(f"{road}: returns refused for another reason", 0, sum(found.values())))


async def all_recovered(parties: Parties, road: str) -> Sequence[Row]:
    """Everything finished; each leg done once for each round; nothing left under way."""
    dossiers = await parties.pools[COORDINATOR].fetch("select status from lienthong.dossier")
    done: Counter[tuple[int, str, int]] = Counter()
    for client in LEGS:
        for row in await parties.pools[client].fetch("select plan, leg, round from work"):
            done[row["plan"], row["leg"], row["round"]] += 1
    planned: Counter[tuple[int, str, int]] = Counter()
    for fate in parties.plan.fates.values():
        planned.update((fate.number, leg, 1) for leg in _LEGS[fate.procedure])
        if fate.returned:
            planned[fate.number, "registration", 2] += 1
    left = [
        await parties.pools[client].fetchval(
            "select count(*) from delivery.outbox where state not in ('delivered', 'set_aside')"
        )
        for client in CLIENTS
    ]
    return (
        Row(f"{road}: dossiers", len(parties.plan.fates), len(dossiers)),
        Row(f"{road}: dossiers finished", len(parties.plan.fates), sum(d["status"] == "finished" for d in dossiers)),
        Row(f"{road}: legs done", planned.total(), done.total()),
        Row(f"{road}: legs lost", 0, (planned - done).total()),
        Row(f"{road}: legs doubled, or not asked for", 0, (done - planned).total()),
        Row(f"{road}: messages under way", 0, sum(left)),
    )


async def exchanges_logged(parties: Parties, logs: Mapping[str, asyncpg.Pool]) -> Sequence[Row]:
    """Each delivery that has a receipt is a signed request and a signed answer in the logs of both servers.

    `logs`: of all security servers. The attempt's id is the X-Road-Id of its exchange."""
    delivered = {row[0] for client in CLIENTS for row in await parties.pools[client].fetch(_EXCHANGED)}
    found: Counter[tuple[str, str]] = Counter()
    for pool in logs.values():
        for row in await pool.fetch(_LOGGED, sorted(delivered)):
            found[row["side"], row["kind"]] += 1
    return tuple(
        Row(f"road: deliveries in the log of the {side}'s server, {kind}", len(delivered), found[side, kind])
        for side, kinds in _SIDES.items()
        for kind in kinds
    )


def facilities_match(
    causes: Sequence[str],
    totals: Mapping[str, int],
    reported: Mapping[str, frozenset[str]],
    taken: Mapping[int, int],
) -> Iterator[Row]:
    """`causes`: as planned, by number; `totals`, `reported`: of the gate's report; `taken`: notices that arrived, by number."""
    planned = {code_of(number): frozenset({cause}) for number, cause in enumerate(causes)}
    failing = sum(cause != "good" for cause in causes)
    yield Row("gate: facilities in the report", len(causes), totals["facilities"])
    yield Row("gate: facilities that do not sign, or sign wrongly", failing, totals["failing"])
    for cause in sorted(set(causes)):
        found = sum(told == {cause} for told in reported.values())
        yield Row(f"gate: facilities found {cause}", causes.count(cause), found)
    wrong = sum(reported.get(code) != told for code, told in planned.items()) + len(reported.keys() - planned.keys())
    yield Row("gate: facilities reported otherwise than planned", 0, wrong)
    yield Row("gate: notices lost", 0, len(causes) - len(taken))
    yield Row("gate: notices doubled", 0, sum(taken.values()) - len(taken))
