"""Is the caller an information system of this client? Asked by the consumer's side before anything is signed (reference 1.4)."""

from __future__ import annotations

from gateway.core.errors import AuthenticationFailed, UnknownSubject
from gateway.core.identifiers import ClientId
from gateway.core.serverconf.model import Client, ClientStatus, ConnectionType, ServerConf


def admit(conf: ServerConf, client: ClientId, *, tls: bool, certificate: bytes | None) -> Client:
    """The registered client whose connection type the caller satisfies. `certificate`: DER of the caller's TLS certificate.

    UnknownSubject (`unknown_member`) for a client that is not registered here; AuthenticationFailed
    (`ssl_authentication_failed`) when the connection is not what the client's configuration asks for. Certificates are
    compared as wholes, no chain is built; the server's own internal certificate stands for every client.
    """
    known = conf.clients.get(client)
    if known is None or known.status is not ClientStatus.REGISTERED:
        raise UnknownSubject(f"Client '{client}' not found")
    if known.connection is ConnectionType.HTTP:
        return known
    if not tls:
        raise AuthenticationFailed(f"Client ({client}) specifies HTTPS but made a plaintext connection")
    if known.connection is ConnectionType.MUTUAL_TLS:
        _require_certificate(conf, known, certificate)
    return known


def _require_certificate(conf: ServerConf, client: Client, certificate: bytes | None) -> None:
    if certificate is None:
        raise AuthenticationFailed(f"Client ({client.id}) specifies HTTPS but did not supply a TLS certificate")
    if certificate != conf.internal_certificate and certificate not in client.certificates:
        raise AuthenticationFailed(f"Client ({client.id}) TLS certificate does not match any trusted certificate")
