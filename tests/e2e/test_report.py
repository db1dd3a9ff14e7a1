"""The report of a real build: right, offline, readable on a phone, and about nobody."""

import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.e2e.house import House

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def page(built: House) -> str:
    """What the run itself wrote."""
    return (built.data / "report.html").read_text(encoding="utf-8")


def test_the_page_says_what_the_marts_say(built: House, page: str) -> None:
    ((customers, expected, so_far),) = built.query(
        "select count(*), sum(expected_value), sum(value_so_far) from marts.customer_value"
    )
    assert f"{expected:,.0f} EUR" in page
    assert f"{customers:,} customers" in page
    assert f"{so_far:,.0f} EUR" in page
    for audience, count in built.query(
        "select name, row_count from meta.tables where stage = 'audiences'"
    ):
        row = rf"<td>{audience.replace('_', ' ')}</td><td class=\"n\">{count:,}</td>"
        assert re.search(row, page), audience
    ((lost,),) = built.query(
        """
        with stays as (
            from marts.customer_lifecycle_history
            cross join (select max(as_of) as day from marts.customer_lifecycle)
        )
        select count(*) from stays as now join stays as before using (profile_id)
        where now.ended_on is null and now.stage = 'churned'
            and before.started_on <= before.day - 30
            and (before.ended_on > before.day - 30 or before.ended_on is null)
            and before.stage not in ('churned', 'subscriber')
        """
    )
    assert f"came back. {lost:,} churned." in page


def test_nobody_is_in_it(built: House, page: str) -> None:
    values = {
        str(value)
        for (value,) in built.query(
            """
            select identifier_value from marts.customer_identifiers
            union select profile_id from marts.customer_profiles
            union select unnest([given_name || ' ' || family_name, postal_code, city])
            from marts.customer_profiles
            """
        )
        if value and len(str(value)) > 3
    }
    assert len(values) > 300
    assert [value for value in values if value in page] == []
    # The search finds what is there.
    assert [value for value in values if value in page + min(values)]


def test_the_page_needs_nothing_else(page: str) -> None:
    assert len(page) < 5_000_000
    assert set(re.findall(r"https?://[^\"'<\s)]*", page)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert "<script" not in page
    assert "url(" not in page
    assert page.count("<svg") == 7


@pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium, which isn't installed")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_opens_offline_on_a_phone_light_and_dark(built: House, scheme: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(
            viewport={"width": 360, "height": 740}, color_scheme=scheme, offline=True
        )
        shown = context.new_page()
        asked: list[str] = []
        shown.on("request", lambda request: asked.append(request.url))
        shown.goto((built.data / "report.html").as_uri())
        assert shown.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert len(asked) == 1
        style = "getComputedStyle(document.body)"
        ink, paper = shown.evaluate(f"[{style}.color, {style}.backgroundColor]")
        light = [sum(map(int, re.findall(r"\d+", color)[:3])) for color in (ink, paper)]
        assert (light[0] < light[1]) == (scheme == "light")
        label = shown.locator("svg text").first
        assert label.evaluate("node => getComputedStyle(node).fill") == ink
        browser.close()


def test_it_is_written_where_one_wants_it_and_not_without_a_build(
    built: House, tmp_path: Path
) -> None:
    wanted = tmp_path / "new" / "monday.html"
    told = built.succeed("report", "--to", str(wanted))
    assert "Open it in a browser" in told
    assert wanted.read_text(encoding="utf-8") == (built.data / "report.html").read_text(
        encoding="utf-8"
    )
    assert [path.name for path in wanted.parent.iterdir()] == ["monday.html"]
    nowhere = House(tmp_path / "nowhere").run("report")
    assert nowhere.returncode == 1
    assert "`perennial run` publishes it" in nowhere.stderr
    assert "Traceback" not in nowhere.stderr
