"""Binds monitoring to the rooms: what operators are told, measured and warned of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial

from cryptography import x509

from gateway.app.keys import ServerKeys
from gateway.confclient.client import ConfigurationClient
from gateway.core.errors import GatewayError
from gateway.core.messages.fault import Fault
from gateway.core.signing.verify import SignerVerdicts
from gateway.exchange.peers import PeerVerdicts
from gateway.httpd.connection import ConnectionCount
from gateway.messagelog.archiver import Archiver
from gateway.messagelog.stamper import TimeStamper
from gateway.messagelog.writer import MessageLogWriter
from gateway.monitoring import checks
from gateway.monitoring.health import Health, Problem
from gateway.monitoring.line import ExchangeLine
from gateway.monitoring.logs import Log, where
from gateway.monitoring.outcomes import bounded_code
from gateway.monitoring.promises import PromiseReading, promises
from gateway.monitoring.readings import CertificateReading, CertificateUse, Reading, Readings
from gateway.revocation.watch import RevocationWatch
from gateway.settings.server import ServerSettings
from gateway.storage.watch import DatabaseWatch
from gateway.transparency.keeper import KeeperStats, PromiseKeeper
from gateway.transparency.outbox import Outbox
from gateway.transport.peers import PeerLinks
from gateway.transport.tls import PeerListener

_WARN_DAYS = 30.0
_LAG_WARN, _LAG_FAIL = 1.0, 10.0  # seconds
_WARN_BEFORE_EXPIRY = timedelta(minutes=2)


def incidents(log: Log, line: ExchangeLine) -> Callable[[Exception, Fault], None]:
    """What the proxies report with: a known code, and the correlation id that the caller was given. Of an unexpected error its
    type and place, never its text, which may hold a path or a body; of a peer's fault nothing the peer chose."""

    def report(error: Exception, fault: Fault) -> None:
        told = {"code": bounded_code(fault.code), "correlation": line.message_id(fault.detail or "-")}
        if isinstance(error, GatewayError):
            log.warning("refused", **told)
        else:
            log.error("internal_error", **told, **where(error))

    return report


