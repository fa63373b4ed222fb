"""The client against the real registry, over HTTP on loopback."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from gateway.confclient.client import ConfigurationClient
from gateway.core.errors import GatewayError, MalformedMessage, PeerUnavailable, SignatureRejected, TrustOutdated
from gateway.core.globalconf.anchor import print_anchor
from gateway.core.globalconf.directory import SHARED
from gateway.core.globalconf.model import Anchor, AnchorSource
from gateway.core.globalconf.privateparams import print_private_parameters
from gateway.core.globalconf.sharedparams import print_shared_parameters
from gateway.registry.publisher import Publisher
from gateway.settings.registry import load_registry
from gateway.settings.server import GlobalConfigurationSource
from tests.unit.core.globalconf.samples import NOW, der, directory, own_parts, private, shared
from tests.unit.registry.yaml_sample import edit, write_registry

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Change = Callable[[bytes], bytes]


class Registry:
    """The publisher behind a proxy that can count, break and replay."""

    def __init__(self, folder: Path) -> None:
        self.now = NOW
        self.port = unused_port()
        self.path = write_registry(folder, port=self.port)
        self.publisher = Publisher(partial(load_registry, self.path), lambda: self.now)
        self.asked: list[str] = []
        self.answers: dict[str, Change] = {}
        self.status: int | None = None

    @property
    def anchor_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/anchor.xml"

    @property
    def internal_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/internalconf"

    def app(self) -> web.Application:
        @web.middleware
        async def between(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._between(request, handler)

        app = self.publisher.app()
        app.middlewares.append(between)
        return app

    async def _between(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.asked.append(request.path_qs)
        if self.status is not None:
            return web.Response(status=self.status, headers={"Location": "/anchor.xml"})
        response = await handler(request)
        for end, change in self.answers.items():
            if request.path_qs.endswith(end) and isinstance(response, web.Response):
                assert isinstance(response.body, bytes)
                return web.Response(body=change(response.body))
        return response


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Registry]:
    registry = Registry(tmp_path)
    await registry.publisher.refresh()
    async with TestServer(registry.app(), port=registry.port):
        yield registry


def client(registry: Registry, state: Path, **settings: object) -> ConfigurationClient:
    source = GlobalConfigurationSource.model_validate({"anchor": registry.anchor_url, **settings})
    return ConfigurationClient(source, state, lambda: registry.now)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


async def refused(action: Awaitable[None], error: type[GatewayError]) -> str:
    with pytest.raises(error) as caught:
        await action
    return caught.value.code


async def test_start(registry: Registry, state: Path) -> None:
    conf_client = client(registry, state)
    with pytest.raises(TrustOutdated):
        conf_client.current()
    await conf_client.start()
    conf = conf_client.current()
    assert conf.own_instance == "VN"
    assert conf.shared("VN", NOW).version == 6
    assert conf.expires == NOW + timedelta(minutes=10)
    assert (conf_client.last_success, conf_client.last_error) == (NOW, None)


async def test_files_are_fetched_only_when_they_changed(registry: Registry, state: Path) -> None:
    conf_client = client(registry, state)
    await conf_client.start()
    first = conf_client.current()
    registry.now += timedelta(minutes=1)
    await registry.publisher.refresh()
    registry.asked.clear()
    await conf_client.refresh()
    assert registry.asked == ["/internalconf?version=6"]
    second = conf_client.current()
    assert second.fingerprint == first.fingerprint and second.trust("VN", NOW) is first.trust("VN", NOW)
    assert second.expires == NOW + timedelta(minutes=11)
    edit(registry.path, "Bộ Công an", "Bộ Công An")
    await registry.publisher.refresh()
    registry.asked.clear()
    await conf_client.refresh()
    assert [p.rpartition("/")[2] for p in registry.asked] == ["internalconf?version=6", "shared-params.xml"]
    assert conf_client.current().fingerprint != first.fingerprint


async def test_older_versions_are_probed_downwards(registry: Registry, state: Path) -> None:
    edit(registry.path, "valid_for: 10m", "valid_for: 10m\n  versions: [2, 3]")
    await registry.publisher.refresh()
    conf_client = client(registry, state)
    await conf_client.start()
    assert conf_client.current().shared("VN", NOW).version == 3
    probes = [p for p in registry.asked if p.startswith("/internalconf")]
    assert probes == [f"/internalconf?version={v}" for v in (6, 5, 4, 3)]


async def test_the_pinned_anchor(registry: Registry, state: Path, tmp_path: Path) -> None:
    content = registry.publisher._documents.anchor  # type: ignore[union-attr]
    pin = hashlib.sha256(content).hexdigest()
    await client(registry, state, anchor_sha256=pin).start()
    (tmp_path / "pin").write_text(f"{pin}  anchor.xml\n")
    await client(registry, tmp_path / "other", anchor_sha256=f"file:{tmp_path}/pin").start()
    wrong = client(registry, tmp_path / "wrong", anchor_sha256="00" * 32)
    assert await refused(wrong.start(), SignatureRejected) == "malformed_anchor"


async def test_the_anchor_in_a_file(registry: Registry, state: Path, tmp_path: Path) -> None:
    (tmp_path / "anchor.xml").write_bytes(registry.publisher._documents.anchor)  # type: ignore[union-attr]
    await client(registry, state, anchor=f"file:{tmp_path}/anchor.xml").start()
    assert not any("anchor" in p for p in registry.asked)


@pytest.mark.parametrize("settings", [{"anchor": "file:/nowhere/a.xml"}, {"anchor_sha256": "file:/nowhere/pin"}])
async def test_an_anchor_that_is_not_there(registry: Registry, state: Path, settings: dict[str, str]) -> None:
    code = await refused(client(registry, state, **settings).start(), PeerUnavailable)
    assert code == "anchor_file_not_found"


async def test_an_empty_pin(registry: Registry, state: Path, tmp_path: Path) -> None:
    (tmp_path / "pin").write_text("")
    conf_client = client(registry, state, anchor_sha256=f"file:{tmp_path}/pin")
    assert await refused(conf_client.start(), PeerUnavailable) == "anchor_file_not_found"


async def test_a_restart_while_the_registry_is_down(registry: Registry, state: Path) -> None:
    await client(registry, state).start()
    registry.status = 503
    again = client(registry, state)
    await again.start()
    again.current().ensure_current(NOW)
    assert again.last_success is None
    assert again.last_error is not None and "conf_download_failed" in again.last_error


async def test_a_restart_after_the_saved_configuration_expired(registry: Registry, state: Path) -> None:
    await client(registry, state).start()
    registry.status = 503
    registry.now += timedelta(minutes=10)
    assert await refused(client(registry, state).start(), PeerUnavailable) == "conf_download_failed"
    registry.status = None
    await registry.publisher.refresh()
    await client(registry, state).start()


async def test_a_damaged_save_is_downloaded_again(registry: Registry, state: Path) -> None:
    await client(registry, state).start()
    for part in (state / "VN").glob("*.part"):
        part.write_bytes(b"damaged")
    again = client(registry, state)
    await again.start()
    assert again.last_error is None and again.current().shared("VN", NOW)


def cut(body: bytes) -> bytes:
    return body[:-40]


def swapped(body: bytes) -> bytes:
    return body.replace(b"instance='VN'", b"instance='XX'")


@pytest.mark.parametrize(
    ("end", "change", "code"),
    [
        (
            "version=6",
            lambda b: b.replace(b"Expire-date: 2026", b"Expire-date: 2036"),
            "signature_verification_failure",
        ),
        ("version=6", lambda _: directory(own_parts(), signer="stranger"), "missing_verification_cert"),
        ("version=6", cut, "parsing_downloaded_conf_directory_failure"),
        ("version=6", swapped, "part_invalid_instance_identifier"),
        ("version=6", lambda b: b + b" " * 1024 * 1024, "conf_download_failed: A download is larger"),
        ("shared-params.xml", lambda b: b.replace(b"G01", b"G02"), "part_downloaded_file_integrity_failure"),
        ("private-params.xml", lambda b: b"", "part_downloaded_file_integrity_failure"),
    ],
)
async def test_what_is_altered_on_the_way_changes_nothing(
    registry: Registry, state: Path, end: str, change: Change, code: str
) -> None:
    registry.answers[end] = change
    fresh = client(registry, state)
    assert await refused(fresh.start(), PeerUnavailable) == "conf_download_failed"
    assert fresh.last_error is not None and code in fresh.last_error
    with pytest.raises(TrustOutdated):
        fresh.current()
    assert not (state / "VN").exists()
    registry.answers.clear()
    await fresh.start()
    assert fresh.last_error is None


async def test_a_failed_refresh_keeps_the_old_one_until_it_expires(registry: Registry, state: Path) -> None:
    conf_client = client(registry, state)
    await conf_client.start()
    before = conf_client.current()
    registry.status = 500
    registry.now += timedelta(minutes=9)
    assert await refused(conf_client.refresh(), PeerUnavailable) == "conf_download_failed"
    assert conf_client.current() is before
    before.ensure_current(registry.now)
    assert conf_client.last_success == NOW
    registry.now += timedelta(minutes=1)
    with pytest.raises(TrustOutdated):
        conf_client.current().ensure_current(registry.now)


async def test_redirects_are_not_followed(registry: Registry, state: Path) -> None:
    registry.status = 302
    assert (
        await refused(client(registry, state).start(), PeerUnavailable) == "global_conf_download_url_connection_failure"
    )
    assert len(registry.asked) == 2  # the anchor, at restore and at refresh


async def test_rollback_is_remembered_over_a_restart(registry: Registry, state: Path) -> None:
    conf_client = client(registry, state)
    recorded: dict[str, bytes] = {}

    def record(body: bytes) -> bytes:
        recorded.setdefault("old", body)
        return body

    registry.answers["internalconf?version=6"] = record
    await conf_client.start()
    registry.now += timedelta(minutes=1)
    await registry.publisher.refresh()
    await conf_client.refresh()
    newest = conf_client.current().expires
    registry.answers["internalconf?version=6"] = lambda _: recorded["old"]  # somebody plays back what was valid before
    assert await refused(conf_client.refresh(), PeerUnavailable) == "conf_download_failed"
    again = client(registry, state)
    await again.start()
    assert again.current().expires == newest
    assert again.last_error is not None and "older than the one already believed" in again.last_error


async def test_the_first_anchor_is_kept_unless_another_is_pinned(registry: Registry, state: Path) -> None:
    await client(registry, state).start()
    forged = print_anchor(Anchor("VN", (AnchorSource(registry.internal_url, (der("stranger"),)),)))
    registry.answers["/anchor.xml"] = lambda _: forged
    await client(registry, state).start()
    pinned = client(registry, state, anchor_sha256=hashlib.sha256(forged).hexdigest())
    assert await refused(pinned.start(), PeerUnavailable) == "conf_download_failed"
    assert pinned.last_error is not None and "global_conf_missing_verification_cert" in pinned.last_error


async def test_a_state_directory_that_cannot_be_written(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"a file")
    code = await refused(client(registry, tmp_path / "state").start(), PeerUnavailable)
    assert code == "anchor_file_not_found"


async def test_the_loop_refreshes_through_failures(registry: Registry, state: Path) -> None:
    conf_client = client(registry, state, refresh="10ms")
    await conf_client.start()
    registry.status = 503
    registry.now += timedelta(minutes=1)
    await registry.publisher.refresh()
    loop = asyncio.create_task(conf_client.run())  # noqa: TID251
    try:
        async with asyncio.timeout(10):
            while conf_client.last_error is None:
                await asyncio.sleep(0.01)
            registry.status = None
            while conf_client.current().expires == NOW + timedelta(minutes=10):
                await asyncio.sleep(0.01)
    finally:
        loop.cancel()
    assert conf_client.last_error is None


# --- federation --------------------------------------------------------------------------------------------------------

FOREIGN = [(SHARED, print_shared_parameters(shared(instance="FI"), 6))]


def serve_federation(registry: Registry) -> None:
    """The registry's internal configuration names FI's anchor; FI's external configuration is served by the same server."""
    fi = Anchor("FI", (AnchorSource(f"http://127.0.0.1:{registry.port}/externalconf", (der("foreign"),)),))
    own = [own_parts()[0], ("PRIVATE-PARAMETERS", print_private_parameters(private(anchors=(fi,)), 6))]
    bodies = {
        "/internalconf?version=6": directory(own),
        "/externalconf?version=6": directory(FOREIGN, instance="FI", signer="foreign", version=6),
    }
    content = {"shared-parameters.xml": own[0][1], "private-parameters.xml": own[1][1]}

    async def file(request: web.Request) -> web.Response:
        is_foreign = "/externalconf?version=6" in registry.asked
        name = request.path.rpartition("/")[2]
        return web.Response(body=FOREIGN[0][1] if is_foreign else content[name])

    registry.publisher._file = file  # type: ignore[method-assign]
    for end, body in bodies.items():
        registry.answers[end] = lambda _, body=body: body  # type: ignore[misc]


