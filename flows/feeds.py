"""The free public feeds: what to ask for a session, when it is due, and what became of it.

A plan is a list of requests; `fetch_feeds` asks for them in turn (the feeds sit on two hosts and are paced by host, so
asking side by side would gain nothing) and lands each verified body. Every request ends in an outcome; none
stops the others. The address templates are those of the vendors' pages, the bases are settings.
"""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from datetime import time as wall_time
from typing import Literal
from urllib.parse import urlsplit

import httpx

from flows.download_cache import DownloadCache
from flows.downloads import (
    FeedAbsent,
    FeedRefused,
    FeedRequest,
    FeedStalled,
    FeedUnavailable,
    Fetched,
    NotModified,
    download,
    open_client,
)
from flows.landing import land_file
from transforms.sessions import (
    CURB_END,
    INDEX_CLOSE,
    INDEX_HALF_DAY_CLOSE,
    NEW_YORK,
    OPTION_OPEN,
    UTC,
    TradingCalendar,
    option_close,
    to_utc,
    vix_monthly_expirations,
)

__all__ = [
    "FeedAbsent",
    "FeedAddresses",
    "FeedOutcome",
    "FeedRefused",
    "FeedRequest",
    "FeedStalled",
    "FeedUnavailable",
    "Fetched",
    "NotModified",
    "download",
    "fetch_feeds",
    "open_client",
    "planned_requests",
    "vx_expirations",
]

Outcome = Literal["landed", "not_modified", "pending", "not_yet_available", "failed", "refused"]

OPTION_CHAINS = {"SPX": frozenset({"SPX", "SPXW"}), "VIX": frozenset({"VIX", "VIXW"})}
INDEX_SYMBOLS = ("VIX", "VVIX", "VIX9D", "VIX3M", "VIX6M", "SKEW", "SPX")

MONTHLY_CONTRACTS = 9
# Cboe lists up to six weekly VX expirations.
WEEKLY_HORIZON = timedelta(days=42)
EXPIRED_SINCE = timedelta(days=14)
ONE_WEEK = timedelta(days=7)
# A VX or VIX expiration is 30 days before the SPX expiration its settlement is computed from.
DAYS_TO_SPX_EXPIRATION = timedelta(days=30)

QUOTE_DELAY = timedelta(minutes=15)
CHAIN_GRACE = timedelta(minutes=15)
# Treasury publishes between the afternoon's auction of quotes (15:30) and 18:00.
TREASURY_FROM = wall_time(15, 30)
TREASURY_BY = wall_time(18, 30)
# Cboe's daily files lag by up to one session; the morning run completes the night from them.
DAILY_FILES_BY = wall_time(8, 0)

FIRST_BACKOFF_SECONDS = 1.0
MAX_WAIT_SECONDS = 120.0


@dataclass(frozen=True)
class FeedAddresses:
    """Bases of the public addresses, and how politely to ask; the fields of section [feeds] of alvh.toml."""

    option_chain: str = "https://cdn.cboe.com/api/global/delayed_quotes/options"
    vx_contract: str = "https://cdn.cboe.com/data/us/futures/market_statistics/historical_data/VX"
    index_history: str = "https://cdn.cboe.com/api/global/us_indices/daily_prices"
    treasury: str = (
        "https://home.treasury.gov/resource-center/data-chart-center/interest-rates/daily-treasury-rates.csv"
    )
    vx_weeklies: bool = False
    min_seconds_between_requests: float = 0.5
    timeout_seconds: float = 30
    max_attempts: int = 4


