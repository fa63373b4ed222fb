"""The openssl command line on our time-stamps: it asks, we stamp, it judges; and the other way round."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.core.digest import sha512
from gateway.core.errors import TimestampRejected
from gateway.core.signing.hashtree import build_tree
from gateway.core.signing.timestamp import accept_response, verify_timestamp
from gateway.core.signing.timestampbatch import batch_result
from gateway.core.signing.tsp import build_query, parse_response
from tests.support.pki import KeyKind, Pki

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not installed"),
]

_CONFIG = """
[tsa]
serial = serial
crypto_device = builtin
signer_cert = tsa.pem
certs = ca.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
accuracy = secs:1
ess_cert_id_alg = {ess}
"""


class World:
    """openssl has no clock to move: everything is as of now."""

    def __init__(self, directory: Path, key: KeyKind) -> None:
        self.directory = directory
        self.pki = Pki(now=datetime.now(UTC).replace(microsecond=0), ca_key=key)
        self.pki.tsa = self.pki.issue_tsa("Time", key)
        self.write("ca.pem", self.pki.ca.pem)
        self.write("tsa.pem", self.pki.tsa.pem)
        self.write("tsa.key", self.pki.tsa.key_pem)
        self.write("data", b"what is stamped")

    def write(self, name: str, content: bytes) -> None:
        (self.directory / name).write_bytes(content)

    def read(self, name: str) -> bytes:
        return (self.directory / name).read_bytes()

    def openssl(self, *arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            ["openssl", "ts", *arguments], cwd=self.directory, capture_output=True, text=True, timeout=30, check=False
        )
        return done.returncode, done.stdout + done.stderr

    def ask(self, *options: str) -> None:
        code, text = self.openssl("-query", "-data", "data", "-out", "query.tsq", *options)
        assert code == 0, text
        self.write("answer.tsr", self.pki.authority().answer(self.read("query.tsq"), self.pki.now))


@pytest.fixture(params=["ec", "rsa"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return World(tmp_path, request.param)


@pytest.mark.parametrize("digest", ["-sha256", "-sha384", "-sha512"])
def test_our_answers_to_its_questions(world: World, digest: str) -> None:
    world.ask(digest, "-cert")  # with a nonce, too
    code, text = world.openssl("-verify", "-queryfile", "query.tsq", "-in", "answer.tsr", "-CAfile", "ca.pem")
    assert (code, "Verification: OK" in text) == (0, True), text


def test_without_the_certificate_it_needs_ours(world: World) -> None:
    world.ask("-sha512", "-no_nonce")
    arguments = ("-verify", "-queryfile", "query.tsq", "-in", "answer.tsr", "-CAfile", "ca.pem")
    assert world.openssl(*arguments)[0] != 0
    code, text = world.openssl(*arguments, "-untrusted", "tsa.pem")
    assert (code, "Verification: OK" in text) == (0, True), text


def test_the_question_of_xroad_and_the_token_we_keep(world: World) -> None:
    world.write("query.tsq", build_query(sha512(world.read("data"))))
    code, text = world.openssl("-query", "-in", "query.tsq", "-text")
    assert code == 0
    assert "Hash Algorithm: sha512" in text
    assert "Certificate required: no" in text
    assert "Nonce: unspecified" in text
    answer = world.pki.authority().answer(world.read("query.tsq"), world.pki.now)
    world.write("token.der", accept_response(answer, world.read("data"), world.pki.approved_tsa)[0])
    arguments = ("-verify", "-token_in", "-in", "token.der", "-CAfile", "ca.pem")
    code, text = world.openssl(*arguments, "-data", "data")
    assert (code, "Verification: OK" in text) == (0, True), text
    world.write("other", b"what is not stamped")
    code, text = world.openssl(*arguments, "-data", "other")
    assert (code != 0, "message imprint mismatch" in text) == (True, True), text


def test_what_a_batch_stamps(world: World) -> None:
    result = batch_result(build_tree([sha512(b"%d" % n) for n in range(5)]).root)
    world.write("ts-hashchainresult.xml", result)
    world.write("timestamp.tst", world.pki.stamp(result))
    arguments = ("-verify", "-token_in", "-in", "timestamp.tst", "-data", "ts-hashchainresult.xml", "-CAfile", "ca.pem")
    code, text = world.openssl(*arguments)
    assert (code, "Verification: OK" in text) == (0, True), text


def test_an_altered_token_fail(world: World) -> None:
    token = bytearray(world.pki.stamp(world.read("data")))
    token[-5] ^= 1
    world.write("token.der", bytes(token))
    code, text = world.openssl("-verify", "-token_in", "-in", "token.der", "-data", "data", "-CAfile", "ca.pem")
    assert (code != 0, "Verification: FAILED" in text) == (True, True), text


def test_our_refusals_are_read(world: World) -> None:
    world.ask("-sha512", "-tspolicy", "1.2.3.9")
    _, text = world.openssl("-reply", "-in", "answer.tsr", "-text")
    assert "Status: Rejected." in text
    assert "policy is not supported" in text
    assert "stamps are made under 1.2.3.4.1" in text


@pytest.mark.parametrize("ess", ["sha1", "sha256", "sha512"])
def test_its_stamps_verify_with_us(world: World, ess: str) -> None:
    world.write("tsa.cnf", _CONFIG.format(ess=ess).encode())
    world.write("serial", b"01\n")
    world.write("query.tsq", build_query(sha512(world.read("data"))))
    code, text = world.openssl(
        "-reply", "-config", "tsa.cnf", "-section", "tsa", "-queryfile", "query.tsq", "-out", "a.tsr"
    )
    assert code == 0, text
    token, verified = accept_response(world.read("a.tsr"), world.read("data"), world.pki.approved_tsa)
    assert verified.serial == 2
    assert verify_timestamp(token, world.read("data"), (world.pki.approved_tsa,)) == verified
    bare = parse_response(world.read("a.tsr")).token
    assert bare is not None
    with pytest.raises(TimestampRejected):
        verify_timestamp(bare[:-5] + bytes((bare[-5] ^ 1,)) + bare[-4:], world.read("data"), (world.pki.approved_tsa,))
