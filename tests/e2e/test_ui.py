"""What an operator sees and does in the Dagster UI, in a real browser."""

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from dagster_project.publishing import gates
from tests.e2e.house import PERENNIAL, House

expect.set_options(timeout=60_000)
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
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
        log.close()


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
