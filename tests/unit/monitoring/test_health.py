from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.monitoring.health import Health, Problem

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
WARN = Problem("disk", "warn", "The disk fills up.", "Ổ đĩa sắp đầy.")
FAIL = Problem("log", "fail", "The log is gone.", "Mất nhật ký.")


class World:
    def __init__(self) -> None:
        self.now = NOW
        self.problems: list[Problem] = []
        self.health = Health("VN/GOV/G01/ss1", lambda: self.now)
        self.health.register("world", lambda _: self.problems)


@pytest.mark.parametrize(
    ("problems", "status"), [([], "ok"), ([WARN], "warn"), ([FAIL], "fail"), ([WARN, FAIL], "fail")]
)
def test_the_worst_problem_is_the_status(problems: list[Problem], status: str) -> None:
    world = World()
    world.problems = problems
    assert world.health.report().status == status


def test_the_json_form() -> None:
    world = World()
    world.problems = [WARN, FAIL]
    assert world.health.report().json_value() == {
        "status": "fail",
        "server": "VN/GOV/G01/ss1",
        "problems": [
            {
                "severity": "fail",
                "what": "The log is gone.",
                "vi": "Mất nhật ký.",
                "since": "2026-11-24T08:00:00+00:00",
            },
            {
                "severity": "warn",
                "what": "The disk fills up.",
                "vi": "Ổ đĩa sắp đầy.",
                "since": "2026-11-24T08:00:00+00:00",
            },
        ],
    }


def test_since_is_kept_while_only_the_words_change_and_starts_anew_after_a_gap() -> None:
    world = World()

    def since() -> list[datetime]:
        return [p.since for p in world.health.report().problems]

    world.problems = [WARN]
    assert since() == [NOW]
    world.now += timedelta(hours=1)
    world.problems = [Problem("disk", "fail", "The disk is full.", "Ổ đĩa đã đầy.")]
    assert since() == [NOW]
    world.problems = []
    assert since() == []
    world.problems = [WARN]
    assert since() == [NOW + timedelta(hours=1)]


def test_a_check_that_breaks_is_a_failure_and_hides_no_other() -> None:
    world = World()
    world.problems = [WARN]

    def broken(_: datetime) -> list[Problem]:
        raise RuntimeError("password=hunter2")

    world.health.register("broken", broken)
    problems = [p.problem for p in world.health.report().problems]
    assert [(p.key, p.severity) for p in problems] == [("check.broken", "fail"), ("disk", "warn")]
    assert problems[0].what == "The check 'broken' cannot run (RuntimeError)."


def test_two_checks_of_one_name_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="world"):
        World().health.register("world", lambda _: ())