@pytest.fixture
async def federation(tmp_path: Path) -> AsyncIterator[Registry]:
    registry = Registry(tmp_path)
    serve_federation(registry)
    await registry.publisher.refresh()
    async with TestServer(registry.app(), port=registry.port):
        yield registry


async def test_allowed_federations_are_downloaded(federation: Registry, state: Path) -> None:
    conf_client = client(federation, state, allowed_federations=("FI",))
    await conf_client.start()
    assert conf_client.federation_errors == {}
    assert conf_client.current().shared("FI", NOW) == shared(instance="FI")
    federation.status = 503
    again = client(federation, state, allowed_federations=("FI",))
    await again.start()
    assert again.current().fingerprint == conf_client.current().fingerprint


async def test_other_federations_are_not(federation: Registry, state: Path) -> None:
    conf_client = client(federation, state, allowed_federations=("EE",))
    await conf_client.start()
    assert list(conf_client.current().instances) == ["VN"]
    assert not any("externalconf" in p for p in federation.asked)


async def test_a_foreign_failure_is_none_of_ours(federation: Registry, state: Path) -> None:
    federation.answers["/externalconf?version=6"] = lambda _: b"broken"
    conf_client = client(federation, state, allowed_federations=("FI",))
    await conf_client.start()
    assert conf_client.last_error is None and list(conf_client.current().instances) == ["VN"]
    assert "conf_download_failed" in conf_client.federation_errors["FI"]


