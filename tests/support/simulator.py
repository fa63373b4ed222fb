"""A whole instance in memory: CA, OCSP, a registry's signed directory, two members, two security servers, a movable clock.

Everything is the real thing except sockets, files and the service: certificates come from `trust/authority.py`, OCSP answers from
`trust/responder.py`, the global configuration is printed, signed, offered to a `TrustedSet` and taken from there, messages are
framed and decoded. Break it in one line:

    sim.expire()      sim.rollback()      sim.revoke(sim.consumer.auth)      sim.rotate(sim.provider, DANCU.member)
    sim.wire.hands_on_request.append(tamper(REST_BODY, 3))                   await sim.replay()
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from gateway.core.digest import DigestAlgorithm
from gateway.core.disclosure.contract import EndpointContract, service_contract
from gateway.core.disclosure.leaf import SEED_SIZE
from gateway.core.errors import GatewayError, KeyTokenError
from gateway.core.globalconf.directory import SHARED, PartReference, build_directory
from gateway.core.globalconf.model import (
    Anchor,
    AnchorSource,
    GlobalConfiguration,
    Member,
    MemberClass,
    SecurityServer,
    SharedParameters,
    Subsystem,
    auth_cert_hash,
)
from gateway.core.globalconf.sharedparams import print_shared_parameters
from gateway.core.globalconf.trusted import TrustedSet
from gateway.core.identifiers import ClientId, MemberId, SecurityServerId, ServiceId, SubsystemId
from gateway.core.serverconf.model import (
    BASE_ENDPOINT,
    AccessRight,
    Client,
    ConnectionType,
    ServerConf,
    Service,
    ServiceKind,
)
from gateway.core.signing.algorithms import default_algorithm, sign
from gateway.core.signing.profiles import EJBCA, auth_certificate_subject, sign_certificate_subject
from gateway.core.signing.requests import KeyType
from gateway.core.signing.revoked import RevokedCertificates
from gateway.core.signing.trust import ApprovedCa, CaCertificate
from gateway.core.signing.verify import SignerVerdicts
from gateway.core.signing.xades import SigningCredential
from gateway.exchange.batching import SigningBatches
from gateway.exchange.blame import fault_of
from gateway.exchange.client_side import ClientCall, ClientSide, exchange_as_client
from gateway.exchange.peers import PeerVerdicts
from gateway.exchange.ports import ExchangeSummary, PeerReply
from gateway.exchange.server_side import ServerSide
from gateway.exchange.states import Body, DispatchableRequest, InformationSystem, LoggedResponse, ServiceReply
from gateway.transport.spool import InlineBody
from gateway.trust.authority import Authority, Identity, create_registry, create_root, named, new_key, validity
from gateway.trust.responder import OcspResponder
from gateway.trust.status import CertificateIndex, IssuedCertificate, Revocation
from tests.support.memory_disclosure import MemoryDisclosure
from tests.support.memory_log import MemoryMessageLog
from tests.support.revocations import KnownToTest
from tests.support.wire import End, Wire

INSTANCE = "VN"
POLICE = MemberId(INSTANCE, "GOV", "G01")
PORTAL = MemberId(INSTANCE, "GOV", "G22")
JUSTICE = MemberId(
    INSTANCE, "GOV", "G15"
)  # a third member, on the consumer's server: a neighbour who might impersonate
DANCU = SubsystemId(INSTANCE, "GOV", "G01", "dancu")
DVC = SubsystemId(INSTANCE, "GOV", "G22", "dvc")
HOTICH = SubsystemId(INSTANCE, "GOV", "G15", "hotich")
CONSUMER = SecurityServerId(INSTANCE, "GOV", "G22", "ss1")
PROVIDER = SecurityServerId(INSTANCE, "GOV", "G01", "ss1")
PERSON = ServiceId(DANCU, "person")
TARGET = "/r1/VN/GOV/G01/dancu/person/v1/persons/999300000017"

CONF_LIFE = timedelta(minutes=10)
OCSP_FRESH = timedelta(hours=1)
START = datetime(2026, 11, 24, 8, tzinfo=UTC)
VERSION = 6
PLAIN = InformationSystem(tls=False, certificate=None)


class MovableClock:
    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


class MemoryIndex(CertificateIndex):
    """The CA's index without its file."""

    def __init__(self) -> None:
        self._entries: dict[int, IssuedCertificate] = {}

    def record(self, certificate: x509.Certificate) -> None:
        serial = certificate.serial_number
        self._entries[serial] = IssuedCertificate(serial, "", "", certificate.not_valid_after_utc)

    def find(self, serial: int) -> IssuedCertificate | None:
        return self._entries.get(serial)

    def revoke(
        self,
        certificate: x509.Certificate,
        now: datetime,
        reason: x509.ReasonFlags = x509.ReasonFlags.unspecified,
    ) -> Revocation:
        revocation = Revocation(now, reason)
        entry = self._entries[certificate.serial_number]
        self._entries[certificate.serial_number] = replace(entry, revocation=revocation)
        return revocation


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


