"""Which security servers can serve a request (reference 3.2, steps 1-3). Reaching one of them is `transport/`'s work."""

from __future__ import annotations

from datetime import datetime

from gateway.core.errors import PeerUnavailable, UnknownSubject
from gateway.core.globalconf.model import GlobalConfiguration, SecurityServer
from gateway.core.messages.rest import RestRequest


def provider_servers(request: RestRequest, trust: GlobalConfiguration, now: datetime) -> tuple[SecurityServer, ...]:
    """The provider's servers, those with an address and out of maintenance; never empty.

    UnknownSubject: `unknown_member` when nobody serves the provider, `invalid_security_server` when `X-Road-Security-Server`
    names a server that does not; PeerUnavailable `maintenance_mode` when all are in maintenance.
    """
    provider = request.service.client
    servers = tuple(s for s in trust.servers_of(provider, now) if s.address)
    if not servers:
        raise UnknownSubject(f"Could not find addresses for service provider '{provider}'")
    if request.target_server is not None:
        wanted = trust.server(request.target_server, now)
        if wanted is None or not wanted.address:
            raise UnknownSubject(
                f"Could not find security server '{request.target_server}'", code="invalid_security_server"
            )
        if wanted not in servers:
            raise UnknownSubject(f"Invalid security server '{request.target_server}'", code="invalid_security_server")
        servers = (wanted,)
    up = tuple(s for s in servers if s.maintenance is None)
    if not up:
        words = "; ".join(f"{s.address}: {s.maintenance}" for s in servers)
        raise PeerUnavailable(
            f"Service provider's security servers are in maintenance mode ({words})", code="maintenance_mode"
        )
    return up
