"""What a server's keys are worth, with a responder that answers and without; which end soon."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from gateway.app.keyring.states import as_json, due, key_states
from gateway.app.listeners import clock, listen_app
from gateway.settings.trust import load_trust
from gateway.trust.service import build_trust_app
from gateway.trust.status import revoke
from tests.unit.app.keyring.conftest import Office

DAYS = timedelta(days=1)


async def states_with_responder(office: Office) -> list[dict[str, object]]:
    settings = load_trust(office.trust)
    async with AsyncExitStack() as stack:
        await listen_app(stack, build_trust_app(settings, clock), settings.listen.host, settings.listen.port)
        return [as_json(state, clock()) for state in await key_states(office.settings)]


async def test_everything_in_order(office: Office) -> None:
    sign, auth, tls = await states_with_responder(office)
    assert (sign["use"], sign["holder"], sign["ocsp"], sign["active"]) == ("sign", "VN/GOV/G01", "good", True)
    assert (auth["holder"], auth["ocsp"], auth["registered"]) == ("VN/GOV/G01/ss1", "good", True)
    assert auth["active"]
    assert (tls["use"], tls["ocsp"], tls["registered"]) == ("tls", "none needed", None)
    assert sign["days_left"] in (729, 730)


async def test_a_revoked_key_is_not_active_and_a_stranger_not_registered(office: Office) -> None:
    certificate = (await key_states(office.settings))[0].certificate
    revoke(load_trust(office.trust).status, certificate, clock())
    office.edit("registry", lambda s: s["security_servers"][0].update(auth_certs=[]))
    office.publish()
    sign, auth, _ = await states_with_responder(office)
    assert "revoked" in str(sign["ocsp"])
    assert not sign["active"]
    assert auth["registered"] is False


def test_on_the_command_line_without_a_responder(office: Office) -> None:
    done = office.run("list", "--config", str(office.config))
    assert done.exit_code == 0
    sign, auth, tls = done.output.splitlines()
    assert sign.startswith("sign VN/GOV/G01  CN=G01,O=GOV,C=VN  serial ")
    assert "OCSP: The OCSP responder cannot be reached" in sign
    assert "registered" in auth
    assert "OCSP" not in tls
    listed = json.loads(office.run("list", "--json", "--config", str(office.config)).output)
    assert [key["use"] for key in listed] == ["sign", "auth", "tls"]


async def test_which_end_soon(office: Office) -> None:
    states = await key_states(office.settings)
    assert due(states, 700 * DAYS, clock()) == []
    assert due(states, 800 * DAYS, clock()) == states


@pytest.mark.parametrize(("within", "code"), [("700d", 0), ("800d", 1)])
def test_due_on_the_command_line(office: Office, within: str, code: int) -> None:
    done = office.run("due", "--config", str(office.config), "--within", within)
    assert done.exit_code == code
    assert len(done.output.splitlines()) == 3 * code
