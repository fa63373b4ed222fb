"""An ACME server may refuse a nonce that it gave (RFC 8555, 6.5)."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from acme import client, messages
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from gateway.app.keyring.acme import _Network


@pytest.mark.parametrize(("refusals", "code", "asked"), [(0, "badNonce", 1), (3, "badNonce", 4), (1, "malformed", 1)])
def test_a_refused_nonce_is_no_failure(monkeypatch: pytest.MonkeyPatch, refusals: int, code: str, asked: int) -> None:
    calls: list[Any] = []
    answer = requests.Response()

    def post(*_: Any, **__: Any) -> requests.Response:
        calls.append(None)
        if len(calls) <= refusals:
            raise messages.Error.with_code(code)
        return answer

    monkeypatch.setattr(client.ClientNetwork, "post", post)
    network = _Network(JWKEC(key=ec.generate_private_key(ec.SECP256R1())), None, ES256)
    if code == "badNonce":
        assert network.post("https://ca.example/new-order", None) is answer
    else:
        with pytest.raises(messages.Error):
            network.post("https://ca.example/new-order", None)
    assert len(calls) == asked
