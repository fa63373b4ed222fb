"""Procedures as data: what is understood, what is refused, what cannot be said at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.lienthong.definition import FOLDER, load_definitions, parse_definition
from adapters.sdk import DefinitionError
from adapters.sdk.workingdays import load_working_days
from tests.support.linked import HOLIDAYS

BIRTH = (FOLDER / "birth.yaml").read_text("utf-8")


def test_working_days_leave_out_weekends_and_holidays() -> None:
    """Civil servants work neither from 14 to 22 February 2026; registration has three days of real time."""
    birth = load_definitions(calendar=load_working_days(HOLIDAYS))["birth"]
    registration, residence = birth.leg("registration"), birth.leg("residence")
    assert registration is not None
    assert residence is not None
    friday = datetime(2026, 2, 13, 8, tzinfo=UTC)
    assert birth.due(registration, friday, registration.time) == datetime(2026, 2, 16, 8, tzinfo=UTC)
    due = birth.due(residence, friday, residence.time)
    assert due == datetime(2026, 3, 3, 8, tzinfo=UTC)
    assert birth.left(residence, datetime(2026, 2, 20, 8, tzinfo=UTC), due) == timedelta(days=6, hours=15)
    assert birth.left(residence, due, friday) == friday - due, "what is overdue is so by the clock"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "holidays: 5",
        "holidays: [{first: x}]",
        "holidays: [{first: 2026-09-02T10:00:00Z}]\nknown_until: 2026-12-31",
    ],
)
def test_a_list_of_holidays_that_is_none_stops_the_coordinator(tmp_path: Path, text: str) -> None:
    file = tmp_path / "holidays.yaml"
    file.write_text(text, "utf-8")
    with pytest.raises(DefinitionError, match="public holidays"):
        load_working_days(file)


def test_the_two_procedures() -> None:
    found = load_definitions()
    assert [leg.code for leg in found["birth"].legs] == [
        "notice",
        "registration",
        "identifier",
        "certificate",
        "residence",
        "insurance_card",
    ]
    assert [leg.code for leg in found["death"].legs] == [
        "notice",
        "registration",
        "residence_removal",
        "funeral_benefit",
    ]
    residence = found["birth"].leg("residence")
    assert residence is not None
    assert (residence.consents, residence.working_days, residence.client) == (
        ("householder", "owner"),
        7,
        "VN/GOV/G01/dancu",
    )
    assert {d.clock.days for d in found.values()} == {60}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("expires: 45d", "expires: 45d\n  default: granted"),
        ("expires: 45d", "expires: 45d\n  if_silent: granted"),
        ("expires: 45d\n", ""),
        ("refused_reason: CHU-HO-KHONG-DONG-Y\n", ""),
        ("consents: [householder, owner]", "consents: [householder, owner]\n    silence_counts: true"),
        ("consents: [householder, owner]", "consents: [householder]"),
        ("consents: [householder, owner]", "consents: [{role: householder, default: true}]"),
        ("remind: [7d, 21d, 35d]", "remind: [7d, 21d, 50d]"),
        ("remind: [7d, 21d, 35d]", "remind: [21d, 7d]"),
        ("limit: 24h", "limit: 24"),
        ("limit: 24h", "limit: 0h"),
        ("limit: 24h", "limits: 24h"),
        ("working_days: 7", "working_days: 7d"),
        ("working_days: 7", "working_days: 7\n    limit: 7d"),
        ("working_days: 7\n", ""),
        ("code: identifier", "code: registration"),
        ("opening: true", "opening: false"),
        ("documents: [notice]", "documents: [residence]"),
        ("opening: true", "opening: true\n    result: copy_number"),
        ("result: copy_number", "result: [copy_number]"),
        ("letters: KS", "letters: ks"),
        ("letters: KS", "letters: KS\nletters: KT"),
        ("  days: 60", "  days: 5"),
        ("roles:", "rolls:"),
        ("service: VN/GOV/G15/hotich/legs\n", ""),
    ],
)
def test_what_is_no_definition_fails(old: str, new: str) -> None:
    assert old in BIRTH
    with pytest.raises(DefinitionError, match=r"birth\.yaml"):
        parse_definition(BIRTH.replace(old, new, 1), "birth.yaml")


@settings(max_examples=40)
@given(st.text(max_size=60) | st.sampled_from(BIRTH.splitlines()).map(lambda line: BIRTH.replace(line, "")))
def test_any_text_is_a_definition_or_a_definition_error(text: str) -> None:
    try:
        parse_definition(text, "any")
    except DefinitionError as e:
        assert str(e).startswith("any: ")  # noqa: PT017 - either outcome is right
