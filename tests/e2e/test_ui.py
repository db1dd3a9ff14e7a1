"""What an operator sees and does in the Dagster UI, in a real browser."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import psutil
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from dagster_project.publishing import gates
from tests.e2e.house import PERENNIAL, House, land_a_wrong_clock

expect.set_options(timeout=60_000)
BUILD_TIMEOUT = 300_000  # ms
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
STAGES = (*gates.STAGES, "published", "channels")

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium, which isn't installed"),
    pytest.mark.timeout(900),
]


@dataclass(frozen=True)
class Ui:
    """The UI of one house, served for as long as the test lasts."""

    house: House
    url: str


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def ui(house: House) -> Iterator[Ui]:
    port = _free_port()
    log = (house.data.parent / "dev.log").open("w")
    process = subprocess.Popen(
        [str(PERENNIAL), "dev", "--port", str(port)],
        env=house.environment(),
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_up(url, process)
        yield Ui(house, url)
    finally:
        _stop(process)
        log.close()


def _stop(process: subprocess.Popen[bytes], seconds: float = 60) -> None:
    """Ctrl-C, which a terminal sends to the whole group; then nothing of it writes any more.

    The runs it started are processes of their own, and outlive the one that was started here.
    """
    group = process.pid
    os.killpg(group, signal.SIGINT)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and _still_runs(group):
        process.poll()
        time.sleep(0.2)
    if _still_runs(group):
        os.killpg(group, signal.SIGKILL)
    process.wait()
    while _still_runs(group):
        time.sleep(0.05)


def _still_runs(group: int) -> bool:
    """Whether a process of the group runs; one that has ended may wait long to be reaped."""
    for process in psutil.process_iter():
        with contextlib.suppress(OSError, psutil.Error):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                return True
    return False


def _wait_until_up(url: str, process: subprocess.Popen[bytes], seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, "perennial dev ended by itself"
        try:
            httpx.get(f"{url}/server_info", timeout=2)
        except httpx.HTTPError:
            time.sleep(0.5)
        else:
            return
    raise AssertionError("the UI didn't come up")


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ],
        )
        opened = browser.new_page(viewport={"width": 1600, "height": 1000})
        opened.set_default_timeout(60_000)
        yield opened
        browser.close()


def test_the_asset_graph_shows_every_stage_and_a_gate_that_passed(ui: Ui, page: Page) -> None:
    page.goto(f"{ui.url}/asset-groups")
    for stage in STAGES:
        expect(page.get_by_text(stage, exact=True).first).to_be_visible()
    page.goto(f"{ui.url}/assets/raw/pos_receipt_lines?view=checks")
    expect(page.get_by_text("expectations", exact=True).first).to_be_visible()
    expect(page.get_by_text("Succeeded", exact=True).first).to_be_visible()

    page.goto(f"{ui.url}/assets/identity/ties?view=overview")
    page.get_by_text("[Show Markdown]").first.click()
    picture = page.get_by_alt_text("One person")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") > 0


def test_the_build_job_runs_to_green(ui: Ui, page: Page) -> None:
    published = ui.house.published_bytes()
    _press(page, f"{ui.url}/locations/perennial/jobs/build", "Materialize all")
    _open_newest_run(ui, page)
    expect(page.get_by_text("Success", exact=True).first).to_be_visible(timeout=BUILD_TIMEOUT)
    assert ui.house.published_bytes() != published


def test_a_failing_check_shows_red_and_the_channel_asset_refuses(ui: Ui, page: Page) -> None:
    published = ui.house.published_bytes()
    land_a_wrong_clock(ui.house)
    _press(page, f"{ui.url}/locations/perennial/jobs/build", "Materialize all")
    _open_newest_run(ui, page)
    expect(page.get_by_text("Failure", exact=True).first).to_be_visible(timeout=BUILD_TIMEOUT)
    page.goto(f"{ui.url}/assets/raw/pos_receipt_lines?view=checks")
    expect(page.get_by_text("Failed", exact=True).first).to_be_visible()

    _press(page, f"{ui.url}/assets/channels/file/first_purchase", "Materialize")
    _open_newest_run(ui, page)
    expect(page.get_by_text("Failure", exact=True).first).to_be_visible(timeout=BUILD_TIMEOUT)
    expect(page.get_by_text("was closed by its gates").first).to_be_visible()
    assert not list((ui.house.data / "channels").rglob("*.csv"))
    assert ui.house.document("status")["syncs"] == []
    assert ui.house.published_bytes() == published


def _press(page: Page, url: str, button: str) -> None:
    """Start a run with a page's button, and wait until the UI says that it took it."""
    page.goto(url)
    with page.expect_response(
        lambda answer: "mutation Launch" in (answer.request.post_data or "")
    ) as launched:
        page.get_by_role("button", name=button).first.click()
    assert launched.value.ok


def _open_newest_run(ui: Ui, page: Page) -> None:
    page.goto(f"{ui.url}/runs")
    page.locator("a[href^='/runs/']").filter(has_text=re.compile("^[0-9a-f]{8}$")).first.click()
