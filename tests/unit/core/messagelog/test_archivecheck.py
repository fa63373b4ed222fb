from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence

import pytest

from gateway.core.digest import sha512
from gateway.core.messagelog.archivecheck import ArchiveReport, OpenArchive, inspect_archive, report_chains
from gateway.core.messagelog.linking import ArchiveEnd, archive_name, link, print_linking_info
from gateway.core.signing.verify import SignerVerdicts
from tests.support.containers import ContainerWorld, pack

Named = tuple[str, bytes]


@pytest.fixture(scope="module")
def world() -> ContainerWorld:
    return ContainerWorld()


@pytest.fixture(scope="module")
def container(world: ContainerWorld) -> bytes:
    return pack(world.files(body=b"{}"))


def archive(world: ContainerWorld, containers: Sequence[Named], previous: ArchiveEnd, group: str = "") -> Named:
    info = link(previous, [(name, sha512(content)) for name, content in containers])
    files = [*containers, ("linkinginfo", print_linking_info(info))]
    return archive_name(group, world.pki.now, world.pki.now, info.last), pack(files)


def end_of(archive: Named) -> ArchiveEnd:
    with zipfile.ZipFile(io.BytesIO(archive[1])) as z:
        last = z.read("linkinginfo").decode().splitlines()[-1].split(" ")[0]
    return ArchiveEnd(last, archive[0])


@pytest.fixture(scope="module")
def chain(world: ContainerWorld, container: bytes) -> list[Named]:
    made: list[Named] = []
    end = ArchiveEnd()
    for n in range(3):
        made.append(archive(world, [(f"m{n}-request-{i}.asice", container) for i in range(2)], end))
        end = end_of(made[-1])
    return made


def verify(world: ContainerWorld, archives: Sequence[Named], *, from_any: bool = False) -> dict[str, ArchiveReport]:
    verdicts, conf = SignerVerdicts(), world.conf()
    linked = [
        inspect_archive(OpenArchive(name, io.BytesIO(data), io.BytesIO), conf, verdicts) for name, data in archives
    ]
    return {report.file: report for report in report_chains(linked, from_any=from_any)}


def failed(reports: dict[str, ArchiveReport]) -> list[tuple[str, int]]:
    return [(name, step.number) for name, r in reports.items() for step in r.steps if not step.ok]


def test_a_whole_chain(world: ContainerWorld, chain: list[Named]) -> None:
    reports = verify(world, list(reversed(chain)))
    assert failed(reports) == []
    assert [r.containers for r in reports.values()] == [2, 2, 2]
    assert all(r.ok and {step.number for step in r.steps} == {1, 2, 3, 4, 5} for r in reports.values())


def test_groups_have_chains_of_their_own(world: ContainerWorld, container: bytes) -> None:
    archives = [archive(world, [(f"{group}.asice", container)], ArchiveEnd(), group) for group in ("a", "b")]
    assert failed(verify(world, archives)) == []


def test_an_archive_that_was_removed(world: ContainerWorld, chain: list[Named]) -> None:
    _, second, third = (name for name, _ in chain)
    assert failed(verify(world, [chain[0], chain[2]])) == [(third, 4)]
    assert failed(verify(world, [chain[0], chain[2]], from_any=True)) == [(third, 4)]
    assert failed(verify(world, chain[1:])) == [(second, 4)]
    assert failed(verify(world, chain[1:], from_any=True)) == []


def test_two_archives_on_the_same_one(world: ContainerWorld, chain: list[Named], container: bytes) -> None:
    fork = archive(world, [("fork.asice", container)], end_of(chain[0]))
    assert sorted(failed(verify(world, [*chain, fork]))) == sorted([(chain[1][0], 4), (fork[0], 4)])
    again = archive(world, [("again.asice", container)], ArchiveEnd())
    assert sorted(failed(verify(world, [*chain, again]))) == sorted([(chain[0][0], 4), (again[0], 4)])


def test_an_archive_that_was_made_anew(world: ContainerWorld, chain: list[Named], container: bytes) -> None:
    """Its digest is another one, so its name is: whoever keeps the name is found out by name and by its successor."""
    forged = archive(world, [("m0-request-0.asice", container)], ArchiveEnd())
    found = failed(verify(world, [(chain[0][0], forged[1]), *chain[1:]]))
    assert found == [(chain[0][0], 3), (chain[1][0], 4)]


def test_a_container_that_was_altered(world: ContainerWorld, chain: list[Named], container: bytes) -> None:
    other = pack({**world.files(body=b"{}"), "attachment1": b"[]"})
    info = link(ArchiveEnd(), [("a.asice", sha512(container))])
    name = archive_name("", world.pki.now, world.pki.now, info.last)
    files = [("a.asice", other), ("linkinginfo", print_linking_info(info))]
    assert failed(verify(world, [(name, pack(files))])) == [(name, 2), (name, 5)]


def test_containers_that_are_no_evidence_fail_although_the_chain_holds(world: ContainerWorld) -> None:
    made = archive(world, [("a.asice", b"no container")], ArchiveEnd())
    assert failed(verify(world, [made])) == [(made[0], 5)]


@pytest.mark.parametrize(
    "files",
    [
        [],
        [("linkinginfo", b"")],
        [("a.asice", b""), ("linkinginfo", b"- - SHA-512\n")],
        [("linkinginfo", b"- - SHA-512\n"), ("a.asice", b"")],
    ],
)
def test_what_is_no_archive(world: ContainerWorld, files: list[Named]) -> None:
    reports = verify(world, [("mlog.zip", pack(files))])
    assert failed(reports) == [("mlog.zip", 1), ("mlog.zip", 4)]
