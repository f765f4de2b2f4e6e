"""The feeds' engine against a real HTTP server that serves the real layouts and misbehaves."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from flows import durability
from flows.download_cache import DownloadCache
from flows.downloads import HostPacer, _refuse_downgrade
from flows.feeds import (
    FeedAbsent,
    FeedAddresses,
    FeedOutcome,
    FeedRefused,
    FeedRequest,
    FeedUnavailable,
    Fetched,
    NotModified,
    download,
    fetch_feeds,
    open_client,
    planned_requests,
    vx_expirations,
)
from flows.home import Home, prepare_home
from flows.landing import landed_files, read_landed
from flows.settings import FeedSettings
from tests.flows.loopback import Loopback, Reply, chain_json, index_csv, treasury_csv, vx_contract_csv
from transforms.sessions import TradingCalendar

SESSION = date(2026, 11, 19)
MIDDAY = datetime(2026, 11, 19, 17, 0)
EVENING = datetime(2026, 11, 19, 23, 45)
MORNING = datetime(2026, 11, 20, 13, 30)
STAMP = datetime(2026, 11, 19, 21, 31)
CHECKOUT = Path(__file__).resolve().parents[2]

HTML = b"<!DOCTYPE html>\n<html><head><title>Maintenance</title></head><body>Back soon</body></html>\n"
S3_DENIED = b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>'


class Killed(BaseException):
    """Stands for the end of the process: nothing may catch it."""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    prepare_home(home)
    return home


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback() as loopback:
        yield loopback


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with open_client(min_seconds_between_requests=0, timeout_seconds=5) as opened:
        yield opened


@pytest.fixture
def impatient() -> Iterator[httpx.Client]:
    with open_client(min_seconds_between_requests=0, timeout_seconds=0.1) as opened:
        yield opened


def addresses_of(server: Loopback) -> FeedAddresses:
    return FeedAddresses(
        option_chain=server.url + "/chain/",
        vx_contract=server.url + "/vx",
        index_history=server.url + "/index",
        treasury=server.url + "/treasury.csv",
    )


def body_of(request: FeedRequest, sessions: list[date]) -> bytes:
    """Return a right answer to a planned request that ends with the last of the sessions."""
    kind, _, what = request.feed.partition(" ")
    if kind == "option_chain":
        return chain_json(what, date(2026, 12, 16), stamped_at=STAMP)
    if kind == "vx_contract":
        expiration = date.fromisoformat(what)
        return vx_contract_csv(expiration, [day for day in sessions if day <= expiration])
    if kind == "index_history":
        return index_csv(what, sessions)
    return treasury_csv(sessions)


def path_of(request: FeedRequest) -> str:
    parts = urlsplit(request.url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def serve_plan(server: Loopback, calendar: TradingCalendar, **how: Any) -> list[FeedRequest]:
    """Plan the session's requests and serve right answers to all of them."""
    plan = planned_requests(SESSION, addresses=addresses_of(server), calendar=calendar)
    sessions = calendar.between(date(2026, 11, 2), SESSION)
    for request in plan:
        server.serve(path_of(request), Reply(body_of(request, sessions), **how))
    return plan


def wanted(server: Loopback, calendar: TradingCalendar, feed: str) -> FeedRequest:
    plan = planned_requests(SESSION, addresses=addresses_of(server), calendar=calendar)
    return next(request for request in plan if request.feed == feed)


def fetch(
    home: Home,
    client: httpx.Client,
    calendar: TradingCalendar,
    *plan: FeedRequest,
    now: datetime = MORNING,
    waits: list[float] | None = None,
) -> list[FeedOutcome]:
    """Fetch with waits noted instead of slept."""
    sleep = (waits if waits is not None else []).append
    return fetch_feeds(plan, client=client, cache=DownloadCache(home), now=now, calendar=calendar, sleep=sleep)


def landed_names(home: Home) -> list[str]:
    return sorted(landed.name for landed in landed_files(home))


# The plan


def test_addresses_are_the_public_ones_by_default(calendar: TradingCalendar) -> None:
    plan = planned_requests(SESSION, addresses=FeedAddresses(), calendar=calendar)
    urls = {request.feed: request.url for request in plan}
    assert urls["option_chain SPX"] == "https://cdn.cboe.com/api/global/delayed_quotes/options/_SPX.json"
    assert urls["option_chain VIX"] == "https://cdn.cboe.com/api/global/delayed_quotes/options/_VIX.json"
    assert urls["vx_contract 2026-12-16"] == (
        "https://cdn.cboe.com/data/us/futures/market_statistics/historical_data/VX/VX_2026-12-16.csv"
    )
    assert urls["index_history VIX3M"] == (
        "https://cdn.cboe.com/api/global/us_indices/daily_prices/VIX3M_History.csv"
    )
    assert urls["treasury 2026"] == (
        "https://home.treasury.gov/resource-center/data-chart-center/interest-rates/daily-treasury-rates.csv/2026/all"
        "?type=daily_treasury_yield_curve&field_tdr_date_value=2026&page&_format=csv"
    )