@dataclass(frozen=True)
class FeedOutcome:
    """What became of one request.

    Attributes
    ----------
    outcome
        landed: new bytes are in landing. not_modified: what is landed is the newest and reaches the session. pending:
        not there, and not due yet. not_yet_available: due, and the server does not have it. failed: due, and the
        server could not be asked. refused: the answer is no use, or the address holds a later session by now.
    n_bytes
        Bytes of bodies received over the wire.
    seconds
        From the first request to the verdict, waits included.
    last_session
        Last session in the file that is landed now; None if none is.
    warning
        "stalled" if a file that is due ends before the session; None else.
    reason
        One sentence; None where the outcome says all.
    """

    feed: str
    url: str
    session_date: date
    outcome: Outcome
    n_bytes: int = 0
    seconds: float = 0.0
    n_attempts: int = 0
    last_session: date | None = None
    warning: str | None = None
    reason: str | None = None

    @property
    def sentence(self) -> str:
        """The outcome in words, for logs and terminals."""
        said = f"{self.feed}: {self.outcome.replace('_', ' ')}"
        said += f" ({self.warning})" if self.warning else ""
        return f"{said}; {self.reason}" if self.reason else said

    def document(self) -> dict[str, object]:
        """Return the outcome as JSON values."""
        return {
            "feed": self.feed,
            "url": self.url,
            "session_date": self.session_date.isoformat(),
            "outcome": self.outcome,
            "bytes": self.n_bytes,
            "seconds": round(self.seconds, 3),
            "attempts": self.n_attempts,
            "last_session": self.last_session.isoformat() if self.last_session else None,
            "warning": self.warning,
            "reason": self.reason,
        }


def planned_requests(session: date, *, addresses: FeedAddresses, calendar: TradingCalendar) -> list[FeedRequest]:
    """Return the files wanted for a session: chains, VX contracts, index histories, Treasury yields.

    VX contracts are the nine nearest monthlies, those that expired in the two weeks before the session (their final
    settlement), and the weeklies of the next six weeks if `vx_weeklies`.
    """
    return [
        *_chain_requests(session, base=addresses.option_chain, calendar=calendar),
        *_contract_requests(session, addresses=addresses, calendar=calendar),
        *_index_requests(session, base=addresses.index_history, calendar=calendar),
        _treasury_request(session, base=addresses.treasury, calendar=calendar),
    ]


def fetch_feeds(
    plan: Sequence[FeedRequest],
    *,
    client: httpx.Client,
    cache: DownloadCache,
    now: datetime,
    calendar: TradingCalendar,
    max_attempts: int = 4,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    progress: Callable[[int, int, str], None] | None = None,
) -> list[FeedOutcome]:
    """Download and land the files of a plan; return one outcome per request, in the plan's order.

    The caller holds the home's lock. What an interrupted run has landed for the same session is not asked for again if
    it reaches the session; what a run that ended has landed is asked for conditionally. A host that to the end of one
    file's attempts gives no answer, or asks for fewer requests, is not asked again.

    Parameters
    ----------
    now
        Instant of the run, UTC, naive: decides what is due, and is the time of receipt.
    max_attempts
        Requests for one file where the server cannot answer now.
    sleep, clock
        How to wait, and a monotonic clock, seconds.
    progress
        Called before each request with its number, the number of all, and its feed.
    """
    cache.sweep()
    lost_hosts: set[str] = set()
    outcomes = []
    for number, request in enumerate(plan, 1):
        if progress:
            progress(number, len(plan), request.feed)
        verdict = _verdict_unasked(request, cache=cache, now=now, lost_hosts=lost_hosts)
        if verdict is None:
            started = clock()
            answer, n_attempts = _answer(
                request,
                client=client,
                cache=cache,
                calendar=calendar,
                max_attempts=max_attempts,
                sleep=sleep,
                clock=clock,
            )
            if isinstance(answer, FeedUnavailable) and answer.whole_host:
                lost_hosts.add(_host(request))
            verdict = _verdict(request, answer, cache=cache, now=now)
            verdict = replace(verdict, n_attempts=n_attempts, seconds=clock() - started)
        outcomes.append(verdict)
    cache.finish()
    return outcomes


def _answer(
    request: FeedRequest,
    *,
    client: httpx.Client,
    cache: DownloadCache,
    calendar: TradingCalendar,
    max_attempts: int,
    sleep: Callable[[float], None],
    clock: Callable[[], float],
) -> tuple[Fetched | NotModified | FeedUnavailable | FeedRefused, int]:
    """Return what asking led to, and how many times it was asked: again, ever later, while that may help."""
    attempt = 0
    while True:
        attempt += 1
        try:
            return download(request, client=client, cache=cache, calendar=calendar, clock=clock), attempt
        except FeedRefused as error:
            return error, attempt
        except FeedUnavailable as error:
            wait = max(FIRST_BACKOFF_SECONDS * 2 ** (attempt - 1), error.retry_after or 0.0)
            if attempt >= max_attempts or wait > MAX_WAIT_SECONDS:
                return error, attempt
            sleep(wait)


