"""The dashboard we ship, served by marimo and looked at in a real Chromium while a night is published."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from html import unescape
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest

from flows.home import Home
from tests.conftest import CHECKOUT, forbid_or_skip
from tests.flows.chromium import Browser, browser
from tests.flows.small_home import LATER, NIGHTS, copied, run_night

__all__ = ["browser"]
pytestmark = pytest.mark.browser

PATIENCE_SECONDS = 120.0
NEXT_NIGHT = date(2024, 3, 1)
# Cells draw in shadow roots of their own.
TEXT_AND_CHARTS = """(() => {
    let text = document.body.innerText, charts = 0
    const visit = root => root.querySelectorAll('*').forEach(node => {
        if (node.tagName === 'svg' && node.querySelector('.mark-line, .role-mark')) charts += 1
        if (node.tagName === 'CANVAS') charts += 1
        if (node.shadowRoot) { text += ' ' + node.shadowRoot.textContent; visit(node.shadowRoot) }
    })
    visit(document)
    return [text, charts]
})()"""


@contextmanager
def served(published: Path) -> Iterator[str]:
    """Serve the dashboard of a folder on a free port of this machine; give its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "marimo", "run", "dashboards/night.py", "--headless", "--no-token"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--", "--published", str(published), "--every", "2s"]
    process = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}/"
    try:
        wait_until(lambda: answers(address), "the server answers")
        yield address
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE_SECONDS)


def answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=5.0).status_code == 200
    except httpx.TransportError:
        return False


def wait_until(holds: Callable[[], bool], what: str) -> None:
    limit = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < limit, f"waited {PATIENCE_SECONDS:.0f} s until {what}"
        time.sleep(0.5)


def shows(browser: Browser, *texts: str, charts: int = 0) -> Callable[[], bool]:
    def holds() -> bool:
        text, drawn = browser.ask(TEXT_AND_CHARTS)
        return all(wanted in text for wanted in texts) and drawn >= charts

    return holds


@pytest.fixture
def marimo() -> None:
    """Skip (or fail, where that is forbidden) without the extra `dashboard`."""
    if find_spec("marimo") is None:
        forbid_or_skip('no marimo here: pip install ".[dashboard]"', "ALVH_REQUIRE_DASHBOARD")


@pytest.mark.usefixtures("marimo")
def test_a_folder_without_a_database_is_named(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    command = [sys.executable, "-m", "marimo", "export", "html", "dashboards/night.py", "--output", str(page)]
    subprocess.run([*command, "--", "--published", str(tmp_path)], cwd=CHECKOUT, check=False, capture_output=True)
    text = unescape(page.read_text().replace("\\u003C", "<").replace("\\u003E", ">"))
    assert f"Nothing is published at <code>{tmp_path}" in text


@pytest.mark.usefixtures("marimo")
def test_an_open_dashboard_shows_the_night_that_is_published_meanwhile(
    browser: Browser, base_home: Home, tmp_path: Path
) -> None:
    home = copied(base_home, tmp_path / "home")
    with served(home.published) as address:
        browser.open(address, width=1440)
        wait_until(shows(browser, f"Night of {NIGHTS[-1]}", charts=2), "the last night is shown with its charts")
        assert not shows(browser, f"Night of {NEXT_NIGHT}")()
        run_night(home, NEXT_NIGHT, now=LATER)
        wait_until(shows(browser, f"Night of {NEXT_NIGHT}", charts=2), "the night published meanwhile is shown")
        (tmp_path / "dashboard.png").write_bytes(browser.picture())
    assert browser.requests[0] == address
    assert not [url for url in browser.requests if not url.startswith((address, "blob:"))]
    assert not [event for event in browser.events if event["method"] == "Runtime.exceptionThrown"]
