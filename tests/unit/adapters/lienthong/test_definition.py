"""Procedures as data: what is understood, what is refused, what cannot be said at all."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.lienthong.definition import FOLDER, load_definitions, parse_definition
from adapters.sdk import DefinitionError

BIRTH = (FOLDER / "birth.yaml").read_text("utf-8")


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
    assert (residence.consents, residence.limit, residence.client) == (
        ("householder", "owner"),
        timedelta(days=7),
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