@dataclass(slots=True)
class Seen:
    """The Observer port: summaries in order."""

    summaries: list[ExchangeSummary] = field(default_factory=list)

    def finished(self, summary: ExchangeSummary) -> None:
        self.summaries.append(summary)


class ScriptedService:
    """The provider's information system. `reply` is what it says; `calls` what it was asked."""

    def __init__(self) -> None:
        self.reply = ServiceReply(
            200, "OK", [("Content-Type", "application/json")], InlineBody(b'{"name":"Tr\xe1\xba\xa7n"}')
        )
        self.calls: list[DispatchableRequest] = []

    async def call(self, request: DispatchableRequest) -> ServiceReply:
        self.calls.append(request)
        return self.reply


class SimulatedServer:
    """One security server's belongings: keys, configurations, log. GlobalConf and Signer ports in one."""

    def __init__(self, simulator: InstanceSimulator, id: SecurityServerId, clients: Sequence[SubsystemId]) -> None:
        self._simulator = simulator
        self.id = id
        self.clients = tuple(clients)
        self.auth = simulator.issue_auth(id)
        self.signing = {c.member: simulator.issue_signing(c.member, id) for c in clients}
        self.trusted = TrustedSet(simulator.anchor)
        self.conf = ServerConf(id, {c: Client(c, connection=ConnectionType.HTTP) for c in clients})
        self.log = MemoryMessageLog()
        self.seen = Seen()
        self.revoked = RevokedCertificates()
        self.peer_verdicts = PeerVerdicts(self.revoked)
        self.signer_verdicts = SignerVerdicts(revoked=self.revoked)
        self.ocsp_answers: dict[int, bytes] = {}

    @property
    def end(self) -> End:
        return End(lambda: (der(self.auth.certificate),), lambda: (self.ocsp_of(self.auth),))

    def offer(self, directory: bytes, shared: bytes) -> None:
        """What a configuration client does with a download."""
        for reference in self.trusted.offer_directory(directory, self._simulator.clock()):
            self.trusted.offer_part(reference, shared)
        self.trusted.accept()

    def current(self) -> GlobalConfiguration:
        return self.trusted.configuration()

    def ocsp_of(self, identity: Identity) -> bytes:
        """The answer in hand, asked for when there is none."""
        serial = identity.certificate.serial_number
        if serial not in self.ocsp_answers:
            self.ocsp_answers[serial] = self._simulator.ocsp_answer(identity.certificate)
        return self.ocsp_answers[serial]

    def fetch_ocsp(self) -> None:
        """New answers for all our certificates."""
        self.ocsp_answers.clear()
        for identity in (self.auth, *self.signing.values()):
            self.ocsp_of(identity)

    def credential(self, member: MemberId, now: datetime) -> SigningCredential:
        identity = self.signing.get(member)
        if identity is None:
            raise KeyTokenError(f"No signing key for '{member}'", code="key_not_found")
        algorithm = default_algorithm(identity.certificate.public_key())
        return SigningCredential(member, identity.certificate, algorithm, (), (self.ocsp_of(identity),))

    async def sign(self, credential: SigningCredential, signed_info: bytes) -> bytes:
        identity = next(i for i in self.signing.values() if i.certificate == credential.certificate)
        return sign(identity.key, credential.algorithm, signed_info)


class _ServerConfOf:
    def __init__(self, server: SimulatedServer) -> None:
        self._server = server

    def current(self) -> ServerConf:
        return self._server.conf


