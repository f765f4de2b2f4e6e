"""A real Chromium, spoken to in its own protocol (DevTools): what a page shows, asks for and complains about."""

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from tests.conftest import forbid_or_skip

NAMES = ("chromium", "chromium-browser", "google-chrome")
SWITCH = "ALVH_REQUIRE_BROWSER"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run", "--remote-debugging-port=0",
)  # fmt: skip
PATIENCE_SECONDS = 60.0


class Browser:
    """One tab, and everything it said since the last page was opened."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._number = 0
        self.events: list[dict[str, Any]] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Carry out a command and return its result; events that come meanwhile are kept."""
        self._number += 1
        number = self._number
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=PATIENCE_SECONDS))
            if message.get("id") == number:
                assert "error" not in message, f"{method}: {message['error']}"
                result: dict[str, Any] = message["result"]
                return result
            if "method" in message:
                self.events.append(message)

    def open(self, address: str, *, width: int, height: int = 900, theme: str = "light") -> None:
        """Open an address in a window of a width, in pixels, of a system with a theme, and wait until it is loaded."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
        self.events.clear()
        self.call("Page.navigate", url=address)
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(json.loads(self._socket.recv(timeout=PATIENCE_SECONDS)))
        self.settle()

    def settle(self) -> None:
        """Wait until the page has been laid out and painted twice."""
        self.ask("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")

    def ask(self, expression: str) -> Any:
        """Return what an expression (or its promise) comes to in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def point_at(self, selector: str, *, across: float = 0.5, down: float = 0.5) -> None:
        """Scroll to an element and move the pointer to a place in it, shares of its size."""
        node = f"document.querySelector({json.dumps(selector)})"
        self.ask(f"{node}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
        box = self.ask(f"(box => [box.x, box.y, box.width, box.height])({node}.getBoundingClientRect())")
        x, y = box[0] + across * box[2], box[1] + down * box[3]
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        self.settle()

    def press(self, key: str) -> None:
        """Press and release a key."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key)
        self.settle()

    def picture(self) -> bytes:
        """Return what the window shows, PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    @property
    def complaints(self) -> list[str]:
        """Everything the page wrote on its console or threw, and everything the browser held against it."""
        spoken = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
        return [json.dumps(event["params"])[:500] for event in self.events if event["method"] in spoken]

    @property
    def requests(self) -> list[str]:
        """The address of every request the page made, its own first; data in the page itself is none."""
        sent = [e["params"]["request"]["url"] for e in self.events if e["method"] == "Network.requestWillBeSent"]
        return [url for url in sent if not url.startswith("data:")]


@contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """Start a Chromium with a profile of its own; skip (or fail, where that is forbidden) if there is none."""
    program = next((found for name in NAMES if (found := shutil.which(name))), None)
    if program is None:
        forbid_or_skip("no chromium on this machine (Debian: apt-get install chromium)", SWITCH)
    process = subprocess.Popen(
        [str(program), *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        said = next((line for line in process.stderr if "DevTools listening on" in line), None)
        assert said is not None, "Chromium ended before it listened"
        port = int(said.split("ws://127.0.0.1:")[1].split("/")[0])
        tabs = httpx.get(f"http://127.0.0.1:{port}/json", timeout=PATIENCE_SECONDS).json()
        (tab,) = [tab for tab in tabs if tab["type"] == "page"]
        with connect(tab["webSocketDebuggerUrl"], max_size=None) as socket:
            yield Browser(socket)
    finally:
        process.kill()
        process.wait(timeout=PATIENCE_SECONDS)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One Chromium for the tests of a module."""
    with chromium(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened
