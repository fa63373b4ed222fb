"""The small roles: registry and trust."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.app.listeners import background, clock, listen_app
from gateway.app.newfiles import read_limited, write_new
from gateway.core.errors import SettingsError
from gateway.core.signing.certificates import is_issued_by
from gateway.core.signing.requests import MAX_REQUEST, parse_request
from gateway.monitoring.logs import build_log, route_library_logs
from gateway.registry.publisher import Publisher
from gateway.settings.common import load_certificates
from gateway.settings.registry import load_registry
from gateway.settings.trust import TrustSettings, load_trust
from gateway.trust.authority import Use
from gateway.trust.issuing import issue, load_authority
from gateway.trust.service import build_trust_app
from gateway.trust.status import revoke


@asynccontextmanager
async def registry_role(config: Path) -> AsyncIterator[str]:
    """Publishes the global configuration of the instance in `config`, signed anew every `publish.refresh`."""
    route_library_logs(build_log())
    publisher = Publisher(lambda: load_registry(config), clock)
    await publisher.refresh()
    address = publisher.settings.publish.listen
    async with asyncio.TaskGroup() as group, AsyncExitStack() as stack:
        background(group, stack, publisher.run())
        await listen_app(stack, publisher.app(), address.host, address.port)
        yield f"http://{address}/anchor.xml"


@asynccontextmanager
async def trust_role(config: Path) -> AsyncIterator[str]:
    """Answers OCSP requests for the authority in `config`, and stamps the time."""
    route_library_logs(build_log())
    settings = load_trust(config)
    async with AsyncExitStack() as stack:
        await listen_app(stack, build_trust_app(settings, clock), settings.listen.host, settings.listen.port)
        yield f"http://{settings.listen}/ocsp"


def revoke_certificate(config: Path, certificate: Path, reason: str) -> str:
    """Revoke and say so in words. SettingsError for a reason RFC 5280 does not know or a file that is no certificate."""
    settings = load_trust(config)
    try:
        parsed = load_certificates(certificate)[0]
        why = x509.ReasonFlags(reason)
    except ValueError as e:
        raise SettingsError([f"{certificate}: {e}"]) from e
    done = revoke(_index_of(settings, parsed), parsed, clock(), why)
    return f"revoked {parsed.subject.rfc4514_string()} (serial {parsed.serial_number:x}) since {done.time.isoformat()}"


def _index_of(settings: TrustSettings, certificate: x509.Certificate) -> Path:
    """Of the authority that issued the certificate; that of the trust role's own CA when it is none of the others."""
    for other in settings.lists.values():
        if is_issued_by(certificate, load_certificates(other.certificate)[0]):
            return other.status
    return settings.status


def issue_certificate(config: Path, request: Path, use: Use, years: float, out: Path) -> str:
    """A certificate for a request, in the new file `out`; says so in words. GatewayError when the request is not acceptable."""
    settings = load_trust(config)
    asked = parse_request(read_limited(request, MAX_REQUEST))
    certificate = issue(load_authority(settings), asked, use, clock(), years=years)
    write_new(out, certificate.public_bytes(Encoding.PEM), mode=0o644)
    name, ends = certificate.subject.rfc4514_string(), certificate.not_valid_after_utc.date()
    return f"issued {name} (serial {certificate.serial_number:x}, until {ends}): {out}"
