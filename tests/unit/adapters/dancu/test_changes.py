from datetime import date

import pytest

from adapters.dancu.changes import OTHER, Resident, without

HEAD, WIFE, SON, MOTHER = (
    Resident("h", "Chủ hộ", date(1970, 1, 1)),
    Resident("w", "Vợ", date(1973, 1, 1)),
    Resident("s", "Con", date(2000, 1, 1)),
    Resident("m", "Mẹ", date(1945, 1, 1)),
)
FAMILY = (HEAD, WIFE, SON, MOTHER)


@pytest.mark.parametrize(
    ("family", "leaving", "staying"),
    [
        (FAMILY, "s", [("h", "Chủ hộ"), ("w", "Vợ"), ("m", "Mẹ")]),
        (FAMILY, "h", [("w", "Chủ hộ"), ("s", "Con"), ("m", OTHER)]),
        ((HEAD, SON, MOTHER), "h", [("m", "Chủ hộ"), ("s", OTHER)]),
        ((HEAD,), "h", []),
    ],
    ids=["a member", "the head, married", "the head, unmarried", "the last"],
)
def test_who_stays(family: tuple[Resident, ...], leaving: str, staying: list[tuple[str, str]]) -> None:
    assert [(r.id, r.relation) for r in without(family, leaving)] == staying