def _verdict_unasked(
    request: FeedRequest,
    *,
    cache: DownloadCache,
    now: datetime,
    lost_hosts: Collection[str],
) -> FeedOutcome | None:
    """Return the outcome where there is nothing to ask; None where there is."""
    known = cache.known(request.url)
    by_interrupted_run = cache.unfinished().get(request.url) == request.session_date
    if by_interrupted_run and known is not None and known.last_session >= request.fresh_from:
        return _outcome(request, "landed", cache=cache, reason="downloaded by a run that was interrupted")
    if now < request.available_from:
        return _outcome(request, "pending", cache=cache, reason=f"not offered before {_local(request.available_from)}")
    if request.available_until is not None and now >= request.available_until:
        return _outcome(
            request,
            "refused",
            cache=cache,
            reason=f"this address held the session until {_local(request.available_until)} only; "
            "import a vendor's file of it",
        )
    if _host(request) in lost_hosts:
        outcome: Outcome = "failed" if now >= request.available_by else "pending"
        return _outcome(request, outcome, cache=cache, reason=f"{_host(request)} did not serve an earlier request")
    return None


def _verdict(
    request: FeedRequest,
    answer: Fetched | NotModified | FeedUnavailable | FeedRefused,
    *,
    cache: DownloadCache,
    now: datetime,
) -> FeedOutcome:
    """Return the outcome of an answer; land the bytes if it brought new ones."""
    is_due = now >= request.available_by
    match answer:
        case Fetched():
            land_file(cache.home, answer.payload, source=request.source, name=request.name, received_at=now)
            cache.note_landed(request.url, answer.known, session_date=request.session_date)
            verdict = _freshness(request, "landed", last_session=answer.known.last_session, now=now)
            return replace(verdict, n_bytes=answer.n_bytes)
        case NotModified():
            verdict = _freshness(request, "not_modified", last_session=answer.known.last_session, now=now)
            return replace(verdict, n_bytes=answer.n_bytes)
        case FeedUnavailable():
            return _outcome(request, "failed" if is_due else "pending", cache=cache, reason=str(answer))
        case FeedAbsent():
            outcome: Outcome = "not_yet_available" if is_due else "pending"
            return _outcome(request, outcome, cache=cache, reason=str(answer))
        case FeedStalled():
            return _outcome(request, "refused", cache=cache, reason=str(answer), warning="stalled")
        case FeedRefused():
            return _outcome(request, "refused", cache=cache, reason=str(answer))


def _freshness(request: FeedRequest, outcome: Outcome, *, last_session: date, now: datetime) -> FeedOutcome:
    """Return the outcome of a file that ends on `last_session`: as given if that is enough, else late or stalled."""
    verdict = FeedOutcome(request.feed, request.url, request.session_date, outcome, last_session=last_session)
    if last_session >= request.fresh_from:
        return verdict
    if now < request.available_by:
        reason = f"ends {last_session}; {request.session_date} is expected by {_local(request.available_by)}"
        return replace(verdict, outcome="landed" if outcome == "landed" else "pending", reason=reason)
    return replace(
        verdict,
        outcome="landed" if outcome == "landed" else "not_yet_available",
        warning="stalled",
        reason=f"ends {last_session}, and {request.session_date} was due {_local(request.available_by)}",
    )


def _outcome(
    request: FeedRequest, outcome: Outcome, *, cache: DownloadCache, reason: str, warning: str | None = None
) -> FeedOutcome:
    known = cache.known(request.url)
    return FeedOutcome(
        request.feed,
        request.url,
        request.session_date,
        outcome,
        last_session=known.last_session if known else None,
        warning=warning,
        reason=reason,
    )


def _chain_requests(session: date, *, base: str, calendar: TradingCalendar) -> list[FeedRequest]:
    # Until the curb session ends, a download's stamp does not show that its quotes are the close's.
    early = calendar.is_early_close(session)
    frozen = option_close(session, calendar=calendar) if early else to_utc(session, CURB_END)
    offered = frozen + QUOTE_DELAY
    return [
        FeedRequest(
            feed=f"option_chain {symbol}",
            url=f"{base.rstrip('/')}/_{symbol}.json",
            name=f"_{symbol}.json",
            source="cboe_delayed_json",
            table="core.option_quote",
            column="root",
            allowed=roots,
            session_date=session,
            fresh_from=session,
            available_from=offered,
            available_by=offered + CHAIN_GRACE,
            available_until=to_utc(calendar.after(session), OPTION_OPEN),
        )
        for symbol, roots in OPTION_CHAINS.items()
    ]


