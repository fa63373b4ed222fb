"""One security server: `config/servers/<code>.yaml`. Every key is explained in `config/reference.yaml`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, PlainValidator, ValidationInfo, WithJsonSchema, model_validator

from gateway.core.errors import MalformedMessage
from gateway.core.merkle.policy import parse_policy
from gateway.settings.acme import AcmeSettings, acme_findings
from gateway.settings.clients import ClientSettings, client_findings
from gateway.settings.common import (
    ByteCount,
    CertificateFile,
    Duration,
    DurationOrZero,
    FilePath,
    FileReference,
    Listen,
    Port,
    Secret,
    SecretReference,
    Size,
    Strict,
    UrlOrFile,
    file_reference,
    secret_reference,
    text,
)
from gateway.settings.evidence import EvidenceSettings, evidence_findings
from gateway.settings.loader import Finding, load
from gateway.settings.names import FullServerName, Piece
from gateway.settings.pkcs11uri import Pkcs11Uri, parse_pkcs11_uri
from gateway.settings.references import admin_findings, duplicates
from gateway.settings.transparency import PromiseSettings, Transparency, TransparencySettings, submission_findings

# --- small types of this file ---------------------------------------------------------------------------------------


def _sha256(value: str) -> str:
    if not re.fullmatch(r"file:[^\x00]+|[0-9a-fA-F]{64}", value):
        raise ValueError("must be 64 hexadecimal digits, or file: and the path of a file that holds them")
    return value


def _dsn(value: object) -> str | SecretReference:
    """A PostgreSQL URL without password, or a reference to one. No message repeats the value: a password may be in it."""
    if not isinstance(value, str) or not value.startswith(("postgresql://", "postgres://")):
        return secret_reference(value)
    try:
        secret = urlsplit(value).password is not None or "password=" in value.lower()
    except ValueError:
        secret = True
    if secret:
        raise ValueError("a database URL must not hold a password: put the whole URL behind file:, env: or credential:")
    return value


def _short_database(value: object) -> object:
    if value == "embedded":
        return {"embedded": "var/postgres"}
    return {"url": value} if isinstance(value, str) else value


def _one_or_list(value: object) -> object:
    return value if isinstance(value, tuple) else (value,)


def _token(value: object, info: ValidationInfo) -> Path | Pkcs11Uri:
    if isinstance(value, str) and value.startswith("pkcs11:"):
        return parse_pkcs11_uri(value)
    return file_reference(value, info)


Token = Annotated[
    Path | Pkcs11Uri, PlainValidator(_token), WithJsonSchema({"type": "string", "pattern": "^(file|pkcs11):"})
]
Sha256 = Annotated[str, text(_sha256), WithJsonSchema({"type": "string", "pattern": "^(file:.+|[0-9a-fA-F]{64})$"})]
Dsn = Annotated[str | SecretReference, PlainValidator(_dsn), WithJsonSchema({"type": "string"})]

# --- sections -------------------------------------------------------------------------------------------------------


class GlobalConfigurationSource(Strict):
    """Downloaded from where the anchor says, or read from a directory somebody else keeps. Exactly one of the two."""

    anchor: UrlOrFile | None = None
    anchor_sha256: Sha256 | None = None
    refresh: Duration = timedelta(seconds=60)
    allowed_federations: tuple[Piece, ...] = ()
    directory: FilePath | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.anchor is None) == (self.directory is None):
            raise ValueError("needs either 'anchor' or 'directory'")
        if self.anchor_sha256 is not None and self.anchor is None:
            raise ValueError("'anchor_sha256' belongs to 'anchor'")
        return self

    def anchor_digest(self) -> bytes | None:
        """SHA-256 that the anchor must have; OSError or ValueError when its file has none."""
        if self.anchor_sha256 is None:
            return None
        name = self.anchor_sha256.removeprefix("file:")
        digits = Path(name).read_text("ascii").split()[0] if name != self.anchor_sha256 else name
        return bytes.fromhex(digits)


class DatabaseForm(Strict):
    """An embedded server's directory and a database in it, or the URL of a server run by somebody else."""

    embedded: FilePath | None = None
    name: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")] | None = None
    url: Dsn | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.embedded is None) == (self.url is None):
            raise ValueError("needs either 'embedded' or 'url'")
        if self.url is not None and self.name is not None:
            raise ValueError("'name' belongs to 'embedded': a URL names its database itself")
        return self

    def dsn(self) -> str | None:
        """The URL with its secrets, None for an embedded server. SettingsError when the reference leads nowhere."""
        return self.url.read() if isinstance(self.url, SecretReference) else self.url


