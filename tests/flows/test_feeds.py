"""What is asked for a session, what becomes of it, and what an interrupted run leaves, against a real server."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from flows import durability
from flows.download_cache import DownloadCache
from flows.feeds import FeedAddresses, FeedRequest, planned_requests, vx_expirations
from flows.home import Home, prepare_home
from flows.settings import FeedSettings
from tests.flows.feed_site import DAY_BEFORE, EVENING, MIDDAY, MORNING, SESSION, Site, opened_site, path_of
from tests.flows.loopback import Reply, index_csv, treasury_csv, vx_contract_csv
from transforms.sessions import NEW_YORK, UTC, TradingCalendar, snapshot_of_stamp

CHECKOUT = Path(__file__).resolve().parents[2]
S3_DENIED = b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>'


class Killed(BaseException):
    """Stands for the end of the process: nothing may catch it."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with opened_site(tmp_path) as opened:
        yield opened


# The plan


def test_addresses_are_the_public_ones_by_default(calendar: TradingCalendar) -> None:
    plan = planned_requests(SESSION, addresses=FeedAddresses(), calendar=calendar)
    urls = {request.feed: request.url for request in plan}
    assert urls["option_chain SPX"] == "https://cdn.cboe.com/api/global/delayed_quotes/options/_SPX.json"
    assert urls["option_chain VIX"] == "https://cdn.cboe.com/api/global/delayed_quotes/options/_VIX.json"
    assert urls["vx_contract 2026-12-16"] == (
        "https://cdn.cboe.com/data/us/futures/market_statistics/historical_data/VX/VX_2026-12-16.csv"
    )
    assert urls["index_history VIX3M"] == ("https://cdn.cboe.com/api/global/us_indices/daily_prices/VIX3M_History.csv")
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
    days = (
        "2026-11-18 2026-12-16 2027-01-20 2027-02-17 2027-03-17 2027-04-21 2027-05-18 2027-06-16 2027-07-21 2027-08-18"
    )
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


def test_night_lands_every_feed_and_says_so(site: Site) -> None:
    plan = site.serve_plan(etag='"1"')
    outcomes = site.fetch(*plan, now=EVENING)
    assert [outcome.feed for outcome in outcomes] == [request.feed for request in plan]
    assert {outcome.outcome for outcome in outcomes} == {"landed"}
    assert {outcome.reason for outcome in outcomes} == {None}
    assert all(outcome.n_bytes > 100 and outcome.n_attempts == 1 for outcome in outcomes)
    assert sorted(landed.name for landed in site.landed()) == sorted(request.name for request in plan)
    assert {landed.source for landed in site.landed()} == {
        "cboe_delayed_json", "vx_contract_current", "index_history", "treasury_par_yield"
    }  # fmt: skip
    assert {landed.received_at for landed in site.landed()} == {EVENING}


def test_landed_bytes_are_the_servers(site: Site) -> None:
    request = site.wanted("vx_contract 2026-12-16")
    body = vx_contract_csv(date(2026, 12, 16), [SESSION])
    site.serve(request, Reply(body, compressed=True))
    site.fetch(request)
    assert site.landed_body() == body


@pytest.mark.parametrize("validators", [{"etag": '"1"'}, {"last_modified": "Thu, 19 Nov 2026 23:00:00 GMT"}])
def test_second_run_asks_conditionally_and_receives_nothing(site: Site, validators: dict[str, str]) -> None:
    plan = site.serve_plan(**validators)
    site.fetch(*plan, now=EVENING)
    outcomes = site.fetch(*plan, now=MORNING)
    assert {(outcome.outcome, outcome.n_bytes) for outcome in outcomes} == {("not_modified", 0)}
    assert len(site.landed()) == len(plan)


def test_same_bytes_from_a_server_without_validators_are_not_modified(site: Site) -> None:
    request = site.wanted("index_history VIX")
    site.serve(request, Reply(index_csv("VIX", [SESSION])))
    site.fetch(request)
    (outcome,) = site.fetch(request)
    assert outcome.outcome == "not_modified"
    assert outcome.n_bytes > 0


def test_new_validators_of_unchanged_bytes_are_used_from_then_on(site: Site) -> None:
    request = site.wanted("index_history VIX")
    body = index_csv("VIX", [SESSION])
    site.serve(request, Reply(body, etag='"1"'), Reply(body, etag='"2"'))
    outcomes = [site.fetch(request)[0] for _ in range(3)]
    assert [(outcome.outcome, outcome.n_bytes) for outcome in outcomes] == [
        ("landed", len(body)),
        ("not_modified", len(body)),
        ("not_modified", 0),
    ]