def test_settings_give_every_address_with_the_same_default() -> None:
    public = {field.name: field.default for field in fields(FeedAddresses)}
    settings = FeedSettings().model_dump(exclude={"fetch_in_nightly"})
    assert {name: public[name] for name in settings} == settings


def test_plan_asks_for_nine_monthlies_and_the_contract_just_expired(calendar: TradingCalendar) -> None:
    # 30 days before the third Friday of the next month; 2027-05-18 because Juneteenth 2027 is observed on a Friday.
    days = "2026-11-18 2026-12-16 2027-01-20 2027-02-17 2027-03-17 2027-04-21 2027-05-18 2027-06-16 2027-07-21 2027-08-18"
    expected = [date.fromisoformat(day) for day in days.split()]
    assert vx_expirations(SESSION, weeklies=False, calendar=calendar) == expected
    assert vx_expirations(date(2026, 12, 3), weeklies=False, calendar=calendar)[0] == date(2026, 12, 16)


def test_weeklies_reach_six_weeks_and_move_before_a_holiday_friday_30_days_on(calendar: TradingCalendar) -> None:
    monthlies = set(vx_expirations(SESSION, weeklies=False, calendar=calendar))
    weeklies = set(vx_expirations(SESSION, weeklies=True, calendar=calendar)) - monthlies
    # 2026-11-25 + 30 days is Christmas and 2026-12-02 + 30 days New Year's Day, both Fridays.
    days = "2026-11-11 2026-11-24 2026-12-01 2026-12-09 2026-12-23 2026-12-30"
    assert weeklies == {date.fromisoformat(day) for day in days.split()}


@pytest.mark.real_data
def test_weekly_expirations_are_those_of_the_real_files(shared_data: Path, calendar: TradingCalendar) -> None:
    # The collector asked for every Wednesday, so expirations moved to a Tuesday are missing from its files.
    names = [path.name for path in (shared_data / "vx_futures" / "current").glob("VX_202[023]-*.csv")]
    held = {date.fromisoformat(name[3:13]) for name in names}
    first, last = date(2020, 3, 18), date(2020, 12, 30)
    planned: set[date] = set()
    for session in calendar.between(first, last):
        planned.update(vx_expirations(session, weeklies=True, calendar=calendar))
    wednesdays = {day for day in planned if first <= day <= last and day.weekday() == 2}
    assert wednesdays == {day for day in held if first <= day <= last}


# A night


def test_night_lands_every_feed_and_says_so(
    home: Home, server: Loopback, client: httpx.Client, calendar: TradingCalendar
) -> None:
    plan = serve_plan(server, calendar, etag='"1"')
    outcomes = fetch(home, client, calendar, *plan, now=EVENING)
    assert [outcome.feed for outcome in outcomes] == [request.feed for request in plan]
    assert {outcome.outcome for outcome in outcomes} == {"landed"}
    assert {outcome.reason for outcome in outcomes} == {None}
    assert all(outcome.n_bytes > 100 and outcome.n_attempts == 1 for outcome in outcomes)
    assert landed_names(home) == sorted(request.name for request in plan)
    assert {landed.source for landed in landed_files(home)} == {
        "cboe_delayed_json", "vx_contract_current", "index_history", "treasury_par_yield"
    }  # fmt: skip
    assert {landed.received_at for landed in landed_files(home)} == {EVENING}
    assert list((home.staging / "feeds").iterdir()) == []


def test_landed_bytes_are_the_servers(
    home: Home, server: Loopback, client: httpx.Client, calendar: TradingCalendar
) -> None:
    request = wanted(server, calendar, "vx_contract 2026-12-16")
    body = vx_contract_csv(date(2026, 12, 16), [SESSION])
    server.serve(path_of(request), Reply(body, compressed=True))
    fetch(home, client, calendar, request)
    (landed,) = landed_files(home)
    assert read_landed(home, landed) == body


@pytest.mark.parametrize("validators", [{"etag": '"1"'}, {"last_modified": "Thu, 19 Nov 2026 23:00:00 GMT"}])
def test_second_run_asks_conditionally_and_receives_nothing(
    home: Home, server: Loopback, client: httpx.Client, calendar: TradingCalendar, validators: dict[str, str]
) -> None:
    plan = serve_plan(server, calendar, **validators)
    fetch(home, client, calendar, *plan, now=EVENING)
    outcomes = fetch(home, client, calendar, *plan, now=MORNING)
    assert {(outcome.outcome, outcome.n_bytes) for outcome in outcomes} == {("not_modified", 0)}
    assert len(landed_files(home)) == len(plan)


