"""Social insurance's legs of linked procedures. The rules are those of its own endpoints, which are called here."""

from __future__ import annotations

from adapters.bhxh.benefits import claim_death_benefit
from adapters.bhxh.cards import CHILD, issue_card
from adapters.people.identifiers import parse_person_name, parse_personal_number
from adapters.sdk import Connection
from adapters.sdk.delivery.agency import Agency, needed, needed_date, own_call
from adapters.sdk.delivery.legs import Done, LegRequest, Returned, Undone

_CANCEL = "update bhxh.health_card set cancelled = true where person_id = $1"
_NOT_ENTITLED = Returned("KHONG-DU-DIEU-KIEN", "LUAT-BHXH-2024")


async def insurance_card(connection: Connection, asked: LegRequest) -> Done | Undone:
    """A child's card, by the entry of the birth and the number that the child was given."""
    entry, number = asked.documents["registration"], needed(asked.documents["identifier"], "id")
    if asked.action == "undo":
        await connection.execute(_CANCEL, number)
        return Undone()
    body = {
        "id": parse_personal_number(number),
        "full_name": parse_person_name(needed(entry, "child_name")),
        "sex": needed(entry, "sex"),
        "birth_date": needed_date(entry, "birth_date"),
        "group": CHILD,
        "facility": needed(asked.form, "facility"),
    }
    card = await issue_card(own_call(body), connection)
    return Done({"id": number, "card_number": card["card_number"], "valid_to": card["valid_to"]})


async def funeral_benefit(connection: Connection, asked: LegRequest) -> Done:
    """One death, one decision: the same claim again is a conflict, not a second payment."""
    entry = asked.documents["registration"]
    body = {
        "deceased_id": parse_personal_number(asked.persons.get("deceased", "")),
        "claimant_id": parse_personal_number(needed(asked.form, "claimant_id")),
        "death_date": needed_date(entry, "death_date"),
        "death_registration": needed(entry, "number"),
    }
    decided = await claim_death_benefit(own_call(body), connection)
    return Done({"id": decided["deceased_id"], "claim_number": decided["claim_number"]})


AGENCY = Agency(
    client="VN/GOV/G12/bhxh",
    listen="127.0.10.2:9001",
    road="http://127.0.10.2:8080",
    work={"insurance_card": insurance_card, "funeral_benefit": funeral_benefit},
    reasons={"not_eligible": _NOT_ENTITLED, "not_insured": _NOT_ENTITLED},
)
