from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from gateway.confclient.locations import locations, versioned
from gateway.core.globalconf.model import Anchor, AnchorSource, ConfigurationSource
from tests.unit.core.globalconf.samples import shared


def backwards(urls: Sequence[str]) -> list[str]:
    return list(reversed(urls))


ANCHOR = Anchor("VN", tuple(AnchorSource(u, (b"c",)) for u in ("http://a/internalconf", "http://b/internalconf")))
SHARED = replace(shared(), sources=(ConfigurationSource("x"), ConfigurationSource("y")))


def test_the_anchors_sources_https_first_each_group_shuffled() -> None:
    assert locations(ANCHOR, None, path="internalconf", shuffled=backwards) == (
        "https://b/internalconf",
        "https://a/internalconf",
        "http://b/internalconf",
        "http://a/internalconf",
    )


def test_sources_of_the_shared_parameters_come_before_the_anchors() -> None:
    assert locations(ANCHOR, SHARED, path="externalconf", shuffled=list)[:5] == (
        "https://x/externalconf",
        "https://y/externalconf",
        "http://x/externalconf",
        "http://y/externalconf",
        "https://a/internalconf",
    )


def test_the_last_that_worked_is_first_and_only_once() -> None:
    found = locations(ANCHOR, SHARED, path="internalconf", last="http://b/internalconf", shuffled=list)
    assert found[0] == "http://b/internalconf"
    assert len(found) == len(set(found)) == 8


def test_a_place_that_nobody_names_any_more_is_not_asked() -> None:
    assert "http://gone/" not in locations(ANCHOR, SHARED, path="internalconf", last="http://gone/")


def test_an_anchor_with_https_only_works_here() -> None:
    """X-Road drops such locations (reference 7.1)."""
    anchor = Anchor("VN", (AnchorSource("https://a/conf", (b"c",)),))
    assert locations(anchor, None, path="internalconf") == ("https://a/conf",)


@pytest.mark.parametrize(
    ("url", "urls"),
    [
        ("http://a/conf", tuple(f"http://a/conf?version={v}" for v in (6, 5, 4, 3, 2))),
        ("http://a/conf?x=1", tuple(f"http://a/conf?x=1&version={v}" for v in (6, 5, 4, 3, 2))),
        ("http://a/conf?version=3", ("http://a/conf?version=3",)),
    ],
)
def test_versions_newest_first(url: str, urls: tuple[str, ...]) -> None:
    assert versioned(url) == urls