def test_same_bytes_from_a_server_without_validators_are_not_modified(
    home: Home, server: Loopback, client: httpx.Client, calendar: TradingCalendar
) -> None:
    request = wanted(server, calendar, "index_history VIX")
    server.serve(path_of(request), Reply(index_csv("VIX", [SESSION])))
    fetch(home, client, calendar, request)
    (outcome,) = fetch(home, client, calendar, request)
    assert outcome.outcome == "not_modified"
    assert outcome.n_bytes > 0


def test_file_that_is_gone_from_landing_is_asked_for_unconditionally(
    home: Home, server: Loopback, client: httpx.Client, calendar: TradingCalendar
) -> None:
    request = wanted(server, calendar, "index_history VIX")
    server.serve(path_of(request), Reply(index_csv("VIX", [SESSION]), etag='"1"'))
    fetch(home, client, calendar, request)
    for path in home.landing.glob("*/*/*"):
        path.unlink()
    (outcome,) = fetch(home, client, calendar, request)
    assert outcome.outcome == "landed"


def test_unreadable_memory_of_feeds_costs_downloads_only(
    home: Home, server: Loopback, client: httpx.Client, calendar: TradingCalendar
) -> None:
    request = wanted(server, calendar, "index_history VIX")
    server.serve(path_of(request), Reply(index_csv("VIX", [SESSION]), etag='"1"'))
    for content in ("{", "[]", '{"layout_version": 99}'):
        (home.staging / "feeds.json").write_text(content)
        (outcome,) = fetch(home, client, calendar, request)
        assert outcome.outcome == "landed"
    assert len(landed_files(home)) == 1


def test_requests_name_the_program(
    home: Home, server: Loopback, client: httpx.Client, calendar: TradingCalendar
) -> None:
    fetch(home, client, calendar, wanted(server, calendar, "index_history VIX"))
    assert server.asked[0].headers["user-agent"].startswith("alvh/")


# Due and not due


def test_nothing_is_asked_before_it_can_be_there(
    home: Home, server: Loopback, client: httpx.Client, calendar: TradingCalendar
) -> None:
    plan = serve_plan(server, calendar)
    outcomes = fetch(home, client, calendar, *plan, now=MIDDAY)
    assert {outcome.outcome for outcome in outcomes} == {"pending"}
    assert server.asked == []
    assert outcomes[0].reason == "not offered before 2026-11-19 16:30 New York"


def test_chain_of_a_past_session_is_not_asked_for(
    home: Home, server: Loopback, client: httpx.Client, calendar: TradingCalendar
) -> None:
    request = wanted(server, calendar, "option_chain SPX")
    (outcome,) = fetch(home, client, calendar, request, now=datetime(2026, 11, 20, 14, 30))
    assert (outcome.outcome, server.asked) == ("failed", [])
    assert "until 2026-11-20 09:30 New York" in (outcome.reason or "")


@pytest.mark.parametrize(("status", "body"), [(404, b"not found"), (410, b""), (403, S3_DENIED)])
def test_absent_file_is_pending_until_due_then_not_yet_available(
    home: Home, server: Loopback, client: httpx.Client, calendar: TradingCalendar, status: int, body: bytes
) -> None:
    request = wanted(server, calendar, "vx_contract 2027-08-18")
    server.serve(path_of(request), Reply(body, status=status))
    outcomes = [fetch(home, client, calendar, request, now=now)[0] for now in (EVENING, MORNING)]
    assert [outcome.outcome for outcome in outcomes] == ["pending", "not_yet_available"]
    assert [outcome.n_attempts for outcome in outcomes] == [1, 1]


def test_file_that_ends_before_the_session_is_late_and_from_its_due_time_stalled(
    home: Home, server: Loopback, client: httpx.Client, calendar: TradingCalendar
) -> None:
    request = wanted(server, calendar, "index_history VIX")
    server.serve(path_of(request), Reply(index_csv("VIX", [date(2026, 11, 18)]), etag='"1"'))
    times = (EVENING, EVENING, MORNING)
    first, second, third = (fetch(home, client, calendar, request, now=now)[0] for now in times)
    assert (first.outcome, first.warning) == ("landed", None)
    assert first.reason == "ends 2026-11-18; 2026-11-19 is expected by 2026-11-20 08:00 New York"
    assert (second.outcome, second.warning) == ("pending", None)
    assert (third.outcome, third.warning) == ("not_yet_available", "stalled")
    assert third.last_session == date(2026, 11, 18)
    assert third.sentence == (
        "index_history VIX: not yet available (stalled); ends 2026-11-18, and 2026-11-19 was due 2026-11-20 08:00 New York"
    )


