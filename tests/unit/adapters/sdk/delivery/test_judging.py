from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.sdk.delivery.judging import Answer, Dead, Delivered, Failed, Patience, Retry, after_failure, judge
from adapters.sdk.delivery.messages import Receipt
from tests.support.delivery import START, receipt_body

ID, DIGEST = UUID(int=1), bytes(64)
RECEIPT = receipt_body(Receipt(ID, DIGEST))


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (Answer(200, RECEIPT), Delivered()),
        (Answer(202, RECEIPT), Delivered()),
        (Answer(200, b"{}"), Failed("receipt_missing", permanent=True)),
        (
            Answer(200, receipt_body(Receipt(UUID(int=2), DIGEST))),
            Failed("receipt_of_another_message", permanent=True),
        ),
        (Answer(200, receipt_body(Receipt(ID, b"x" * 64))), Failed("receipt_of_other_content", permanent=True)),
        (Answer(204, b""), Failed("receipt_missing", permanent=True)),
        (Answer(302, RECEIPT), Failed("http_302", permanent=True)),
        (Answer(409, b'{"code": "answer_erased"}'), Failed("answer_erased", permanent=True)),
        (Answer(422, '{"code": "người"}'.encode()), Failed("http_422", permanent=True)),
        (Answer(429, b""), Failed("http_429", permanent=False)),
        (Answer(503, b'{"code": "source_unavailable"}'), Failed("source_unavailable", permanent=False)),
        (Answer(500, b"[" * 5000), Failed("http_500", permanent=False)),
    ],
    ids=lambda value: getattr(value, "cause", None),
)
def test_the_receivers_own_answer(answer: Answer, verdict: object) -> None:
    assert judge(answer, ID, DIGEST) == verdict


@pytest.mark.parametrize(
    ("code", "permanent"),
    [
        ("server.serverproxy.access_denied", True),
        ("Server.ServerProxy.AccessDenied", True),
        ("server.clientproxy.unknown_member", True),
        ("server.serverproxy.service_failed.invalid_body", True),
        ("server.clientproxy.network_error", False),
        ("server.serverproxy.service_failed.network_error", False),
        ("server.serverproxy.logging_failed", False),
        ("server.clientproxy.outdated_global_conf", False),
        ("server.serverproxy.replayed_request", False),
        ("server.serverproxy.never_heard_of", False),
    ],
)
def test_an_error_of_the_road_counts_by_its_code(code: str, permanent: bool) -> None:
    """Even beside a body that looks like a receipt: nobody signed it."""
    assert judge(Answer(200, RECEIPT, error=code), ID, DIGEST) == Failed(code, permanent)


def test_a_code_that_is_a_text_is_not_kept() -> None:
    assert judge(Answer(500, b"", error="Nguyễn Văn A 999300000017"), ID, DIGEST) == Failed("unreadable_code", False)


@given(st.integers(100, 599), st.binary(), st.none() | st.text())
def test_any_answer_has_a_verdict(status: int, body: bytes, error: str | None) -> None:
    assert isinstance(judge(Answer(status, body, error), ID, DIGEST), Delivered | Failed)


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True), st.integers(1, 10**7))
def test_waits_grow_to_their_limit_and_never_pass_the_deadline(attempts: int, draw: float, left: int) -> None:
    patience, deadline = Patience(), START + timedelta(seconds=left)
    step = after_failure(Failed("x", permanent=False), attempts, START, deadline, draw, patience)
    assert isinstance(step, Retry)
    assert START < step.at <= min(deadline, START + patience.longest)
    whole = min(patience.first * 2 ** min(attempts - 1, 30), patience.longest)
    assert step.at == deadline or step.at - START >= whole / 2


def test_what_is_permanent_or_late_is_for_a_person() -> None:
    assert after_failure(Failed("x", permanent=True), 1, START, START + timedelta(days=1), 0, Patience()) == Dead()
    assert after_failure(Failed("x", permanent=False), 1, START, START, 0, Patience()) == Dead()
