"""The indicators on the exchange's own VX files, against plain Python that knows nothing of the transforms.

The parser, the expiration rule, the curve figures, the front index, RSI and MACD here are written a second
time from METHOD §1 to §3, with loops and dictionaries; only the trading calendar is shared.
"""

import csv
import gzip
import math
import re
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
import talib

from transforms.indicators.breadth import advance_decline_line
from transforms.indicators.mean_reversion import mean_reversion_daily
from transforms.indicators.momentum import momentum_daily
from transforms.indicators.term_structure import SERIAL_MONTHS_LISTED, curve_daily, term_structure
from transforms.indicators.vol_of_vol import vol_of_vol_daily
from transforms.schemas import BY_NAME
from transforms.sessions import TradingCalendar

pytestmark = pytest.mark.real_data

MONTH_CODES = "FGHJKMNQUVXZ"
FIRST_UNSCALED = date(2007, 3, 26)
# From here on the exchange listed every serial month, so the calendar alone says which are VX1 and VX2.
FIRST_SERIAL = date(2006, 10, 20)
Settles = dict[tuple[date, date], float]


class Market(NamedTuple):
    settles: Settles
    first_line: dict[date, date]
    vix: dict[date, float]
    monthlies: list[date]
    sessions: list[date]
    futures: pl.LazyFrame
    index_level: pl.LazyFrame
    curve: pl.DataFrame


