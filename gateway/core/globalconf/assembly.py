"""From the files of a configuration to one `GlobalConfiguration`: parse each, check whose it is, put them together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from urllib.parse import quote_plus

from gateway.core.errors import MalformedMessage
from gateway.core.globalconf import xmlform as x
from gateway.core.globalconf.directory import PRIVATE, SHARED
from gateway.core.globalconf.model import GlobalConfiguration, OptionalParts, PrivateParameters, SharedParameters
from gateway.core.globalconf.privateparams import OPTIONAL_PARSERS, parse_private_parameters
from gateway.core.globalconf.sharedparams import parse_shared_parameters

FOREIGN_IDENTIFIERS = frozenset({SHARED})
OWN_IDENTIFIERS = frozenset({SHARED, PRIVATE, *OPTIONAL_PARSERS})
INSTANCE_IDENTIFIER = "instance-identifier"


@dataclass(frozen=True, slots=True)
class ConfigurationPart:
    """One file that parsed. `instance`: the one whose directory vouches for it; `version`: of the global configuration."""

    identifier: str
    instance: str
    version: int
    data: bytes
    value: SharedParameters | PrivateParameters | None  # None: an optional part


def parse_part(identifier: str, instance: str, version: int, data: bytes) -> ConfigurationPart:
    """MalformedMessage: `malformed_global_conf`, `malformed_optional_parts_conf`, or
    `global_conf_part_invalid_instance_identifier` when the file names another instance (reference 7.2)."""
    if identifier in OPTIONAL_PARSERS:
        _fold_optional(identifier, data, OptionalParts())
        return ConfigurationPart(identifier, instance, version, data, None)
    parse = parse_shared_parameters if identifier == SHARED else parse_private_parameters
    value = parse(data, version)
    if value.instance != instance:
        raise MalformedMessage(
            "a configuration file names another instance", code="global_conf_part_invalid_instance_identifier"
        )
    return ConfigurationPart(identifier, instance, version, data, value)


def assemble(
    own_instance: str,
    parts: Iterable[ConfigurationPart],
    expiries: Mapping[str, datetime | None],
    previous: GlobalConfiguration | None = None,
) -> GlobalConfiguration:
    """The configuration made of these parts; `expiries` by instance. When the content is that of `previous`, its look-up
    tables are kept. MalformedMessage when the own instance's shared parameters are not among the parts."""
    parts = sorted(parts, key=lambda p: (p.instance, p.identifier))
    shared = {p.instance: p.value for p in parts if isinstance(p.value, SharedParameters)}
    if own_instance not in shared:
        raise x.malformed("the own instance has no shared parameters")
    if len({(p.instance, p.identifier) for p in parts}) != len(parts):
        raise x.malformed("the same file of an instance twice")
    fingerprint = _fingerprint(own_instance, parts)
    if previous is not None and previous.fingerprint == fingerprint:
        return previous.renewed(MappingProxyType({i: expiries[i] for i in shared}))
    own = [p for p in parts if p.instance == own_instance]
    options = OptionalParts()
    for part in own:
        options = _fold_optional(part.identifier, part.data, options)
    return GlobalConfiguration(
        own_instance=own_instance,
        fingerprint=fingerprint,
        files=MappingProxyType(_files(own_instance, parts)),
        instances=MappingProxyType(shared),
        expiries=MappingProxyType({i: expiries[i] for i in shared}),
        private=next((p.value for p in own if isinstance(p.value, PrivateParameters)), None),
        options=options,
    )


def directory_name(instance: str) -> str:
    """The instance's name as a folder (reference 7.3). MalformedMessage for names that would climb out of it."""
    name = quote_plus(instance)
    if name.startswith("."):
        raise x.malformed("an instance whose name is no folder name")
    return name


def _fold_optional(identifier: str, data: bytes, options: OptionalParts) -> OptionalParts:
    parse = OPTIONAL_PARSERS.get(identifier)
    if parse is None:
        return options
    try:
        return parse(data, options)
    except MalformedMessage as e:
        raise MalformedMessage(e.safe_detail, code="malformed_optional_parts_conf") from e


def _files(own_instance: str, parts: Iterable[ConfigurationPart]) -> dict[str, bytes]:
    """Shared parameters only: the rest is nobody else's business (reference 2.4)."""
    files = {INSTANCE_IDENTIFIER: own_instance.encode()}
    for part in parts:
        if part.identifier == SHARED:
            name = f"{directory_name(part.instance)}/shared-params.xml"
            files[name] = part.data
            metadata = json.dumps({"configurationVersion": str(part.version)}, separators=(",", ":"))
            files[f"{name}.metadata"] = metadata.encode()
    return files


def _fingerprint(own_instance: str, parts: Iterable[ConfigurationPart]) -> str:
    lines = [repr(own_instance)]
    lines += [repr((p.instance, p.identifier, p.version, hashlib.sha256(p.data).hexdigest())) for p in parts]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
