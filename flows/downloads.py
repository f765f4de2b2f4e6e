"""One download: conditional, resumable, paced by host, and verified before anyone may land it.

A body counts as whole when HTTP framed it (Content-Length or chunks: httpx raises where the connection closes
early) and its text ends as its layout ends; as right when flows.sources recognizes it as the layout asked for and
reads from it the instrument asked for. Nothing else leaves this module.
"""

import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime

import httpx

from flows.download_cache import DownloadCache, Known, Partial
from flows.landing import content_hash
from flows.provenance import program_version
from flows.sources import Delivery, open_delivery, recognize
from transforms.errors import AlvhError, DataError
from transforms.sessions import TradingCalendar

# A full SPX chain is about 10 MB.
MAX_BODY_BYTES = 256 << 20
MAX_REDIRECTS = 5
# A server may send a byte now and then for ever: a whole transfer ends after so many timeouts.
TIMEOUTS_PER_TRANSFER = 10
QUOTED_CHARACTERS = 120

ABSENT = frozenset({404, 410})
RETRYABLE = frozenset({408, 425, 429})
# Amazon S3 answers 403 AccessDenied for a key that does not exist where listing is not allowed (API reference,
# GetObject, "Permissions").
S3_ABSENT = (b"<Code>AccessDenied</Code>", b"<Code>NoSuchKey</Code>")


class FeedUnavailable(AlvhError):
    """The server could not answer now; asking again may help.

    `retry_after` is the wait it asked for, seconds (None: it named none); `whole_host` is True where the cause is not
    this file: nothing answers, or too many requests.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, whole_host: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.whole_host = whole_host


class FeedRefused(AlvhError):
    """The answer is no use, and asking again would bring the same."""


class FeedAbsent(FeedRefused):
    """The server has no such file (yet)."""


class FeedStalled(FeedRefused):
    """The file ends before the one that is landed: the server went back to an older edition."""


@dataclass(frozen=True)
class FeedRequest:
    """One file to download, what must be in it, and when.

    Attributes
    ----------
    feed
        Name of the feed, unique in a plan ("vx_contract 2026-12-16").
    name
        File name it is landed under; some sources read the contract or the index from it.
    source
        Source module that must recognize the content.
    table
        Table the content must have rows of.
    column, allowed
        A column of that table, and the values it may have.
    session_date
        Session the file is wanted for.
    fresh_from
        The file is up to date if its last session is not before this day.
    available_from, available_by
        Instants (UTC, naive) before which there is nothing to ask for, and from which its absence is a fault.
    available_until
        Instant (UTC, naive) from which the address holds another session; None if it never does.
    """

    feed: str
    url: str
    name: str
    source: str
    table: str
    column: str
    allowed: frozenset[str | date]
    session_date: date
    fresh_from: date
    available_from: datetime
    available_by: datetime
    available_until: datetime | None = None


@dataclass(frozen=True)
class Fetched:
    """A verified body with what it is known by; `n_bytes` came over the wire, this time."""

    request: FeedRequest
    payload: bytes
    known: Known
    n_bytes: int


@dataclass(frozen=True)
class NotModified:
    """The landed edition is the server's newest; `n_bytes` came over the wire to learn that."""

    request: FeedRequest
    known: Known
    n_bytes: int


class HostPacer:
    """Waits before a request so that one host sees at most one in `min_seconds`.

    It is a hook of the client, so that a redirect's hops wait too.
    """

    def __init__(self, min_seconds: float, *, sleep: Callable[[float], None], clock: Callable[[], float]) -> None:
        self._min_seconds = min_seconds
        self._sleep = sleep
        self._clock = clock
        self._lock = threading.Lock()
        self._free_at: dict[str, float] = {}

    def __call__(self, request: httpx.Request) -> None:
        host = request.url.host
        with self._lock:
            now = self._clock()
            start = max(now, self._free_at.get(host, now))
            self._free_at[host] = start + self._min_seconds
        if start > now:
            self._sleep(start - now)