def test_stalled_file_that_is_new_is_landed_with_a_warning(
    home: Home, server: Loopback, client: httpx.Client, calendar: TradingCalendar
) -> None:
    request = wanted(server, calendar, "vx_contract 2026-12-16")
    server.serve(path_of(request), Reply(vx_contract_csv(date(2026, 12, 16), [date(2026, 11, 17)])))
    (outcome,) = fetch(home, client, calendar, request)
    assert (outcome.outcome, outcome.warning) == ("landed", "stalled")


def test_expired_contract_is_complete_with_its_expiration(
    home: Home, server: Loopback, client: httpx.Client, calendar: TradingCalendar
) -> None:
    request = wanted(server, calendar, "vx_contract 2026-11-18")
    server.serve(path_of(request), Reply(vx_contract_csv(date(2026, 11, 18), [date(2026, 11, 18)])))
    (outcome,) = fetch(home, client, calendar, request)
    assert (outcome.outcome, outcome.warning, outcome.reason) == ("landed", None, None)


def test_older_edition_than_the_landed_one_is_refused(
    home: Home, server: Loopback, client: httpx.Client, calendar: TradingCalendar
) -> None:
    request = wanted(server, calendar, "vx_contract 2026-12-16")
    newer, older = (vx_contract_csv(date(2026, 12, 16), [day]) for day in (SESSION, date(2026, 11, 18)))
    server.serve(path_of(request), Reply(newer, etag='"2"'), Reply(older, etag='"1"'))
    fetch(home, client, calendar, request)
    (outcome,) = fetch(home, client, calendar, request)
    assert (outcome.outcome, outcome.warning) == ("refused", "stalled")
    assert outcome.last_session == SESSION
    assert len(landed_files(home)) == 1


def test_bond_holiday_is_no_stall(
    home: Home, server: Loopback, client: httpx.Client, calendar: TradingCalendar
) -> None:
    request = wanted(server, calendar, "treasury 2026")
    server.serve(path_of(request), Reply(treasury_csv([date(2026, 11, 17), date(2026, 11, 18)])))
    (outcome,) = fetch(home, client, calendar, request)
    assert (outcome.outcome, outcome.warning) == ("landed", None)


# Servers that cannot answer now


def test_server_errors_are_retried_ever_later(
    home: Home, server: Loopback, client: httpx.Client, calendar: TradingCalendar
) -> None:
    request = wanted(server, calendar, "index_history VIX")
    good = Reply(index_csv("VIX", [SESSION]))
    server.serve(path_of(request), Reply(status=500), Reply(status=502), Reply(status=503), good)
    waits: list[float] = []
    (outcome,) = fetch(home, client, calendar, request, waits=waits)
    assert (outcome.outcome, outcome.n_attempts, waits) == ("landed", 4, [1.0, 2.0, 4.0])


def test_server_that_stays_broken_fails_one_file_and_only_when_due(
    home: Home, server: Loopback, client: httpx.Client, calendar: TradingCalendar
) -> None:
    broken = wanted(server, calendar, "index_history VIX")
    sound = wanted(server, calendar, "index_history VVIX")
    server.serve(path_of(broken), Reply(status=500))
    server.serve(path_of(sound), Reply(index_csv("VVIX", [SESSION])))
    outcomes = fetch(home, client, calendar, broken, sound)
    assert [(outcome.outcome, outcome.n_attempts) for outcome in outcomes] == [("failed", 4), ("landed", 1)]
    assert fetch(home, client, calendar, broken, now=EVENING)[0].outcome == "pending"


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0"}, 1.0),
        ({}, 1.0),
        ({"Retry-After": "soon"}, 1.0),
    ],
)
def test_too_many_requests_waits_as_asked(
    home: Home,
    server: Loopback,
    client: httpx.Client,
    calendar: TradingCalendar,
    headers: dict[str, str],
    wait: float,
) -> None:
    request = wanted(server, calendar, "index_history VIX")
    server.serve(path_of(request), Reply(status=429, headers=headers), Reply(index_csv("VIX", [SESSION])))
    waits: list[float] = []
    (outcome,) = fetch(home, client, calendar, request, waits=waits)
    assert (outcome.outcome, waits) == ("landed", [wait])


