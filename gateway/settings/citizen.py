"""The citizens' portal: `config/citizen.yaml`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field

from gateway.core.subjects.kinds import KINDS
from gateway.settings.codes import Code
from gateway.settings.common import Duration, ExistingFile, HttpUrl, Listen, Secret, Strict
from gateway.settings.loader import Finding, load, nearest
from gateway.settings.log import policy_findings
from gateway.settings.names import ClientName, FullServerName
from gateway.settings.references import admin_findings, duplicates, open_to_others
from gateway.settings.server import DatabaseForm, DatabaseSettings

Algorithm = Literal["ES256", "ES384", "ES512", "RS256", "PS256", "EdDSA"]
_MOST_DELAY = timedelta(days=7)
ShortText = Annotated[str, Field(min_length=1, max_length=255)]


class LoginSettings(Strict):
    issuer: HttpUrl
    client_id: ShortText
    client_secret: Secret | None = None
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1)] = ("ES256",)
    assurance: Annotated[tuple[ShortText, ...], Field(min_length=1)]
    scope: ShortText = "openid profile"
    person_claim: ShortText = "personal_number"
    person_kind: str = "vn-personal-number"
    timeout: Duration = timedelta(seconds=5)


class ProviderSettings(Strict):
    server: FullServerName
    database: DatabaseSettings
    seal_with: Secret | None = None
    seal_pin: Secret | None = None


class SessionSettings(Strict):
    idle: Duration = timedelta(minutes=15)
    longest: Duration = timedelta(hours=8)


class DeadlineSettings(Strict):
    why_working_days: Annotated[int, Field(ge=1, le=365)] = 2
    complain_days: Annotated[int, Field(ge=1, le=365)] = 30
    correct_days: Annotated[int, Field(ge=1, le=365)] = 10


class RepresentationSettings(Strict):
    url: HttpUrl
    client: ClientName
    purpose: Code
    minor_until: Annotated[int, Field(ge=1, le=30)] = 18
    attempts: Annotated[int, Field(ge=1, le=100)] = 5
    timeout: Duration = timedelta(seconds=10)


class InquirySettings(Strict):
    exchange: HttpUrl
    client: ClientName
    purpose: Code
    every: Duration = timedelta(seconds=30)
    timeout: Duration = timedelta(seconds=30)


class CitizenSettings(Strict):
    public_url: HttpUrl
    listen: Listen
    admin: Listen | None = None
    database: DatabaseSettings
    login: LoginSettings
    providers: Annotated[tuple[ProviderSettings, ...], Field(min_length=1)]
    policy: ExistingFile
    max_delay: Duration = timedelta(hours=24)
    registry: ExistingFile
    codes: ExistingFile
    holidays: ExistingFile | None = None
    session: SessionSettings = SessionSettings()
    deadlines: DeadlineSettings = DeadlineSettings()
    representation: RepresentationSettings | None = None
    inquiries: InquirySettings | None = None


def database_name(form: DatabaseForm, default: str) -> str:
    return form.name or default


def citizen_findings(settings: CitizenSettings, *, files: bool = True) -> Iterator[Finding]:
    parts = urlsplit(settings.public_url)
    if parts.path not in ("", "/") or parts.query:
        yield Finding(("public_url",), "is a scheme, a host and perhaps a port: the portal has its origin for itself")
    if settings.listen == settings.admin:
        yield Finding(("admin",), "is the address of 'listen'")
    yield from admin_findings(settings.admin, ("admin",))
    if parts.scheme == "http":
        what = "people's sessions need https: a 'public_url' of https, and a proxy that speaks it before this port"
        yield from open_to_others(settings.listen.host, ("listen",), what)
    issuer = urlsplit(settings.login.issuer)
    if issuer.scheme == "http":
        what = "without https whoever is in between signs in as anybody"
        yield from open_to_others(issuer.hostname or "", ("login", "issuer"), what)
    if settings.login.person_kind not in KINDS:
        close = nearest(settings.login.person_kind, KINDS)
        yield Finding(("login", "person_kind"), f"no such kind of number{close}")
    if settings.max_delay % timedelta(hours=1) or settings.max_delay > _MOST_DELAY:
        yield Finding(("max_delay",), "is a number of whole hours, 7d at most: browsers let no record wait longer")
    servers = [(("providers", i, "server"), str(provider.server)) for i, provider in enumerate(settings.providers)]
    yield from duplicates(servers, "security server")
    if files:
        yield from policy_findings(settings.policy)


def load_citizen(path: Path, *, files: bool = True) -> CitizenSettings:
    """SettingsError holds every problem. `files`: False does not look at the files that the settings name."""
    return load(path, CitizenSettings, partial(citizen_findings, files=files), files=files)
