"""The small types of all settings: each is one piece of text, parsed strictly, printed the way it was written."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlsplit

from cryptography import x509
from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationInfo, WithJsonSchema

from gateway.core.errors import MalformedMessage, SettingsError
from gateway.core.signing.certificatefile import certificates_in

T = TypeVar("T")


class Strict(BaseModel):
    """Base of all settings: unknown keys and wrong types are errors, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True)


def _kind(value: object) -> str:
    names = {
        str: "text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        type(None): "nothing",
        dict: "a mapping",
    }
    return names.get(type(value), "a list")


def text(parse: Callable[[str], T]) -> PlainValidator:
    """A value written as one piece of text. `parse` raises ValueError or MalformedMessage, naming what it expected."""

    def validate(value: object) -> T:
        if not isinstance(value, str):
            if type(value) is type(None) or isinstance(value, dict | tuple):
                raise ValueError(f"must be text, not {_kind(value)}")
            raise ValueError(f"must be text, not {_kind(value)}: put it in quotes")
        return _parsed(parse, value)

    return PlainValidator(validate)


def _parsed(parse: Callable[[str], T], value: str) -> T:
    try:
        return parse(value)
    except MalformedMessage as e:
        raise ValueError(e.safe_detail) from e


# --- amounts -------------------------------------------------------------------------------------------------------

_DURATION_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZE_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}


def _duration(value: str) -> timedelta:
    m = re.fullmatch(r"([0-9]{1,9})(ms|s|m|h|d)", value)
    if m is None:
        raise ValueError(f"{value!r} is not a duration such as 500ms, 10s, 5m, 1h or 30d")
    return timedelta(seconds=int(m[1]) * _DURATION_UNITS[m[2]])


def _positive_duration(value: str) -> timedelta:
    parsed = _duration(value)
    if not parsed:
        raise ValueError("must be longer than nothing")
    return parsed


class ByteCount(int):
    """A number of bytes that prints with its unit."""

    def __str__(self) -> str:
        unit = max((u for u, n in _SIZE_UNITS.items() if self % n == 0), key=lambda u: _SIZE_UNITS[u])
        return f"{int(self) // _SIZE_UNITS[unit]}{unit}" if self else "0B"


def _size(value: str) -> ByteCount:
    m = re.fullmatch(r"([0-9]{1,9})(B|KiB|MiB|GiB|TiB)", value)
    if m is None:
        raise ValueError(f"{value!r} is not a size such as 512B, 64KiB, 10MiB or 1GiB")
    return ByteCount(int(m[1]) * _SIZE_UNITS[m[2]])


def print_duration(value: timedelta) -> str:
    milliseconds = value // timedelta(milliseconds=1)
    for unit, seconds in reversed(_DURATION_UNITS.items()):
        size = round(seconds * 1000)
        if milliseconds and milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return "0s"


def _date(value: str) -> date:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError(f"{value!r} is not a date such as 2025-03-01")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value!r} is not a day of the calendar") from None


_DURATION_SCHEMA = {"type": "string", "pattern": "^[0-9]{1,9}(ms|s|m|h|d)$", "examples": ["10s"]}
Duration = Annotated[timedelta, text(_positive_duration), WithJsonSchema(_DURATION_SCHEMA)]
DurationOrZero = Annotated[timedelta, text(_duration), WithJsonSchema(_DURATION_SCHEMA)]
Size = Annotated[
    ByteCount,
    text(_size),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,9}(B|KiB|MiB|GiB|TiB)$", "examples": ["10MiB"]}),
]
Day = Annotated[date, text(_date), WithJsonSchema({"type": "string", "format": "date"})]
Port = Annotated[int, Field(ge=1, le=65535)]

# --- places --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """`host:port`; IPv6 hosts stand in brackets, which `host` does not have."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _listen(value: str) -> ListenAddress:
    m = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.\-]+)):([0-9]{1,5})", value)
    if m is None or not 0 < int(m[3]) < 65536:
        raise ValueError(f"{value!r} is not an address and port such as 127.0.0.1:8080 or [::1]:8080")
    return ListenAddress(m[1] or m[2], int(m[3]))


def _host(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9.\-]+|[0-9A-Fa-f:]+", value):
        raise ValueError(f"{value!r} is not a host name or IP address (without port)")
    return value


def http_url(value: str) -> str:
    if not re.fullmatch(r"[!-~]+", value):
        raise ValueError("a URL has no blanks and no letters outside ASCII")
    try:
        parts = urlsplit(value)
        complete = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        complete = False
    if not complete:
        raise ValueError("must be a URL beginning with http:// or https://")
    if "@" in parts.netloc:
        raise ValueError("a URL must not hold a user name or password")
    if parts.fragment:
        raise ValueError("a URL must not hold a fragment (#…)")
    return value