def test_retry_after_a_date_counts_from_the_servers_clock(
    home: Home, server: Loopback, client: httpx.Client, calendar: TradingCalendar
) -> None:
    request = wanted(server, calendar, "index_history VIX")
    far = {"Retry-After": "Fri, 01 Jan 2100 00:00:00 GMT"}
    server.serve(path_of(request), Reply(status=503, headers=far))
    with pytest.raises(FeedUnavailable) as caught:
        download(request, client=client, cache=DownloadCache(home), calendar=calendar)
    expected = datetime(2100, 1, 1).timestamp() - time.time()
    assert caught.value.retry_after == pytest.approx(expected, rel=1e-3)


def test_long_wait_is_not_waited_and_the_host_not_asked_again(
    home: Home, server: Loopback, client: httpx.Client, calendar: TradingCalendar
) -> None:
    plan = serve_plan(server, calendar)
    server.serve(path_of(plan[0]), Reply(status=429, headers={"Retry-After": "3600"}))
    waits: list[float] = []
    outcomes = fetch(home, client, calendar, *plan, waits=waits)
    assert (len(server.asked), waits) == (1, [])
    assert {outcome.outcome for outcome in outcomes} == {"failed"}
    assert [outcome.n_attempts for outcome in outcomes[:2]] == [1, 0]


def test_silent_server_times_out_and_is_not_asked_for_the_rest(
    home: Home, server: Loopback, impatient: httpx.Client, calendar: TradingCalendar
) -> None:
    plan = serve_plan(server, calendar, delay=0.3)
    outcomes = fetch(home, impatient, calendar, *plan)
    assert server.paths() == [path_of(plan[0])] * 4
    assert {outcome.outcome for outcome in outcomes} == {"failed"}
    assert "ReadTimeout" in (outcomes[0].reason or "")


def test_transfer_that_only_drips_ends(
    home: Home, server: Loopback, impatient: httpx.Client, calendar: TradingCalendar
) -> None:
    request = wanted(server, calendar, "index_history VIX")
    server.serve(path_of(request), Reply(index_csv("VIX", [SESSION] * 50), drip=0.02))
    started = time.monotonic()
    with pytest.raises(FeedUnavailable, match="takes too long"):
        download(request, client=impatient, cache=DownloadCache(home), calendar=calendar)
    assert time.monotonic() - started < 3


def test_nobody_listening_is_unavailable(home: Home, client: httpx.Client, calendar: TradingCalendar) -> None:
    with Loopback() as gone:
        request = wanted(gone, calendar, "index_history VIX")
    (outcome,) = fetch(home, client, calendar, request, now=EVENING)
    assert (outcome.outcome, outcome.n_attempts) == ("pending", 4)
    assert "ConnectError" in (outcome.reason or "")


# Bodies that break off


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_cut_body_is_asked_for_again_from_its_beginning(
    home: Home, server: Loopback, client: httpx.Client, calendar: TradingCalendar, framing: str
) -> None:
    request = wanted(server, calendar, "vx_contract 2026-12-16")
    whole = Reply(vx_contract_csv(date(2026, 12, 16), [SESSION]), framing=framing, etag='"1"')
    server.serve(path_of(request), replace(whole, cut_at=100), whole)
    (outcome,) = fetch(home, client, calendar, request)
    assert (outcome.outcome, outcome.n_attempts) == ("landed", 2)
    assert "range" not in server.asked[1].headers
    assert outcome.n_bytes == len(whole.body)


@pytest.mark.parametrize("compressed", [False, True])
def test_cut_body_is_continued_where_the_server_can(
    home: Home, server: Loopback, client: httpx.Client, calendar: TradingCalendar, compressed: bool
) -> None:
    request = wanted(server, calendar, "vx_contract 2026-12-16")
    body = vx_contract_csv(date(2026, 12, 16), calendar.between(date(2026, 9, 1), SESSION))
    whole = Reply(body, etag='"1"', ranges=True, compressed=compressed)
    server.serve(path_of(request), replace(whole, cut_at=100), whole)
    with pytest.raises(FeedUnavailable):
        download(request, client=client, cache=DownloadCache(home), calendar=calendar)
    (outcome,) = fetch(home, client, calendar, request)
    assert outcome.outcome == "landed"
    assert (server.asked[1].headers["range"], server.asked[1].headers["if-range"]) == ("bytes=100-", '"1"')
    (landed,) = landed_files(home)
    assert read_landed(home, landed) == body
    fetch(home, client, calendar)
    assert list((home.staging / "feeds").iterdir()) == []


