"""The market as files: reproducible, alone or in sequence, and read back exactly by the pipeline's own sources."""

import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from flows.sources import open_delivery, recognize
from tests.transforms.sample_market.arbitrage import locked_profit, slice_quotes
from tests.transforms.sample_market.conftest import LAST_SESSION, SEED
from transforms.errors import DataError
from transforms.sample_market.chain import true_chain
from transforms.sample_market.market import (
    SampleMarket,
    daily_files,
    sample_market,
    session_files,
    simulate_market,
    truth_file,
)
from transforms.sample_market.quotes import quoted_chain
from transforms.sample_market.vendor_files import VendorFile
from transforms.schemas import FUTURES_SETTLEMENT, INDEX_LEVEL, MARKET_BREADTH, OPTION_QUOTE, TREASURY_RATE
from transforms.sessions import TradingCalendar

CHECKOUT = Path(__file__).resolve().parents[3]


def frame_of(file: VendorFile, table: str, calendar: TradingCalendar) -> pl.DataFrame:
    delivery = open_delivery(file.name, file.payload)
    reading = recognize(delivery).read(delivery, calendar=calendar)
    assert reading.rejected.is_empty(), reading.rejected
    return reading.frames[table]


def test_one_seed_gives_the_same_bytes_twice_and_another_seed_others(calendar: TradingCalendar) -> None:
    def files(seed: int) -> list[VendorFile]:
        return list(
            sample_market(
                calendar=calendar, last_session=date(2025, 12, 1), seed=seed, n_chain_sessions=2, n_history_sessions=3
            )
        )

    first, again, other = files(3), files(3), files(4)
    assert first == again
    assert [file.name for file in first] == [file.name for file in other]
    assert all(
        one.payload != two.payload for one, two in zip(first, other, strict=True) if "2025-12-01.zip" in one.name
    )


HASH_SCRIPT = """
import hashlib
from datetime import date
from flows.calendar import trading_calendar
from transforms.sample_market.market import session_files, simulate_market
market = simulate_market(
    calendar=trading_calendar(),
    last_session=date(2026, 1, 23),
    seed=20260123,
    n_chain_sessions=40,
    n_history_sessions=20,
)
print(hashlib.sha256(session_files(market, market.chain_rows[7])[0].payload).hexdigest())
"""


def test_a_session_generated_alone_in_a_process_with_one_thread_has_the_same_bytes(market: SampleMarket) -> None:
    environment = {**os.environ, "POLARS_MAX_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    alone = subprocess.run(
        [sys.executable, "-c", HASH_SCRIPT], env=environment, cwd=CHECKOUT, check=True, capture_output=True, text=True
    )
    here = hashlib.sha256(session_files(market, market.chain_rows[7])[0].payload).hexdigest()
    assert alone.stdout.strip() == here


def test_chains_in_a_longer_calendar_are_the_same(calendar: TradingCalendar, market: SampleMarket) -> None:
    longer = TradingCalendar(sessions=calendar.sessions[-6_000:], early_closes=calendar.early_closes)
    again = simulate_market(
        calendar=longer, last_session=LAST_SESSION, seed=SEED, n_chain_sessions=40, n_history_sessions=20
    )
    assert session_files(again, again.chain_rows[3]) == session_files(market, market.chain_rows[3])


def test_true_prices_lie_within_every_clean_spread(market: SampleMarket) -> None:
    for row in list(market.chain_rows)[::10]:
        chain = true_chain(market.path, row, calendar=market.calendar)
        quotes = quoted_chain(chain, seed=market.path.seed)
        for true, bid, ask in (
            (chain.true_eod, quotes.bid_eod, quotes.ask_eod),
            (chain.true_1545, quotes.bid_1545, quotes.ask_1545),
        ):
            live = ask > 0
            assert (bid[live] <= 100.0 * true[live] + 1e-9).all()
            assert (ask[live] >= 100.0 * true[live] - 1e-9).all()
            tick = np.where(bid >= 300, 10, 5)
            assert (bid % tick == 0).all()


def test_a_clean_slice_holds_no_static_arbitrage(market: SampleMarket) -> None:
    chain = true_chain(market.path, market.chain_rows[4], calendar=market.calendar)
    quotes = quoted_chain(chain, seed=market.path.seed)
    live = np.flatnonzero(chain.truth_eod.years > 0.0)
    for number in (live[0], live[20], live[-30], live[-1]):
        item = slice_quotes(quotes, int(number))
        forward = float(chain.truth_eod.forward[number])
        assert locked_profit(item.within(0.93 * forward, 1.05 * forward), "combined") <= 1e-9


def test_wings_have_zero_bids_and_expired_series_have_no_quotes(market: SampleMarket) -> None:
    # 2026-01-16 is a third Friday: SPX settles at the open, SPXW at the close.
    row = int(np.searchsorted(market.days, np.datetime64("2026-01-16")))
    chain = true_chain(market.path, row, calendar=market.calendar)
    quotes = quoted_chain(chain, seed=market.path.seed)
    expiring = {
        item.root: chain.rows_of(number)
        for number, item in enumerate(chain.slices)
        if item.expiration == date(2026, 1, 16)
    }
    for root, traded_at_1545 in (("SPX", False), ("SPXW", True)):
        assert quotes.ask_eod[expiring[root]].max() == 0
        assert (quotes.ask_1545[expiring[root]].max() > 0) == traded_at_1545
    live = quotes.ask_eod > 0
    assert 0.02 < (quotes.bid_eod[live] == 0).mean() < 0.25


