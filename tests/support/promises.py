"""A consumer's promise keeper in a test: real signed and time-stamped responses in a real database, a public log in memory.

world = PromiseWorld(database, tmp_path)        world.log.entries += ...; world.log.publish()
await world.promised(entries)                   world.later(hours=25)
await world.keeper.round()                      world.told, world.keeper.stats
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from gateway.core.digest import sha512
from gateway.core.disclosure.leaf import BUCKET_SECONDS
from gateway.core.disclosure.promise import Promise, with_promise
from gateway.core.disclosure.promiseproof import PromiseProof, PromiseReport, SignedPromise, parse_proof, verify_proof
from gateway.core.errors import PeerUnavailable
from gateway.core.globalconf.model import GlobalConfiguration
from gateway.core.identifiers import MemberId
from gateway.core.merkle.checkpoint import print_checkpoint
from gateway.core.merkle.hashing import leaf_hash, root_of
from gateway.core.merkle.note import SignedNote
from gateway.core.merkle.policy import Policy, parse_policy
from gateway.core.merkle.proofs import inclusion_proof
from gateway.core.merkle.receipt import Receipt
from gateway.core.merkle.tiles import TreeEdge, grow
from gateway.core.messagelog.record import MessageRecord, RecordedBody
from gateway.core.messages.rest import build_request, build_response
from gateway.core.signing.timestamp import verify_timestamp
from gateway.messagelog.promises import RecordedPromises
from gateway.messagelog.stamper import StampPolicy, TimeStamper
from gateway.messagelog.tsaclient import Token
from gateway.storage.database import Database
from gateway.transparency.keeper import Broken, KeeperPolicy, Misdated, PromiseKeeper
from gateway.transparency.logview import LogView
from gateway.transparency.promised import PromiseTable
from gateway.transparency.prooffolder import ProofFolder
from gateway.transparency.witnesses import WitnessClient
from tests.support.containers import ContainerWorld, StampKind
from tests.support.logkeys import AUDITOR, LOG, LOG_PQ, ORIGIN, WITNESS, Key, checkpoint_of
from tests.support.pki import Issued, Pki
from tests.support.stored import store

POLICY = f"""log {LOG.verifier} http://log.example/2026
log {LOG_PQ.verifier}
witness w {WITNESS.verifier}
witness a {AUDITOR.verifier}
group q all w a
quorum q
""".encode()


def leaf(n: int) -> bytes:
    return n.to_bytes(4, "big") * 27


def dated(n: int, at: datetime) -> bytes:
    """An entry of an access at that time."""
    return struct.pack(">BBHII", 1, 1, 0, int(at.timestamp()) // BUCKET_SECONDS, 7) + n.to_bytes(4, "big") * 24


@dataclass
class ShownLog:
    """What a log shows. `entries`: those published; `hidden`: leaf hashes without receipt; `down`: it does not answer."""

    at: datetime
    entries: list[bytes] = field(default_factory=list)
    hidden: set[bytes] = field(default_factory=set)
    down: bool = False
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def publish(self, *, witnessed: bool = True) -> None:
        self.hashes = [leaf_hash(e) for e in self.entries]
        tree, signers = checkpoint_of(self.hashes), (LOG, LOG_PQ, WITNESS, AUDITOR) if witnessed else (LOG,)
        text = print_checkpoint(tree)
        self.note = SignedNote(text, tuple(key.sign(text, int(self.at.timestamp())) for key in signers))
        self.files = dict(grow(TreeEdge(), self.entries).files) | {"checkpoint": bytes(self.note)}

    async def read(self, path: str) -> bytes | None:
        self.asked.append(path)
        if self.down:
            raise PeerUnavailable("it does not answer")
        kind, _, digits = path.partition("/")
        return self.receipt(bytes.fromhex(digits)) if kind == "receipt" else self.files.get(path)

    def receipt(self, wanted: bytes) -> bytes | None:
        if wanted not in self.hashes or wanted in self.hidden:
            return None
        index, size = self.hashes.index(wanted), len(self.hashes)
        path = inclusion_proof(index, size, lambda level, n: root_of(self.hashes[n << level : (n + 1) << level]))
        return bytes(Receipt(index, path, self.note))

    async def __aenter__(self) -> ShownLog:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass


class ProofWorld:
    """Signed promises and their proofs, without a database. The checkpoint is witnessed 48 hours after the promise."""

    def __init__(self) -> None:
        self.trust = ContainerWorld()
        self.trust.pki = Pki(now=datetime.now(UTC).replace(microsecond=0))
        self.trust.client = self.trust.pki.issue_sign(MemberId("VN", "GOV", "G22"))
        self.providers = {code: self.trust.pki.issue_sign(MemberId("VN", "GOV", code)) for code in ("G01", "G15")}
        self.conf = self.trust.conf()
        self.at = self.trust.pki.now + timedelta(hours=48)

    def proof(
        self,
        *,
        promise: Promise | None = None,
        entries: Sequence[bytes] = (leaf(0), leaf(1), leaf(2)),
        signers: Sequence[Key] = (LOG, LOG_PQ, WITNESS, AUDITOR),
        stamp: StampKind = "single",
        body: bytes | None = b"{}",
        signer: Issued | None = None,
    ) -> PromiseProof:
        """That leaf 7 is missing among `entries`."""
        wanted = leaf_hash(leaf(7))
        record = self.response("G01", with_promise([], promise or Promise(ORIGIN, (wanted,))), body, signer)
        hashes = tuple(map(leaf_hash, entries))
        text = print_checkpoint(checkpoint_of(hashes))
        note = SignedNote(text, tuple(key.sign(text, int(self.at.timestamp())) for key in signers))
        digest = None if body is None else sha512(body)
        chain = (record.hash_chain_result, record.hash_chain)
        made = SignedPromise(record.part, digest, record.signature, *chain, self.trust.stamp(record, stamp))
        return PromiseProof(wanted, timedelta(hours=24), made, bytes(note), hashes)

    def response(
        self, provider: str, headers: Sequence[tuple[str, str]], body: bytes | None, signer: Issued | None = None
    ) -> MessageRecord:
        request = build_request(
            verb="GET",
            target=f"/r1/VN/GOV/{provider}/dancu/person/v1/persons/1",
            headers=[("X-Road-Client", "VN/GOV/G22/dvc")],
            request_id="0" * 36,
            message_id="message",
        )
        made = build_response(request, status=200, reason="OK", headers=headers, request_hash=bytes(64))
        signer = signer or self.providers[provider]
        signed = self.trust.pki.sign_message(signer, made.raw, () if body is None else (body,))
        return replace(
            self.trust.record("response", signer=signer),
            uid=uuid4(),
            service=str(made.service),
            part=made.raw,
            signature=signed.signature,
            hash_chain_result=signed.hash_chain_result,
            hash_chain=signed.hash_chain,
            body=None if body is None else RecordedBody(len(body), sha512(body), body, None),
        )


class PromiseWorld(ProofWorld):
    """`now`: moved by `later`. Providers are G01 and G15; each response is stamped and looked through at once. `witnesses`: whom
    the keeper asks; nobody at first."""

    def __init__(self, database: Database, folder: Path, policy: KeeperPolicy | None = None) -> None:
        super().__init__()
        self.database = database
        self.now = datetime.now(UTC)
        self.log = ShownLog(self.now)
        self.policy: Policy = parse_policy(POLICY)
        self.folder = folder / "promises"
        self.told: list[Broken | Misdated] = []
        self.witnesses = WitnessClient((), timedelta(seconds=5))
        self.stamper = TimeStamper(database.pool, _Authority(self), self, self.clock, StampPolicy(hand_on=True))
        self.keeper = self.new_keeper(policy or KeeperPolicy())

    def new_keeper(self, policy: KeeperPolicy) -> PromiseKeeper:
        """As after a restart."""
        pool = self.database.pool
        view = LogView(ORIGIN, self.log, self.policy, self.witnesses)
        evidence, folder = RecordedPromises(pool, None), ProofFolder(self.folder)
        rest = (folder, self, self.clock, policy, self.told.append)
        return PromiseKeeper(PromiseTable(pool), evidence, {ORIGIN: view}, self.policy, *rest)

    def clock(self) -> datetime:
        return self.now

    def current(self) -> GlobalConfiguration:
        return self.conf

    def later(self, **more: float) -> None:
        """Time passes, and the log is witnessed anew."""
        self.now += timedelta(**more)
        self.log.at = self.now
        self.log.publish()

    async def promised(
        self,
        entries: Sequence[bytes],
        provider: str = "G01",
        *,
        origin: str = ORIGIN,
        body: bytes | None = b"{}",
        before: timedelta = timedelta(),
    ) -> MessageRecord:
        """A provider's response with this promise, recorded. `before`: how long before its time-stamp it came."""
        record = self.response(provider, with_promise([], Promise(origin, tuple(map(leaf_hash, entries)))), body)
        record = replace(record, time=record.time - before)
        await store(self.database, [record])
        return record

    async def asked(self, response: MessageRecord, before: timedelta) -> None:
        """The request that it answers, recorded so long before it."""
        made = self.trust.record("request")
        await store(self.database, [replace(made, time=response.time - before, request_id=response.request_id)])

    async def stamp(self) -> None:
        """What the database notes from now on has its own clock's time: ours is never behind it."""
        await self.stamper.round()
        self.now = max(self.now, datetime.now(UTC) + timedelta(seconds=5))

    async def states(self) -> dict[str, int]:
        rows = await self.database.pool.fetch("SELECT state, count(*) AS n FROM promise GROUP BY state")
        return {row["state"]: row["n"] for row in rows}

    def proofs(self) -> list[PromiseProof]:
        return [parse_proof(path.read_bytes()) for path in sorted(self.folder.glob("broken-*.json"))]

    def verify(self, proof: PromiseProof, max_delay: timedelta = timedelta(hours=24)) -> PromiseReport:
        return verify_proof(proof, self.conf, self.policy, max_delay)


class _Authority:
    def __init__(self, world: PromiseWorld) -> None:
        self._pki = world.trust.pki

    async def stamp(self, stamped: bytes, conf: GlobalConfiguration) -> Token:
        token = self._pki.stamp(stamped)
        return Token(token, verify_timestamp(token, stamped, (self._pki.approved_tsa,)))
