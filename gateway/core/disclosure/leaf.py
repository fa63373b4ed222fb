"""A record's leaf in the public log (ACCESS, 108 bytes), and how a field of it is opened.

    u8 version = 1 | u8 kind = 1 | u16 flags = 0 | u32 time bucket = unix // 600 | u32 provider
    | fields_root | subject_com | statement_com

All numbers big-endian. Everything else comes from one random seed of 32 bytes a leaf, which never leaves the provider's database;
so nothing in a leaf can be computed from a citizen, a time or a purpose by guessing them.

    keys           SHAKE256("egov-al/v2/leaf\\0" || seed), 592 bytes: salt_0 … salt_15, key_subject, key_statement, 16 bytes
    record id      the last 16 as a UUID
    fields_root    RFC 6962 MTH over 16 entries 0x01 || u8 i || salt_i || text_i
    subject_com    HMAC(key_subject, "egov-al/v1/subject\\0" || kind ":" number)
    statement_com  HMAC(key_statement, "egov-al/v1/stmt\\0" || SHA-256(statement))
    statement      the sixteen texts and kind ":" number, each after its length as u32

HMAC is HMAC-SHA256 with 32-byte keys (shorter ones would collide with zero-padded longer ones). How keys come from the seed is the
provider's business alone: who checks a leaf is given the keys. Those of older leaves were HMACs of the seed; the record id, which
comes from the seed as well, says which (decision 0045).
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from gateway.core.disclosure.record import Access, Field
from gateway.core.errors import MalformedMessage
from gateway.core.merkle.hashing import leaf_hash, node_hash, root_of
from gateway.core.subjects.kinds import Person
from gateway.core.values import quick

SEED_SIZE = 32
LEAF_SIZE = 108
BUCKET_SECONDS = 600
_VERSION, _ACCESS = 1, 1
_EXPANDED = b"egov-al/v2/leaf\0"
_ENTRIES = tuple(bytes((0, 1, index)) for index in Field)  # 0: a leaf of the tree of fields; then how its entries begin
_KEYS = struct.Struct("32s" * (len(Field) + 2) + "16s")
_RANDOM, _VERSION_4 = (
    0xFFFFFFFF_FFFF_0FFF_3FFF_FFFFFFFFFFFF,
    0x4000_8000_000000000000,
)  # which bits are random, and the others
_HEAD = struct.Struct(">BBHII")
_LENGTH = struct.Struct(">I").pack


@quick
@dataclass(frozen=True, slots=True)
class AccessEntry:
    """A record ready to be written: for whom, the texts, and its leaf. The seed opens the leaf: it is a secret."""

    person: Person
    fields: tuple[str, ...] = field(repr=False)
    time: datetime
    seed: bytes = field(repr=False)
    leaf: bytes

    @property
    def record_id(self) -> UUID:
        return UUID(self.fields[Field.RECORD])

    @property
    def leaf_hash(self) -> bytes:
        return leaf_hash(self.leaf)


@dataclass(frozen=True, slots=True)
class Opening:
    """One text of a leaf, shown to somebody. `path`: the four hashes to `fields_root`, sibling first."""

    index: int
    salt: bytes
    text: str
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class LeafKeys:
    """Everything that opens one leaf to the person it is about. The seed itself is not in it: a citizen needs no more."""

    salts: tuple[bytes, ...] = field(repr=False)
    subject: bytes = field(repr=False)
    statement: bytes = field(repr=False)


def make_entry(access: Access, person: Person, provider: int, seed: bytes, follows: str = "") -> AccessEntry:
    """`seed`: 32 fresh random bytes, used for this leaf only; `provider`: its public number."""
    if len(seed) != SEED_SIZE:
        raise ValueError("a seed has 32 bytes")
    *salts, for_subject, for_statement, record = _expand(seed)
    fields = access.fields(_print_id(record), follows)
    texts = [text.encode() for text in fields]
    head = _HEAD.pack(_VERSION, _ACCESS, 0, int(access.time.timestamp()) // BUCKET_SECONDS, provider)
    subject = _commit_subject(for_subject, person)
    statement = _commit_statement(for_statement, texts, person)
    return AccessEntry(person, fields, access.time, seed, head + _fields_root(salts, texts) + subject + statement)


def bucket_of(leaf: bytes) -> int | None:
    """The unix second at which the ten minutes begin that a leaf dates its access to; None for what is no leaf of this form."""
    if len(leaf) != LEAF_SIZE:
        return None
    version, kind, flags, bucket, _ = _HEAD.unpack_from(leaf)
    return bucket * BUCKET_SECONDS if (version, kind, flags) == (_VERSION, _ACCESS, 0) else None


def open_leaf(seed: bytes, record: str) -> LeafKeys:
    """`record`: the leaf's first text."""
    *salts, subject, statement, record_id = _expand(seed)
    if _print_id(record_id) != record == _print_id(_hmac(seed, b"id")[:16]):
        salts = [_hmac(seed, b"salt" + bytes((index,))) for index in Field]
        subject, statement = _hmac(seed, b"subj"), _hmac(seed, b"stmt")
    return LeafKeys(tuple(salts), subject, statement)


