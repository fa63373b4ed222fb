"""The canonical log line: one per exchange, organisations and identifiers of messages only.

No path, query, header or body ever gets here. What does get here can still carry a person's number by accident: a message id
that an information system made from one, or a call whose path lacks a piece, so that the number stands where the service code
should. Both are replaced by a salted hash: equal values stay comparable within the life of one process and mean nothing outside.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from functools import lru_cache

from gateway.exchange.ports import ExchangeSummary
from gateway.monitoring.logs import LineLog, encode
from gateway.monitoring.outcomes import OK, bounded_code

# `uuid` or `INSTANCE-uuid`, RFC 9562 version and variant; an all-digit last group may be somebody's number in disguise.
_UUID = re.compile(
    r"(?:[A-Za-z]{1,12}(?:-[A-Za-z]{1,12})?-)?"
    r"[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-(?![0-9]{12})[0-9a-f]{12}",
    re.ASCII | re.IGNORECASE,
)
_LONG_NUMBER = re.compile(
    r"[0-9]{9,}", re.ASCII
)  # the shortest number of a person here is an old identity card: nine digits
_ORGANISATION_PIECES = 3  # instance, member class, member code


class ExchangeLine:
    """Writes the line. The salt lives and dies with this object."""

    def __init__(self, log: LineLog) -> None:
        self._log = log
        self._salt = secrets.token_bytes(16)
        self._organisation = lru_cache(maxsize=1024)(lambda text: encode(self.organisation(text)))

    def write(self, summary: ExchangeSummary) -> None:
        """May raise OSError or ValueError when the stream is gone. Others chose nothing of what is not encoded here: sides and
        outcomes are words of ours, ids are UUIDs or hashes."""
        good = summary.outcome == OK
        self._log.write(
            "info" if good else "warning",
            "exchange",
            f'"side":"{summary.side}"'
            f',"outcome":"{OK if good else bounded_code(summary.outcome)}"'
            f',"client":{self._organisation(summary.client)}'
            f',"service":{self._organisation(summary.service)}'
            f',"message_id":"{self.message_id(summary.message_id)}"'
            f',"request_id":"{self.message_id(summary.request_id)}"'
            f',"status":{"null" if summary.status is None else summary.status}'
            f',"bytes":{summary.request_bytes + summary.response_bytes}'
            f',"ms":{round(summary.seconds * 1000, 2)}',
        )

    def message_id(self, text: str) -> str:
        """As it is when it is a UUID (with or without an instance before it) or `-`; hashed otherwise."""
        return text if text == "-" or _UUID.fullmatch(text) else self._hashed(text)

    def organisation(self, text: str) -> str:
        """An identifier in which subsystem and service codes holding nine or more digits in a row are hashed.

        Member codes stay: they are organisations' numbers, and an operator needs them.
        """
        pieces = text.split("/")
        tail = (self._hashed(p) if _LONG_NUMBER.search(p) else p for p in pieces[_ORGANISATION_PIECES:])
        return "/".join((*pieces[:_ORGANISATION_PIECES], *tail))

    def _hashed(self, text: str) -> str:
        return "h:" + hashlib.sha256(self._salt + text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
