"""Any query is one of findUsage's, or refused with the one error."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlencode

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.errors import MalformedMessage
from gateway.ownservices.usagequery import MOST, UsageQuery, parse_usage_query

NAMES = st.sampled_from(["userCode", "periodStart", "periodEnd", "offset", "limit", "x"])
NEARLY = (
    st.text(max_size=12)
    | st.from_regex(r"-?[0-9]{1,11}", fullmatch=True)
    | st.datetimes().map(lambda t: t.isoformat() + "Z")
    | st.from_regex(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{0,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})?"
    )
)
QUERIES = st.text(max_size=60) | st.lists(st.tuples(NAMES, NEARLY), max_size=5).map(urlencode) | st.none()


@settings(max_examples=150)
@given(QUERIES)
def test_any_query_is_one_or_the_one_error(query: str | None) -> None:
    try:
        found = parse_usage_query(query)
    except MalformedMessage:
        return
    assert 0 <= found.offset <= MOST
    assert 0 <= found.limit <= MOST
    assert all(t is None or t.tzinfo is UTC for t in (found.since, found.until))


@settings(max_examples=50)
@given(
    st.integers(0, MOST), st.integers(0, MOST), st.datetimes(datetime(1000, 1, 1), datetime(9998, 1, 1)), st.datetimes()
)
def test_a_query_says_what_was_meant(offset: int, limit: int, since: datetime, until: datetime) -> None:
    sent = {
        "offset": offset,
        "limit": limit,
        "periodStart": f"{since.isoformat()}+00:00",
        "periodEnd": f"{until.isoformat()}Z",
    }
    expected = UsageQuery(since.replace(tzinfo=UTC), until.replace(tzinfo=UTC), offset, limit)
    assert parse_usage_query(urlencode(sent)) == expected


def test_a_leap_second_and_small_letters() -> None:
    found = parse_usage_query("periodStart=2016-12-31t23%3A59%3A60.5z")
    assert found.since == datetime(2016, 12, 31, 23, 59, 59, 500_000, tzinfo=UTC)
