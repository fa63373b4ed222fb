"""What two security servers do between two databases, without them: a call inside the process, to the effect that takes it."""

from __future__ import annotations

import json

from adapters.sdk import Problem, RoadHeaders
from adapters.sdk.delivery.judging import Answer
from adapters.sdk.delivery.outbox import Claim
from adapters.sdk.effects import request_digest
from adapters.sdk.web import Call, perform
from gateway.core.identifiers import parse_client_id
from tests.simulation.parties import CLIENTS, LEG, Parties


class InsideRoad:
    """`sender`: whose messages they are."""

    def __init__(self, sender: str, parties: Parties) -> None:
        self._client = parse_client_id(sender)
        self._parties = parties
        self._effects = {client: parties.effects(client) for client in CLIENTS}

    async def send(self, claim: Claim) -> Answer:
        message = claim.message
        target = message.service.rpartition("/")[0]
        pieces = message.path.split("/")
        path = {"dossier_id": pieces[3], "leg": pieces[5]} if len(pieces) > 3 else {}
        template = "/".join([LEG, *pieces[6:]]) if path else message.path
        road = RoadHeaders(client=self._client, message_id=str(claim.attempt_id), purpose=message.purpose)
        call = Call(road, path, {}, json.loads(message.body), message.body, str(message.message_id))
        digest = request_digest(path, {}, message.body)
        try:
            return Answer(
                200, await perform(self._parties.pools[target], self._effects[target][template], call, digest)
            )
        except Problem as e:
            return Answer(e.status, e.body("-"))
