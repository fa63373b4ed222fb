"""One exchange in `make run`, then the person it was about: signs in, sees it, and the browser verifies it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.chromium import SIZES, chromium, look_at, page_of, verdict
from tests.support.country import new_network
from tests.support.demo import Demo

pytestmark = [pytest.mark.slow, pytest.mark.interop, pytest.mark.timeout(300)]

CHILD = "999215000061"


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    folder = Path(tempfile.mkdtemp(prefix="demo-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    running = Demo(folder, new_network())
    try:
        running.start(patience=150)
        yield running
    finally:
        running.clean_up()
        shutil.rmtree(folder, ignore_errors=True)


def portal(demo: Demo) -> str:
    return f"http://{demo.network.rpartition('.')[0]}.0.1:8700"


async def _sign_in(demo: Demo, page: Any, name: str) -> None:
    await page.goto(portal(demo) + "/")
    await page.click("text=Đăng nhập bằng VNeID")
    await page.click(f"text={name}")
    await page.wait_for_url("**/records*")


async def _verdict_in_time(page: Any, seconds: float) -> tuple[str, dict[str, str]]:
    """As a person does it: press again while the entry still waits for the public log."""
    until = time.monotonic() + seconds
    while (found := await verdict(page))[0] == "pending" and time.monotonic() < until:
        continue
    return found


async def test_an_exchange_is_seen_and_verified(demo: Demo) -> None:
    async with chromium() as browser:
        call = next(line for line in demo.readme() if line.startswith("curl"))
        assert demo.shell(f"{call} --fail").returncode == 0
        for size in SIZES:
            async with page_of(browser, size) as page:
                await _sign_in(demo, page, "Nguyễn Thị Minh Anh")
                await page.click(".entry h4 a >> nth=0")
                found, steps = await _verdict_in_time(page, 30)
                assert found == "verified", steps
                await look_at(page, "demo-verified")

        async with page_of(browser, "desk") as page:
            await _sign_in(demo, page, "Nguyễn Thị Minh Anh")
            await page.click(".entry h4 a >> nth=0")
            (tile,) = (demo.folder / "var/transparency").glob("*/tile/entries/000.p/*")
            whole = tile.read_bytes()
            tile.write_bytes(whole[:20] + bytes([whole[20] ^ 1]) + whole[21:])
            assert (await verdict(page))[0] == "missing"
            tile.write_bytes(whole)
            flip = "UPDATE access_record SET content = set_byte(content, 60, get_byte(content, 60) # 1)"
            await demo.sql("g01_ss1", flip)
            assert (await verdict(page))[0] == "content"
            await demo.sql("g01_ss1", flip)
            assert (await verdict(page))[0] == "verified"


async def test_the_bundle_holds_without_the_portal(demo: Demo) -> None:
    file, verify = demo.folder / "so.ndjson", ".venv/bin/python -m gateway verify bundle so.ndjson"
    async with chromium() as browser, page_of(browser, "desk") as page:
        await _sign_in(demo, page, "Nguyễn Thị Minh Anh")
        async with page.expect_download() as downloading:
            await page.click("text=Tải cả sổ")
        await (await downloading.value).save_as(file)
    whole = file.read_bytes()
    for policy in ("", " --policy certs/out/log-policy.txt"):
        found = demo.shell(verify + policy)
        assert found.returncode == 0, found.stdout + found.stderr
        file.write_bytes(whole.replace(b"granted", b"refused", 1))
        assert "line 3: the texts are not those of the leaf" in demo.shell(verify + policy).stdout
        file.write_bytes(whole)


async def test_a_parent_reads_the_ledger_of_a_child(demo: Demo) -> None:
    async with chromium() as browser, page_of(browser, "phone") as page:
        await _sign_in(demo, page, "Trần Thị Lan")
        await page.click("#thay-mat summary")
        await page.fill("#so-con", CHILD)
        await page.click("#thay-mat form button")
        await page.wait_for_selector("form.acting, #thay-mat .notice")
        await look_at(page, "demo-child")
        assert "Nguyễn Minh Khôi" in await page.inner_text("h1")
        assert "Xác nhận cha, mẹ" in await page.inner_text(".entry >> nth=0")


async def test_an_inquiry_reaches_the_agency_and_its_answer_comes_back(demo: Demo) -> None:
    inquiries = ".venv/bin/python -m gateway inquiries {} --server VN/GOV/{}/ss1 {}"
    call = next(line for line in demo.readme() if line.startswith("curl"))
    assert demo.shell(f"{call} --fail").returncode == 0
    async with chromium() as browser, page_of(browser, "phone") as page:
        await _sign_in(demo, page, "Nguyễn Thị Minh Anh")
        await page.click(".entry h4 a:has-text('Giải quyết hồ sơ') >> nth=0")
        for summary, agency in (("hoi-vi-sao", "G22"), ("khieu-nai", "G01")):
            record = page.url.split("?")[0].split("#")[0]
            await page.goto(f"{record}#{summary}")
            await page.fill(f"#{summary}", "Tôi không nộp hồ sơ nào")
            await page.click("details[open] button.primary")
            await page.wait_for_selector("#da-gui")
            await _until(page, "#da-gui li >> nth=0", "Cơ quan đã nhận")
            listed = demo.shell(inquiries.format("list", agency, ""))
            assert "Tôi không nộp hồ sơ nào" in listed.stdout, listed.stderr
            answered = demo.shell(
                inquiries.format("answer", agency, f"{listed.stdout.split()[0]} --words 'Đã kiểm tra'")
            )
            assert answered.returncode == 0, answered.stderr
            await _until(page, "#da-gui li >> nth=0", "Đã trả lời")
            assert "Đã kiểm tra" in await page.inner_text("#da-gui")
        await look_at(page, "demo-answered")
        await page.goto(portal(demo) + "/records")
        assert "Chuyển câu hỏi, khiếu nại" in await page.inner_text("#danh-sach")  # its way is in the ledger too
        await look_at(page, "demo-inquiries")


async def _until(page: Any, selector: str, words: str, seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while words not in (found := await page.inner_text(selector)):
        assert time.monotonic() < until, found
        await page.wait_for_timeout(300)
        await page.reload()


def test_a_national_portal_asks_the_data_tracker(demo: Demo) -> None:
    """With rights, signed, recorded: an ordinary exchange."""
    line = next(line for line in demo.readme() if line.startswith("curl"))
    url = shlex.split(line)[2].replace("person/v1/persons/", "findUsage/v2/findUsage?userCode=")
    ask = f"curl -s '{url}' -H 'X-Road-Client: {{}}' -H 'X-Road-UserId: 999300000017'"
    found = json.loads(demo.shell(ask.format("VN/GOV/G22/sominhbach")).stdout)
    assert found["totalUsages"] == len(found["usages"]) >= 1
    usage = next(u for u in found["usages"] if u["receiverSystem"] == "Cổng Dịch vụ công quốc gia")
    assert (usage["receiverCode"], usage["receiverName"]) == ("G22", "Văn phòng Chính phủ")
    assert usage["action"] == "Giải quyết hồ sơ dịch vụ công mà bạn đã nộp"
    assert json.loads(demo.shell(ask.format("VN/GOV/G22/sominhbach")).stdout)["totalUsages"] == found["totalUsages"]
    refused = json.loads(demo.shell(ask.format("VN/GOV/G22/dvc")).stdout)
    assert refused["type"] == "server.serverproxy.access_denied"
