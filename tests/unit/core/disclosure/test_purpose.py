"""For what purpose: stated in headers, or supplied by a right that leaves exactly one."""

from __future__ import annotations

import pytest

from gateway.core.disclosure.contract import EndpointContract, Purpose, path_template
from gateway.core.disclosure.purpose import StatedPurpose, claimed_purpose, decide_purpose
from gateway.core.serverconf.access import Denial

ONE = Purpose("ONE", ("LAW-1",))
TWO = Purpose("TWO", ("LAW-1", "LAW-2"))
ENDPOINT = EndpointContract("GET", path_template("/x"), ("identity",), (ONE, TWO), ())


def headers(*pairs: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, _, value in (p.partition("=") for p in pairs))


@pytest.mark.parametrize(
    ("sent", "granted", "purpose"),
    [
        ((), {"ONE"}, StatedPurpose("ONE", "LAW-1", stated=False)),  # an unmodified client
        (("purpose-code=ONE",), None, StatedPurpose("ONE", "LAW-1", stated=True)),
        (("Purpose-Code= ONE ", "Legal-Basis=LAW-1"), {"ONE", "TWO"}, StatedPurpose("ONE", "LAW-1", stated=True)),
        (("Legal-Basis=LAW-2",), {"TWO"}, StatedPurpose("TWO", "LAW-2", stated=False)),
        (("Purpose-Code=ONE", "PURPOSE-CODE=ONE"), None, StatedPurpose("ONE", "LAW-1", stated=True)),
        (("Purpose-Code=",), {"ONE"}, StatedPurpose("ONE", "LAW-1", stated=False)),
    ],
)
def test_allowed(sent: tuple[str, ...], granted: set[str] | None, purpose: StatedPurpose) -> None:
    assert decide_purpose(headers(*sent), ENDPOINT, granted) == purpose


@pytest.mark.parametrize(
    ("sent", "granted"),
    [
        ((), None),  # two would do: which?
        ((), {"TWO"}),  # two bases would do
        ((), set()),
        ((), {"GONE"}),  # a right to a purpose that the contract does not have
        (("Purpose-Code=TWO", "Legal-Basis=LAW-2"), {"ONE"}),
        (("Purpose-Code=THREE",), None),
        (("Purpose-Code=one",), None),
        (("Purpose-Code=ONE", "Purpose-Code=TWO"), None),
        (("Purpose-Code=ONE", "Legal-Basis=LAW-2"), None),
        (("Purpose-Code=TWO", "Legal-Basis=LAW-1", "Legal-Basis=LAW-2"), None),
    ],
)
def test_refused(sent: tuple[str, ...], granted: set[str] | None) -> None:
    denial = decide_purpose(headers(*sent), ENDPOINT, granted)
    assert isinstance(denial, Denial)
    assert denial.code == "access_denied"


def test_a_denial_repeats_nothing() -> None:
    denial = decide_purpose(headers("Purpose-Code=999300000017"), ENDPOINT, None)
    assert isinstance(denial, Denial)
    assert "9993" not in denial.reason


@pytest.mark.parametrize(
    ("sent", "claimed"),
    [
        ((), StatedPurpose("", "", stated=False)),
        (("Purpose-Code=TWO", "Legal-Basis=LAW-2"), StatedPurpose("TWO", "LAW-2", stated=True)),
        (("Purpose-Code=TWO", "Legal-Basis=LAW-9"), StatedPurpose("TWO", "", stated=True)),
        (("Purpose-Code=<script>",), StatedPurpose("", "", stated=True)),  # only our own words get into records
    ],
)
def test_what_a_refused_request_claimed(sent: tuple[str, ...], claimed: StatedPurpose) -> None:
    assert claimed_purpose(headers(*sent), ENDPOINT.purposes) == claimed
