"""The nightly page in a real Chromium: complete, silent, readable at every width and in both themes."""

import json
from datetime import date
from pathlib import Path

import pytest

from flows.home import Home
from flows.night_pages import publish_page
from flows.report import LATEST, report_path
from flows.served_database import query_published
from flows.served_record import SERVED_FILE
from tests.flows.chromium import Browser, browser
from tests.flows.rich_home import FRIDAY, MONDAY, RICH_NOW, rich_home
from tests.flows.small_home import LATER, NIGHTS, copied

__all__ = ["browser", "rich_home"]
pytestmark = pytest.mark.browser

PHONE, WIDE = 390, 1440
FIGURES = {"curve", "contango", "rsi", "smile_spx", "smile_vix", "triangle", "payoff_condor", "payoff_second", "equity"}
# By figure, how wide its widest mark is or how many it has.
DRAWN = """[...document.querySelectorAll('[data-figure]')].map(figure => {
    const marks = [...figure.querySelectorAll('.plot .mark-line, .plot .mark-dot, .plot .mark-bar, .plot .mark-range')]
    return [figure.dataset.figure, Math.max(0, marks.length, ...marks.map(mark => mark.getBBox().width))]
})"""
TOO_WIDE = """[...document.querySelectorAll('main *')].filter(node =>
    node.getBoundingClientRect().right > innerWidth + 1 && !node.closest('.scroll, svg, nav, select')
).map(node => node.className || node.tagName)"""


def address(path: Path) -> str:
    return path.resolve().as_uri()


@pytest.fixture(scope="module")
def pages(rich_home: Home, tmp_path_factory: pytest.TempPathFactory) -> dict[date, Path]:
    """The pages of both nights of a copy of the rich home."""
    home = copied(rich_home, tmp_path_factory.mktemp("pages") / "home")
    publish_page(home, FRIDAY, now=RICH_NOW)
    return {day: report_path(home.published, day) for day in (FRIDAY, MONDAY)}


def assert_nothing_wrong(browser: Browser, page: Path) -> None:
    assert browser.complaints == []
    assert browser.requests == [address(page)]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, 768, WIDE])
def test_the_page_fits_its_window_and_makes_no_request_and_no_complaint(
    browser: Browser, pages: dict[date, Path], width: int, theme: str, tmp_path: Path
) -> None:
    browser.open(address(pages[MONDAY]), width=width, theme=theme)
    assert_nothing_wrong(browser, pages[MONDAY])
    assert browser.ask("document.documentElement.scrollWidth <= innerWidth")
    assert browser.ask(TOO_WIDE) == []
    background = browser.ask("getComputedStyle(document.body).backgroundColor")
    light = [int(part) for part in background.removeprefix("rgb(").removesuffix(")").split(",")]
    assert (min(light) > 200) == (theme == "light")
    captions = "[...document.querySelectorAll('caption')].map(node => node.getBoundingClientRect().right)"
    assert max(browser.ask(captions)) <= width
    (tmp_path / f"{width}-{theme}.png").write_bytes(browser.picture())


def test_every_figure_of_a_complete_night_is_drawn(browser: Browser, pages: dict[date, Path]) -> None:
    browser.open(address(pages[MONDAY]), width=WIDE)
    drawn = dict(browser.ask(DRAWN))
    assert set(drawn) >= FIGURES
    assert [name for name in drawn if name.startswith("position_")]
    assert {name: marks for name, marks in drawn.items() if marks < 5} == {}
    assert browser.ask("document.querySelectorAll('.missing').length") == 0


def test_hovering_shows_the_numbers_of_the_nearest_point_and_keys_do_too(
    browser: Browser, pages: dict[date, Path], rich_home: Home
) -> None:
    browser.open(address(pages[MONDAY]), width=WIDE)
    plot = "[data-figure=curve] .plot svg"
    assert browser.ask("document.querySelector('[data-figure=curve] .tip').hidden")
    browser.point_at(plot, across=0.999)
    shown = browser.ask("document.querySelector('[data-figure=curve] .tip').innerText")
    last = query_published(
        rich_home.published / SERVED_FILE,
        "select expiration, settle from feature.term_structure where session_date = $day order by expiration desc",
        {"day": MONDAY},
    ).row(0, named=True)
    assert f"{last['settle']:.2f}" in shown
    assert f"{last['expiration']:%b %Y}" in shown
    # A name stands beside its mark, which is no wider than in the legend.
    assert set(browser.ask("[...document.querySelectorAll('.tip svg')].map(mark => mark.clientWidth)")) == {18}
    browser.ask(f"document.querySelector('{plot}').focus()")
    browser.press("ArrowLeft")
    before = browser.ask("document.querySelector('[data-figure=curve] .tip').innerText")
    assert before != shown
    browser.press("Escape")
    assert browser.ask("document.querySelector('[data-figure=curve] .tip').hidden")
    assert_nothing_wrong(browser, pages[MONDAY])


def test_a_touch_reads_a_chart_on_a_phone(browser: Browser, pages: dict[date, Path]) -> None:
    browser.open(address(pages[MONDAY]), width=PHONE, height=844)
    browser.point_at("[data-figure=payoff_condor] .plot svg", across=0.5)
    shown = browser.ask("document.querySelector('[data-figure=payoff_condor] .tip').innerText")
    assert "at expiration" in shown
    assert "tonight" in shown
    assert browser.ask("document.documentElement.scrollWidth <= innerWidth")


