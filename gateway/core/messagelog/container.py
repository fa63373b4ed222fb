"""The ASiC-E container of one signed message, as X-Road exports it (reference 5.1): what stands in it, and in which order.

Out: `container_files` gives every file but the attachments, in X-Road's order; attachments, which may be large, come last and are
written by whoever has them. In: `read_container` takes a container apart, strictly (`strictzip.py`); attachments are hashed on the
way and not kept. Manifests are written and never relied on: nobody signed them. What the signatures are worth,
`containercheck.py` says.
"""

from __future__ import annotations

import hashlib
import re
from binascii import b2a_base64
from dataclasses import dataclass, field
from typing import BinaryIO
from urllib.parse import quote_plus

from gateway.core.digest import Digest, DigestAlgorithm, sha512
from gateway.core.errors import MalformedMessage
from gateway.core.messagelog.record import RecordKind
from gateway.core.messagelog.strictzip import NoZip, StrictZip, ZipEntry

MIMETYPE = b"application/vnd.etsi.asic-e+zip"
ZIP_COMMENT = b"mimetype=" + MIMETYPE
SIGNATURES = "META-INF/signatures.xml"
SIGNED_BY_TIMESTAMP = "/" + SIGNATURES
TS_CHAIN_RESULT = "/ts-hashchainresult.xml"

_SIGNATURES_NAME = re.compile(r"meta-inf/.*signatures.*\.xml")
_ATTACHMENT = re.compile(r"attachment([1-9][0-9]{0,3})")
_MAX_MESSAGE = 16 << 20
_MAX_FILE = 1 << 20
_MAX_ATTACHMENT = 16 << 30
_MOST_ENTRIES = 1024
_ID_LENGTH = 226
_BASE32 = "0123456789abcdefghijklmnopqrstuv"

_MANIFEST = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0" manifest:version="1.2">\n'
    "%s</manifest:manifest>\n"
)
_MANIFEST_ENTRY = '    <manifest:file-entry manifest:media-type="%s" manifest:full-path="%s"/>\n'
_ASIC_MANIFEST = (
    '<?xml version="1.0" encoding="utf-8"?>\n'
    '<asic:ASiCManifest xmlns:asic="http://uri.etsi.org/2918/v1.2.1#" xmlns:ds="http://www.w3.org/2000/09/xmldsig#">\n'
    '<asic:SigReference URI="META-INF/timestamp.tst" MimeType="vnd.etsi.timestamp-token"/>\n'
    '<asic:DataObjectReference URI="ts-hashchainresult.xml" MimeType="text/xml">\n'
    '<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha512" />\n'
    "<ds:DigestValue>%s</ds:DigestValue>\n"
    "</asic:DataObjectReference>\n"
    "</asic:ASiCManifest>\n"
)


@dataclass(frozen=True, slots=True)
class Container:
    """What a container says, short of attachments. `signature` holds the time-stamp itself when there is no `token`. `token`: DER
    of META-INF/timestamp.tst, over the time-stamp's chain result, or over the signature value where that is None."""

    message: bytes
    signature: bytes
    hash_chain_result: bytes | None = None
    hash_chain: bytes | None = None
    timestamp_chain_result: bytes | None = None
    timestamp_chain: bytes | None = None
    token: bytes | None = None


@dataclass(frozen=True, slots=True)
class Attachment:
    """`number`: from 1; a REST body is attachment 1."""

    number: int
    size: int
    digest: Digest

    @property
    def part(self) -> str:
        """Its name in signatures."""
        return f"/attachment{self.number}"


@dataclass(frozen=True, slots=True)
class ReadContainer:
    """`ignored`: names of entries that mean nothing to us, unverified."""

    container: Container
    attachments: tuple[Attachment, ...]
    ignored: tuple[str, ...] = field(default=())

    def parts(self) -> dict[str, Digest]:
        """The parts of the message that are here, as signatures name them."""
        return {"/message.xml": sha512(self.container.message), **{a.part: a.digest for a in self.attachments}}


def container_name(message_id: str, kind: RecordKind, number: int) -> str:
    """X-Road's name for a container: the escaped message id, what it is, and the record's number in base 32."""
    digits = ""
    while number or not digits:
        number, digit = divmod(number, 32)
        digits = _BASE32[digit] + digits
    escaped = quote_plus(message_id, safe="*").replace("~", "%7E")
    return f"{escaped[:_ID_LENGTH]}-{kind}-{digits}.asice"


