"""Port 5577: OCSP answers for our authentication certificate, by hash, in plain HTTP (reference 3.4)."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
from urllib.parse import parse_qs

from gateway.httpd.values import Answer, Request

_MOST_HASHES = 10


class OcspLookup:
    """`answers()`: certificate DER -> its current OCSP response DER, for the certificates we show in TLS."""

    def __init__(self, answers: Callable[[], Mapping[bytes, bytes]]) -> None:
        self._answers = answers

    async def handle(self, request: Request) -> Answer:
        if request.method == "HEAD":
            return Answer()
        query = request.target.partition("#")[0].partition("?")[2]
        wanted = parse_qs(query, keep_blank_values=True).get("cert", [])
        if request.method != "GET" or not 0 < len(wanted) <= _MOST_HASHES:
            return _cannot("Could not get cert hashes")
        # SHA-1 only names the certificate here; whoever asks verifies the OCSP answer itself.
        by_hash = {hashlib.sha1(der, usedforsecurity=False).hexdigest(): r for der, r in self._answers().items()}
        found = [by_hash[h] for h in wanted if h in by_hash]
        if len(found) != len(wanted):
            return _cannot("Could not find all OCSP responses")
        boundary = "jetty" + secrets.token_hex(12)
        parts = b"".join(
            b"--%b\r\nContent-Type: application/ocsp-response\r\n\r\n%b\r\n" % (boundary.encode(), der) for der in found
        )
        content_type = f'multipart/related; type="application/ocsp-response"; charset=UTF-8; boundary={boundary}'
        return Answer(200, (("Content-Type", content_type),), parts + b"--%b--\r\n" % boundary.encode())


def _cannot(why: str) -> Answer:
    return Answer(500, (("Content-Type", "text/plain; charset=utf-8"),), why.encode())