def test_file_that_is_gone_from_landing_is_asked_for_unconditionally(site: Site) -> None:
    request = site.wanted("index_history VIX")
    site.serve(request, Reply(index_csv("VIX", [SESSION]), etag='"1"'))
    site.fetch(request)
    for path in site.home.landing.glob("*/*/*"):
        path.unlink()
    (outcome,) = site.fetch(request)
    assert outcome.outcome == "landed"
    assert "if-none-match" not in site.server.asked[-1].headers


def test_unreadable_memory_of_feeds_costs_downloads_only(site: Site) -> None:
    request = site.wanted("index_history VIX")
    site.serve(request, Reply(index_csv("VIX", [SESSION]), etag='"1"'))
    for content in ("{", "[]", '{"layout_version": 99}'):
        (site.home.staging / "feeds.json").write_text(content)
        (outcome,) = site.fetch(request)
        assert outcome.outcome == "landed"
    assert len(site.landed()) == 1


def test_requests_name_the_program(site: Site) -> None:
    site.fetch(site.wanted("index_history VIX"))
    assert site.server.asked[0].headers["user-agent"].startswith("alvh/")


# Due and not due


def test_nothing_is_asked_before_it_can_be_there(site: Site) -> None:
    plan = site.serve_plan()
    outcomes = site.fetch(*plan, now=MIDDAY)
    assert {outcome.outcome for outcome in outcomes} == {"pending"}
    assert site.server.asked == []
    assert outcomes[0].reason == "not offered before 2026-11-19 17:15 New York"


@pytest.mark.parametrize("session", [SESSION, date(2026, 11, 27)])
def test_chain_is_asked_for_only_while_its_stamp_says_close_of_the_session(
    calendar: TradingCalendar, session: date
) -> None:
    plan = planned_requests(session, addresses=FeedAddresses(), calendar=calendar)
    stamp = plan[0].available_from.replace(tzinfo=UTC).astimezone(NEW_YORK).replace(tzinfo=None)
    snapshot = snapshot_of_stamp(stamp, calendar=calendar)
    assert (snapshot.session_date, snapshot.kind) == (session, "close")
    assert plan[0].available_until is not None
    last = plan[0].available_until.replace(tzinfo=UTC).astimezone(NEW_YORK).replace(tzinfo=None)
    assert snapshot_of_stamp(last - timedelta(minutes=1), calendar=calendar).session_date == session
    assert snapshot_of_stamp(last, calendar=calendar).session_date != session


def test_chain_of_a_past_session_is_not_asked_for(site: Site) -> None:
    request = site.wanted("option_chain SPX")
    (outcome,) = site.fetch(request, now=MORNING + timedelta(hours=1))
    assert (outcome.outcome, site.server.asked) == ("refused", [])
    assert "until 2026-11-20 09:30 New York" in (outcome.reason or "")


@pytest.mark.parametrize(("status", "body"), [(404, b"not found"), (410, b""), (403, S3_DENIED)])
def test_absent_file_is_pending_until_due_then_not_yet_available(site: Site, status: int, body: bytes) -> None:
    request = site.wanted("vx_contract 2027-08-18")
    site.serve(request, Reply(body, status=status))
    outcomes = [site.fetch(request, now=now)[0] for now in (EVENING, MORNING)]
    assert [outcome.outcome for outcome in outcomes] == ["pending", "not_yet_available"]
    assert [outcome.n_attempts for outcome in outcomes] == [1, 1]


def test_file_that_ends_before_the_session_is_late_and_from_its_due_time_stalled(site: Site) -> None:
    request = site.wanted("index_history VIX")
    site.serve(request, Reply(index_csv("VIX", [DAY_BEFORE]), etag='"1"'))
    times = (EVENING, EVENING, MORNING)
    first, second, third = (site.fetch(request, now=now)[0] for now in times)
    assert (first.outcome, first.warning) == ("landed", None)
    assert first.reason == "ends 2026-11-18; 2026-11-19 is expected by 2026-11-20 08:00 New York"
    assert (second.outcome, second.warning) == ("pending", None)
    assert (third.outcome, third.warning) == ("not_yet_available", "stalled")
    assert third.last_session == DAY_BEFORE
    assert third.reason == "ends 2026-11-18, and 2026-11-19 was due 2026-11-20 08:00 New York"
    assert third.sentence == f"index_history VIX: not yet available (stalled); {third.reason}"


def test_stalled_file_that_is_new_is_landed_with_a_warning(site: Site) -> None:
    request = site.wanted("vx_contract 2026-12-16")
    site.serve(request, Reply(vx_contract_csv(date(2026, 12, 16), [date(2026, 11, 17)])))
    (outcome,) = site.fetch(request)
    assert (outcome.outcome, outcome.warning) == ("landed", "stalled")


