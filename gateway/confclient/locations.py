"""Where a configuration may be downloaded, in the order of trying (reference 7.1)."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from urllib.parse import parse_qs, urlsplit

from gateway.core.globalconf.model import Anchor, SharedParameters

VERSIONS = (6, 5, 4, 3, 2)


def _shuffled(urls: Sequence[str]) -> list[str]:
    return random.sample(urls, len(urls))


def locations(
    anchor: Anchor,
    shared: SharedParameters | None,
    *,
    path: str,
    last: str | None = None,
    shuffled: Callable[[Sequence[str]], Sequence[str]] = _shuffled,
) -> tuple[str, ...]:
    """`path`: `internalconf` or `externalconf`. The sources that the last shared parameters name, then the anchor's, of each
    the https forms before the http ones; `last`, which worked before, ahead of all."""
    sources = [] if shared is None else [f"http://{s.address}/{path}" for s in shared.sources]
    found = [*_https_first(sources, shuffled), *_https_first([s.url for s in anchor.sources], shuffled)]
    if last in found:
        found.insert(0, last)
    return tuple(dict.fromkeys(found))


def _https_first(urls: Iterable[str], shuffled: Callable[[Sequence[str]], Sequence[str]]) -> list[str]:
    plain = sorted({u for u in urls if u.startswith("http://")})
    secure = sorted({"https" + u[4:] for u in plain} | {u for u in urls if u.startswith("https://")})
    return [*shuffled(secure), *shuffled(plain)]


def versioned(url: str) -> tuple[str, ...]:
    """The URLs to probe, newest version first; a `version` that the URL has already is respected."""
    query = urlsplit(url).query
    if "version" in parse_qs(query, keep_blank_values=True):
        return (url,)
    return tuple(f"{url}{'&' if query else '?'}version={v}" for v in VERSIONS)