def container_files(c: Container, attachments: int) -> tuple[tuple[str, bytes], ...]:
    """(name, content) of everything before the attachments, in X-Road's order. `attachments`: how many will follow, under the names
    `attachment1`, ..."""
    optional = {
        "sig-hashchainresult.xml": c.hash_chain_result,
        "sig-hashchain.xml": c.hash_chain,
        "ts-hashchainresult.xml": c.timestamp_chain_result,
        "ts-hashchain.xml": c.timestamp_chain,
    }
    chains = [(name, content) for name, content in optional.items() if content is not None]
    listed = [(MIMETYPE.decode(), "/"), ("text/xml", "message.xml")]
    listed += [("text/xml", name) for name, _ in chains]
    listed += [("application/octet-stream", f"attachment{n}") for n in range(1, attachments + 1)]
    manifest = _MANIFEST % "".join(_MANIFEST_ENTRY % entry for entry in listed)
    files = [("mimetype", MIMETYPE), ("message.xml", c.message), (SIGNATURES, c.signature), *chains]
    files.append(("META-INF/manifest.xml", manifest.encode()))
    if c.timestamp_chain_result is not None:
        digest = b2a_base64(hashlib.sha512(c.timestamp_chain_result).digest(), newline=False)
        files.append(("META-INF/ASiCManifest.xml", (_ASIC_MANIFEST % digest.decode()).encode()))
    if c.token is not None:
        files.append(("META-INF/timestamp.tst", c.token))
    return tuple(files)


def read_container(file: BinaryIO) -> ReadContainer:
    """A container in an open file, in the layout of reference 5.1. Nothing is verified. MalformedMessage with the `asic_*` codes of
    reference 10 otherwise."""
    try:
        archive = StrictZip(file, code="asic_invalid_container", most_entries=_MOST_ENTRIES)
    except NoZip as e:
        raise MalformedMessage("Not an ASiC container", code="asic_mime_type_not_found") from e
    return _Reader(archive).read()


class _Reader:
    def __init__(self, archive: StrictZip) -> None:
        self._archive = archive
        self._left: dict[str, ZipEntry] = {entry.name.lower(): entry for entry in archive.entries}

    def read(self) -> ReadContainer:
        mimetype = self._take("mimetype")
        if mimetype is None:
            raise _bad("there is no mimetype", "mime_type_not_found")
        if mimetype != MIMETYPE:
            raise _bad("the mimetype is another one", "invalid_mime_type")
        message = self._take("message.xml", _MAX_MESSAGE)
        if message is None or not message.strip():
            raise _bad("there is no message", "message_not_found")
        signature = self._signature()
        result, chain = self._chain("sig")
        timestamp_result, timestamp_chain = self._chain("ts")
        token = self._take("meta-inf/timestamp.tst")
        if timestamp_result is not None and token is None:
            raise _bad("there is no time-stamp for the hash chain", "timestamp_not_found")
        for manifest in ("meta-inf/manifest.xml", "meta-inf/asicmanifest.xml"):
            content = self._take(manifest)
            if content is not None and not content.strip():
                raise _bad("a manifest is empty", "manifest_not_found")
        attachments = self._attachments()
        ignored = tuple(entry.name for entry in self._left.values())
        container = Container(message, signature, result, chain, timestamp_result, timestamp_chain, token)
        return ReadContainer(container, attachments, ignored)

    def _take(self, name: str, limit: int = _MAX_FILE) -> bytes | None:
        entry = self._left.pop(name, None)
        return None if entry is None else self._archive.read(entry, limit)

    def _signature(self) -> bytes:
        names = [name for name in self._left if _SIGNATURES_NAME.fullmatch(name)]
        if len(names) > 1:
            raise _bad("there is more than one signature", "invalid_container")
        signature = self._take(names[0]) if names else None
        if signature is None or not signature.strip():
            raise _bad("there is no signature", "signature_not_found")
        return signature

    def _chain(self, kind: str) -> tuple[bytes | None, bytes | None]:
        """Both documents of a hash chain, or neither."""
        result, chain = self._take(f"{kind}-hashchainresult.xml"), self._take(f"{kind}-hashchain.xml")
        if result is None and chain is not None:
            raise _bad("a hash chain is without its result", "hash_chain_result_not_found")
        if chain is None and result is not None:
            raise _bad("the result of a hash chain is without its chain", "hash_chain_not_found")
        return result, chain

    def _attachments(self) -> tuple[Attachment, ...]:
        found: dict[int, Attachment] = {}
        for name in list(self._left):
            match = _ATTACHMENT.fullmatch(name)
            if match is not None:
                found[int(match[1])] = self._hashed(int(match[1]), self._left.pop(name))
        return tuple(found[number] for number in sorted(found))

    def _hashed(self, number: int, entry: ZipEntry) -> Attachment:
        running, size = hashlib.sha512(), 0
        for piece in self._archive.pieces(entry, _MAX_ATTACHMENT):
            running.update(piece)
            size += len(piece)
        return Attachment(number, size, Digest(DigestAlgorithm.SHA512, running.digest()))


def _bad(what: str, code: str) -> MalformedMessage:
    return MalformedMessage(f"The container is refused: {what}", code=f"asic_{code}")