def open_client(
    *,
    min_seconds_between_requests: float,
    timeout_seconds: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> httpx.Client:
    """Return a client that says who asks, follows redirects and paces its requests by host."""
    pacer = HostPacer(min_seconds_between_requests, sleep=sleep, clock=clock)
    return httpx.Client(
        timeout=timeout_seconds,
        follow_redirects=True,
        max_redirects=MAX_REDIRECTS,
        headers={"User-Agent": f"alvh/{program_version()}", "Accept": "*/*", "Accept-Encoding": "gzip"},
        event_hooks={"request": [pacer]},
    )


def download(
    request: FeedRequest,
    *,
    client: httpx.Client,
    cache: DownloadCache,
    calendar: TradingCalendar,
    clock: Callable[[], float] = time.monotonic,
) -> Fetched | NotModified:
    """Ask for one file once; write nothing but the beginning of a transfer that breaks off.

    Raises
    ------
    FeedUnavailable
        If asking again may help: no connection, a timeout, a cut body, 408, 425, 429 or 5xx.
    FeedAbsent
        If the server has no such file.
    FeedStalled
        If the file ends before the landed one.
    FeedRefused
        If the answer is another status, a web page, or not the layout, table or instrument asked for.
    """
    known = cache.known(request.url)
    partial = cache.partial(request.url)
    is_answered = False
    try:
        with client.stream("GET", request.url, headers=_conditions(known, partial)) as response:
            is_answered = True
            _refuse_downgrade(response)
            if response.status_code == httpx.codes.NOT_MODIFIED:
                if known is None:
                    raise FeedRefused(f"{request.url} answers 304 to an unconditional request; not a data server")
                cache.drop_partial(request.url)
                return NotModified(request, known, n_bytes=0)
            beginning = _beginning(request, response, partial=partial, cache=cache)
            wire = _receive(request, response, beginning=beginning, cache=cache, client=client, clock=clock)
            framed = "Content-Length" in response.headers or "Transfer-Encoding" in response.headers
            encoding = _encoding(response, beginning)
            etag, last_modified = response.headers.get("ETag"), response.headers.get("Last-Modified")
    except (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.TooManyRedirects) as error:
        raise FeedRefused(f"{request.url} leads nowhere: {error}; check the address in alvh.toml") from error
    except httpx.RequestError as error:
        said = f"{type(error).__name__}: {error}".rstrip(": ")
        raise FeedUnavailable(f"{request.url} did not answer in full ({said})", whole_host=not is_answered) from error
    n_bytes = len(wire) - len(beginning.body if beginning else b"")
    try:
        payload = _decoded(request, wire, encoding=encoding)
        sha256 = content_hash(payload)
        if known is not None and known.sha256 == sha256:
            cache.drop_partial(request.url)
            cache.revalidate(request.url, etag=etag, last_modified=last_modified)
            return NotModified(request, known, n_bytes=n_bytes)
        last_session = verified_last_session(request, payload, framed=framed, calendar=calendar)
    except (FeedRefused, FeedUnavailable):
        # A body put together from two transfers may be wrong where each alone was right.
        cache.drop_partial(request.url)
        raise
    if known is not None and last_session < known.last_session:
        raise FeedStalled(
            f"{request.url} ends {last_session}, the edition landed before ends {known.last_session}: "
            "the server went back to an older one; not landed"
        )
    fresh = Known(sha256, request.source, last_session, etag=etag, last_modified=last_modified)
    return Fetched(request, payload, fresh, n_bytes=n_bytes)


def verified_last_session(request: FeedRequest, payload: bytes, *, framed: bool, calendar: TradingCalendar) -> date:
    """Return the last session in a body that is whole, and is what was asked for.

    `framed` says whether HTTP itself showed that the body is whole.

    Raises
    ------
    FeedUnavailable
        If the body is cut.
    FeedRefused
        If it is a web page, or another layout, table or instrument.
    """
    try:
        delivery = open_delivery(request.name, payload)
    except DataError as error:
        raise FeedRefused(f"{request.url}: {error}") from error
    beginning = delivery.head.lstrip()[:QUOTED_CHARACTERS]
    if beginning.startswith("<"):
        raise FeedRefused(f"{request.url} answers with a web page, expected {request.source}: {beginning!r}")
    if not _is_complete(delivery, framed=framed):
        end = delivery.text.rstrip()[-QUOTED_CHARACTERS:]
        raise FeedUnavailable(f"{request.url}: the body of {len(payload):,} bytes is cut; it ends {end!r}")
    try:
        source = recognize(delivery)
        if request.source != source.NAME:
            raise FeedRefused(f"{request.url} has the layout of {source.NAME}, expected {request.source}")
        reading = source.read(delivery, calendar=calendar)
    except DataError as error:
        raise FeedRefused(f"{request.url}: {error}") from error
    frame = reading.frames.get(request.table)
    if frame is None or frame.is_empty():
        raise FeedRefused(f"{request.url}: none of its {reading.n_lines} lines is a row of {request.table}")
    found = set(frame[request.column].unique().to_list())
    if strangers := sorted(str(value) for value in found - request.allowed):
        raise FeedRefused(
            f"{request.url}: {request.column} {', '.join(strangers[:5])} in a file of "
            f"{', '.join(sorted(str(value) for value in request.allowed))}; check the address in alvh.toml"
        )
    last: date = frame["session_date"].max()  # type: ignore[assignment]
    return last


def _conditions(known: Known | None, partial: Partial | None) -> dict[str, str]:
    headers = {}
    if known is not None and known.etag:
        headers["If-None-Match"] = known.etag
    if known is not None and known.last_modified:
        headers["If-Modified-Since"] = known.last_modified
    if partial is not None:
        headers["Range"] = f"bytes={len(partial.body)}-"
        headers["If-Range"] = partial.etag
    return headers


def _refuse_downgrade(response: httpx.Response) -> None:
    schemes = [hop.url.scheme for hop in (*response.history, response)]
    if "https" in schemes and schemes[-1] != "https":
        raise FeedRefused(f"{response.url}: redirected from https to {schemes[-1]}; not read")


def _beginning(
    request: FeedRequest, response: httpx.Response, *, partial: Partial | None, cache: DownloadCache
) -> Partial | None:
    """Return the bytes the body continues; None if it starts anew. Raise if the answer is no body to read."""
    status = response.status_code
    about_range = status in (httpx.codes.PARTIAL_CONTENT, httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE)
    if status == httpx.codes.OK:
        cache.drop_partial(request.url)
        return None
    if about_range and partial is not None:
        continues = response.headers.get("Content-Range", "").startswith(f"bytes {len(partial.body)}-")
        same = response.headers.get("ETag", partial.etag) == partial.etag
        if status == httpx.codes.PARTIAL_CONTENT and continues and same:
            return partial
        cache.drop_partial(request.url)
        raise FeedUnavailable(f"{request.url} cannot continue the broken transfer; it starts anew")
    said = f"{request.url} answers {status} {response.reason_phrase}".rstrip()
    if status in RETRYABLE or status >= 500:
        retry_after = _retry_after(response)
        too_many = status == httpx.codes.TOO_MANY_REQUESTS or retry_after is not None
        raise FeedUnavailable(said, retry_after=retry_after, whole_host=too_many)
    if status in ABSENT:
        raise FeedAbsent(said)
    if status == httpx.codes.FORBIDDEN and any(mark in response.read() for mark in S3_ABSENT):
        raise FeedAbsent(f"{said} (AccessDenied: its store says so of files it does not have)")
    raise FeedRefused(f"{said}; check the address in alvh.toml")


def _retry_after(response: httpx.Response) -> float | None:
    """Return the wait a server asks for, seconds; a date counts from the server's own clock. (RFC 9110, 10.2.3)"""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdigit():
        return float(text)
    try:
        until = parsedate_to_datetime(text)
        since = parsedate_to_datetime(response.headers.get("Date", ""))
    except ValueError:
        return None
    return max(0.0, (until.astimezone(UTC) - since.astimezone(UTC)).total_seconds())


def _receive(
    request: FeedRequest,
    response: httpx.Response,
    *,
    beginning: Partial | None,
    cache: DownloadCache,
    client: httpx.Client,
    clock: Callable[[], float],
) -> bytes:
    """Return what came before and what comes now, as on the wire; keep it if the transfer breaks and can go on."""
    body = bytearray(beginning.body if beginning else b"")
    deadline = clock() + TIMEOUTS_PER_TRANSFER * (client.timeout.read or float("inf"))
    try:
        for chunk in response.iter_raw():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise FeedRefused(f"{request.url} sends more than {MAX_BODY_BYTES >> 20} MiB; not read")
            if clock() > deadline:
                raise httpx.ReadTimeout("the transfer as a whole takes too long", request=response.request)
    except httpx.TransportError:
        etag = response.headers.get("ETag", beginning.etag if beginning else "")
        resumable = beginning is not None or response.headers.get("Accept-Ranges") == "bytes"
        # A weak validator promises the same meaning, not the same bytes. (RFC 9110, 13.1.5)
        if body and resumable and etag.startswith('"'):
            cache.keep_partial(request.url, Partial(etag, _encoding(response, beginning), bytes(body)))
        raise
    return bytes(body)


def _encoding(response: httpx.Response, beginning: Partial | None) -> str:
    said = response.headers.get("Content-Encoding", beginning.encoding if beginning else "")
    return "" if said == "identity" else said.lower()


def _decoded(request: FeedRequest, wire: bytes, *, encoding: str) -> bytes:
    if not encoding:
        return wire
    if encoding not in ("gzip", "x-gzip"):
        raise FeedRefused(f"{request.url} answers in {encoding}, which was not asked for; not read")
    unpacker = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        payload = unpacker.decompress(wire, MAX_BODY_BYTES)
    except zlib.error as error:
        raise FeedUnavailable(f"{request.url}: the compressed transfer is damaged ({error})") from error
    if unpacker.unconsumed_tail:
        raise FeedRefused(f"{request.url} unpacks to more than {MAX_BODY_BYTES >> 20} MiB; not read")
    if not unpacker.eof:
        raise FeedUnavailable(f"{request.url}: the compressed transfer is cut")
    return payload


def _is_complete(delivery: Delivery, *, framed: bool) -> bool:
    """Return whether the text ends as its layout ends: JSON by its brace, a table by a line end.

    Treasury prints no line end after its last line, so a framed table may also end with a line of as many fields as
    its first.
    """
    text = delivery.text
    if delivery.suffix == "json":
        return text.rstrip().endswith("}")
    if text.endswith(("\n", "\r")):
        return True
    lines = text.splitlines()
    return framed and lines[-1].count(",") == lines[0].count(",")
