"""Where it is published who was revoked, for one trust list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from gateway.core.documents.revocation import Source
from gateway.core.signing.trust import InstanceTrust


@dataclass(frozen=True, slots=True)
class PublishedRevocations:
    """`urls`: of lists, all of which count; or of responders, the first that answers. `refresh`: from one look to the next;
    `freshest`: greatest age of what counts."""

    source: Source
    urls: tuple[str, ...]
    trust: InstanceTrust
    refresh: timedelta
    freshest: timedelta