def _anchor(value: str) -> str:
    return value if re.fullmatch(r"file:[^\x00]+", value) else http_url(value)


Listen = Annotated[ListenAddress, text(_listen), WithJsonSchema({"type": "string", "examples": ["127.0.0.1:8080"]})]
Host = Annotated[str, text(_host), WithJsonSchema({"type": "string"})]
HttpUrl = Annotated[str, text(http_url), WithJsonSchema({"type": "string", "pattern": "^https?://"})]
UrlOrFile = Annotated[str, text(_anchor), WithJsonSchema({"type": "string", "pattern": "^(https?://|file:)"})]

# --- files ---------------------------------------------------------------------------------------------------------


def _path(value: object) -> Path:
    if not isinstance(value, str):
        raise ValueError(f"must be a path, not {_kind(value)}")
    if not value or "\0" in value:
        raise ValueError("must be a path")
    return Path(value)


def _file(value: object, info: ValidationInfo) -> Path:
    """A file that is there, unless the context says `files: False` (reading settings on another machine)."""
    path = _path(value.removeprefix("file:") if isinstance(value, str) else value)
    if (info.context or {}).get("files", True):
        _readable(path)
    return path


def _readable(path: Path) -> None:
    try:
        with path.open("rb"):
            return
    except OSError as e:
        raise ValueError(f"cannot read the file {str(path)!r}: {e.strerror}") from e


def file_reference(value: object, info: ValidationInfo) -> Path:
    """The path behind `file:`; ValueError when it is not written so, or there is no such file."""
    if isinstance(value, str) and not value.startswith("file:"):
        raise ValueError("must be a reference to a file, beginning with file:")
    return _file(value, info)


def _certificate(value: object, info: ValidationInfo) -> Path:
    path = _file(value, info)
    if (info.context or {}).get("files", True):
        load_certificates(path)
    return path


def load_certificates(path: Path) -> list[x509.Certificate]:
    """All certificates of a file, PEM or DER, at least one. ValueError otherwise."""
    try:
        return certificates_in(path.read_bytes())
    except (MalformedMessage, OSError) as e:
        raise ValueError(f"{str(path)!r} holds no certificate in PEM or DER form") from e


_PATH_SCHEMA = WithJsonSchema({"type": "string"})
FilePath = Annotated[Path, PlainValidator(_path), _PATH_SCHEMA]
ExistingFile = Annotated[Path, PlainValidator(_file), _PATH_SCHEMA]
FileReference = Annotated[Path, PlainValidator(file_reference), WithJsonSchema({"type": "string", "pattern": "^file:"})]
CertificateFile = Annotated[Path, PlainValidator(_certificate), _PATH_SCHEMA]

# --- secrets -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SecretReference:
    """Where a secret is: a file, an environment variable, a credential that the service manager passes in."""

    kind: Literal["file", "env", "credential"]
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"

    @property
    def file(self) -> Path | None:
        """The file it is in; None when it is not in one."""
        if self.kind == "file":
            return Path(self.name)
        directory = os.environ.get("CREDENTIALS_DIRECTORY")
        return Path(directory) / self.name if self.kind == "credential" and directory is not None else None

    def read(self) -> str:
        """The secret without a trailing line break. SettingsError names the place, never the content."""
        try:
            value = self._read()
        except (OSError, UnicodeDecodeError, KeyError) as e:
            raise SettingsError([f"cannot read the secret {self}: {type(e).__name__}"]) from e
        return value.removesuffix("\n").removesuffix("\r")

    def _read(self) -> str:
        if self.kind == "env":
            return os.environ[self.name]
        path = Path(self.name) if self.kind == "file" else Path(os.environ["CREDENTIALS_DIRECTORY"]) / self.name
        return path.read_text(encoding="utf-8")


_SECRET = re.compile(r"(file):([^\x00]+)|(env):([A-Za-z_][A-Za-z0-9_]*)|(credential):([A-Za-z0-9_.@\-]+)")


def secret_reference(value: object) -> SecretReference:
    """ValueError that does not repeat the value: it may be the secret itself."""
    m = _SECRET.fullmatch(value) if isinstance(value, str) else None
    if m is None or m[6] in (".", ".."):
        raise ValueError(
            "must be a reference to a secret (file:path, env:NAME or credential:name), not the secret itself"
        )
    kind, name = (group for group in m.groups() if group is not None)
    return SecretReference(kind, name)  # type: ignore[arg-type]  # the pattern knows the three kinds


Secret = Annotated[
    SecretReference,
    PlainValidator(secret_reference),
    WithJsonSchema({"type": "string", "pattern": "^(file|env|credential):"}),
]
