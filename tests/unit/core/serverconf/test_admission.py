"""Connection types of reference 1.4, one row each."""

import pytest

from gateway.core.errors import AuthenticationFailed, UnknownSubject
from gateway.core.identifiers import SecurityServerId, SubsystemId
from gateway.core.serverconf.admission import admit
from gateway.core.serverconf.model import Client, ClientStatus, ConnectionType, ServerConf

DVC = SubsystemId("VN", "GOV", "G22", "dvc")
HTTP, HTTPS, MUTUAL = ConnectionType.HTTP, ConnectionType.HTTPS, ConnectionType.MUTUAL_TLS
INTERNAL, OURS, FOREIGN = b"internal", b"ours", b"foreign"


def conf(
    connection: ConnectionType, status: ClientStatus = ClientStatus.REGISTERED, internal: bytes | None = INTERNAL
) -> ServerConf:
    client = Client(DVC, status=status, connection=connection, certificates=(b"another", OURS))
    return ServerConf(SecurityServerId("VN", "GOV", "G22", "ss1"), {DVC: client}, internal)


@pytest.mark.parametrize(
    ("connection", "tls", "certificate"),
    [
        (HTTP, False, None),
        (HTTP, True, None),
        (HTTP, True, FOREIGN),
        (HTTPS, True, None),
        (HTTPS, True, FOREIGN),
        (MUTUAL, True, OURS),
        (MUTUAL, True, INTERNAL),
    ],
)
def test_admitted(connection: ConnectionType, tls: bool, certificate: bytes | None) -> None:
    server = conf(connection)
    assert admit(server, DVC, tls=tls, certificate=certificate) is server.clients[DVC]


@pytest.mark.parametrize(
    ("connection", "tls", "certificate", "text"),
    [
        (HTTPS, False, None, "made a plaintext connection"),
        (HTTPS, False, OURS, "made a plaintext connection"),
        (MUTUAL, False, None, "made a plaintext connection"),
        (MUTUAL, False, OURS, "made a plaintext connection"),  # a certificate without TLS proves nothing
        (MUTUAL, True, None, "did not supply"),
        (MUTUAL, True, FOREIGN, "does not match"),
        (MUTUAL, True, OURS[:-1], "does not match"),
        (MUTUAL, True, b"", "does not match"),
    ],
)
def test_refused(connection: ConnectionType, tls: bool, certificate: bytes | None, text: str) -> None:
    with pytest.raises(AuthenticationFailed, match=text) as e:
        admit(conf(connection), DVC, tls=tls, certificate=certificate)
    assert e.value.code == "ssl_authentication_failed"


def test_without_an_internal_certificate_none_is_accepted_for_it() -> None:
    with pytest.raises(AuthenticationFailed, match="did not supply"):
        admit(conf(MUTUAL, internal=None), DVC, tls=True, certificate=None)


@pytest.mark.parametrize("status", [ClientStatus.SAVED, ClientStatus.DISABLED])
def test_only_registered_clients_send(status: ClientStatus) -> None:
    with pytest.raises(UnknownSubject) as e:
        admit(conf(HTTP, status), DVC, tls=True, certificate=OURS)
    assert (e.value.code, e.value.safe_detail) == ("unknown_member", "Client 'VN/GOV/G22/dvc' not found")


def test_unknown_client() -> None:
    with pytest.raises(UnknownSubject) as e:
        admit(conf(HTTP), SubsystemId("VN", "GOV", "G22", "DVC"), tls=True, certificate=OURS)
    assert e.value.code == "unknown_member"