DatabaseSettings = Annotated[DatabaseForm, BeforeValidator(_short_database, json_schema_input_type=str | DatabaseForm)]


class KeySettings(Strict):
    """A private key and its certificate: a PKCS#12 file or a hardware token (`token`), or two PEM files."""

    token: Token | None = None
    key: FileReference | None = None
    certificate: CertificateFile | None = None
    pin: Secret | None = None
    algorithm: Literal["default", "pss"] = "default"
    batch: bool = True

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if (self.token is None) == (self.key is None):
            raise ValueError("needs either 'token' (PKCS#12 or PKCS#11) or 'key' and 'certificate' (PEM)")
        if not self.in_hardware and (self.key is None) != (self.certificate is None):
            raise ValueError("'key' and 'certificate' belong together")
        return self

    @property
    def in_hardware(self) -> bool:
        """The key is on a token that keeps it."""
        return isinstance(self.token, Pkcs11Uri)

    @property
    def reference(self) -> str:
        """Scheme and location, as the signer opens it."""
        return str(self.token) if self.in_hardware else f"file:{self.token or self.key}"


OneOrMoreKeys = Annotated[
    tuple[KeySettings, ...],
    Field(min_length=1),
    BeforeValidator(_one_or_list, json_schema_input_type=KeySettings | tuple[KeySettings, ...]),
]


class KeysSettings(Strict):
    signing: OneOrMoreKeys
    authentication: OneOrMoreKeys
    internal_tls: KeySettings | None = None
    settle: DurationOrZero = timedelta(minutes=10)
    reload: Duration = timedelta(seconds=5)

    def files(self) -> Iterator[Path]:
        """Every file that a key, its certificate or its PIN is in."""
        for key in (*self.signing, *self.authentication, *(() if self.internal_tls is None else (self.internal_tls,))):
            yield from (path for path in (key.token, key.key, key.certificate) if isinstance(path, Path))
            if key.pin is not None and (pin := key.pin.file) is not None:
                yield pin


class ServerListen(Strict):
    clients_http: Listen | None = None
    clients_https: Listen | None = None
    servers: Listen | None = None
    ocsp: Listen | None = None
    admin: Listen | None = None


class PeerSettings(Strict):
    port: Port = 5500
    ocsp_port: Port = 5577
    tls: Literal["strict", "interop"] = "strict"
    connect_timeout: Duration = timedelta(seconds=30)
    answer_timeout: Duration = timedelta(minutes=10)
    keep_idle: DurationOrZero = timedelta(seconds=30)


class LimitSettings(Strict):
    header: Size = ByteCount(8 << 10)
    body: Size = ByteCount(10 << 30)
    spool_above: Size = ByteCount(64 << 10)
    message: Size = ByteCount(1 << 20)
    part: Size = ByteCount(1 << 20)
    stall: Duration = timedelta(seconds=30)
    connections: Annotated[int, Field(ge=1, le=100_000)] = 1000


class ServerSettings(Strict):
    server: FullServerName
    global_configuration: GlobalConfigurationSource
    database: DatabaseSettings
    keys: KeysSettings
    listen: ServerListen
    state: FilePath | None = None
    peers: PeerSettings = PeerSettings()
    limits: LimitSettings = LimitSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    transparency: Transparency | None = None
    promises: PromiseSettings | None = None
    acme: AcmeSettings | None = None
    clients: tuple[ClientSettings, ...] = ()

    @property
    def state_directory(self) -> Path:
        """Where the server keeps what it can fetch again: the last good global configuration, for one."""
        return self.state or Path("var") / "servers" / "-".join(self.server.pieces)

    @property
    def proof_folder(self) -> Path | None:
        """Where the promise keeper puts its proofs; None without one."""
        if self.promises is None:
            return None
        return self.promises.proofs or self.state_directory / "promises"

    @property
    def database_name(self) -> str:
        """Name of the embedded database: the configured one, or the server's id as a name."""
        own = re.sub(r"[^a-z0-9]+", "_", str(self.server).lower())
        return self.database.name or f"gateway_{own}"[:63]


