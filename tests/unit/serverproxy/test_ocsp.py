"""The OCSP look-up port: anybody may ask it, so no target is an error of ours."""

from __future__ import annotations

import hashlib

import pytest

from gateway.httpd.values import IncomingBody, Request
from gateway.serverproxy.ocsp import OcspLookup

OURS = b"certificate"
HASH = hashlib.sha1(OURS, usedforsecurity=False).hexdigest()


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (f"/?cert={HASH}", 200),
        (f"http://any.host/?x=y&cert={HASH}", 200),
        (f"/?cert={HASH}&cert={HASH}", 200),
        (f"/#?cert={HASH}", 500),
        (f"//[?cert={HASH}", 200),
        (f"//[secret]/?cert={HASH}", 200),
        ("//[", 500),
        ("/?cert=", 500),
        ("/?cert=%zz", 500),
        (f"/?{'&'.join([f'cert={HASH}'] * 11)}", 500),
    ],
)
async def test_any_target_has_an_answer(target: str, status: int) -> None:
    request = Request("GET", target, "1.1", (), True, IncomingBody(lambda: None))
    answer = await OcspLookup(lambda: {OURS: b"ocsp"}).handle(request)
    assert answer.status == status
    assert (b"ocsp" in answer.body.partition(b"\r\n\r\n")[2]) == (status == 200)
