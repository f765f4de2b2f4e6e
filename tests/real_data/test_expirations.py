"""The expiration rule against the contracts that CFE listed, 2004 to 2026."""

import re
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from flows.sources import open_delivery, vx_contract_current, vx_contract_legacy
from flows.sources.vx_contract import monthly_expiration
from transforms.sessions import TradingCalendar, vix_monthly_expiration

pytestmark = pytest.mark.real_data

# Weeklies are listed about six weeks ahead, monthlies about nine months.
LONGEST_WEEKLY = timedelta(days=60)
# The earliest files of the current layout start here, whenever their contract was listed.
START_OF_FILES = date(2013, 1, 2)


def named_expirations(shared_data: Path) -> dict[Path, date]:
    paths = sorted((shared_data / "vx_futures/current").glob("VX_*.csv"))
    return {path: date.fromisoformat(path.stem.removeprefix("VX_")) for path in paths}


def test_a_contract_listed_for_months_is_monthly_and_no_other_is(shared_data: Path, calendar: TradingCalendar) -> None:
    n_monthly = n_weekly = 0
    for path, expiration in named_expirations(shared_data).items():
        delivery = open_delivery(path.name, path.read_bytes())
        frame = vx_contract_current.read(delivery, calendar=calendar).frames["core.futures_settlement"]
        first = date.fromisoformat(delivery.head.splitlines()[1][:10])
        if first == START_OF_FILES:
            continue
        is_monthly = expiration - first > LONGEST_WEEKLY
        assert frame["is_monthly"].unique().to_list() == [is_monthly], path.name
        by_rule = vix_monthly_expiration(expiration.year, expiration.month, calendar=calendar)
        assert (expiration == by_rule) == is_monthly, path.name
        n_monthly += is_monthly
        n_weekly += not is_monthly
    assert n_monthly + n_weekly == 290 - 7
    assert n_weekly > 150


def test_no_month_has_two_monthlies_and_every_expiration_is_a_session(
    shared_data: Path, calendar: TradingCalendar
) -> None:
    expirations = set(named_expirations(shared_data).values())
    assert len(expirations) == 290
    assert all(calendar.is_session(expiration) for expiration in expirations)
    third_wednesdays_that_are_weeklies = {date(2018, 2, 21), date(2018, 8, 15), date(2019, 2, 20), date(2019, 5, 15)}
    assert third_wednesdays_that_are_weeklies <= expirations
    for day in third_wednesdays_that_are_weeklies:
        assert vix_monthly_expiration(day.year, day.month, calendar=calendar) != day


def test_expired_legacy_contracts_end_on_the_expiration_of_their_label(
    shared_data: Path, calendar: TradingCalendar
) -> None:
    paths = sorted((shared_data / "vx_futures/legacy").glob("CFE_*_VX.csv"))
    unexpired = {"CFE_U14_VX.csv", "CFE_X14_VX.csv"}
    for path in paths:
        read = vx_contract_legacy.read(open_delivery(path.name, path.read_bytes()), calendar=calendar)
        frame = read.frames["core.futures_settlement"]
        expiration = frame["expiration"].unique().item()
        code, year = re.fullmatch(r"CFE_([A-Z])(\d\d)_VX\.csv", path.name).groups()  # type: ignore[union-attr]
        assert (expiration.year, expiration.month) == (2000 + int(year), "FGHJKMNQUVXZ".index(code) + 1), path.name
        last = pl.concat([frame["session_date"], read.rejected["session_date"]]).max()
        assert (last == expiration) == (path.name not in unexpired), path.name


def test_the_expiration_rule_holds_for_every_legacy_contract_also_the_two_of_2004_on_their_own_fridays(
    shared_data: Path, calendar: TradingCalendar
) -> None:
    differing, found = set(), set()
    for path in sorted((shared_data / "vx_futures/legacy").glob("CFE_*_VX.csv")):
        read = vx_contract_legacy.read(open_delivery(path.name, path.read_bytes()), calendar=calendar)
        expiration = read.frames["core.futures_settlement"]["expiration"].unique().item()
        found.add(expiration)
        if expiration != vix_monthly_expiration(expiration.year, expiration.month, calendar=calendar):
            differing.add(expiration)
    assert differing == set()
    assert {date(2004, 7, 14), date(2004, 10, 13)} <= found


def test_the_archive_lists_the_months_whose_contracts_exist(shared_data: Path, calendar: TradingCalendar) -> None:
    text = (shared_data / "vx_futures/CFE_FinalSettlement_Archive.csv").read_text()
    months = [date(int(y), int(m), 1) for m, y in re.findall(r"^VX,(\d+),(\d{4}),Standard,", text, flags=re.MULTILINE)]
    assert len(months) == len(set(months)) == 104
    expirations = [monthly_expiration(month, calendar=calendar) for month in months]
    assert all(calendar.is_session(expiration) for expiration in expirations)
    legacy = {path.name for path in (shared_data / "vx_futures/legacy").glob("CFE_*_VX.csv")}
    codes = {f"CFE_{'FGHJKMNQUVXZ'[month.month - 1]}{month.year % 100:02d}_VX.csv" for month in months}
    assert len(codes & legacy) >= 95
