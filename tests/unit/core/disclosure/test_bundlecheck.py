"""A citizen's bundle: a good one holds, and each thing that is altered fails at its step and is named."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from gateway.core.disclosure.bundlecheck import verify_bundle
from gateway.core.merkle.policy import parse_policy
from tests.support.bundles import OLD_LOG, Lines, altered, bundle_file, of_two_years, policy_text
from tests.support.logkeys import AUDITOR, LOG, Key

GOOD = bundle_file()
Change = Callable[[Lines], object]


def judged(lines: list[dict[str, Any]], policy: bytes | None = None) -> list[tuple[int, str]]:
    """The steps that failed."""
    file = [json.dumps(line).encode() for line in lines]
    report = verify_bundle(file, None if policy is None else parse_policy(policy))
    return [(step.number, step.what) for step in report.steps if not step.ok]


def test_a_good_bundle() -> None:
    lines = [json.dumps(line).encode() for line in GOOD]
    for policy in (None, parse_policy(policy_text())):
        report = verify_bundle(lines, policy)
        assert [s.number for s in report.steps] == [1, 2, 3, 4, 4, 5, 5, 6, 7]
        assert all(s.ok for s in report.steps)
        assert report.bundle is not None
        assert len(report.bundle.records) == 3


def record_twice(lines: Lines) -> None:
    lines.insert(3, lines[2])
    lines[-1].update(records=4)


# By line of the file: 1 head, 2 policy, 3 to 5 records, 6 checkpoint, 7 consistency, 8 end.
ALTERED: dict[str, tuple[Change, set[int], str]] = {
    "a line is missing": (lambda x: x.pop(3), {1}, "2 records"),
    "the end is missing": (lambda x: x.pop(), {1}, "cut"),
    "something after the end": (lambda x: x.append(x[2]), {1}, "line 9"),
    "an unknown key": (lambda x: x[3].update(more=1), {1}, "line 4"),
    "another version": (lambda x: x[0].update(version=2), {1}, "line 1"),
    "a time that is none": (lambda x: x[0].update(made="2026"), {1}, "line 1"),
    "a record about somebody else": (lambda x: x[3]["person"].update(number="999070000015"), {2, 3}, "line 4"),
    "a record twice": (record_twice, {2}, "line 4"),
    "a word of a text": (lambda x: x[3]["fields"].__setitem__(5, "ND-1"), {3}, "line 4"),
    "the leaf": (lambda x: altered(x[3], "leaf"), {3, 4}, "line 4"),
    "a salt": (lambda x: altered(x[3]["salts"], 7), {3}, "line 4"),
    "the subject key": (lambda x: altered(x[3], "subject_key"), {3}, "line 4"),
    "the statement key": (lambda x: altered(x[3], "statement_key"), {3}, "line 4"),
    "no receipt yet": (lambda x: x[3].update(receipt=None), {4}, "line 4"),
    "the receipt of another record": (lambda x: x[3].update(receipt=x[2]["receipt"]), {4}, "line 4"),
    "a receipt that is none": (lambda x: x[3].update(receipt="x"), {4}, "line 4"),
    "another log beside it": (lambda x: x[3].update(log="log.example/access/2027"), {4}, "line 4"),
    "the newest checkpoint's size": (
        lambda x: x[5].update(note=x[5]["note"].replace("\n5\n", "\n6\n")), {5, 6}, "newest checkpoint",
    ),
    "a hash of the history": (lambda x: altered(x[6]["hashes"], 0), {7}, "or an altered proof"),
    "no proof of the history": (lambda x: x.pop(6), {7}, "no proof"),
    "no newest checkpoint": (lambda x: x.pop(5), {7}, "not in the bundle"),
    "two newest checkpoints": (lambda x: x.insert(5, x[5]), {1}, "line 7"),
    "two policies": (lambda x: x.insert(1, x[1]), {1}, "line 3"),
    "a record before the policy": (lambda x: x.insert(1, x.pop(2)), {1}, "line 3"),
    "a key of the policy": (
        lambda x: x[1].update(policy=policy_text(log=Key("log.example/access/2027")).decode()), {5}, "no such log",
    ),
    "a policy that is none": (lambda x: x[1].update(policy="quorum x\n"), {5, 6}, "policy line 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", ALTERED)
def test_whatever_is_altered_is_named(name: str) -> None:
    change, steps, word = ALTERED[name]
    lines = copy.deepcopy(GOOD)
    change(lines)
    found = judged(lines)
    assert {number for number, _ in found} == steps
    assert any(word in what for _, what in found)


def test_witnesses_of_ones_own_policy_count() -> None:
    stranger = policy_text(witness=Key("witness.example/other", AUDITOR.kind))
    assert judged(GOOD, stranger) == [(6, judged(GOOD, stranger)[0][1])]
    assert judged(bundle_file(LOG), policy_text()) == [(6, judged(bundle_file(LOG), policy_text())[0][1])]


def test_a_fork_is_seen() -> None:
    """Receipts under a tree that the newest checkpoint does not continue, both signed and cosigned."""
    forked = copy.deepcopy(GOOD)
    forked[5:7] = bundle_file(first=b"another beginning")[5:7]
    assert [number for number, _ in judged(forked)] == [7]


def test_a_year_whose_log_the_policy_does_not_name_is_not_checked_and_the_others_are() -> None:
    report = verify_bundle([json.dumps(line).encode() for line in of_two_years()], parse_policy(policy_text()))
    failed = [(s.number, s.what) for s in report.steps if not s.ok]
    why = "the policy names no such log, its 2 checkpoint(s) are not checked"
    assert failed == [(5, f"invalid_proof: {OLD_LOG.name}: {why}")]
    held = [(s.number, s.what) for s in report.steps if s.ok]
    assert (5, f"{LOG.name}: 2 checkpoint(s), each signed by it") in held
    assert (7, f"{LOG.name}: one history") in held
    report = verify_bundle([json.dumps(line).encode() for line in of_two_years()], parse_policy(policy_text(OLD_LOG)))
    assert all(s.ok for s in report.steps)


def test_a_record_of_a_year_that_had_no_log_is_not_checked() -> None:
    lines = copy.deepcopy(GOOD)
    lines[3].update(log=None, receipt=None)
    assert judged(lines) == [(4, "the record in line 4: whoever made the bundle knew no log of its year: not checked")]


@pytest.mark.parametrize(
    "change", [{"rule": 1}, {"first": "2026-13-01"}, {"records": -1}, {"at": "now"}, {"member": None}, {"more": 1}]
)
def test_what_was_destroyed_is_told_and_read_strictly(change: dict[str, object]) -> None:
    days = {"first": "2026-09-01", "last": "2026-09-02", "at": "2026-11-02T03:00:00.000Z"}
    line = {"kind": "destroyed", "member": "VN/GOV/G01", **days, "records": 3, "rule": None}
    assert judged([*GOOD[:2], line, *GOOD[2:]]) == []
    assert [number for number, _ in judged([*GOOD[:2], {**line, **change}, *GOOD[2:]])] == [1]


def test_many_bad_records_do_not_fill_the_screen() -> None:
    lines = copy.deepcopy(bundle_file(records=9))
    for line in lines[2:11]:
        line["fields"][4] = "OTHER"
    assert [number for number, _ in judged(lines)] == [3] * 6
