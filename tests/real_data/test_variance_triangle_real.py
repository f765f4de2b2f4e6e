"""SPX forward variance against VX, and VIX options against VX, on real chains and settlements.

The gaps of REFERENCE come from an independent computation: Cboe's variance per slice, total variance linear in time.
Quotes are taken as of the 16:15 close, as in test_pricing_real.
"""

from datetime import date
from functools import cache
from pathlib import Path

import polars as pl
import pytest

from flows.calendar import trading_calendar
from flows.sources import open_delivery, recognize
from transforms.mispricing.calendar import calendar_findings
from transforms.mispricing.vix import forward_variance_findings, variance_triangle, vix_parity_findings
from transforms.pricing.analytics import session_pricing
from transforms.pricing.forward import RateCurve
from transforms.sessions import option_close

pytestmark = pytest.mark.real_data

CHAINS = {
    date(2022, 2, 4): "spx_options/cboe_quotedata_csv/spx_quotedata_20220205T2009EST.csv.gz",
    date(2022, 6, 10): "spx_options/cboe_quotedata_csv/spx_quotedata_20220611T2047EDT.csv.gz",
    date(2023, 5, 23): "spx_options/cboe_quotedata_csv/spx_quotedata_20230523T1939EDT.csv.gz",
}
# VX expiration, sqrt(forward variance) less VX in points, and whether the nearest slice is within three days of it.
REFERENCE = [
    (date(2022, 2, 4), date(2022, 2, 16), 1.04, True),
    (date(2022, 2, 4), date(2022, 4, 20), 2.68, False),
    (date(2022, 6, 10), date(2022, 7, 20), 0.91, True),
    (date(2022, 6, 10), date(2022, 8, 17), 1.74, True),
    (date(2022, 6, 10), date(2022, 9, 21), 2.54, False),
    (date(2023, 5, 23), date(2023, 6, 21), 0.71, True),
]
VIX_SESSION = date(2016, 6, 1)
VIX_CHAIN = "vix_options/datashop/UnderlyingOptionsEODQuotes_2016-06-01.zip"
FED_FUNDS_2016 = 0.0037


def read_frame(path: Path, table: str) -> pl.DataFrame:
    delivery = open_delivery(path.name, path.read_bytes())
    return recognize(delivery).read(delivery, calendar=trading_calendar()).frames[table]


@cache
def futures(folder: Path, session: date) -> pl.DataFrame:
    """Settlements of the session's contracts."""
    paths = sorted((folder / "vx_futures" / "current").glob("VX_*.csv"))
    ahead = [path for path in paths if path.name >= f"VX_{session}.csv"]
    frames = [read_frame(path, "core.futures_settlement").filter(pl.col("session_date") == session) for path in ahead]
    columns = ["session_date", "root", "expiration", "settle"]
    return pl.concat([frame.select(columns) for frame in frames]).sort("expiration")


@cache
def chain(folder: Path, session: date) -> pl.DataFrame:
    quotes = read_frame(folder / CHAINS[session], "core.option_quote")
    close = option_close(session, calendar=trading_calendar())
    return quotes.with_columns(pl.lit(close).cast(pl.Datetime("us")).alias("quote_ts"))


@cache
def slices(folder: Path, session: date) -> pl.DataFrame:
    return session_pricing(chain(folder, session), calendar=trading_calendar()).slices


@cache
def triangle(folder: Path, session: date, *, max_bracket_days: float) -> pl.DataFrame:
    return variance_triangle(
        chain(folder, session),
        slices(folder, session),
        futures=futures(folder, session),
        calendar=trading_calendar(),
        max_bracket_days=max_bracket_days,
    )


@pytest.mark.parametrize(("session", "expiration", "gap", "is_near"), REFERENCE)
def test_the_gap_to_vx_is_that_of_an_independent_reference(
    session: date, expiration: date, gap: float, is_near: bool, shared_data: Path
) -> None:
    of_expiration = pl.col("expiration") == expiration
    wide = triangle(shared_data, session, max_bracket_days=6.0).row(by_predicate=of_expiration, named=True)
    published = triangle(shared_data, session, max_bracket_days=3.0).row(by_predicate=of_expiration, named=True)

    assert wide["gap_vol_points"] == pytest.approx(gap, abs=0.05)
    assert wide["truncation_estimate"] < 0.05
    assert wide["clock_gap_minutes"] == 15.0
    assert (wide["bracket_days"] <= 3.0) == is_near
    assert published["gap_vol_points"] == (wide["gap_vol_points"] if is_near else None)


@pytest.mark.parametrize("session", list(CHAINS))
def test_real_chains_violate_no_bound_and_hold_no_calendar_crossing(session: date, shared_data: Path) -> None:
    rows = triangle(shared_data, session, max_bracket_days=3.0)
    crossings = calendar_findings(chain(shared_data, session), slices(shared_data, session), fee_per_contract=0.0)

    assert forward_variance_findings(rows).findings.is_empty()
    assert crossings.findings.is_empty()


def test_near_expiration_clocks_and_interpolation_alone_put_the_gap_below_zero(shared_data: Path) -> None:
    rows = triangle(shared_data, date(2022, 6, 10), max_bracket_days=3.0)
    row = rows.row(by_predicate=pl.col("days_to_expiry") == 5, named=True)

    assert -0.6 < row["gap_vol_points"] < -0.4


def test_vix_options_hold_the_futures_of_their_day_and_more_variance_the_further_out(shared_data: Path) -> None:
    calendar = trading_calendar()
    both = read_frame(shared_data / VIX_CHAIN, "core.option_quote")
    quotes = both.filter(pl.col("snapshot_kind") == "close")
    flat = RateCurve("fed_funds", pl.Series([0.1]).to_numpy(), pl.Series([FED_FUNDS_2016]).to_numpy())
    vix = session_pricing(quotes, calendar=calendar, fallback=flat).slices
    vx = futures(shared_data, VIX_SESSION)

    rows = variance_triangle(quotes, vix, futures=vx, calendar=calendar)
    found = vix_parity_findings(vix, futures=vx, clocks=rows.select("session_date", "clock_gap_minutes").unique())

    held = rows.drop_nulls(["vx", "vix_forward"])
    assert held.height >= 5
    assert (held["vx"] - held["vix_forward"]).abs().max() < 0.05
    assert held["vix_option_variance"].is_sorted()
    assert (held["vix_second_moment"] > held["vx"] ** 2).all()
    assert held["clock_gap_minutes"].unique().to_list() == [0.0]
    assert found.findings.is_empty()