def test_cut_body_is_not_continued_by_another_edition(
    home: Home, server: Loopback, client: httpx.Client, calendar: TradingCalendar
) -> None:
    request = wanted(server, calendar, "vx_contract 2026-12-16")
    old, new = (vx_contract_csv(date(2026, 12, 16), [day]) for day in (date(2026, 11, 18), SESSION))
    server.serve(
        path_of(request),
        Reply(old, etag='"1"', ranges=True, cut_at=100),
        Reply(new, etag='"2"', ranges=True),
    )
    (outcome,) = fetch(home, client, calendar, request)
    assert (outcome.outcome, outcome.n_attempts) == ("landed", 2)
    assert read_landed(home, landed_files(home)[0]) == new


def test_weak_validator_does_not_continue_a_body(
    home: Home, server: Loopback, client: httpx.Client, calendar: TradingCalendar
) -> None:
    request = wanted(server, calendar, "vx_contract 2026-12-16")
    whole = Reply(vx_contract_csv(date(2026, 12, 16), [SESSION]), etag='W/"1"', ranges=True)
    server.serve(path_of(request), replace(whole, cut_at=100), whole)
    fetch(home, client, calendar, request)
    assert "range" not in server.asked[1].headers


def test_wrong_continuation_is_forgotten_and_the_file_asked_for_anew(
    home: Home, server: Loopback, client: httpx.Client, calendar: TradingCalendar
) -> None:
    request = wanted(server, calendar, "vx_contract 2026-12-16")
    whole = Reply(vx_contract_csv(date(2026, 12, 16), [SESSION]), etag='"1"', ranges=True)
    elsewhere = Reply(b"...", status=206, headers={"Content-Range": "bytes 7-9/10"})
    beyond = Reply(status=416)
    for wrong in (elsewhere, beyond):
        server.serve(path_of(request), replace(whole, cut_at=100), wrong, whole)
        answer = None
        for _ in range(2):
            with pytest.raises(FeedUnavailable):
                download(request, client=client, cache=DownloadCache(home), calendar=calendar)
        answer = download(request, client=client, cache=DownloadCache(home), calendar=calendar)
        assert isinstance(answer, Fetched)
        assert answer.payload == whole.body
        assert "range" not in server.asked[-1].headers


@pytest.mark.parametrize("feed", ["option_chain SPX", "vx_contract 2026-12-16", "treasury 2026"])
def test_cut_that_http_does_not_show_is_seen_in_the_text(
    home: Home, server: Loopback, client: httpx.Client, calendar: TradingCalendar, feed: str
) -> None:
    request = wanted(server, calendar, feed)
    body = body_of(request, calendar.between(date(2026, 11, 2), SESSION))
    server.serve(path_of(request), Reply(body, framing="close", cut_at=len(body) - 3), Reply(body))
    (outcome,) = fetch(home, client, calendar, request)
    assert (outcome.outcome, outcome.n_attempts) == ("landed", 2)
    assert read_landed(home, landed_files(home)[0]) == body


# Answers that are no use


@pytest.mark.parametrize(
    ("feed", "reply", "said"),
    [
        ("vx_contract 2026-12-16", Reply(HTML), "web page"),
        ("option_chain SPX", Reply(HTML), "web page"),
        ("treasury 2026", Reply(S3_DENIED), "web page"),
        ("vx_contract 2026-12-16", Reply(b"\n"), "empty"),
        ("vx_contract 2026-12-16", Reply(b"hello\nworld\n"), "expected vx_contract_current"),
        ("vx_contract 2026-12-16", Reply(index_csv("VIX", [SESSION])), "expected vx_contract_current"),
        ("vx_contract 2026-12-16", Reply(vx_contract_csv(date(2027, 1, 20), [SESSION])), "none of its 1 lines"),
        ("index_history VVIX", Reply(index_csv("SKEW", [SESSION])), "symbol SKEW in a file of VVIX"),
        ("option_chain SPX", Reply(chain_json("VIX", date(2026, 12, 16), stamped_at=STAMP)), "root VIX, VIXW"),
        ("option_chain SPX", Reply(b'{"data": {"options": []}}'), "expected cboe_delayed_json"),
        ("index_history VIX", Reply(status=403, body=b"blocked"), "403"),
        ("index_history VIX", Reply(status=401), "401"),
        ("index_history VIX", Reply(status=304), "304"),
        ("index_history VIX", Reply(status=206), "206"),
        ("index_history VIX", Reply(b"x", headers={"Content-Encoding": "br"}), "answers in br"),
    ],
)  # fmt: skip
def test_useless_answer_is_refused_once_and_nothing_lands(
    home: Home, server: Loopback, client: httpx.Client, calendar: TradingCalendar, feed: str, reply: Reply, said: str
) -> None:
    request = wanted(server, calendar, feed)
    server.serve(path_of(request), reply)
    (outcome,) = fetch(home, client, calendar, request)
    assert (outcome.outcome, outcome.n_attempts) == ("refused", 1)
    assert said in (outcome.reason or "")
    assert landed_files(home) == []


