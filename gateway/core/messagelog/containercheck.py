"""Is a container evidence? Asked offline, of a container and a global configuration alone (reference 5.2).

1. The container is one (`container.py`).
2. Its signature is a signature, and covers the message or the result of the message's hash chain.
3. The signature was time-stamped by an approved authority: alone, or with others through a hash chain. From here on, "at the time"
   is the time of the stamp.
4. The message says who is to have signed it: the client a request, the provider a response.
5. That member signed every part that is here, with a certificate that was good at the time (`signing/verify.py`).
6. Attachments: each one the signature covers is here, or is named with the digest that was signed.

X-Road's verifier takes an attachment that was altered for one that is absent, and one that nobody signed it does not mention;
here both make step 5 fail. An absent one is no error in either: containers of SOAP messages are exported without attachments. A
hash chain that the signature does not cover is ignored, as X-Road does; the parts are then those the signature names itself.
A step that cannot be done because one before it failed has failed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from gateway.core.digest import Digest
from gateway.core.errors import GatewayError, MalformedMessage, SignatureRejected, TimestampRejected
from gateway.core.globalconf.model import GlobalConfiguration
from gateway.core.identifiers import ClientId
from gateway.core.messagelog.container import Container, ReadContainer, read_container
from gateway.core.messagelog.steps import Step, Steps
from gateway.core.messages.rest import parse_request, parse_response
from gateway.core.messages.soap import parse_soap_parties
from gateway.core.signing.hashchain import written_digests
from gateway.core.signing.timestamp import VerifiedTimestamp, verify_batch_timestamp, verify_timestamp
from gateway.core.signing.trust import ApprovedTsa
from gateway.core.signing.verify import SignerVerdicts, VerifiedSignature, verify_parts
from gateway.core.signing.xades import HASH_CHAIN_RESULT, MESSAGE, XadesSignature, parse_signature

_CATEGORY = "signature_verification."


@dataclass(frozen=True, slots=True)
class Signer:
    """Who is to have signed a message, as the message says."""

    client: ClientId
    message_id: str
    is_response: bool


@dataclass(frozen=True, slots=True)
class ContainerReport:
    """`time`: of the time-stamp, None when there is no good one. `message_id`, `signer`: as the message says."""

    steps: tuple[Step, ...]
    time: datetime | None
    signer: Signer | None

    @property
    def ok(self) -> bool:
        return all(step.ok for step in self.steps)

    @property
    def code(self) -> str | None:
        """X-Road's code of the first step that failed, without `signature_verification.`, as its verifier gives it."""
        failed = next((step for step in self.steps if not step.ok), None)
        return None if failed is None or failed.code is None else failed.code.removeprefix(_CATEGORY)


def verify_container(file: BinaryIO, conf: GlobalConfiguration, verdicts: SignerVerdicts) -> ContainerReport:
    """What the module docstring says. `verdicts` may be shared between containers of one `conf`. Raises nothing of its own."""
    steps = Steps()
    read = steps.attempt(1, lambda: _read(file))
    if read is None:
        return ContainerReport(tuple(steps.done), None, None)
    if read.ignored:
        steps.note(1, f"{len(read.ignored)} more file(s) in it mean nothing to X-Road and were ignored")
    xades = steps.attempt(2, lambda: _parse_signature(read.container))
    stamp = signer = None
    if xades is None:
        steps.fail(3, "time-stamp not checked: a step before it failed")
    else:
        stamp = _timestamp(steps, xades, read.container, conf)
        if stamp is not None:
            signer = steps.attempt(4, lambda: _signer(read.container.message))
    if xades is None or stamp is None or signer is None:
        steps.fail(5, "signature not checked: a step before it failed")
    else:
        _signature(steps, read, xades, signer, stamp.time, conf, verdicts)
    return ContainerReport(tuple(steps.done), None if stamp is None else stamp.time, signer)


# --- 1, 2 ------------------------------------------------------------------------------------------------------------


def _read(file: BinaryIO) -> tuple[str, ReadContainer]:
    read = read_container(file)
    return f"an ASiC-E container of a message with {len(read.attachments)} attachment(s)", read


def _parse_signature(container: Container) -> tuple[str, XadesSignature]:
    xades = parse_signature(container.signature)
    referenced = {reference.uri for reference in xades.references}
    if HASH_CHAIN_RESULT in referenced:
        return "the signature covers the result of the message's hash chain", xades
    if MESSAGE not in referenced:
        raise MalformedMessage("The signature does not cover the message", code=f"{_CATEGORY}malformed_signature")
    ignored = "; the hash chain beside it is not signed and was ignored" if container.hash_chain is not None else ""
    return f"the signature covers the message directly{ignored}", xades


# --- 3 ---------------------------------------------------------------------------------------------------------------