def test_expired_contract_is_complete_with_its_expiration(site: Site) -> None:
    request = site.wanted("vx_contract 2026-11-18")
    site.serve(request, Reply(vx_contract_csv(DAY_BEFORE, [DAY_BEFORE])))
    (outcome,) = site.fetch(request)
    assert (outcome.outcome, outcome.warning, outcome.reason) == ("landed", None, None)


def test_older_edition_than_the_landed_one_is_refused(site: Site) -> None:
    request = site.wanted("vx_contract 2026-12-16")
    newer, older = (vx_contract_csv(date(2026, 12, 16), [day]) for day in (SESSION, DAY_BEFORE))
    site.serve(request, Reply(newer, etag='"2"'), Reply(older, etag='"1"'))
    site.fetch(request)
    (outcome,) = site.fetch(request)
    assert (outcome.outcome, outcome.warning) == ("refused", "stalled")
    assert outcome.last_session == SESSION
    assert len(site.landed()) == 1


def test_bond_holiday_is_no_stall(site: Site) -> None:
    request = site.wanted("treasury 2026")
    site.serve(request, Reply(treasury_csv([date(2026, 11, 17), DAY_BEFORE])))
    (outcome,) = site.fetch(request)
    assert (outcome.outcome, outcome.warning) == ("landed", None)


# Interrupted runs


def run_killed_at(site: Site, plan: list[FeedRequest], *, act: int) -> bool:
    """Fetch with the process ending at the given act on disk; return whether it came to that."""
    n_acts = 0

    def kill(_: str, __: str) -> None:
        nonlocal n_acts
        n_acts += 1
        if n_acts == act:
            raise Killed

    durability.observer = kill
    try:
        site.fetch(*plan)
    except Killed:
        return True
    finally:
        durability.observer = durability._nobody
    return False


def test_run_killed_at_any_act_is_completed_by_the_next(site: Site, tmp_path: Path) -> None:
    plan = site.serve_plan(etag='"1"')[1:3]
    n_kills = 0
    while True:
        site = replace(site, home=Home(tmp_path / f"home-{n_kills}"))
        prepare_home(site.home)
        site.server.asked.clear()
        if not run_killed_at(site, plan, act=n_kills + 1):
            break
        n_kills += 1
        # A run that was killed after its last note has ended.
        has_ended = not DownloadCache(site.home).unfinished() and len(site.landed()) == len(plan)
        outcomes = site.fetch(*plan)
        assert [outcome.outcome for outcome in outcomes] == ["not_modified" if has_ended else "landed"] * len(plan)
        assert sorted(landed.name for landed in site.landed()) == sorted(request.name for request in plan)
        # The file in hand when the process ended may be asked for twice, no other.
        assert len(site.server.asked) <= len(plan) + (len(plan) if has_ended else 1)
    assert n_kills > 25


def test_outcome_as_a_document_holds_json_values(site: Site) -> None:
    request = site.wanted("index_history VIX")
    site.serve(request, Reply(index_csv("VIX", [SESSION])))
    (outcome,) = site.fetch(request)
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


def test_process_that_is_killed_resumes_without_asking_again(site: Site) -> None:
    plan = [request for request in site.serve_plan() if request.source == "index_history"]
    hanging = Reply(index_csv("VIX3M", [SESSION]), delay=20)
    site.serve(plan[3], hanging)
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(site.home.root), site.server.url + "/index"],
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )
    deadline = time.monotonic() + 60
    while len(site.server.asked) < 4 and time.monotonic() < deadline and child.poll() is None:
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert len(site.server.asked) == 4
    site.serve(plan[3], replace(hanging, delay=0))
    outcomes = site.fetch(*plan)
    assert {outcome.outcome for outcome in outcomes} == {"landed"}
    assert outcomes[0].reason == "downloaded by a run that was interrupted"
    assert site.server.paths()[4:] == [path_of(request) for request in plan[3:]]
    assert site.fetch(*plan)[0].outcome == "not_modified"


def test_interrupted_run_of_a_file_that_was_late_asks_again(site: Site) -> None:
    late, other = (site.wanted(f"index_history {symbol}") for symbol in ("VIX", "VVIX"))
    bodies = [index_csv("VIX", [day]) for day in (DAY_BEFORE, SESSION)]
    site.serve(late, *(Reply(body) for body in bodies))

    def interrupt(number: int, _: int, __: str) -> None:
        if number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        site.fetch(late, other, now=EVENING, progress=interrupt)
    (outcome,) = site.fetch(late)
    assert (outcome.outcome, outcome.last_session, outcome.reason) == ("landed", SESSION, None)
