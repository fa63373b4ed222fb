"""What a Central Server publishes: anchor, signed directory and files in versions 2 to 6, by HTTP; and the OCSP responder beside
it. Bad sources for the configuration client's eyes: an expired directory, one signed by somebody else."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.x509 import ocsp

from tests.interop.foreign.pki import Pair, Statuses

INSTANCE = "DEV"
SHA512 = "http://www.w3.org/2001/04/xmlenc#sha512"
_XMLDSIG_MORE = "http://www.w3.org/2001/04/xmldsig-more#"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_NS = 'xmlns:ns2="http://x-road.eu/xsd/identifiers" xmlns:ns3="http://x-road.eu/xsd/xroad.xsd"'


def b64(data: bytes) -> str:
    return b64encode(data).decode()


def tag(name: str, content: str) -> str:
    return f"<{name}>{content}</{name}>"


@dataclass(frozen=True)
class Member:
    """A member with its subsystems, all of them clients of its one security server, which it owns."""

    code: str
    subsystems: tuple[str, ...]
    server: str
    address: str
    auth: Pair
    guests: tuple[str, ...] = ()  # codes of members without a server of their own, whose subsystems are served here


@dataclass(frozen=True)
class World:
    """One instance. `statuses`: a responder for each listed CA; the first is the top."""

    members: tuple[Member, ...]
    statuses: tuple[Statuses, ...]
    profile: str
    tsa: Pair
    subsystems_of_guests: dict[str, tuple[str, ...]]

    def shared(self, version: int, ocsp_url: str, sources: Sequence[bytes], host: str) -> bytes:
        everyone = [(m.code, m.subsystems) for m in self.members] + list(self.subsystems_of_guests.items())
        ids = {
            c: f"id{n}"
            for n, c in enumerate(x for code, subs in everyone for x in (code, *(f"{code}/{s}" for s in subs)))
        }
        source = tag("address", host) + "".join(
            tag(f"{kind}VerificationCert", b64(c)) for kind in ("internal", "external") for c in sources
        )
        cas = [self._ca(s, version, ocsp_url, n) for n, s in enumerate(self.statuses)]
        body = [
            tag("instanceIdentifier", INSTANCE),
            tag("source", source) if version >= 3 else "",
            f"<approvedCA><name>CA</name><authenticationOnly>false</authenticationOnly>{''.join(cas)}"
            f"<certificateProfileInfo>ee.ria.xroad.common.certificateprofile.impl.{self.profile}"
            f"CertificateProfileInfoProvider</certificateProfileInfo>"
            f"{tag('defaultCsrFormat', 'PEM') if version >= 6 else ''}</approvedCA>",
            f"<approvedTSA><name>TSA</name><url>http://127.0.0.1:1/</url><cert>{b64(self.tsa.der)}</cert>"
            f"{tag('costType', 'FREE') if version >= 6 else ''}</approvedTSA>",
            *(_member(code, subs, ids, version) for code, subs in everyone),
            *(self._server(m, ids, version) for m in self.members),
            "<globalSettings><memberClass><code>COM</code><description>companies</description></memberClass>"
            "<ocspFreshnessSeconds>3600</ocspFreshnessSeconds></globalSettings>",
        ]
        return f"{_HEAD}<ns3:conf {_NS}>\n{''.join(body)}\n</ns3:conf>".encode()

    def _ca(self, statuses: Statuses, version: int, ocsp_url: str, number: int) -> str:
        cost = tag("costType", "FREE") if version >= 6 else ""
        certificate = statuses.ca.pem if number == 0 else statuses.ca.der  # a Central Server stores either
        responder = f"{tag('url', f'{ocsp_url}/{number}')}{tag('cert', b64(statuses.signer.der))}{cost}"
        content = tag("cert", b64(certificate)) + tag("ocsp", responder)
        return tag("topCA" if number == 0 else "intermediateCA", content)

    def _server(self, m: Member, ids: dict[str, str], version: int) -> str:
        digest = hashlib.sha1(m.auth.der).digest() if version == 2 else hashlib.sha256(m.auth.der).digest()
        clients = [f"{m.code}/{s}" for s in m.subsystems]
        clients += [f"{g}/{s}" for g in m.guests for s in self.subsystems_of_guests[g]]
        return (
            f"<securityServer>{tag('owner', ids[m.code])}{tag('serverCode', m.server)}{tag('address', m.address)}"
            f"{tag('authCertHash', b64(digest))}{''.join(tag('client', ids[c]) for c in clients)}</securityServer>"
        )

    def private(self) -> bytes:
        provider = "".join(
            f"<ns2:{n}>{v}</ns2:{n}>"
            for n, v in (("xRoadInstance", INSTANCE), ("memberClass", "COM"), ("memberCode", self.members[0].code))
        )
        return (
            f"{_HEAD}<ns3:conf {_NS}>{tag('instanceIdentifier', INSTANCE)}<managementService>"
            "<authCertRegServiceAddress>http://127.0.0.1:4001</authCertRegServiceAddress>"
            f'<managementRequestServiceProviderId ns2:objectType="MEMBER">{provider}</managementRequestServiceProviderId>'
            "</managementService><timeStampingIntervalSeconds>60</timeStampingIntervalSeconds></ns3:conf>"
        ).encode()


def _member(code: str, subsystems: Sequence[str], ids: dict[str, str], version: int) -> str:
    inner = "".join(
        f'<subsystem id="{ids[f"{code}/{s}"]}">{tag("subsystemCode", s)}'
        f"{tag('subsystemName', s.upper()) if version >= 5 else ''}</subsystem>"
        for s in subsystems
    )
    return (
        f'<member id="{ids[code]}"><memberClass><code>COM</code><description>companies</description></memberClass>'
        f"<memberCode>{code}</memberCode><name>Member {code}</name>{inner}</member>"
    )


def directory(files: dict[str, bytes], folder: str, version: int, signer: Pair, expires: datetime) -> bytes:
    """The signed directory of reference 7.2. `files`: shared-params.xml and private-params.xml."""
    inner = f"--innerb\r\nExpire-date: {expires:%Y-%m-%dT%H:%M:%SZ}\r\nVersion: {version}\r\n\r\n"
    for name, data in files.items():
        identifier = f"{name.split('-')[0].upper()}-PARAMETERS; instance='{INSTANCE}'"
        inner += (
            "--innerb\r\nContent-type: application/octet-stream\r\nContent-transfer-encoding: base64\r\n"
            f"Content-identifier: {identifier}\r\nContent-location: {folder}/{name}\r\n"
            f"Hash-algorithm-id: {SHA512}\r\n\r\n{b64(hashlib.sha512(data).digest())}\r\n"
        )
    signed = (inner + "--innerb--\r\n").encode()
    key = signer.key
    if isinstance(key, ec.EllipticCurvePrivateKey):
        algorithm, value = "ecdsa-sha512", key.sign(signed, ec.ECDSA(hashes.SHA512()))
    else:
        algorithm, value = "rsa-sha512", key.sign(signed, padding.PKCS1v15(), hashes.SHA512())
    return (
        b"Content-Type: multipart/related; charset=UTF-8; boundary=outerb\r\n\r\n--outerb\r\n"
        b"Content-Type: multipart/mixed; charset=UTF-8; boundary=innerb\r\n\r\n"
        + signed
        + (
            "\r\n--outerb\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n"
            f"Signature-Algorithm-Id: {_XMLDSIG_MORE}{algorithm}\r\nVerification-certificate-hash: "
            f'{b64(hashlib.sha512(signer.der).digest())}; hash-algorithm-id="{SHA512}"\r\n\r\n{b64(value)}\r\n--outerb--\r\n'
        ).encode()
    )


class Central:
    """HTTP on `host`: `/internalconf` and its files, bad sources beside it, the responders below `/ocsp/N`.

    `versions`: those that are published; others are 404, and no `version` means 2. `asked`: path and query of every GET."""

    def __init__(self, host: str, world: World, signer: Pair, stranger: Pair, versions: Sequence[int]) -> None:
        self.world, self.versions, self.signer, self._stranger = world, versions, signer, stranger
        self.asked: list[str] = []
        self.ocsp_requests = 0
        self._host = host
        self._http = ThreadingHTTPServer((host, 0), _handler(self))
        self._http.daemon_threads = True
        self.base = f"http://{host}:{self._http.server_address[1]}"
        self.serve: Callable[[], None] = self._http.serve_forever
        self.serial = 0

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def files(self, version: int) -> dict[str, bytes]:
        shared = self.world.shared(version, f"{self.base}/ocsp", [self.signer.der], f"{self._host}.invalid")
        return {"shared-params.xml": shared, "private-params.xml": self.world.private()}

    def anchor(self, *paths: str, dead: str | None = None) -> bytes:
        urls = ([dead] if dead else []) + [f"{self.base}{p}" for p in paths]
        sources = "".join(
            f"<source>{tag('downloadURL', u)}{tag('verificationCert', b64(self.signer.der))}</source>" for u in urls
        )
        return (
            f'{_HEAD}<x:configurationAnchor xmlns:x="http://x-road.eu/xsd/xroad.xsd">'
            f"<generatedAt>2026-11-21T23:00:00Z</generatedAt><instanceIdentifier>{INSTANCE}</instanceIdentifier>"
            f"{sources}</x:configurationAnchor>"
        ).encode()

    def save(self, folder: Path, version: int) -> None:
        """As a configuration client leaves it (reference 7.3)."""
        (folder / INSTANCE).mkdir(parents=True, exist_ok=True)
        (folder / "instance-identifier").write_text(INSTANCE)
        for name, data in self.files(version).items():
            about = {
                "contentIdentifier": f"{name.split('-')[0].upper()}-PARAMETERS",
                "instanceIdentifier": INSTANCE,
                "expirationDate": f"{datetime.now(UTC) + timedelta(minutes=10):%Y-%m-%dT%H:%M:%SZ}",
                "contentLocation": f"/V{version}/20261121235000000000000/{name}",
                "configurationVersion": str(version),
            }
            (folder / INSTANCE / name).write_bytes(data)
            (folder / INSTANCE / f"{name}.metadata").write_text(json.dumps(about, separators=(",", ":")))

    def get(self, target: str) -> bytes | None:
        self.asked.append(target)
        parts = urlsplit(target)
        if parts.path.startswith("/V"):
            _, folder, _, name = parts.path.split("/")
            return self.files(int(folder[1:])).get(name)
        version = int(parse_qs(parts.query).get("version", ["2"])[0])
        if version not in self.versions:
            return None
        stamp, signer, expires = (
            f"2026112123500{self.serial}000000000",
            self.signer,
            datetime.now(UTC) + timedelta(minutes=10),
        )
        if parts.path == "/expired/internalconf":
            expires = datetime.now(UTC) - timedelta(minutes=1)
        elif parts.path == "/forged/internalconf":
            signer = self._stranger
        elif parts.path != "/internalconf":
            return None
        return directory(self.files(version), f"/V{version}/{stamp}", version, signer, expires)


def _handler(central: Central) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = central.get(self.path)
            self._answer(404 if body is None else 200, body or b"")

        def do_POST(self) -> None:
            request = ocsp.load_der_ocsp_request(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.headers["Content-Type"] == "application/ocsp-request"
            central.ocsp_requests += 1
            statuses = central.world.statuses[int(self.path.rsplit("/", 1)[1])]
            known = [
                p for p in _issued if p.certificate.serial_number == request.serial_number and p.issuer is statuses.ca
            ]
            self._answer(200 if known else 500, statuses.answer(known[0].certificate) if known else b"")

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


_issued: list[Pair] = []


def register(*pairs: Pair) -> None:
    """Whom the responders know."""
    _issued.extend(pairs)
