"""A configuration as a configuration client saves it (reference 7.3), given as file names and contents.

The same function reads what `/verificationconf` serves and what the message log keeps: `GlobalConfiguration.files`. Nothing is
verified here: whoever hands over the files answers for them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from urllib.parse import unquote_plus

from gateway.core.globalconf import xmlform as x
from gateway.core.globalconf.assembly import INSTANCE_IDENTIFIER, ConfigurationPart, assemble, parse_part
from gateway.core.globalconf.directory import LOCAL_NAMES, SHARED
from gateway.core.globalconf.model import GlobalConfiguration

_MAX_METADATA = 64 * 1024


def load_saved(files: Mapping[str, bytes], previous: GlobalConfiguration | None = None) -> GlobalConfiguration:
    """`files`: `instance-identifier`, `<INST>/shared-params.xml`, `<INST>/shared-params.xml.metadata`, ...; other names are
    ignored. Without an expiry in the metadata the configuration never expires. MalformedMessage otherwise."""
    own = _own_instance(files)
    parts: list[ConfigurationPart] = []
    expiries: dict[str, datetime | None] = {}
    for identifier, instance, path in _relevant(files, own):
        version, expires = _metadata(files, path)
        parts.append(parse_part(identifier, instance, version, files[path]))
        expiries[instance] = _earlier(expiries.get(instance), expires)
    return assemble(own, parts, expiries, previous)


def _own_instance(files: Mapping[str, bytes]) -> str:
    try:
        own = files[INSTANCE_IDENTIFIER].decode("utf-8").strip()
    except (KeyError, UnicodeDecodeError) as e:
        raise x.malformed("the instance identifier is missing or not UTF-8") from e
    if not own:
        raise x.malformed("the instance identifier is empty")
    return own


def _relevant(files: Mapping[str, bytes], own: str) -> Iterator[tuple[str, str, str]]:
    """(identifier, instance, path): everything of the own instance, shared parameters of the others (reference 7.8)."""
    identifiers = {name: identifier for identifier, name in LOCAL_NAMES.items()}
    for path in sorted(files):
        folder, _, name = path.partition("/")
        instance, identifier = unquote_plus(folder), identifiers.get(name)
        if identifier == SHARED or (identifier is not None and instance == own):
            yield identifier, instance, path


def _metadata(files: Mapping[str, bytes], path: str) -> tuple[int, datetime | None]:
    """Version (absent: 2) and expiry (absent: never)."""
    content = files.get(f"{path}.metadata", b"{}")
    try:
        value = json.loads(content) if len(content) <= _MAX_METADATA else None
    except (ValueError, RecursionError) as e:
        raise x.malformed("metadata that is not JSON") from e
    if not isinstance(value, dict):
        raise x.malformed("metadata that is not a JSON object")
    version, expires = value.get("configurationVersion") or "2", value.get("expirationDate")
    if not isinstance(version, str) or version not in {"2", "3", "4", "5", "6"}:
        raise x.malformed("unsupported version of the global configuration")
    if expires is not None and not isinstance(expires, str):
        raise x.malformed("an expiry that is not text")
    return int(version), None if expires is None else x.moment(expires)


def _earlier(first: datetime | None, second: datetime | None) -> datetime | None:
    return min((d for d in (first, second) if d is not None), default=None)