def open_field(seed: bytes, fields: Sequence[str], index: int) -> Opening:
    """What proves text `index` of the leaf made from this seed and these texts, and nothing of the others."""
    keys = open_leaf(seed, fields[Field.RECORD])
    level = _field_hashes(keys.salts, [text.encode() for text in fields])
    path, n = [], index
    while len(level) > 1:
        path.append(level[n ^ 1])
        level = [node_hash(level[i], level[i + 1]) for i in range(0, len(level), 2)]
        n >>= 1
    return Opening(index, keys.salts[index], fields[index], tuple(path))


def check_opening(leaf: bytes, opening: Opening) -> None:
    """MalformedMessage unless the text stands at that place of the leaf."""
    if len(leaf) != LEAF_SIZE or len(opening.path) != 4 or not 0 <= opening.index < len(Field):
        raise MalformedMessage("not an opening of an access leaf")
    if len(opening.salt) != 32 or any(len(h) != 32 for h in opening.path):
        raise MalformedMessage("salts and hashes have 32 bytes")
    found, n = hashlib.sha256(_ENTRIES[opening.index] + opening.salt + opening.text.encode()).digest(), opening.index
    for sibling in opening.path:
        found = node_hash(sibling, found) if n & 1 else node_hash(found, sibling)
        n >>= 1
    if not hmac.compare_digest(found, leaf[12:44]):
        raise MalformedMessage("the text does not stand in the leaf")


def _commit_subject(key: bytes, person: Person) -> bytes:
    return _hmac(key, b"egov-al/v1/subject\0" + _named(person))


def _commit_statement(key: bytes, texts: Sequence[bytes], person: Person) -> bytes:
    statement = b"".join([_LENGTH(len(text)) + text for text in (*texts, _named(person))])
    return _hmac(key, b"egov-al/v1/stmt\0" + hashlib.sha256(statement).digest())


def check_leaf(leaf: bytes, keys: LeafKeys, fields: Sequence[str], person: Person) -> None:
    """MalformedMessage unless the leaf is about this person and says exactly these texts. Which text differs, a leaf cannot say."""
    if (
        len(leaf) != LEAF_SIZE
        or leaf[:2] != bytes((_VERSION, _ACCESS))
        or not len(keys.salts) == len(fields) == len(Field)
    ):
        raise MalformedMessage("not an access leaf with its sixteen texts")
    texts = [text.encode() for text in fields]
    if _fields_root(keys.salts, texts) != leaf[12:44]:
        raise MalformedMessage("the texts are not those of the leaf")
    if not hmac.compare_digest(_commit_subject(keys.subject, person), leaf[44:76]):
        raise MalformedMessage("the leaf is about somebody else")
    if not hmac.compare_digest(_commit_statement(keys.statement, texts, person), leaf[76:]):
        raise MalformedMessage("the statement is not that of the leaf")


def _named(person: Person) -> bytes:
    return f"{person.kind}:{person.number}".encode()


def _expand(seed: bytes) -> tuple[bytes, ...]:
    """Sixteen salts, the keys of subject and statement, and the record id: one call of the extendable-output function of FIPS 202
    instead of nineteen HMACs."""
    return _KEYS.unpack(hashlib.shake_256(_EXPANDED + seed).digest(_KEYS.size))


def _print_id(octets: bytes) -> str:
    """As a random UUID (RFC 9562, 5.4), without the object in between."""
    digits = (int.from_bytes(octets) & _RANDOM | _VERSION_4).to_bytes(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _fields_root(salts: Sequence[bytes], texts: Sequence[bytes]) -> bytes:
    return root_of(_field_hashes(salts, texts))


def _field_hashes(salts: Sequence[bytes], texts: Sequence[bytes]) -> list[bytes]:
    sha256 = hashlib.sha256  # here and not through `leaf_hash`: every access record has sixteen of these
    return [sha256(b"".join(entry)).digest() for entry in zip(_ENTRIES, salts, texts, strict=True)]


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")
