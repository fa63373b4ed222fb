"""Containers of real signed messages, made in memory: a small PKI with a time-stamping authority, ZIP files that can be broken.

made = ContainerWorld()
files = made.files(body=b"{}")                      # every file of a good container, by name
made.verify(pack(files))                            # ContainerReport
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from uuid import uuid4

from gateway.core.digest import sha512
from gateway.core.globalconf.model import GlobalConfiguration, OptionalParts, SharedParameters
from gateway.core.identifiers import MemberId
from gateway.core.messagelog.container import ZIP_COMMENT, container_files
from gateway.core.messagelog.containercheck import ContainerReport, verify_container
from gateway.core.messagelog.record import MessageRecord, RecordedBody, RecordKind
from gateway.core.messagelog.stamping import Stamp, stamped_container
from gateway.core.messages.rest import build_request, build_response
from gateway.core.signing.hashtree import HashTree, build_tree
from gateway.core.signing.timestampbatch import batch_chain, batch_result
from gateway.core.signing.verify import SignerVerdicts
from gateway.core.signing.xades import parse_signature
from tests.support.pki import FRESHNESS, Issued, KeyKind, Pki

CLIENT = MemberId("VN", "GOV", "G22")
PROVIDER = MemberId("VN", "GOV", "G01")
REQUEST = build_request(
    verb="POST",
    target="/r1/VN/GOV/G01/dancu/person/v1/persons?q=Nguy%E1%BB%85n",
    headers=[("X-Road-Client", "VN/GOV/G22/dvc")],
    request_id="0" * 36,
    message_id="message 1",
)
RESPONSE = build_response(REQUEST, status=200, reason="OK", headers=[], request_hash=bytes(64))
StampKind = Literal["single", "batch"]


@dataclass(slots=True)
class ContainerWorld:
    key: KeyKind = "ec"
    pki: Pki = field(init=False)
    client: Issued = field(init=False)
    provider: Issued = field(init=False)

    def __post_init__(self) -> None:
        self.pki = Pki()
        self.client = self.pki.issue_sign(CLIENT, self.key)
        self.provider = self.pki.issue_sign(PROVIDER, self.key)

    def conf(self) -> GlobalConfiguration:
        shared = SharedParameters(
            "VN", 6, FRESHNESS, approved_cas=self.pki.trust().approved_cas, approved_tsas=(self.pki.approved_tsa,)
        )
        return GlobalConfiguration("VN", "f", {}, {"VN": shared}, {"VN": None}, None, OptionalParts())

    def record(
        self, kind: RecordKind = "request", *, body: bytes | None = None, signer: Issued | None = None
    ) -> MessageRecord:
        message = REQUEST if kind == "request" else RESPONSE
        signer = signer or (self.client if kind == "request" else self.provider)
        signed = self.pki.sign_message(signer, message.raw, () if body is None else (body,))
        return MessageRecord(
            uid=uuid4(),
            time=self.pki.now,
            side="client",
            kind=kind,
            message_id=message.message_id,
            request_id=message.request_id,
            client=str(message.client),
            service=str(message.service),
            peer_server=None,
            decision=None,
            request_number=None if kind == "request" else 1,
            part=message.raw,
            signature=signed.signature,
            hash_chain_result=signed.hash_chain_result,
            hash_chain=signed.hash_chain,
            body=None if body is None else RecordedBody(len(body), sha512(body), body, None),
            conf_fingerprint="f",
        )

    def stamp(self, record: MessageRecord, kind: StampKind = "single") -> Stamp:
        """A batch is of this signature between two others."""
        if kind == "single":
            return Stamp(self.pki.stamp(parse_signature(record.signature).value))
        tree = tree_around(record)
        result = batch_result(tree.root)
        return Stamp(self.pki.stamp(result), result, batch_chain(sha512(record.signature), tree.path(1)))

    def files(
        self, kind: RecordKind = "request", *, body: bytes | None = None, stamp: StampKind = "single"
    ) -> dict[str, bytes]:
        record = self.record(kind, body=body)
        container = stamped_container(record, self.stamp(record, stamp))
        files = dict(container_files(container, 0 if body is None else 1))
        return files if body is None else {**files, "attachment1": body}

    def verify(self, container: bytes) -> ContainerReport:
        return verify_container(io.BytesIO(container), self.conf(), SignerVerdicts())


def tree_around(record: MessageRecord) -> HashTree:
    return build_tree([sha512(b"before"), sha512(record.signature), sha512(b"behind")])


def pack(files: Mapping[str, bytes] | Sequence[tuple[str, bytes]], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.comment = ZIP_COMMENT
        for name, content in files.items() if isinstance(files, Mapping) else files:
            archive.writestr(name, content)
    return out.getvalue()
