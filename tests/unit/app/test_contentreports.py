"""Reports of findings as they are printed, and a month as it is cut out of the table."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.app import contentreports
from gateway.app.contentreports import documents_report, print_agencies, print_facilities, returns_report
from gateway.core.content.statistics import FindingSum, facility_report, return_report
from gateway.storage.database import Database

CLIENT, SERVICE = "VN/GOV/G18/coso", "VN/GOV/G18/yte/notices"
DOCUMENTS = facility_report(
    [
        FindingSum(CLIENT, SERVICE, "99901", "good", 3, 0),
        FindingSum(CLIENT, SERVICE, "99902", "good", 1, 0),
        FindingSum(CLIENT, SERVICE, "99902", "unsigned", 2, 2),
        FindingSum(CLIENT, SERVICE, "", "too_large", 1, 1),
    ]
)
RETURNS = return_report(
    [
        FindingSum("VN/GOV/G15/hotich", SERVICE, "DOI-GIAY-CHUNG-SINH", "unlawful_demand", 2, 0),
        FindingSum("VN/GOV/G15/hotich", SERVICE, "", "empty", 4, 4),
        FindingSum("VN/GOV/G15/hotich", SERVICE, "HO-SO-TRUNG", "good", 1, 0),
    ]
)


def test_facilities_for_people() -> None:
    text = print_facilities(DOCUMENTS, "table", "2026-11")
    assert text.startswith("2026-11: 2 / 3 cơ sở không ký số hoặc ký sai (66.7 %)\n")
    assert "2 of 3 facilities do not sign, or sign wrongly" in text
    assert "2  không ký số / not signed" in text
    rows = [line.split() for line in text.splitlines()[-3:]]
    assert rows == [["99902", "3", "1", "2", "0"], [CLIENT, "1", "0", "0", "1"], ["99901", "3", "3", "0", "0"]]


def test_facilities_for_programs() -> None:
    found = json.loads(print_facilities(DOCUMENTS, "json", "2026-11"))
    assert (found["month"], found["facilities"], found["failing"], found["refused"]) == ("2026-11", 3, 2, 3)
    assert found["by_facility"][0]["causes"] == {"unsigned": 2}
    rows = list(csv.DictReader(io.StringIO(print_facilities(DOCUMENTS, "csv", "2026-11"))))
    assert [(r["facility"], r["documents"], r["unsigned"], r["too_large"]) for r in rows] == [
        ("99902", "3", "2", "0"),
        (CLIENT, "1", "0", "1"),
        ("99901", "3", "0", "0"),
    ]


def test_a_long_table_says_what_it_leaves_out() -> None:
    many = facility_report(FindingSum(CLIENT, SERVICE, f"{n:05}", "unsigned", 1, 0) for n in range(100))
    assert print_facilities(many, "table", "2026-11").endswith("… 60 (--csv, --json)\n")
    assert len(print_facilities(many, "csv", "2026-11").splitlines()) == 101
    assert "(0.0 %)" in print_facilities(facility_report([]), "table", "2026-11")


def test_returns() -> None:
    text = print_agencies(RETURNS, "table", "2026-11")
    assert text.startswith("2026-11: 7 lần trả hồ sơ / returns\n")
    assert "4  bị từ chối" in text
    assert "2  đòi giấy tờ trái Nghị định 63/2024" in text
    assert "unlawful_demand DOI-GIAY-CHUNG-SINH" in text
    found = json.loads(print_agencies(RETURNS, "json", "2026-11"))
    assert (found["returns"], found["good"], found["unlawful_demands"], found["refused"]) == (7, 1, 2, 4)
    assert print_agencies(RETURNS, "csv", "2026-11").splitlines() == [
        "agency,kind,code,returns",
        "VN/GOV/G15/hotich,good,,1",
        "VN/GOV/G15/hotich,unlawful_demand,DOI-GIAY-CHUNG-SINH,2",
        "VN/GOV/G15/hotich,refused,empty,4",
    ]


async def test_a_month_begins_at_midnight_in_vietnam(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    insert = "INSERT INTO content_finding VALUES ($1, $2, 'c', 's', $3, 'block', $4, $5, false)"
    for number, (time, rule, subject) in enumerate(
        [
            (datetime(2026, 10, 31, 16, 59, 59, tzinfo=UTC), "document", "before"),
            (datetime(2026, 10, 31, 17, tzinfo=UTC), "document", "first"),
            (datetime(2026, 11, 30, 16, 59, 59, tzinfo=UTC), "document", "last"),
            (datetime(2026, 11, 30, 17, tzinfo=UTC), "document", "after"),
            (datetime(2026, 11, 24, 8, tzinfo=UTC), "return", "REASON"),
        ]
    ):
        await database.pool.execute(insert, number, time, rule, "good", subject)

    async def opened(*_: Any, **__: Any) -> Database:
        return database

    monkeypatch.setattr(contentreports, "open_database", opened)
    monkeypatch.setattr(contentreports, "settings_of", lambda configs, server: None)
    monkeypatch.setattr(contentreports, "database_source", lambda settings: None)
    monkeypatch.setattr(database, "close", lambda: opened())
    month = datetime(2026, 11, 1)
    found = json.loads(await documents_report(Path(), "s", month, "json"))
    assert [line["facility"] for line in found["by_facility"]] == ["first", "last"]
    assert json.loads(await returns_report(Path(), "s", month, "json"))["good"] == 1