def test_the_numbers_of_a_figure_are_a_table_and_can_be_copied(browser: Browser, pages: dict[date, Path]) -> None:
    browser.open(address(pages[MONDAY]), width=WIDE)
    opened = "document.querySelector('[data-figure=contango] .numbers')"
    browser.ask(f"{opened}.open = true")
    browser.settle()
    rows = browser.ask(f"[...{opened}.querySelectorAll('tbody tr')].map(r => [...r.cells].map(c => c.innerText))")
    figures = json.loads(browser.ask("document.getElementById('figures').textContent"))
    series = figures["contango"]["panels"][0]["series"][0]
    known = [
        [day, f"{100 * value:,.1f}%"] for day, value in zip(series["x"], series["y"], strict=True) if value is not None
    ]
    assert [row for row in rows if row[1]] == known
    browser.call("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    browser.ask(f"{opened}.querySelector('button').click()")
    browser.settle()
    assert browser.ask(f"{opened}.querySelector('button').innerText") in {"Copied", "Selected: copy it"}


def test_choosing_an_expiration_draws_its_smile(browser: Browser, pages: dict[date, Path]) -> None:
    browser.open(address(pages[MONDAY]), width=WIDE)
    select = "document.querySelector('[data-figure=smile_spx] select')"
    path = "document.querySelector('[data-figure=smile_spx] .plot .mark-line').getAttribute('d')"
    first = browser.ask(path)
    assert browser.ask(f"{select}.options.length") > 3
    browser.ask(f"{select}.value = '2'; {select}.dispatchEvent(new Event('change'))")
    browser.settle()
    assert browser.ask(path) != first
    assert "forward" in browser.ask("document.querySelector('[data-figure=smile_spx] .note').innerText")


def test_the_theme_button_outranks_the_system(browser: Browser, pages: dict[date, Path]) -> None:
    browser.open(address(pages[MONDAY]), width=WIDE, theme="light")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = browser.ask(paper)
    browser.ask("document.getElementById('theme').click(); document.getElementById('theme').click()")
    browser.settle()
    assert browser.ask("document.getElementById('theme').innerText") == "Theme: dark"
    assert browser.ask(paper) != light
    browser.open(address(pages[MONDAY]), width=WIDE, theme="light")
    assert browser.ask(paper) != light, "the choice is kept"
    browser.ask("localStorage.clear()")


def test_every_link_leads_somewhere(browser: Browser, pages: dict[date, Path]) -> None:
    for page in pages.values():
        browser.open(address(page), width=WIDE)
        links = browser.ask("[...document.querySelectorAll('a')].map(a => [a.getAttribute('href'), a.href])")
        assert len(links) > 10
        for written, resolved in links:
            if written.startswith("#"):
                assert browser.ask(f"document.getElementById({json.dumps(written[1:])}) !== null"), written
            else:
                assert Path(resolved.removeprefix("file://")).is_file(), written


def test_tables_hold_numbers(browser: Browser, pages: dict[date, Path]) -> None:
    def n_numbers(section: str) -> int:
        cells = browser.ask(f"[...document.querySelectorAll('#{section} td')].map(c => c.textContent.trim())")
        return sum(any(sign.isdigit() for sign in cell) for cell in cells)

    browser.open(address(pages[MONDAY]), width=WIDE)
    assert n_numbers("book") > 50
    browser.open(address(pages[FRIDAY]), width=WIDE)
    for section in ("tonight", "limits", "market", "packages", "quality", "provenance"):
        assert n_numbers(section) >= 5, section
    # Before its first trade a book has no table of zeros.
    assert n_numbers("book") == 0
    assert "Nothing has been opened yet." in browser.ask("document.querySelector('#book').innerText")
    assert browser.ask("document.querySelectorAll('#rules .dial').length") > 8
    assert "undefined" not in browser.ask("document.body.innerText")
    assert "NaN" not in browser.ask("document.body.innerText")
    assert browser.ask("document.querySelector('#engine-condor .verdict').innerText") == "Open the week's iron condor"


def test_a_night_without_a_chain_is_whole_and_says_what_is_missing(
    browser: Browser, base_home: Home, tmp_path: Path
) -> None:
    home = copied(base_home, tmp_path / "home")
    page = Path(publish_page(home, NIGHTS[0], now=LATER)["page"])
    for width in (PHONE, WIDE):
        browser.open(address(page), width=width)
        assert_nothing_wrong(browser, page)
        assert browser.ask("document.documentElement.scrollWidth <= innerWidth")
        assert (
            browser.ask(
                "[...document.querySelectorAll('.card, section')].filter(c => c.innerText.trim().length < 12).length"
            )
            == 0
        )
    banner = browser.ask("document.querySelector('.banner').innerText")
    assert "The SPX option chain is missing" in banner
    assert "The VIX option chain is missing" in banner
    for name in ("smile_spx", "smile_vix", "triangle", "payoff_condor", "payoff_second"):
        assert "is missing" in browser.ask(f"document.querySelector('#figure-{name} .missing').innerText"), name
    assert "curve" in dict(browser.ask(DRAWN))


def test_markup_that_found_its_way_into_the_page_runs_nothing(
    browser: Browser, pages: dict[date, Path], tmp_path: Path
) -> None:
    hostile = "<img src=x onerror=document.title='owned'><script>document.title='owned'</script>"
    text = pages[FRIDAY].read_text()
    page = tmp_path / "hostile.html"
    page.write_text(text.replace("<footer>", f"<footer>{hostile}"))
    browser.open(address(page), width=WIDE)
    assert browser.ask("document.title") == "ALVH, night of 23 Oct 2026"
    assert any("Content Security Policy" in said for said in browser.complaints)
    assert "curve" in dict(browser.ask(DRAWN)), "the page's own script runs all the same"


def test_latest_is_the_page_of_the_last_night(pages: dict[date, Path]) -> None:
    newest = pages[MONDAY]
    assert newest.with_name(LATEST).read_bytes() == newest.read_bytes()
