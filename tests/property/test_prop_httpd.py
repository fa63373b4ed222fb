"""Any bytes at a port of ours: requests or the one refusal, and the same ones wherever the network cuts."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.httpd import conversation, parsed

_WORDS = (
    *(b"GET ", b"POST ", b"HEAD ", b"CONNECT ", b"/", b"/a?b=c", b"http://h/x", b"*", b"h:1"),
    *(
        b" HTTP/1.1\r\n",
        b" HTTP/1.0\r\n",
        b" HTTP/2.0\r\n",
        b"Host: x\r\n",
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b": ",
        b"X-A: b\r\n",
    ),
    *(b"Content-Length: 3\r\n", b"Content-Length: 0\r\n", b"Content-Length: 9\r\n", b"Transfer-Encoding: chunked\r\n"),
    *(
        b"abc",
        b"3\r\nabc\r\n",
        b"0\r\n\r\n",
        b"0\r\nX-T: u\r\n\r\n",
        b"3;e=f\r\n",
        b"zz\r\n",
        b"\x16\x03\x01",
        b"\x00",
        b"\xff",
    ),
    *(b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Connection: Upgrade\r\n", b"Upgrade: h2c\r\n"),
    *(b"Expect: 100-continue\r\n", b"Expect: more\r\n"),
)
_WHOLE = (
    b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
    b"POST /3 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;e\r\nde\r\n0\r\nX-T: u\r\n\r\n",
    b"POST /4 HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 3\r\n\r\nabc",
    b"GET /5 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
)
_ANY = st.lists(
    st.one_of(st.sampled_from(_WHOLE), st.sampled_from(_WORDS), st.binary(max_size=6)), min_size=1, max_size=12
).map(b"".join)
_CUTS = st.lists(st.integers(0, 400), max_size=6)
_EXAMPLES = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def cut(data: bytes, places: list[int]) -> list[bytes]:
    at = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in pairwise(at) if a < b]


@settings(_EXAMPLES, max_examples=300)
@given(data=_ANY, places=_CUTS)
def test_any_bytes_are_the_same_requests_wherever_they_are_cut(data: bytes, places: list[int]) -> None:
    whole = parsed([data])
    assert parsed(cut(data, places)) == whole
    assert parsed([bytes([b]) for b in data]) == whole


@settings(_EXAMPLES, max_examples=60)
@given(data=_ANY, places=_CUTS)
@pytest.mark.filterwarnings("ignore:Do not use the `random` module")
async def test_any_bytes_get_the_same_answers_wherever_they_are_cut(data: bytes, places: list[int]) -> None:
    """Each request that is asked is answered once and in order; one refusal at most, and it is the last."""
    asked, statuses = whole = await conversation([data], pause=False)
    assert await conversation(cut(data, places), pause=True) == whole
    assert await conversation([bytes([b]) for b in data], pause=False) == whole
    good = [status for status in statuses if status == 200]
    assert len(good) == len(asked)
    assert statuses[: len(good)] == good
    assert len(statuses) - len(good) <= 1


def test_cuts() -> None:
    assert cut(b"abcd", [1, 3, 3, 9]) == [b"a", b"bc", b"d"]