def test_damaged_compression_is_asked_for_again(
    home: Home, server: Loopback, client: httpx.Client, calendar: TradingCalendar
) -> None:
    request = wanted(server, calendar, "index_history VIX")
    damaged = Reply(b"\x1f\x8b nonsense", headers={"Content-Encoding": "gzip"})
    server.serve(path_of(request), damaged, Reply(index_csv("VIX", [SESSION]), compressed=True))
    (outcome,) = fetch(home, client, calendar, request)
    assert (outcome.outcome, outcome.n_attempts) == ("landed", 2)


def test_endless_body_is_refused(
    home: Home, server: Loopback, client: httpx.Client, calendar: TradingCalendar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.downloads.MAX_BODY_BYTES", 1 << 20)
    request = wanted(server, calendar, "index_history VIX")
    for compressed in (False, True):
        server.serve(path_of(request), Reply(b"0" * (1 << 21), compressed=compressed))
        with pytest.raises(FeedRefused, match="more than 1 MiB"):
            download(request, client=client, cache=DownloadCache(home), calendar=calendar)


def test_refused_and_absent_are_errors_of_their_own(
    home: Home, server: Loopback, client: httpx.Client, calendar: TradingCalendar
) -> None:
    request = wanted(server, calendar, "index_history VIX")
    with pytest.raises(FeedAbsent, match="404"):
        download(request, client=client, cache=DownloadCache(home), calendar=calendar)
    server.serve(path_of(request), Reply(index_csv("VIX", [SESSION]), etag='"1"'))
    fetch(home, client, calendar, request)
    assert isinstance(
        download(request, client=client, cache=DownloadCache(home), calendar=calendar), NotModified
    )


# Redirects and pace


def test_redirect_is_followed_and_every_hop_is_paced(
    home: Home, server: Loopback, calendar: TradingCalendar
) -> None:
    request = wanted(server, calendar, "index_history VIX")
    server.serve(path_of(request), Reply(status=302, headers={"Location": "/moved.csv"}))
    server.serve("/moved.csv", Reply(index_csv("VIX", [SESSION])))
    paced: list[float] = []
    with open_client(
        min_seconds_between_requests=2, timeout_seconds=5, sleep=paced.append, clock=lambda: 100.0
    ) as client:
        (outcome,) = fetch(home, client, calendar, request)
    assert (outcome.outcome, outcome.url) == ("landed", request.url)
    assert paced == [2.0]


@pytest.mark.parametrize("location", ["", "ftp://127.0.0.1/VIX_History.csv"])
def test_redirect_that_leads_nowhere_is_refused(
    home: Home, server: Loopback, client: httpx.Client, calendar: TradingCalendar, location: str
) -> None:
    request = wanted(server, calendar, "index_history VIX")
    server.serve(path_of(request), Reply(status=302, headers={"Location": location or path_of(request)}))
    (outcome,) = fetch(home, client, calendar, request)
    assert (outcome.outcome, outcome.n_attempts) == ("refused", 1)
    assert "leads nowhere" in (outcome.reason or "")


def test_redirect_from_https_to_http_is_refused() -> None:
    secure = httpx.Response(301, request=httpx.Request("GET", "https://cdn.cboe.com/a.csv"))
    plain = httpx.Response(200, request=httpx.Request("GET", "http://cdn.cboe.com/a.csv"), history=[secure])
    with pytest.raises(FeedRefused, match="https to http"):
        _refuse_downgrade(plain)
    _refuse_downgrade(secure)


def test_pace_is_kept_by_host() -> None:
    elapsed = 0.0
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        nonlocal elapsed
        elapsed += seconds
        waits.append(seconds)

    pacer = HostPacer(0.5, sleep=sleep, clock=lambda: elapsed)
    for url in ("https://a/1", "https://b/1", "https://a/2", "https://b/2", "https://a/3"):
        pacer(httpx.Request("GET", url))
    assert waits == [0.5, 0.5]
    elapsed += 5
    pacer(httpx.Request("GET", "https://a/4"))
    assert waits == [0.5, 0.5]


# Interrupted runs


def run_killed_at(
    home: Home, client: httpx.Client, calendar: TradingCalendar, plan: list[FeedRequest], *, act: int
) -> bool:
    """Fetch with the process ending at the given act on disk; return whether it came to that."""
    n_acts = 0

    def kill(_: str, __: str) -> None:
        nonlocal n_acts
        n_acts += 1
        if n_acts == act:
            raise Killed

    durability.observer = kill
    try:
        fetch(home, client, calendar, *plan)
    except Killed:
        return True
    finally:
        durability.observer = durability._nobody
    return False


def test_run_killed_at_any_act_is_completed_by_the_next(
    tmp_path: Path, server: Loopback, client: httpx.Client, calendar: TradingCalendar
) -> None:
    plan = serve_plan(server, calendar, etag='"1"')[1:3]
    n_kills = 0
    while True:
        home = Home(tmp_path / f"home-{n_kills}")
        prepare_home(home)
        server.asked.clear()
        if not run_killed_at(home, client, calendar, plan, act=n_kills + 1):
            break
        n_kills += 1
        # A run that was killed after its last note has ended.
        has_ended = not DownloadCache(home).unfinished() and len(landed_files(home)) == len(plan)
        outcomes = fetch(home, client, calendar, *plan)
        assert [outcome.outcome for outcome in outcomes] == ["not_modified" if has_ended else "landed"] * len(plan)
        assert landed_names(home) == sorted(request.name for request in plan)
        # The file in hand when the process ended may be asked for twice, no other.
        assert len(server.asked) <= len(plan) + (len(plan) if has_ended else 1)
        fetch(home, client, calendar)
        assert list((home.staging / "feeds").iterdir()) == []
    assert n_kills > 40


def test_outcome_as_a_document_holds_json_values(
    home: Home, server: Loopback, client: httpx.Client, calendar: TradingCalendar
) -> None:
    request = wanted(server, calendar, "index_history VIX")
    server.serve(path_of(request), Reply(index_csv("VIX", [SESSION])))
    (outcome,) = fetch(home, client, calendar, request)
    document = json.loads(json.dumps(outcome.document()))
    assert document["seconds"] >= 0
    assert {name: value for name, value in document.items() if name != "seconds"} == {
        "feed": "index_history VIX",
        "url": request.url,
        "session_date": "2026-11-19",
        "outcome": "landed",
        "bytes": len(index_csv("VIX", [SESSION])),
        "attempts": 1,
        "last_session": "2026-11-19",
        "warning": None,
        "reason": None,
    }


CHILD = """
import sys
from datetime import date, datetime
from pathlib import Path
from flows.calendar import trading_calendar
from flows.download_cache import DownloadCache
from flows.feeds import FeedAddresses, fetch_feeds, open_client, planned_requests
from flows.home import Home
addresses = FeedAddresses(index_history=sys.argv[2])
plan = planned_requests(date(2026, 11, 19), addresses=addresses, calendar=trading_calendar())
plan = [request for request in plan if request.source == "index_history"]
with open_client(min_seconds_between_requests=0, timeout_seconds=60) as client:
    fetch_feeds(plan, client=client, cache=DownloadCache(Home(Path(sys.argv[1]))), now=datetime(2026, 11, 20, 13, 30),
                calendar=trading_calendar())
"""


def test_process_that_is_killed_resumes_without_asking_again(
    home: Home, server: Loopback, client: httpx.Client, calendar: TradingCalendar
) -> None:
    plan = [request for request in serve_plan(server, calendar) if request.source == "index_history"]
    hanging = Reply(index_csv("VIX3M", [SESSION]), delay=20)
    server.serve(path_of(plan[3]), hanging)
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(home.root), server.url + "/index"],
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )
    deadline = time.monotonic() + 60
    while len(server.asked) < 4 and time.monotonic() < deadline and child.poll() is None:
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert len(server.asked) == 4
    server.serve(path_of(plan[3]), replace(hanging, delay=0))
    outcomes = fetch(home, client, calendar, *plan)
    assert {outcome.outcome for outcome in outcomes} == {"landed"}
    assert outcomes[0].reason == "downloaded by a run that was interrupted"
    assert server.paths()[4:] == [path_of(request) for request in plan[3:]]
    assert fetch(home, client, calendar, *plan)[0].outcome == "not_modified"


def test_interrupted_run_of_a_file_that_was_late_asks_again(
    home: Home, server: Loopback, client: httpx.Client, calendar: TradingCalendar
) -> None:
    late, other = (wanted(server, calendar, f"index_history {symbol}") for symbol in ("VIX", "VVIX"))
    bodies = [index_csv("VIX", [day]) for day in (date(2026, 11, 18), SESSION)]
    server.serve(path_of(late), *(Reply(body) for body in bodies))

    def interrupt(number: int, _: int, __: str) -> None:
        if number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_feeds(
            [late, other], client=client, cache=DownloadCache(home), now=EVENING, calendar=calendar, progress=interrupt
        )
    (outcome,) = fetch(home, client, calendar, late)
    assert (outcome.outcome, outcome.last_session, outcome.reason) == ("landed", SESSION, None)