def test_a_half_day_ends_at_one_and_its_snapshot_is_a_quarter_past(market: SampleMarket) -> None:
    row = int(np.searchsorted(market.days, np.datetime64("2025-11-28")))
    clock = market.path.clock
    assert clock.closes[row] - clock.opens[row] == 210
    quotes = frame_of(session_files(market, row)[0], OPTION_QUOTE.full_name, market.calendar)
    instants = quotes.select(pl.col("quote_ts").unique().sort()).to_series().dt.strftime("%H:%M").to_list()
    assert instants == ["17:45", "18:15"]


def test_the_chain_file_reads_back_every_quote(market: SampleMarket) -> None:
    row = market.chain_rows[12]
    chain = true_chain(market.path, row, calendar=market.calendar)
    quotes = quoted_chain(chain, seed=market.path.seed)
    read = frame_of(session_files(market, row)[0], OPTION_QUOTE.full_name, market.calendar)
    closing = read.filter(pl.col("snapshot_kind") == "close").sort("root", "expiration", "strike", "option_type")
    roots = np.array([item.root for item in chain.slices])[chain.slice_index]
    expected = pl.DataFrame(
        {
            "root": roots,
            "expiration": np.array([item.expiration for item in chain.slices], dtype="datetime64[D]")[
                chain.slice_index
            ],
            "strike": chain.strike / 1_000.0,
            "option_type": np.where(chain.is_call, "call", "put"),
            "bid": quotes.bid_eod / 100.0,
            "ask": quotes.ask_eod / 100.0,
            "volume": quotes.volume,
            "open_interest": quotes.open_interest,
        }
    ).sort("root", "expiration", "strike", "option_type")
    assert len(closing) == len(expected)
    for name in expected.columns:
        assert (closing[name].cast(expected[name].dtype) == expected[name]).all(), name


def test_the_archive_is_one_csv_with_crlf_and_a_fixed_time(market: SampleMarket) -> None:
    file = session_files(market, market.chain_rows[0])[0]
    with zipfile.ZipFile(io.BytesIO(file.payload)) as archive:
        assert archive.namelist() == [file.name.replace(".zip", ".csv")]
        assert archive.infolist()[0].date_time[3:] == (20, 30, 0)
        text = archive.read(archive.namelist()[0])
    assert text.count(b"\n") == text.count(b",\r\n") + 1
    assert text.splitlines()[0].endswith(b",delivery_code")


def test_vx_and_contango_come_back_exactly_from_the_printed_files(market: SampleMarket) -> None:
    truth = json.loads(truth_file(market).payload)
    printed = {
        (row["session_date"], row["expiration"]): row["settle"]
        for file in daily_files(market)
        if file.name.startswith("VX_")
        for row in frame_of(file, FUTURES_SETTLEMENT.full_name, market.calendar)
        .select(pl.col("session_date", "expiration").cast(pl.String), "settle")
        .iter_rows(named=True)
    }
    expected = {
        (day, contract["expiration"]): settle
        for contract in truth["vx"]
        for day, settle in zip(contract["session_date"], contract["settle"], strict=True)
    }
    assert printed == expected
    monthly = sorted(contract["expiration"] for contract in truth["vx"] if contract["is_monthly"])
    for row in market.chain_rows:
        day = str(market.session_date(row))
        first, second = [expiration for expiration in monthly if expiration > day][:2]
        contango = printed[day, second] / printed[day, first] - 1.0
        assert contango == expected[day, second] / expected[day, first] - 1.0


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("SPX_History.csv", INDEX_LEVEL.full_name),
        ("VIX_History.csv", INDEX_LEVEL.full_name),
        ("VVIX_History.csv", INDEX_LEVEL.full_name),
        ("SKEW_History.csv", INDEX_LEVEL.full_name),
        ("nyse_breadth.csv", MARKET_BREADTH.full_name),
    ],
)
def test_daily_tables_are_recognized_and_have_a_row_a_session(name: str, table: str, market: SampleMarket) -> None:
    file = next(file for file in daily_files(market) if file.name == name)
    frame = frame_of(file, table, market.calendar)
    assert frame["session_date"].unique().sort().to_list() == [market.session_date(row) for row in range(60)]


def test_par_yields_come_back_from_the_yearly_files(market: SampleMarket) -> None:
    files = [file for file in daily_files(market) if file.name.startswith("daily-treasury")]
    assert [file.name for file in files] == ["daily-treasury-rates_2025.csv", "daily-treasury-rates_2026.csv"]
    frame = pl.concat([frame_of(file, TREASURY_RATE.full_name, market.calendar) for file in files])
    assert frame["session_date"].n_unique() == len(market.path)
    assert frame["par_yield"].is_between(0.0, 0.12).all()


def test_daily_files_through_a_session_hold_nothing_later(market: SampleMarket) -> None:
    row = market.chain_rows[10]
    cut = {file.name: file.payload for file in daily_files(market, through=row)}
    whole = {file.name: file.payload for file in daily_files(market)}
    assert whole["VIX_History.csv"].startswith(cut["VIX_History.csv"])
    frame = frame_of(
        VendorFile("VX_2026-01-21.csv", cut["VX_2026-01-21.csv"], date(2026, 1, 1), date(2026, 1, 1)),
        FUTURES_SETTLEMENT.full_name,
        market.calendar,
    )
    assert frame["session_date"].max() == market.session_date(row)


def test_a_market_cannot_end_on_a_holiday(calendar: TradingCalendar) -> None:
    with pytest.raises(DataError, match="2025-12-25: it is not a trading session"):
        simulate_market(calendar=calendar, last_session=date(2025, 12, 25), seed=1)


def test_a_calendar_that_ends_before_the_longest_option_is_refused(calendar: TradingCalendar) -> None:
    with pytest.raises(DataError, match="build it further"):
        simulate_market(calendar=calendar, last_session=date(2034, 12, 1), seed=1)