def monthly_expiration(year: int, month: int, calendar: TradingCalendar) -> date:
    # The contracts of 2004 and 2005 settled two days before the third Friday of their own month.
    own_month = (year, month) < (2005, 12)
    first = date(year, month, 1) if own_month else date(year + month // 12, month % 12 + 1, 1)
    friday = first + timedelta(days=(4 - first.weekday()) % 7 + 14)
    day = friday - timedelta(days=2 if own_month else 30)
    if not (calendar.is_session(day) and calendar.is_session(friday)):
        day -= timedelta(days=1)
        while not calendar.is_session(day):
            day -= timedelta(days=1)
    return day


def parsed_day(text: str) -> date:
    return datetime.strptime(text, "%m/%d/%Y").date() if "/" in text else date.fromisoformat(text)


def read_vx(folder: Path, calendar: TradingCalendar) -> tuple[Settles, dict[date, date]]:
    """Return the settlements, and the day of each contract's first line, which may hold no price."""
    settles: Settles = {}
    first_line: dict[date, date] = {}
    for path in sorted(folder.glob("legacy/*.csv")) + sorted(folder.glob("current/*.csv")):
        legacy = re.match(r"CFE_([A-Z])(\d\d)_VX", path.name)
        if legacy:
            month = MONTH_CODES.index(legacy[1]) + 1
            expiration = monthly_expiration(2000 + int(legacy[2]), month, calendar)
        else:
            expiration = date.fromisoformat(path.stem.removeprefix("VX_"))
        with path.open(newline="") as lines:
            for row in csv.reader(lines):
                if not row or not row[0][:1].isdigit():
                    continue
                session = parsed_day(row[0])
                first_line[expiration] = min(session, first_line.get(expiration, session))
                scale = 10.0 if session < FIRST_UNSCALED else 1.0
                settle = (float(row[6]) or float(row[5])) / scale
                if settle and calendar.is_session(session):
                    settles[session, expiration] = settle
    return settles, first_line


def read_index(path: Path) -> dict[date, float]:
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
    return {parsed_day(row[0]): float(row[-1]) for row in list(csv.reader(text.splitlines()))[1:]}


def index_frame(symbol: str, closes: dict[date, float]) -> pl.LazyFrame:
    return pl.LazyFrame({"session_date": list(closes), "symbol": symbol, "close": list(closes.values())})


@pytest.fixture(scope="module")
def market(shared_data: Path, calendar: TradingCalendar) -> Market:
    settles, first_line = read_vx(shared_data / "vx_futures", calendar)
    vix = read_index(shared_data / "index_history" / "VIX_History.csv.gz")
    monthlies = [monthly_expiration(year, month, calendar) for year in range(2004, 2029) for month in range(1, 13)]
    futures = pl.LazyFrame(
        {
            "session_date": [session for session, _ in settles],
            "root": "VX",
            "expiration": [expiration for _, expiration in settles],
            "is_monthly": [expiration in set(monthlies) for _, expiration in settles],
            "settle": list(settles.values()),
        }
    )
    index_level = index_frame("VIX", vix)
    curve = curve_daily(futures, index_level, calendar=calendar).collect()
    sessions = calendar.between(min(settles)[0], max(settles)[0])
    return Market(settles, first_line, vix, monthlies, sessions, futures, index_level, curve)


def front_index(market: Market) -> dict[date, tuple[float | None, bool]]:
    """Hold the nearest listed month until the close before it expires, session by session."""
    number = {session: index for index, session in enumerate(market.sessions)}
    first_row: dict[date, date] = {}
    for session, expiration in sorted(market.settles):
        first_row.setdefault(expiration, session)
    level: float | None = None
    result: dict[date, tuple[float | None, bool]] = {}
    for session in market.sessions:
        for held in market.monthlies:
            is_listed = session >= FIRST_SERIAL or first_row.get(held, date.max) <= session
            if is_listed and held > session:
                break
        today = market.settles.get((session, held))
        before = market.sessions[number[session] - 1] if number[session] else None
        yesterday = market.settles.get((before, held)) if before else None
        gap = today is None or yesterday is None
        if level is None:
            level, gap = today, today is None
        elif today is not None and yesterday is not None:
            level += today - yesterday
        result[session] = (level, gap)
    return result


def ends_of_segments(index: dict[date, tuple[float | None, bool]]) -> dict[date, list[float]]:
    """Return for each session the levels since the last gap, the session's included."""
    levels: dict[date, list[float]] = {}
    current: list[float] = []
    for session, (level, gap) in index.items():
        assert level is not None
        current = [level] if gap else [*current, level]
        levels[session] = current
    return levels


def rsi(levels: list[float]) -> float | None:
    if len(levels) < 15:
        return None
    changes = [after - before for before, after in pairwise(levels)]
    gain = sum(max(change, 0.0) for change in changes[:14]) / 14
    loss = sum(max(-change, 0.0) for change in changes[:14]) / 14
    for change in changes[14:]:
        gain = (gain * 13 + max(change, 0.0)) / 14
        loss = (loss * 13 + max(-change, 0.0)) / 14
    return 100.0 - 100.0 / (1.0 + gain / loss)


def averages(values: list[float], period: int) -> list[float]:
    means = [sum(values[:period]) / period]
    for value in values[period:]:
        means.append(means[-1] + 2.0 / (period + 1) * (value - means[-1]))
    return means


def macd(levels: list[float]) -> tuple[float, float] | None:
    if len(levels) < 34:
        return None
    fast, slow = averages(levels[14:], 12), averages(levels, 26)
    line = [quick - steady for quick, steady in zip(fast, slow, strict=True)]
    return line[-1], averages(line, 9)[-1]


def test_curve_figures_equal_plain_python_on_every_session_since_all_months_are_listed(
    market: Market,
) -> None:
    n_compared = 0
    for row in market.curve.filter(pl.col("session_date") >= FIRST_SERIAL).iter_rows(named=True):
        session = row["session_date"]
        near, far = [day for day in market.monthlies if day > session][:2]
        vx1, vx2 = market.settles.get((session, near)), market.settles.get((session, far))
        assert (row["vx1"], row["vx2"]) == (vx1, vx2)
        spot = market.vix[session]
        days = (near - session).days
        assert row["contango_ratio"] == (None if vx1 is None or vx2 is None else pytest.approx(vx2 / vx1 - 1))
        assert row["basis_ratio"] == (None if vx1 is None else pytest.approx(vx1 / spot - 1, abs=1e-9))
        expected_yield = None if vx1 is None else pytest.approx((vx1 - spot) / vx1 / days, abs=1e-9)
        assert row["roll_yield_daily"] == expected_yield
        if days > 30 and vx1 is not None and vx2 is not None:
            extended = vx1 + (vx2 - vx1) * (30 - days) / (far - near).days
            assert row["constant_maturity_30d"] == pytest.approx(extended, abs=1e-9)
        n_compared += vx1 is not None and vx2 is not None
    assert n_compared > 3700


@pytest.mark.parametrize(
    ("session", "absent"),
    [
        (date(2018, 2, 5), date(2018, 2, 14)),
        (date(2018, 12, 24), date(2019, 2, 13)),
        (date(2022, 1, 24), date(2022, 3, 15)),
    ],
)
def test_contango_is_null_where_the_file_of_a_nearest_month_is_absent(
    market: Market, calendar: TradingCalendar, session: date, absent: date
) -> None:
    structure = term_structure(market.futures, calendar=calendar).collect()
    nearest = structure.filter((pl.col("session_date") == session) & (pl.col("rank") <= 2))
    assert nearest.filter(pl.col("expiration") == absent)["missing_reason"].to_list() == ["missing_contract"]
    row = market.curve.row(by_predicate=pl.col("session_date") == session, named=True)
    assert row["contango_ratio"] is None
    assert row["missing_reason"] == "missing_contract"


def test_the_files_of_2006_to_2012_show_the_months_said_to_be_always_listed(market: Market) -> None:
    for session in [day for day in market.sessions if FIRST_SERIAL <= day < date(2012, 4, 1)]:
        n_listed = max(months for since, months in SERIAL_MONTHS_LISTED if since <= session)
        nearest = [day for day in market.monthlies if day > session][:n_listed]
        assert all(market.first_line[expiration] <= session for expiration in nearest), session


def test_front_index_rsi_and_macd_equal_plain_python_on_every_40th_session(market: Market) -> None:
    index = front_index(market)
    assert market.curve["session_date"].to_list() == market.sessions
    levels = [level for level, _ in index.values()]
    assert market.curve["front_index"].to_list() == pytest.approx(levels, abs=1e-9)
    assert market.curve["front_index_gap"].to_list() == [gap for _, gap in index.values()]
    no_breadth = pl.LazyFrame(
        schema={"session_date": pl.Date(), "advance_decline_line": pl.Float64(), "restarts": pl.Boolean()}
    )
    momentum = BY_NAME["feature.momentum_daily"].conform(momentum_daily(market.curve.lazy(), no_breadth).collect())
    front = momentum.filter(pl.col("series") == "vx_front")
    segments = ends_of_segments(index)
    n_compared = 0
    for row in front.gather_every(40).iter_rows(named=True):
        since_gap = segments[row["session_date"]]
        expected = rsi(since_gap)
        assert row["rsi"] == (None if expected is None else pytest.approx(expected, abs=1e-9))
        pair = macd(since_gap)
        if pair is None:
            assert row["line"] is None
            continue
        assert (row["line"], row["signal"]) == pytest.approx(pair, abs=1e-9)
        n_compared += 1
    assert n_compared >= 20


def test_curve_momentum_equals_ta_lib_between_the_gaps(market: Market, calendar: TradingCalendar) -> None:
    no_breadth = pl.LazyFrame(
        schema={"session_date": pl.Date(), "advance_decline_line": pl.Float64(), "restarts": pl.Boolean()}
    )
    momentum = momentum_daily(market.curve.lazy(), no_breadth).collect().filter(pl.col("series") == "curve")
    levels = momentum["level"].to_numpy()
    breaks = np.flatnonzero(np.isnan(levels))
    edges = [-1, *breaks.tolist(), len(levels)]
    n_compared = 0
    for start, stop in pairwise(edges):
        part = levels[start + 1 : stop].copy()
        got = momentum.slice(start + 1, len(part))
        if len(part) < 2:
            continue
        for name, expected in zip(("line", "signal", "histogram"), talib.MACD(part, 12, 26, 9), strict=True):
            np.testing.assert_allclose(got[name].to_numpy(), expected, rtol=0.0, atol=1e-12)
        np.testing.assert_allclose(got["rsi"].to_numpy(), talib.RSI(part, 14), rtol=0.0, atol=1e-9)
        n_compared += int(got["rsi"].count())
    assert n_compared > 3000


def test_vvix_statistics_skip_the_sessions_the_index_was_not_published(
    shared_data: Path, calendar: TradingCalendar
) -> None:
    closes = read_index(shared_data / "index_history" / "VVIX_History.csv")
    closes = {session: close for session, close in closes.items() if close >= 40.0}
    frame = BY_NAME["feature.vol_of_vol_daily"].conform(
        vol_of_vol_daily(index_frame("VVIX", closes), calendar=calendar).collect()
    )
    published, levels = list(closes), list(closes.values())
    for session in (date(2010, 11, 12), date(2013, 5, 14), date(2018, 2, 6), date(2020, 3, 16)):
        position = published.index(session)
        before = levels[position - 252 : position]
        row = frame.row(by_predicate=pl.col("session_date") == session, named=True)
        assert row["percentile_252d"] == sum(level < levels[position] for level in before) / 252
        assert row["threshold_30"] == pytest.approx(np.quantile(before, 0.3), abs=1e-9)
    assert frame.filter(pl.col("session_date") == date(2013, 5, 13))["percentile_252d"].to_list() == [None]


def test_half_lives_of_vix_are_weeks_and_equal_least_squares(market: Market, calendar: TradingCalendar) -> None:
    sessions = [date(2017, 6, 1), date(2019, 6, 3), date(2023, 6, 1)]
    frame = mean_reversion_daily(
        market.curve.lazy(),
        market.index_level,
        calendar=calendar,
        n_draws=200,
        seed=1,
        only_sessions=sessions,
    ).collect()
    frame = BY_NAME["feature.mean_reversion_daily"].conform(frame)
    days = [day for day in market.vix if calendar.is_session(day)]
    for session in sessions:
        position = days.index(session)
        logs = np.log([market.vix[day] for day in days[position - 251 : position + 1]])
        slope = np.polyfit(logs[:-1], logs[1:], deg=1)[0]
        phi = slope + (1.0 + 3.0 * slope) / 251
        is_row = (pl.col("session_date") == session) & (pl.col("series") == "spx_iv_30d")
        row = frame.row(by_predicate=is_row, named=True)
        assert row["phi"] == pytest.approx(phi, abs=1e-9)
        assert row["half_life"] == pytest.approx(-math.log(2.0) / math.log(phi), rel=1e-9)
        assert row["low_95"] < row["half_life"]


def test_the_constituent_advance_decline_line_equals_the_vendors_own_sum(
    shared_data: Path, calendar: TradingCalendar
) -> None:
    path = shared_data / "nyse_breadth" / "advance_decline.csv.gz"
    rows = list(csv.DictReader(gzip.decompress(path.read_bytes()).decode().splitlines()))
    breadth = pl.LazyFrame(
        {
            "session_date": [date.fromisoformat(row["date"]) for row in rows],
            "exchange": "NYSE_CONSTITUENTS",
            "advances": [int(float(row["nyse_advancers"])) for row in rows],
            "declines": [int(float(row["nyse_decliners"])) for row in rows],
        }
    )
    line = advance_decline_line(breadth, calendar=calendar).collect()
    assert line["advance_decline_line"].to_list() == [float(row["nyse_ad_cum"]) for row in rows]
    assert line["restarts"].to_list() == [True] + [False] * (len(rows) - 1)
