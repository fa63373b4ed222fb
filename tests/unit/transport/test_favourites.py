"""The fastest of a provider's addresses is remembered for an hour, for exactly those addresses."""

from __future__ import annotations

from gateway.transport.favourites import Favourites


def test_a_winner_is_remembered_for_an_hour() -> None:
    now = 10.0
    favourites = Favourites(lambda: now)
    assert favourites.of(["a", "b"]) is None
    favourites.won(["a", "b"], "b")
    assert favourites.of(["b", "a"]) == "b"
    assert favourites.of(["a", "b", "c"]) is None
    now += 3599.0
    assert favourites.of(["a", "b"]) == "b"
    now += 1.0
    assert favourites.of(["a", "b"]) is None


def test_another_winner_takes_its_place() -> None:
    favourites = Favourites(lambda: 0.0)
    favourites.won(["a", "b"], "b")
    favourites.won(["a", "b"], "a")
    assert favourites.of(["a", "b"]) == "a"
