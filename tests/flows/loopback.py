"""A real HTTP server on 127.0.0.1: the public feeds' layouts with invented numbers, and misbehavior on request."""

import gzip
import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from flows.sources.vx_contract import MONTH_CODES, MONTH_NAMES

INDEX_CLOSES = {"SPX": 6_000.0, "VIX": 18.0, "VVIX": 95.0, "VIX9D": 17.0, "VIX3M": 20.0, "VIX6M": 21.5, "SKEW": 145.0}
CHAIN_SPOTS = {"SPX": 6_000.0, "VIX": 18.0, "RUT": 2_400.0}


@dataclass(frozen=True)
class Reply:
    """One answer.

    `etag` and `last_modified` make it conditional: a request that names them gets 304. `ranges` honors Range.
    `cut_at` closes the connection after so many bytes of the body. `framing` is length (Content-Length), chunked, or
    close (the body ends with the connection). `delay` waits before the answer, `drip` after each byte; seconds.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    etag: str | None = None
    last_modified: str | None = None
    ranges: bool = False
    cut_at: int | None = None
    framing: str = "length"
    compressed: bool = False
    delay: float = 0.0
    drip: float = 0.0


@dataclass(frozen=True)
class Asked:
    """A request as it arrived; header names in lower case."""

    path: str
    headers: Mapping[str, str]


class Loopback:
    """The server: `serve` says what a path answers, one reply a request, the last one for ever."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._replies: dict[str, list[Reply]] = {}
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def serve(self, path: str, *replies: Reply) -> str:
        """Set the replies of a path (with its query); return its address."""
        with self._lock:
            self._replies[path] = list(replies)
        return self.url + path

    def paths(self) -> list[str]:
        """Return the paths asked for, in order."""
        return [asked.path for asked in self.asked]

    def next_reply(self, asked: Asked) -> Reply:
        """Note a request and return its reply; 404 for a path nobody has set."""
        with self._lock:
            self.asked.append(asked)
            waiting = self._replies.get(asked.path, [Reply(status=404, body=b"no such file\n")])
            return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    def __enter__(self) -> "Loopback":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(loopback: Loopback) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body are two writes: with Nagle's algorithm the second waits 40 ms for an acknowledgement.
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            asked = Asked(self.path, {name.lower(): value for name, value in self.headers.items()})
            reply = loopback.next_reply(asked)
            time.sleep(reply.delay)
            try:
                self._answer(asked, reply)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def _answer(self, asked: Asked, reply: Reply) -> None:
            etag_fits = reply.etag is not None and asked.headers.get("if-none-match") == reply.etag
            date_fits = (
                reply.last_modified is not None
                and "if-none-match" not in asked.headers
                and asked.headers.get("if-modified-since") == reply.last_modified
            )
            if reply.status == 200 and (etag_fits or date_fits):
                self._head(reply, status=304)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            body = gzip.compress(reply.body, mtime=0) if reply.compressed else reply.body
            start = self._start(asked, reply)
            self._head(reply, status=206 if start else reply.status)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            self._body(body[start:], reply)

        def _start(self, asked: Asked, reply: Reply) -> int:
            wanted = asked.headers.get("range")
            if not wanted or not reply.ranges or asked.headers.get("if-range") != reply.etag:
                return 0
            return int(wanted.removeprefix("bytes=").removesuffix("-"))

        def _head(self, reply: Reply, *, status: int) -> None:
            self.send_response(status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.etag is not None:
                self.send_header("ETag", reply.etag)
            if reply.last_modified is not None:
                self.send_header("Last-Modified", reply.last_modified)
            if reply.ranges:
                self.send_header("Accept-Ranges", "bytes")
            if reply.compressed:
                self.send_header("Content-Encoding", "gzip")

        def _body(self, body: bytes, reply: Reply) -> None:
            if reply.framing == "chunked":
                self.send_header("Transfer-Encoding", "chunked")
            elif reply.framing == "length":
                self.send_header("Content-Length", str(len(body)))
            else:
                self.send_header("Connection", "close")
                self.close_connection = True
            self.end_headers()
            sent = body if reply.cut_at is None else body[: reply.cut_at]
            if reply.framing == "chunked":
                ending = b"0\r\n\r\n" if reply.cut_at is None else b""
                self.wfile.write(f"{len(sent):x}\r\n".encode() + sent + b"\r\n" + ending)
            elif reply.drip:
                for position in range(len(sent)):
                    self.wfile.write(sent[position : position + 1])
                    time.sleep(reply.drip)
            else:
                self.wfile.write(sent)
            if reply.cut_at is not None:
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test output quiet."""

    return Handler


def vx_contract_csv(expiration: date, sessions: Sequence[date]) -> bytes:
    """Return a contract's history as CFE prints it today, one line a session."""
    month = MONTH_NAMES[expiration.month - 1]
    label = f"{MONTH_CODES[expiration.month - 1]} ({month} {expiration.year})"
    header = "Trade Date,Futures,Open,High,Low,Close,Settle,Change,Total Volume,EFP,Open Interest"
    lines = [
        f"{day},{label},18.1000,18.9000,17.8000,18.3500,18.3250,0.0250,{1000 + position},0,{5000 + position}"
        for position, day in enumerate(sessions)
    ]
    return "\r\n".join([header, *lines, ""]).encode()


def index_csv(symbol: str, sessions: Sequence[date]) -> bytes:
    """Return an index history as Cboe prints it: one column for VVIX and SKEW, four for the others."""
    close = INDEX_CLOSES[symbol]
    if symbol in ("VVIX", "SKEW"):
        lines = [f"DATE,{symbol}", *(f"{day:%m/%d/%Y},{close:.6f}" for day in sessions)]
    else:
        prices = f"{close:.6f},{close * 1.01:.6f},{close * 0.99:.6f},{close:.6f}"
        lines = ["DATE,OPEN,HIGH,LOW,CLOSE", *(f"{day:%m/%d/%Y},{prices}" for day in sessions)]
    return "\n".join([*lines, ""]).encode()


def treasury_csv(sessions: Sequence[date]) -> bytes:
    """Return par yields as Treasury prints them: newest first, no line end after the last line."""
    lines = [f"{day:%m/%d/%Y},4.01,3.92,3.85,4.10,4.52" for day in sorted(sessions, reverse=True)]
    return "\n".join(['Date,"1 Mo","3 Mo","1 Yr","10 Yr","30 Yr"', *lines]).encode()


def chain_json(symbol: str, expiration: date, *, stamped_at: datetime) -> bytes:
    """Return a delayed-quotes answer of a few options; `stamped_at` is UTC, naive."""
    spot = CHAIN_SPOTS[symbol]
    options = [
        {
            "option": f"{root}{expiration:%y%m%d}{side}{round(spot * share) * 1000:08d}",
            "bid": 1.1, "bid_size": 7.0, "ask": 1.3, "ask_size": 9.0, "iv": 0.19, "open_interest": 11.0,
            "volume": 3.0, "delta": 0.4, "gamma": 0.01, "theta": -0.1, "rho": 0.0, "vega": 0.2, "theo": 1.2,
            "change": 0.0, "open": 0.0, "high": 0.0, "low": 0.0, "tick": "up", "last_trade_price": 1.2,
            "last_trade_time": None, "percent_change": 0.0, "prev_day_close": 1.2,
        }
        for root in (symbol, f"{symbol}W")
        for side in "CP"
        for share in (0.9, 1.0, 1.1)
    ]  # fmt: skip
    data = {"options": options, "symbol": f"^{symbol}", "security_type": "index", "current_price": spot}
    answer = {"timestamp": f"{stamped_at:%Y-%m-%d %H:%M:%S}", "data": data, "symbol": f"_{symbol}"}
    return json.dumps(answer).encode()
