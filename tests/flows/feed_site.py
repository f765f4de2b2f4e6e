"""A home and a server of the feeds, together: plan, serve, fetch and look at what landed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from flows.calendar import trading_calendar
from flows.download_cache import DownloadCache
from flows.feeds import (
    FeedAddresses,
    FeedOutcome,
    FeedRequest,
    Fetched,
    NotModified,
    download,
    fetch_feeds,
    open_client,
    planned_requests,
)
from flows.home import Home, prepare_home
from flows.landing import LandedFile, landed_files, read_landed
from tests.flows.loopback import Loopback, Reply, chain_json, index_csv, treasury_csv, vx_contract_csv
from transforms.sessions import TradingCalendar

SESSION = date(2026, 11, 19)
DAY_BEFORE = date(2026, 11, 18)
MIDDAY = datetime(2026, 11, 19, 17, 0)
EVENING = datetime(2026, 11, 19, 23, 45)
MORNING = datetime(2026, 11, 20, 13, 30)
STAMP = datetime(2026, 11, 19, 22, 20)


@dataclass
class Site:
    """Requests are those of the session; times are UTC, naive; waits are noted instead of slept."""

    home: Home
    server: Loopback
    client: httpx.Client
    calendar: TradingCalendar

    @property
    def addresses(self) -> FeedAddresses:
        """This server's addresses."""
        return FeedAddresses(
            option_chain=self.server.url + "/chain/",
            vx_contract=self.server.url + "/vx",
            index_history=self.server.url + "/index",
            treasury=self.server.url + "/treasury.csv",
        )

    def plan(self) -> list[FeedRequest]:
        """Return the session's plan with this server's addresses."""
        return planned_requests(SESSION, addresses=self.addresses, calendar=self.calendar)

    def wanted(self, feed: str) -> FeedRequest:
        """Return one request of the plan."""
        return next(request for request in self.plan() if request.feed == feed)

    def serve(self, request: FeedRequest, *replies: Reply) -> None:
        """Set what a request's address answers."""
        self.server.serve(path_of(request), *replies)

    def serve_plan(self, **how: Any) -> list[FeedRequest]:
        """Serve right answers to the whole plan; return it."""
        plan = self.plan()
        for request in plan:
            self.serve(request, Reply(self.body_of(request), **how))
        return plan

    def body_of(self, request: FeedRequest) -> bytes:
        """Return a right answer to a request of the plan."""
        sessions = self.calendar.between(date(2026, 11, 2), SESSION)
        kind, _, what = request.feed.partition(" ")
        if kind == "option_chain":
            return chain_json(what, date(2026, 12, 16), stamped_at=STAMP)
        if kind == "vx_contract":
            expiration = date.fromisoformat(what)
            return vx_contract_csv(expiration, [day for day in sessions if day <= expiration])
        if kind == "index_history":
            return index_csv(what, sessions)
        return treasury_csv(sessions)

    def download(self, request: FeedRequest) -> Fetched | NotModified:
        """Download once, with what earlier downloads left."""
        return download(request, client=self.client, cache=DownloadCache(self.home), calendar=self.calendar)

    def fetch(
        self,
        *plan: FeedRequest,
        now: datetime = MORNING,
        waits: list[float] | None = None,
        progress: Callable[[int, int, str], None] | None = None,
    ) -> list[FeedOutcome]:
        """Fetch and land, as a new process would."""
        return fetch_feeds(
            plan,
            client=self.client,
            cache=DownloadCache(self.home),
            now=now,
            calendar=self.calendar,
            sleep=([] if waits is None else waits).append,
            progress=progress,
        )

    def landed(self) -> list[LandedFile]:
        """Return what is in landing."""
        return landed_files(self.home)

    def landed_body(self) -> bytes:
        """Return the bytes of the one landed file."""
        (landed,) = self.landed()
        return read_landed(self.home, landed)


def path_of(request: FeedRequest) -> str:
    """Return the path and query of a request's address."""
    parts = urlsplit(request.url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


@contextmanager
def opened_site(folder: Path, *, timeout_seconds: float = 5) -> Iterator[Site]:
    """Open an empty home in a folder, a server, and a client that does not pace itself."""
    home = Home(folder / "home")
    prepare_home(home)
    with (
        Loopback() as server,
        open_client(min_seconds_between_requests=0, timeout_seconds=timeout_seconds) as client,
    ):
        yield Site(home, server, client, trading_calendar())