def server_findings(settings: ServerSettings, *, files: bool = True) -> Iterator[Finding]:
    instance = settings.server.instance
    listen = [(("listen", name), address) for name, address in settings.listen if address is not None]
    yield from duplicates(listen, "address")
    yield from admin_findings(settings.listen.admin, ("listen", "admin"))
    if settings.listen.clients_https is not None and settings.keys.internal_tls is None:
        yield Finding(("listen", "clients_https"), "needs keys.internal_tls")
    tls = [(("authentication", i), key) for i, key in enumerate(settings.keys.authentication)]
    for where, key in [*tls, *((("internal_tls",), k) for k in (settings.keys.internal_tls,) if k is not None)]:
        if key.in_hardware:
            yield Finding(("keys", *where, "token"), "must be a file: a PKCS#11 token keeps its key, and TLS needs it")
    if settings.limits.spool_above > settings.limits.body:
        yield Finding(("limits", "spool_above"), "is above limits.body")
    ids = [(("clients", i, "id"), c.id.resolve(instance)) for i, c in enumerate(settings.clients)]
    yield from duplicates(ids, "client")
    for i, client in enumerate(settings.clients):
        yield from client_findings(client, instance, ("clients", i), files=files)
    yield from acme_findings(settings.acme)
    yield from evidence_findings(settings.evidence, [client.id for client in settings.clients], instance)
    yield from _transparency_findings(settings)
    if settings.promises is not None:
        yield from _promise_findings(settings, settings.promises, files=files)


def _promise_findings(settings: ServerSettings, promises: PromiseSettings, *, files: bool) -> Iterator[Finding]:
    archive = settings.evidence.archive
    if archive is not None and archive.keep_records < 2 * promises.max_delay:
        what = "is above half of evidence.archive.keep_records: a broken promise needs its response's record"
        yield Finding(("promises", "max_delay"), what)
    if files:
        policy, where = promises.policy, ("promises", "policy")
        try:
            believed = parse_policy(policy.read_bytes())
        except (MalformedMessage, OSError) as e:
            yield Finding(where, f"{policy}: {e.safe_detail if isinstance(e, MalformedMessage) else e.strerror}")
            return
        if not any(log.url for log in believed.logs):
            yield Finding(where, f"{policy} says of no log where it is")
        if believed.quorum is None:
            yield Finding(
                where, f"{policy} asks for no witnesses: without their time nothing proves that an entry is missing"
            )


def _transparency_findings(settings: ServerSettings) -> Iterator[Finding]:
    """Nobody stops telling citizens by leaving something out."""
    services = [
        (("clients", i, "services", j), service)
        for i, client in enumerate(settings.clients)
        for j, service in enumerate(client.services)
    ]
    if services and settings.transparency is None:
        what = "a server with services says how citizens learn of accesses: a mapping, or 'off'"
        yield Finding(("transparency",), f"is required: {what}")
    if isinstance(settings.transparency, TransparencySettings):
        yield from submission_findings(settings.transparency, shows_key=settings.keys.internal_tls is not None)
        for path, service in services:
            if service.contract is None:
                yield Finding(path, "needs a 'contract': whom is each endpoint about?")
    else:
        for path, service in services:
            if service.own:
                yield Finding((*path, "url"), "is for servers that tell citizens of accesses: 'transparency'")


def load_server(path: Path, *, files: bool = True) -> ServerSettings:
    """SettingsError holds every problem. `files`: False does not look at the files that the settings name."""
    return load(path, ServerSettings, partial(server_findings, files=files), files=files)
