"""`inquiries`: citizens' questions and complaints about their access records, delivered to the agency concerned, and its answers.

    POST /v1/inquiries        201 taken · 200 taken before, the same · 409 the id is another's · 400
    GET  /v1/answers?after=N  answers with a number above N, ascending, to inquiries that the caller delivered

The agency reads and answers them with `gateway inquiries`; `/health` says when a term has passed. Taking an inquiry is durable
before the answer goes out; both calls are accesses of the persons concerned and recorded as such.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from dataclasses import dataclass, field
from datetime import UTC

from gateway.core.disclosure.record import print_time
from gateway.core.errors import MalformedMessage, ServiceUnavailable
from gateway.exchange.content import whole
from gateway.exchange.ports import BodySink
from gateway.exchange.states import DispatchableRequest
from gateway.ownservices.inquiry import MOST_BYTES, parse_inquiry
from gateway.ownservices.inquirystore import InquiryStore, ListedInquiry, Standing
from gateway.storage.failures import DATABASE_ERRORS

INQUIRIES = "gateway:inquiries"
MOST_WORDS = 8000
_AT_ONCE = 20  # times the longest answer is less than what the exchange looks into for persons
_LOOK_SECONDS = 10.0
_AFTER = re.compile(r"after=([0-9]{1,18})", re.ASCII)


@dataclass(slots=True)
class InquiryBox:
    """One server's inquiries. DATABASE_ERRORS pass through; `run` keeps `standing` up to date."""

    store: InquiryStore
    standing: Standing = field(default_factory=Standing)

    async def answer(self, request: DispatchableRequest, body: BodySink) -> int:
        """As an OwnService."""
        concern = request.authorized.concern
        match None if concern is None else concern.about.endpoint.template.text:
            case "/v1/inquiries":
                return await self._take(request, body)
            case "/v1/answers":
                return await self._answers(request, body)
        raise ServiceUnavailable("The contract of this service is not its own", code="internal_error")

    async def run(self) -> None:
        """Until cancelled: count what stands, for health and metrics."""
        while True:
            with contextlib.suppress(*DATABASE_ERRORS):  # the check of the message log says so already
                self.standing = await self.store.count()
            await asyncio.sleep(_LOOK_SECONDS)

    async def _take(self, request: DispatchableRequest, body: BodySink) -> int:
        rest, parts = request.incoming.request, request.incoming.parts
        concern = request.authorized.concern
        if parts.body is None or parts.body.size > MOST_BYTES:
            raise MalformedMessage("the body is not an inquiry")
        asked = parse_inquiry(await whole(parts.body))
        receiver, sender = str(rest.service.client), str(rest.client)
        if concern is None or [p.number for p in concern.about.persons] != [asked.person]:
            raise MalformedMessage("an inquiry is about one person")
        if not asked.concerns(receiver):
            raise MalformedMessage("the access was neither asked for nor answered here")
        taken = await self.store.take(asked, receiver, sender)
        told = {"id": str(asked.id), "received": print_time(taken.received)} if taken.same else {"status": 409}
        body.write(_json(told))
        return 409 if not taken.same else 201 if taken.new else 200

    async def _answers(self, request: DispatchableRequest, body: BodySink) -> int:
        rest = request.incoming.request
        after = _AFTER.fullmatch(rest.query or "after=0")
        if after is None:
            raise MalformedMessage("the query is 'after=' and a number")
        found = await self.store.answers(int(after[1]), str(rest.client), str(rest.service.client), _AT_ONCE)
        body.write(_json({"answers": [_answer(one) for one in found]}))
        return 200


def _answer(one: ListedInquiry) -> dict[str, object]:
    """With the person, by whom the exchange records that the answer went out."""
    assert one.answered is not None  # the store gives no others here
    assert one.content is not None
    time = print_time(one.answered.astimezone(UTC))
    told = {"number": one.number, "inquiry": str(one.id), "time": time, "words": one.answer}
    return {**told, "person": json.loads(one.content)["person"]}


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