class Watched:
    """The rooms of one server that monitoring reads from."""

    def __init__(
        self,
        settings: ServerSettings,
        clock: Callable[[], datetime],
        *,
        database: DatabaseWatch,
        writer: MessageLogWriter,
        stamper: TimeStamper,
        archiver: Archiver | None,
        outbox: Outbox | None,
        keeper: PromiseKeeper | None,
        globalconf: ConfigurationClient,
        keys: ServerKeys,
        links: PeerLinks,
        verdicts: SignerVerdicts,
        peers: PeerVerdicts,
        revocations: RevocationWatch,
        listener: PeerListener | None,
        connections: Mapping[str, ConnectionCount],
    ) -> None:
        self._server = settings.server
        own = settings.server.instance
        self._clients = [c.id.resolve(own) for c in settings.clients if c.status == "registered"]
        self._clock = clock
        self._database = database
        self._writer = writer
        self._stamper = stamper
        self._archiver = archiver
        self._outbox = outbox
        self._keeper = keeper
        self._proofs = str(settings.proof_folder)
        self._told = settings.transparency
        self._globalconf = globalconf
        self._keys = keys
        self._links = links
        self._verdicts = verdicts
        self._peers = peers
        self._revocations = revocations
        self._listener = listener
        self._connections = connections

    def readings(self) -> Readings:
        verdicts, peers, listener = self._verdicts, self._peers, self._listener
        accepted: dict[str, Reading] = {} if listener is None else {"server": lambda: listener.handshakes}
        return Readings(
            log_up=self._log_up,
            log_queue=lambda: self._writer.stats().waiting,
            log_lag=lambda: self._writer.stats().lag,
            last_commit_age=lambda: self._since(self._writer.stats().last_commit),
            unstamped=lambda: self._stamper.stats().waiting,
            stamp_lag=self._stamp_lag,
            last_stamp_age=lambda: self._since(self._stamper.stats().last_success),
            stamped_records=lambda: self._stamper.stats().stamped,
            stamp_failures=lambda: self._stamper.stats().failures,
            disclosure_waiting=lambda: None if self._outbox is None else self._outbox.waiting,
            disclosure_age=lambda: None if self._outbox is None else self._outbox.age.total_seconds(),
            disclosure_submitted=lambda: None if self._outbox is None else self._outbox.submitted,
            promises_waiting=lambda: self._of_promises(lambda s: s.waiting),
            promises_age=lambda: self._of_promises(lambda s: self._since(s.oldest) or 0.0),
            promises_overdue=lambda: self._of_promises(lambda s: s.overdue),
            promises_cases=lambda: self._of_promises(lambda s: sum(s.cases.values()) + s.misdated),
            promises_unjudged=lambda: self._of_promises(lambda s: len(s.trouble)),
            promises_kept=lambda: self._of_promises(lambda s: s.kept),
            promises_broken=lambda: self._of_promises(lambda s: s.broken),
            globalconf_age=lambda: self._since(self._globalconf.last_success),
            globalconf_left=self._globalconf_left,
            revoked=lambda: self._revocations.refused,
            revocation_unanswered=lambda: self._revocations.unanswered,
            chain_verifications=lambda: verdicts.misses + peers.misses,
            ocsp_verifications=lambda: verdicts.misses + peers.misses,
            certificates=self.certificates,
            connections={port: partial(_open, count) for port, count in self._connections.items()},
            connections_refused={port: partial(_refused, count) for port, count in self._connections.items()},
            tls_handshakes={"client": lambda: self._links.handshakes, **accepted},
            verdict_hits={"signer": lambda: verdicts.hits, "peer": lambda: peers.hits},
            verdict_misses={"signer": lambda: verdicts.misses, "peer": lambda: peers.misses},
        )

    def watch(self, health: Health) -> None:
        health.register("globalconf", self._check_globalconf)
        health.register("certificates", lambda now: checks.certificates(self.certificates(), warn_days=_WARN_DAYS))
        health.register("ocsp", self._check_ocsp)
        health.register("registration", self._check_registration)
        health.register("messagelog", self._check_log)
        health.register("timestamps", self._check_stamps)
        health.register(
            "archiving", lambda _: checks.archiving(() if self._archiver is None else self._archiver.problems)
        )
        health.register("transparency", self._check_disclosure)
        health.register("promises", self._check_promises)

    def certificates(self) -> Iterator[CertificateReading]:
        now = self._clock()
        for member, certificate in self._keys.signer.holders(self._server.instance, now):
            yield self._reading("sign", member, certificate, now)
        for key in self._keys.authentication.keys:
            yield self._reading("auth", str(self._server), key.certificate, now)
        if self._keys.internal is not None:
            yield self._reading("tls", str(self._server), self._keys.internal.certificate, now)

    def _reading(
        self, use: CertificateUse, member: str, certificate: x509.Certificate, now: datetime
    ) -> CertificateReading:
        left = (certificate.not_valid_after_utc - now) / timedelta(days=1)
        age = self._keys.ocsp.age(certificate)
        seconds = None if age is None else age.total_seconds()
        return CertificateReading(use, member, left, seconds, f"{certificate.serial_number:x}")

    def _since(self, moment: datetime | None) -> float | None:
        return None if moment is None else (self._clock() - moment).total_seconds()

    def _of_promises(self, read: Callable[[KeeperStats], float]) -> float | None:
        return None if self._keeper is None else read(self._keeper.stats)

    def _globalconf_left(self) -> float | None:
        expires = self._globalconf.current().expires
        return None if expires is None else (expires - self._clock()).total_seconds()

    def _check_globalconf(self, now: datetime) -> Iterable[Problem]:
        expires = self._globalconf.current().expires
        if expires is not None:  # None: a directory that never expires
            yield from checks.global_configuration(expires, now, warn=_WARN_BEFORE_EXPIRY)
        if self._globalconf.last_error is not None:
            yield Problem(
                "globalconf.refresh",
                "warn",
                f"The global configuration could not be renewed: {self._globalconf.last_error}",
                f"Không làm mới được cấu hình toàn cục: {self._globalconf.last_error}",
            )

    def _check_ocsp(self, now: datetime) -> Iterable[Problem]:
        try:
            trust = self._globalconf.current().trust(self._server.instance, now)
        except GatewayError:
            return ()  # said by the check of the global configuration
        return checks.ocsp(self.certificates(), fresh_seconds=trust.ocsp_freshness.total_seconds())

    def _check_registration(self, now: datetime) -> Iterable[Problem]:
        trust = self._globalconf.current()
        try:
            server = trust.server(self._server, now)
            holders = {member for member, _ in self._keys.signer.holders(self._server.instance, now)}
        except GatewayError:
            return ()  # said by the check of the global configuration
        registered = frozenset() if server is None else server.clients
        der = self._keys.authentication.current().chain[0]
        return checks.registration(
            str(self._server),
            known=server is not None,
            certificate=trust.server_with_auth_cert(der, self._server.owner, now) == server,
            unserved=[str(c) for c in self._clients if c not in registered],
            keyless=sorted({str(c.member) for c in self._clients} - holders),
        )

    def _stamp_lag(self) -> float:
        oldest = self._stamper.stats().oldest
        return 0.0 if oldest is None else max(0.0, (self._clock() - oldest).total_seconds())

    def _check_stamps(self, _: datetime) -> Iterable[Problem]:
        stats = self._stamper.stats()
        if stats.failing_since is None:
            return ()
        return checks.time_stamps(
            self._stamp_lag(),
            stats.problem,
            policy=self._stamper.policy.unavailable,
            overdue=self._stamper.overdue(),
            immediate=self._stamper.policy.immediate,
        )

    def _check_log(self, _: datetime) -> Iterable[Problem]:
        stats = self._writer.stats()
        lag = None if self._database.away else stats.lag
        return checks.message_log(lag, stats.refusal, warn=_LAG_WARN, fail=_LAG_FAIL)

    def _log_up(self) -> float:
        return float(not self._database.away and self._writer.stats().refusal is None)

    def _check_disclosure(self, _: datetime) -> Iterable[Problem]:
        outbox = self._outbox
        if outbox is None:
            return checks.no_public_log() if self._told == "off" else ()
        stopped = outbox.at_limit and outbox.policy.at_limit
        alert = outbox.age > outbox.policy.alert_after
        return checks.public_log(outbox.waiting, outbox.age.total_seconds(), alert=alert, at_limit=stopped or None)

    def _check_promises(self, _: datetime) -> Iterable[Problem]:
        if self._keeper is None:
            return ()
        stats, delay = self._keeper.stats, self._keeper.policy.max_delay
        trouble = {origin: kind for origin, (kind, _) in stats.trouble.items()}
        return promises(
            PromiseReading(stats.cases, stats.forks, stats.misdated, trouble, stats.overdue, delay, self._proofs)
        )


def _open(count: ConnectionCount) -> float:
    return count.open


def _refused(count: ConnectionCount) -> float:
    return count.refused
