"""Months of findings as reports: the shape of the ministry's own figures."""

from __future__ import annotations

import random
from collections import Counter

from gateway.core.content.statistics import FindingSum, facility_report, return_report

CLIENT, SERVICE = "VN/GOV/G18/coso", "VN/GOV/G12/bhxh/claims"


def one(subject: str, cause: str, messages: int = 1, refused: int = 0, client: str = CLIENT) -> FindingSum:
    return FindingSum(client, SERVICE, subject, cause, messages, refused)


def test_a_country_of_facilities() -> None:
    """8,267 of 11,883 do not sign, or sign wrongly; the others do."""
    dice = random.Random(7)
    bad = ["unsigned"] * 7000 + ["altered"] * 800 + ["expired"] * 400 + ["untrusted"] * 67
    dice.shuffle(bad)
    sums = [one(f"{n:05}", cause, 2, 1) for n, cause in enumerate(bad)]
    sums += [one(f"{n:05}", "good", 3) for n in range(len(bad) - 1000, 11_883)]
    dice.shuffle(sums)
    report = facility_report(sums)
    assert (report.failing, report.facilities) == (8267, 11_883)
    assert report.documents == 2 * 8267 + 3 * (11_883 - 7267)
    assert (report.good, report.refused) == (3 * (11_883 - 7267), 8267)
    assert report.causes == {cause: 2 * n for cause, n in Counter(bad).items()}
    assert list(report.causes) == ["unsigned", "altered", "untrusted", "expired"]
    assert [line.good for line in report.lines[:3]] == [0, 0, 0]


def test_one_facility() -> None:
    report = facility_report(
        [one("99901", "good", 5), one("99901", "unsigned", 2), one("99901", "altered", 4, 4), one("99901", "good")]
    )
    (line,) = report.lines
    assert (line.documents, line.good, line.unsigned, line.wrong, line.refused) == (12, 6, 2, 4, 4)
    assert list(line.causes) == ["altered", "unsigned"]


def test_documents_that_name_no_facility_are_their_senders() -> None:
    report = facility_report(
        [one("", "malformed"), one("99901", "good"), one("", "too_large", client="VN/GOV/G22/dvc")]
    )
    assert [(line.facility, line.wrong) for line in report.lines] == [(CLIENT, 1), ("VN/GOV/G22/dvc", 1), ("99901", 0)]


def test_nothing() -> None:
    report = facility_report([])
    assert (report.facilities, report.failing, report.documents, dict(report.causes)) == (0, 0, 0, {})
    assert return_report([]) == ()


def test_returns_by_agency() -> None:
    """56,359 of 110,970 returned dossiers without a good reason; 28 demands of papers against the law."""
    justice, police = "VN/GOV/G15/hotich", "VN/GOV/G01/dancu"
    lines = return_report(
        [
            one("MISMATCH", "good", 54_583, client=justice),
            one("DOI-GIAY-CHUNG-SINH", "unlawful_demand", 20, client=justice),
            one("DOI-BAN-SAO-CAN-CUOC", "unlawful_demand", 8, client=justice),
            one("", "empty", 50_000, 50_000, client=justice),
            one("", "unknown", 6_000, 6_000, client=justice),
            one("MISMATCH", "legal_reference", 359, 359, client=justice),
            one("MISMATCH", "good", 9, client=police),
        ]
    )
    first, second = lines
    assert (first.client, first.returns, first.good) == (justice, 110_970, 54_583)
    assert first.unlawful == {"DOI-GIAY-CHUNG-SINH": 20, "DOI-BAN-SAO-CAN-CUOC": 8}
    assert first.refused == {"empty": 50_000, "unknown": 6_000, "legal_reference": 359}
    assert sum(first.refused.values()) == 56_359
    assert (second.client, second.returns, second.good, second.refused) == (police, 9, 9, {})