def _contract_requests(session: date, *, addresses: FeedAddresses, calendar: TradingCalendar) -> list[FeedRequest]:
    return [
        FeedRequest(
            feed=f"vx_contract {expiration}",
            url=f"{addresses.vx_contract.rstrip('/')}/VX_{expiration}.csv",
            name=f"VX_{expiration}.csv",
            source="vx_contract_current",
            table="core.futures_settlement",
            column="expiration",
            allowed=frozenset({expiration}),
            session_date=session,
            fresh_from=min(session, expiration),
            available_from=_index_close(session, calendar=calendar),
            available_by=to_utc(calendar.after(session), DAILY_FILES_BY),
        )
        for expiration in vx_expirations(session, weeklies=addresses.vx_weeklies, calendar=calendar)
    ]


def vx_expirations(session: date, *, weeklies: bool, calendar: TradingCalendar) -> list[date]:
    """Return the expirations whose VX files are wanted for a session, ascending.

    A weekly expires on the Wednesday 30 days before an SPX expiration on a Friday; if either day is a holiday, on the
    business day before that Wednesday, like the monthlies. (CFE rule 1202(i))
    """
    since = session - EXPIRED_SINCE
    monthlies = vix_monthly_expirations(
        since, session + (MONTHLY_CONTRACTS + 1) * timedelta(days=31), calendar=calendar
    )
    wanted = {expiration for expiration in monthlies if expiration < session}
    wanted.update([expiration for expiration in monthlies if expiration >= session][:MONTHLY_CONTRACTS])
    if weeklies:
        wednesday = since + timedelta(days=(2 - since.weekday()) % 7)
        while wednesday <= session + WEEKLY_HORIZON:
            regular = calendar.is_session(wednesday) and calendar.is_session(wednesday + DAYS_TO_SPX_EXPIRATION)
            wanted.add(wednesday if regular else calendar.before(wednesday))
            wednesday += ONE_WEEK
    return sorted(wanted)


def _index_requests(session: date, *, base: str, calendar: TradingCalendar) -> list[FeedRequest]:
    return [
        FeedRequest(
            feed=f"index_history {symbol}",
            url=f"{base.rstrip('/')}/{symbol}_History.csv",
            name=f"{symbol}_History.csv",
            source="index_history",
            table="core.index_level",
            column="symbol",
            allowed=frozenset({symbol}),
            session_date=session,
            fresh_from=session,
            available_from=_index_close(session, calendar=calendar),
            available_by=to_utc(calendar.after(session), DAILY_FILES_BY),
        )
        for symbol in INDEX_SYMBOLS
    ]


def _treasury_request(session: date, *, base: str, calendar: TradingCalendar) -> FeedRequest:
    year = session.year
    query = f"type=daily_treasury_yield_curve&field_tdr_date_value={year}&page&_format=csv"
    return FeedRequest(
        feed=f"treasury {year}",
        url=f"{base.rstrip('/')}/{year}/all?{query}",
        name=f"daily-treasury-rates_{year}.csv",
        source="treasury_par_yield",
        table="core.treasury_rate",
        column="rate_kind",
        allowed=frozenset({"treasury"}),
        session_date=session,
        # The bond market rests on Columbus Day and Veterans Day, which are sessions.
        fresh_from=calendar.before(session),
        available_from=to_utc(session, TREASURY_FROM),
        available_by=to_utc(session, TREASURY_BY),
    )


def _index_close(session: date, *, calendar: TradingCalendar) -> datetime:
    return to_utc(session, INDEX_HALF_DAY_CLOSE if calendar.is_early_close(session) else INDEX_CLOSE)


def _host(request: FeedRequest) -> str:
    return urlsplit(request.url).netloc


def _local(instant: datetime) -> str:
    return f"{instant.replace(tzinfo=UTC).astimezone(NEW_YORK):%Y-%m-%d %H:%M} New York"
