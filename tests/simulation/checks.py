"""What is held against the plan. Each returns the figures that are printed, or fails with what differs."""

from __future__ import annotations

from collections import Counter

from tests.simulation.gate import examined
from tests.simulation.parties import COORDINATOR, LEGS, Parties
from tests.simulation.plan import BAD_CAUSES

_STUCK = """
    select (c.value -> 'plan')::int as plan, b.cause from lienthong.board($1, '', '', '', '', -1, 'stuck', '') b
    join lienthong.content c on c.dossier = b.id and c.part = 'form'
"""
_BIRTH = {"registration", "identifier", "certificate", "residence", "insurance_card"}
_DEATH = {"registration", "residence_removal", "funeral_benefit"}


class Differs(Exception):
    """The course was not what the plan says."""


def require(holds: bool, what: str) -> None:
    if not holds:
        raise Differs(what)


async def stuck_is_lost(parties: Parties) -> str:
    rows = await parties.pools[COORDINATOR].fetch(_STUCK, parties.clock())
    found = Counter(row["plan"] for row in rows)
    lost = parties.plan.lost
    require(
        set(found) == lost,
        f"stuck but not lost: {len(set(found) - lost)}, lost but not stuck: {len(lost - set(found))}",
    )
    causes = Counter(row["cause"] for row in rows)
    return f"stuck list = lost set: {len(lost)} of {len(parties.plan.fates)} ({dict(causes)})"


async def all_recovered(parties: Parties) -> str:
    """Everything finished; each leg done once for each round; nobody paid twice; nothing left under way."""
    pool = parties.pools[COORDINATOR]
    states = {
        row["status"]: row["n"]
        for row in await pool.fetch("select status, count(*) as n from lienthong.dossier group by 1")
    }
    require(states == {"finished": len(parties.plan.fates)}, f"states of dossiers: {states}")
    done: Counter[tuple[int, str, int]] = Counter()
    for client in LEGS:
        for row in await parties.pools[client].fetch("select plan, leg, round from work"):
            done[row["plan"], row["leg"], row["round"]] += 1
    planned: Counter[tuple[int, str, int]] = Counter()
    for fate in parties.plan.fates:
        for leg in _BIRTH if fate.procedure == "birth" else _DEATH:
            planned[fate.number, leg, 1] += 1
        if fate.returned:
            planned[fate.number, "registration", 2] += 1
    require(done == planned, f"work lost: {len(planned - done)}, doubled or not asked for: {len(done - planned)}")
    messages = attempts = 0
    for client, party in parties.pools.items():
        left = await party.fetch("select state, count(*) as n from delivery.outbox group by 1")
        counted = {row["state"]: row["n"] for row in left}
        require(set(counted) <= {"delivered", "set_aside"}, f"{client} has messages under way: {counted}")
        messages += sum(counted.values())
        attempts += await party.fetchval("select count(*) from delivery.attempt")
    return f"all finished, {sum(done.values())} legs done once each; {messages} messages in {attempts} attempts"


async def bad_reasons_refused(parties: Parties) -> str:
    rows = await parties.pools[COORDINATOR].fetch(
        "select cause, count(*) as n from lienthong.refused_return group by 1"
    )
    found = {row["cause"]: row["n"] for row in rows}
    planned = {cause: parties.plan.bad(cause) for cause in BAD_CAUSES if parties.plan.bad(cause)}
    require(found == planned, f"refused {found}, planned {planned}")
    returned = sum(f.returned for f in parties.plan.fates)
    return f"bad reasons refused and counted: {sum(found.values())} of {returned} returned ({found})"


def facilities_match(parties: Parties) -> str:
    found = examined(parties.plan)
    unsigned = {facility for facility, cause in found if cause == "unsigned"}
    good = {facility for facility, cause in found if cause == "good"}
    require(unsigned == parties.plan.unsigned and not unsigned & good, "the report of facilities differs")
    require(unsigned | good == {f.facility for f in parties.plan.fates}, "a facility is in no report")
    return f"facilities that do not sign: {len(unsigned)} of {len(unsigned | good)}, {sum(found.values())} notices examined"