class InstanceSimulator:
    """`consumer` serves DVC and HOTICH, `provider` serves DANCU, whose service `person` DVC may use."""

    def __init__(self, *, key_type: KeyType = KeyType.EC_P256) -> None:
        self.clock = MovableClock()
        self._key_type = key_type
        self._during = validity(START - timedelta(days=1), years=2)
        self._registry = create_registry(named("registry"), self._during)
        self.anchor = Anchor(
            INSTANCE, (AnchorSource("http://registry/internalconf", (der(self._registry.certificate),)),)
        )
        self._index = MemoryIndex()
        self.ca = Authority(create_root(named("CA", organisation="VN"), self._during), self._index.record)
        self._responder = self._make_responder(self.ca)
        self.published: list[tuple[bytes, bytes]] = []
        self.consumer = SimulatedServer(self, CONSUMER, (DVC, HOTICH))
        self.provider = SimulatedServer(self, PROVIDER, (DANCU,))
        self.service = ScriptedService()
        self.disclosure = MemoryDisclosure()
        self.revocations = KnownToTest()
        self._open_service()
        self.shared = self._shared_parameters()
        self.publish()
        self.wire = Wire(self.consumer.end, self.provider.end, self.clock, self.consumer, self.consumer.peer_verdicts)
        self.refresh_ocsp()
        self.client_side = self._make_client_side()
        self.server_side = self._make_server_side()

    @property
    def server_side(self) -> ServerSide:
        assert self.wire.server_side is not None
        return self.wire.server_side

    @server_side.setter
    def server_side(self, ports: ServerSide) -> None:
        self.wire.server_side = ports

    # --- one exchange ------------------------------------------------------------------------------------------------

    async def call(
        self,
        verb: str = "GET",
        target: str = TARGET,
        *,
        body: bytes | None = None,
        headers: Sequence[tuple[str, str]] = (),
        client: str = "VN/GOV/G22/dvc",
        system: InformationSystem = PLAIN,
    ) -> LoggedResponse:
        """An information system's call, all the way and back."""
        content: Body | None = None if body is None else InlineBody(body)
        call = ClientCall(verb, target, [("X-Road-Client", client), *headers], content, system)
        return await exchange_as_client(call, self.client_side)

    async def outcome(self, *args: str, **kwargs: object) -> str:
        """`ok`, or the code that the information system is told."""
        try:
            await self.call(*args, **kwargs)  # type: ignore[arg-type]
        except GatewayError as e:
            return fault_of(e, "client", "correlation").code
        return "ok"

    # --- time and trust ------------------------------------------------------------------------------------------------

    def advance(self, by: timedelta) -> None:
        """Time passes and everybody does their work: configuration and OCSP answers are fetched anew."""
        self.clock.now += by
        self.publish()
        self.refresh_ocsp()

    def expire(self) -> None:
        """The registry is gone for longer than its configuration lives."""
        self.clock.now += CONF_LIFE

    def stale_ocsp(self) -> None:
        """The responder is gone for longer than answers stay fresh; the configuration is renewed."""
        self.clock.now += OCSP_FRESH + timedelta(seconds=1)
        self.publish()

    def rollback(self, server: SimulatedServer) -> None:
        """Play the first configuration ever published to `server`."""
        server.offer(*self.published[0])

    def refresh_ocsp(self) -> None:
        for server in (self.consumer, self.provider):
            server.fetch_ocsp()

    def revoke(self, identity: Identity, *, refresh: bool = True) -> None:
        """`refresh=False`: the holder keeps showing the answer from before."""
        self._index.revoke(identity.certificate, self.clock())
        if refresh:
            self.refresh_ocsp()

    def rotate(self, server: SimulatedServer, member: MemberId) -> None:
        """A new signing key for the member; the old one is revoked."""
        old = server.signing[member]
        server.signing[member] = self.issue_signing(member, server.id)
        self.revoke(old)

    def rotate_auth(self, server: SimulatedServer) -> None:
        """A new authentication certificate, registered in place of the old one."""
        server.auth = self.issue_auth(server.id)
        self.change(servers=tuple(self._registered(s) for s in (self.consumer, self.provider)))

    def unregister(self, server: SimulatedServer) -> None:
        """The server's authentication certificate disappears from the configuration."""
        self.change_server(server, auth_cert_hashes=())

    def change_server(self, server: SimulatedServer, **changes: object) -> None:
        servers = tuple(
            replace(s, **changes) if s.id == server.id else s  # type: ignore[arg-type]
            for s in self.shared.servers
        )
        self.change(servers=servers)

    def change(self, **changes: object) -> None:
        """Other shared parameters, published."""
        self.shared = replace(self.shared, **changes)  # type: ignore[arg-type]
        self.publish()

    def publish(self) -> None:
        """Print, sign and hand to both servers."""
        shared = print_shared_parameters(self.shared, VERSION)
        stamp = f"{self.clock():%Y%m%d%H%M%S}{len(self.published):06d}"
        reference = PartReference(
            SHARED, INSTANCE, f"/V{VERSION}/{stamp}/shared-params.xml", DigestAlgorithm.SHA512.of(shared)
        )
        directory = build_directory(
            [reference],
            expires=self.clock() + CONF_LIFE,
            version=VERSION,
            key=self._registry.key,
            certificate=der(self._registry.certificate),
            boundaries=("outer", "inner"),
        )
        self.published.append((directory, shared))
        for server in (self.consumer, self.provider):
            server.offer(directory, shared)

    # --- attacks and rights --------------------------------------------------------------------------------------------

    async def replay(self) -> PeerReply:
        """The last request's bytes once more, over the consumer's own connection."""
        return await self.wire.deliver(self.wire.requests[-1])

    def allow(self, *rights: AccessRight) -> None:
        """The provider's rights, all of them."""
        self._change_provider(rights=rights)

    def declare(self, *endpoints: EndpointContract) -> None:
        """The contract of `person`: what it says of whom its messages are about."""
        service = self.provider.conf.clients[DANCU].services["person"]
        self.offer_service(replace(service, contract=service_contract(endpoints)))

    def offer_service(self, service: Service) -> None:
        client = self.provider.conf.clients[DANCU]
        self._change_provider(services={**client.services, service.code: service})

    def _change_provider(self, **changes: object) -> None:
        conf = self.provider.conf
        client = replace(conf.clients[DANCU], **changes)  # type: ignore[arg-type]
        self.provider.conf = replace(conf, clients={**conf.clients, DANCU: client})

    # --- certificates ----------------------------------------------------------------------------------------------------

    def issue_signing(self, member: MemberId, server: SecurityServerId, ca: Authority | None = None) -> Identity:
        subject = sign_certificate_subject(EJBCA, member=member, server=server)
        return (ca or self.ca).issue_signing(subject, self._during, new_key(self._key_type))

    def issue_auth(self, server: SecurityServerId, ca: Authority | None = None) -> Identity:
        subject = auth_certificate_subject(EJBCA, server=server)
        return (ca or self.ca).issue_authentication(subject, self._during, new_key(self._key_type))

    def foreign_ca(self) -> Authority:
        """A CA of the same name that nobody approved."""
        return Authority(create_root(named("CA", organisation="VN"), self._during), self._index.record)

    def forged_ocsp(self, identity: Identity) -> bytes:
        """An answer for our certificate, signed by a responder of a CA that nobody approved."""
        rogue = self._make_responder(self.foreign_ca()).signer
        return self._ask(replace(self._responder, signer=rogue), identity.certificate)

    def ocsp_answer(self, certificate: x509.Certificate) -> bytes:
        return self._ask(self._responder, certificate)

    def _ask(self, responder: OcspResponder, certificate: x509.Certificate) -> bytes:
        request = (
            ocsp.OCSPRequestBuilder()
            .add_certificate(certificate, self.ca.identity.certificate, hashes.SHA1())  # noqa: S303 - names, protects nothing
            .build()
        )
        return responder.answer(request.public_bytes(Encoding.DER), self.clock())

    def _make_responder(self, ca: Authority) -> OcspResponder:
        signer = ca.issue_ocsp_signer(named("OCSP", organisation="VN"), self._during)
        return OcspResponder(ca.identity.certificate, signer, self._index, timedelta(days=1))

    # --- construction ----------------------------------------------------------------------------------------------------

    def _shared_parameters(self) -> SharedParameters:
        ca = CaCertificate(self.ca.identity.certificate, ("http://ocsp/",), (self._responder.signer.certificate,))
        return SharedParameters(
            instance=INSTANCE,
            version=VERSION,
            ocsp_freshness=OCSP_FRESH,
            approved_cas=(ApprovedCa("CA", authentication_only=False, profile=EJBCA, top=ca),),
            member_classes=(MemberClass("GOV", "Cơ quan nhà nước"),),
            members=tuple(
                Member(c.member, f"Member {c.member_code}", (Subsystem(c.subsystem_code),))
                for c in (DANCU, DVC, HOTICH)
            ),
            servers=tuple(self._registered(s) for s in (self.consumer, self.provider)),
        )

    def _registered(self, server: SimulatedServer) -> SecurityServer:
        value = auth_cert_hash(der(server.auth.certificate), VERSION)
        clients: frozenset[ClientId] = frozenset((server.id.owner, *server.clients))
        return SecurityServer(server.id, f"{server.id.member_code.lower()}.example", (value,), clients)

    def _open_service(self) -> None:
        self.offer_service(Service("person", ServiceKind.REST, "http://127.0.0.1:1/"))
        self.allow(AccessRight(DVC, "person", BASE_ENDPOINT))

    def _make_client_side(self) -> ClientSide:
        server = self.consumer
        return ClientSide(
            clock=self.clock,
            globalconf=server,
            serverconf=_ServerConfOf(server),
            signer=server,
            log=server.log,
            peer=self.wire,
            observer=server.seen,
            verdicts=server.signer_verdicts,
            batches=SigningBatches(),
            new_id=lambda: str(uuid.uuid4()),
        )

    def _make_server_side(self) -> ServerSide:
        server = self.provider
        return ServerSide(
            clock=self.clock,
            globalconf=server,
            serverconf=_ServerConfOf(server),
            signer=server,
            log=server.log,
            disclosure=self.disclosure,
            service=self.service,
            observer=server.seen,
            verdicts=server.signer_verdicts,
            peers=server.peer_verdicts,
            batches=SigningBatches(),
            new_seed=lambda: secrets.token_bytes(SEED_SIZE),
            revocations=self.revocations,
        )
