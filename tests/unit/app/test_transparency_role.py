"""The transparency and witness roles as they start: settings, keys, TLS towards submitters, and what they refuse."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import load_pem_x509_certificate

from certs.generate import generate, load_topology
from gateway.app.transparency import fsck_of, transparency_role
from gateway.app.witness import witness_role
from gateway.core.errors import EvidenceUnavailable, SettingsError
from gateway.core.merkle.text import print_base64
from gateway.core.signing.requests import KeyType
from gateway.settings.log import load_log
from gateway.storage.database import Database
from gateway.storage.embedded import EmbeddedPostgres
from gateway.transparency.delivery import LogDelivery
from gateway.transparency.waiting import WaitingLeaf
from gateway.transport.tls import der, log_client_context
from gateway.trust.authority import create_tls, named, new_key, validity
from tests.support.logworld import leaves
from tests.support.rawhttp import free_port

ROOT = Path(__file__).resolve().parents[3]


def _identity(folder: Path, name: str) -> None:
    made = create_tls(
        named(name), validity(datetime.now(UTC), years=1), new_key(KeyType.EC_P256), addresses=["127.0.0.1"]
    )
    (folder / f"{name}.pem").write_bytes(made.certificate.public_bytes(Encoding.PEM))
    key = made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / f"{name}.key").write_bytes(key)


@pytest.fixture(scope="module")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("role") / "out"
    generate(out, load_topology(ROOT / "certs/topology.yaml"), datetime.now(UTC))
    for name in ("log-tls", "submitter", "stranger"):
        _identity(out, name)
    return out


Write = Callable[..., Path]


@pytest.fixture
def settings(certs: Path, tmp_path: Path, pg: EmbeddedPostgres, database: Database) -> Write:
    def write(**changes: str) -> Path:
        name = database._target["database"]
        given = {
            "origin": "tlog.vn.example/access",
            "keys": f"{certs}/log-{{year}}-{{kind}}.key",
            "policy": f"{certs}/log-policy.txt",
            "database": f"{{embedded: {pg.directory}, name: {name}}}",
            "folder": str(tmp_path / "public"),
            "listen": f"{{public: 127.0.0.1:{free_port()}, submit: 127.0.0.1:{free_port()}}}",
            **changes,
        }
        path = tmp_path / "transparency.yaml"
        path.write_text("".join(f"{key}: {value}\n" for key, value in given.items()))
        return path

    return write


def document(source: str) -> dict[str, object]:
    leaf = leaves(1)[0]
    return {
        "source": source,
        "leaves": [{"record": str(leaf.record), "sequence": 0, "entry": print_base64(leaf.entry)}],
    }


def test_years_are_those_with_both_keys(settings: Write, certs: Path) -> None:
    year = datetime.now(UTC).year
    assert load_log(settings()).years() == (year, year + 1)


async def test_submissions_over_mutual_tls(settings: Write, certs: Path) -> None:
    tls = f"{{key: 'file:{certs}/log-tls.key', certificate: {certs}/log-tls.pem}}"
    submitters = f"[{{server: VN/GOV/G01/ss1, certificates: [{certs}/submitter.pem]}}]"
    path = settings(tls=tls, submitters=submitters)
    year = datetime.now(UTC).year
    url = f"https://{load_log(path).listen.submit}/{year}/leaves"

    async def post(who: str | None, source: str) -> int:
        context = ssl.create_default_context(cafile=certs / "log-tls.pem")
        if who is not None:
            context.load_cert_chain(certs / f"{who}.pem", certs / f"{who}.key")
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, json=document(source), ssl=context) as response,
        ):
            return response.status

    async with transparency_role(path) as words:
        assert words.startswith("tlog.vn.example/access")
        assert await post("submitter", "VN/GOV/G01/ss1") == 200
        assert await post("submitter", "VN/GOV/G02/ss1") == 403
        for who in (None, "stranger"):
            with pytest.raises((aiohttp.ClientError, ssl.SSLError, ConnectionError)):
                await post(who, "VN/GOV/G01/ss1")
    assert [report.problems for report in await fsck_of(path)] == [[], []]


@pytest.mark.parametrize(
    ("shown", "of_log", "server", "taken"),
    [
        ("submitter", "log-tls", "VN/GOV/G01/ss1", True),
        ("submitter", "log-tls", "VN/GOV/G02/ss1", False),
        ("stranger", "log-tls", "VN/GOV/G01/ss1", False),
        (None, "log-tls", "VN/GOV/G01/ss1", False),
        ("submitter", "stranger", "VN/GOV/G01/ss1", False),
    ],
    ids=["a submitter", "for another server", "a stranger", "nobody", "to a false log"],
)
async def test_a_server_and_its_log_know_each_other(
    settings: Write, certs: Path, shown: str | None, of_log: str, server: str, taken: bool
) -> None:
    tls = f"{{key: 'file:{certs}/log-tls.key', certificate: {certs}/log-tls.pem}}"
    path = settings(tls=tls, submitters=f"[{{server: VN/GOV/G01/ss1, certificates: [{certs}/submitter.pem]}}]")
    context = log_client_context([der(load_pem_x509_certificate((certs / f"{of_log}.pem").read_bytes()))])
    if shown is not None:
        context.load_cert_chain(certs / f"{shown}.pem", certs / f"{shown}.key")
    leaf = WaitingLeaf(1, uuid4(), datetime.now(UTC), b"leaf")
    async with transparency_role(path):
        delivery = LogDelivery(f"https://{load_log(path).listen.submit}", server, 10.0, context)
        try:
            if taken:
                await delivery([leaf])
            else:
                with pytest.raises(EvidenceUnavailable):
                    await delivery([leaf])
        finally:
            await delivery.close()
    in_log = sum(report.size + report.waiting for report in await fsck_of(path))
    assert in_log == (1 if taken else 0)


async def test_plain_submissions_stay_on_the_loopback(settings: Write) -> None:
    path = settings(listen="{public: 127.0.0.1:1, submit: 0.0.0.0:1}")
    with pytest.raises(SettingsError, match=r"listen\.submit"):
        async with transparency_role(path):
            pass


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"keys": "nowhere-{year}-{kind}.key"}, "no year with both keys"),
        ({"keys": "certs/out/log.key"}, "must be a path with {year} and {kind}"),
        ({"origin": "https://tlog.vn.example"}, "is not a name"),
        ({"policy": "/dev/null"}, "exactly one quorum line"),
        ({"submitters": "[]", "tls": "{key: 'file:/dev/null', certificate: /dev/null}"}, "certificate"),
    ],
)
def test_settings_fail(settings: Write, changes: dict[str, str], problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_log(settings(**changes))
    assert problem in str(caught.value)


async def test_a_witness(certs: Path, tmp_path: Path) -> None:
    path = tmp_path / "witness.yaml"
    port = free_port()
    path.write_text(
        f"name: witness.example\nkeys: [{{key: 'file:{certs}/witness-a05.key'}}]\npolicy: {certs}/log-policy.txt\n"
        f"state: {tmp_path / 'state'}\nlisten: 127.0.0.1:{port}\n"
    )
    async with witness_role(path) as words, aiohttp.ClientSession() as session:
        assert words.startswith("witness.example")
        async with session.post(f"http://127.0.0.1:{port}/add-checkpoint", data=b"x") as response:
            assert response.status == 400