# --- a directory that somebody else keeps ------------------------------------------------------------------------------


def saved(folder: Path, name: str = "Bộ Công an", expires: datetime = NOW + timedelta(minutes=10)) -> Path:
    (folder / "conf" / "VN").mkdir(parents=True, exist_ok=True)
    xml = own_parts()[0][1].decode().replace("Bộ Công an", name)
    metadata = f'{{"expirationDate":"{expires:%Y-%m-%dT%H:%M:%SZ}","configurationVersion":"6"}}'
    for path, content in (("instance-identifier", "VN"), ("VN/shared-params.xml", xml)):
        (folder / "conf" / path).write_text(content, encoding="utf-8")
    (folder / "conf" / "VN" / "shared-params.xml.metadata").write_text(metadata)
    return folder / "conf"


def directory_client(path: Path, state: Path, now: datetime = NOW) -> ConfigurationClient:
    source = GlobalConfigurationSource.model_validate({"directory": str(path)})
    return ConfigurationClient(source, state, lambda: now)


async def test_a_directory_is_read_and_read_again(tmp_path: Path, state: Path) -> None:
    conf_client = directory_client(saved(tmp_path), state)
    await conf_client.start()
    assert conf_client.current().shared("VN", NOW).members[0].name == "Bộ Công an"
    saved(tmp_path, "Bộ Công An")
    await conf_client.refresh()
    assert conf_client.current().shared("VN", NOW).members[0].name == "Bộ Công An"
    (tmp_path / "conf" / "VN" / "shared-params.xml").write_bytes(b"xxx")
    assert await refused(conf_client.refresh(), MalformedMessage) == "malformed_global_conf"
    assert conf_client.current().shared("VN", NOW).members[0].name == "Bộ Công An"
    assert conf_client.last_error is not None


async def test_a_directory_that_has_expired_or_is_not_there(tmp_path: Path, state: Path) -> None:
    expired = directory_client(saved(tmp_path, expires=NOW), state)
    assert await refused(expired.start(), TrustOutdated) == "global_conf_outdated"
    nowhere = directory_client(tmp_path / "nowhere", state)
    assert await refused(nowhere.start(), MalformedMessage) == "malformed_global_conf"