def _timestamp(
    steps: Steps, xades: XadesSignature, container: Container, conf: GlobalConfiguration
) -> VerifiedTimestamp | None:
    """The earliest of the time-stamps; each must be good."""
    try:
        found = _verify_timestamps(xades, container, conf)
    except GatewayError as e:
        steps.fail(3, str(e), e.code)
        return None
    for stamp in found:
        for what in stamp.steps:
            steps.note(3, what)
    return min(found, key=lambda stamp: stamp.time)


def _verify_timestamps(
    xades: XadesSignature, container: Container, conf: GlobalConfiguration
) -> list[VerifiedTimestamp]:
    tsas = [tsa for shared in conf.instances.values() for tsa in shared.approved_tsas]
    found = [verify_timestamp(token, xades.value, tsas) for token in xades.timestamps]
    if container.token is not None:
        found.append(_verify_file(container, container.token, xades, tsas))
    if not found:
        raise TimestampRejected("Could not find element EncapsulatedTimeStamp")
    return found


def _verify_file(
    container: Container, token: bytes, xades: XadesSignature, tsas: list[ApprovedTsa]
) -> VerifiedTimestamp:
    result, chain = container.timestamp_chain_result, container.timestamp_chain
    if result is None or chain is None:
        return verify_timestamp(token, xades.value, tsas)
    return verify_batch_timestamp(token, result, chain, container.signature, tsas)


# --- 4 ---------------------------------------------------------------------------------------------------------------


def _signer(message: bytes) -> tuple[str, Signer]:
    """SOAP is XML; a REST response begins with its status (reference 3.8)."""
    signer = _soap_signer(message) if message.lstrip()[:1] == b"<" else _rest_signer(message)
    kind = "response" if signer.is_response else "request"
    return f"a {kind} with message id {signer.message_id}, to be signed by {signer.client.member}", signer


def _soap_signer(message: bytes) -> Signer:
    soap = parse_soap_parties(message)
    return Signer(soap.service.client if soap.is_response else soap.client, soap.message_id, soap.is_response)


def _rest_signer(message: bytes) -> Signer:
    if message[:1].isdigit():
        response = parse_response(message)
        return Signer(response.service.client, response.message_id, True)
    request = parse_request(message)
    return Signer(request.client, request.message_id, False)


# --- 5, 6 ------------------------------------------------------------------------------------------------------------


def _signature(
    steps: Steps,
    read: ReadContainer,
    xades: XadesSignature,
    signer: Signer,
    at: datetime,
    conf: GlobalConfiguration,
    verdicts: SignerVerdicts,
) -> None:
    chained = any(reference.uri == HASH_CHAIN_RESULT for reference in xades.references)
    written = steps.attempt(5, lambda: _written(read)) if chained else {}
    if written is None:
        steps.fail(5, "signature not checked: its hash chain cannot be read")
        return
    here = read.parts()
    if MESSAGE in written:  # older chains say the message's digest in another algorithm
        here[MESSAGE] = written[MESSAGE].algorithm.of(read.container.message)
    verified = steps.attempt(5, lambda: _verify(read, {**written, **here}, chained, signer, at, conf, verdicts))
    if verified is None:
        return
    for what in verified.steps:
        steps.note(5, what)
    for attachment in read.attachments:
        steps.note(6, f"{attachment.part[1:]}: {attachment.size} bytes, covered by the signature")
    for name in sorted(written.keys() - here.keys()):
        steps.note(
            6,
            f"{name[1:]}: not in the container; {written[name].algorithm.name} {written[name].value.hex()} was signed",
        )


def _written(read: ReadContainer) -> tuple[str, dict[str, Digest]]:
    chain = read.container.hash_chain
    if chain is None:
        raise SignatureRejected("The signed hash chain is not here", code=f"{_CATEGORY}malformed_signature")
    try:
        written = written_digests(chain)
    except MalformedMessage as e:
        raise SignatureRejected(e.safe_detail, code=f"{_CATEGORY}malformed_signature.{e.code}") from e
    return f"the hash chain names {len(written)} part(s)", written


def _verify(
    read: ReadContainer,
    parts: dict[str, Digest],
    chained: bool,
    signer: Signer,
    at: datetime,
    conf: GlobalConfiguration,
    verdicts: SignerVerdicts,
) -> tuple[str, VerifiedSignature]:
    container = read.container
    verified = verify_parts(
        parts,
        signature=container.signature,
        hash_chain_result=container.hash_chain_result if chained else None,
        hash_chain=container.hash_chain if chained else None,
        signer=signer.client,
        trust=conf.trust(signer.client.instance, at),
        at=at,
        verdicts=verdicts,
    )
    return f"signed by {verified.member}, as of {at.isoformat()}", verified
