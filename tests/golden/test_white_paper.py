"""What Cboe prints of its own worked example, term by term, and what one strike is worth in the index.

Variances, forwards and level of the example stand in tests/real_data/test_pricing_real.py; here are the figures printed
between them, and the same arithmetic on real chains: a strip's option quoted a point higher moves the VIX, hence the
nightly gap to the published one, by 2*exp(R*T)*delta_K/K^2 of total variance and by nothing else.
"""

from functools import cache
from pathlib import Path

import numpy as np
import openpyxl
import polars as pl
import pytest

from flows.calendar import trading_calendar
from flows.sources import open_delivery, recognize
from transforms.pricing.forward import RateCurve
from transforms.pricing.variance import MINUTES_30_DAYS, MINUTES_365_DAYS, Strip, cboe_strip
from transforms.pricing.vix_replication import VixReplication, replicated_vix, variance_daily

pytestmark = pytest.mark.real_data

# Minutes and rates of the two terms: white paper of 2014 and 2019; Mathematics Methodology of 2021 on, same quotes.
EDITION_2019 = ((35_924.0, 46_394.0), (0.000305, 0.000286))
EDITION_2021 = ((34_484.0, 44_954.0), (0.00031664, 0.00028797))
SHEETS = ("Near-Term Options", "Next-Term Options")
# Full chains downloaded after the close.
CHAINS = (
    "spx_quotedata_20220205T2009EST",
    "spx_quotedata_20220611T2047EDT",
    "spx_quotedata_20230414T1912EDT",
    "spx_quotedata_20230417T2253EDT",
    "spx_quotedata_20230506T2040EDT",
    "spx_quotedata_20230520T1133EDT",
    "spx_quotedata_20230523T1939EDT",
    "spx_quotedata_20230914T1631EDT",
    "spx_quotedata_20240107T1052EST",
)
# The rates move no comparison here: both sides of each use the same.
RATES = RateCurve("flat", np.array([0.0, 1.0]), np.array([0.04, 0.04]))


def paper_strip(folder: Path, term: int, edition: tuple[tuple[float, float], tuple[float, float]]) -> Strip:
    """The strip of the near (0) or the next (1) term of the worked example."""
    book = openpyxl.load_workbook(folder / "vix_white_paper" / "VIX_sample_data_2019paper.xlsx", data_only=True)
    rows = [row[:5] for row in book[SHEETS[term]].iter_rows(values_only=True) if isinstance(row[0], int | float)]
    strike, call_bid, call_ask, put_bid, put_ask = np.array(sorted(rows), dtype=float).T
    minutes, rates = edition
    strip = cboe_strip(
        strike,
        call_bid,
        call_ask=call_ask,
        put_bid=put_bid,
        put_ask=put_ask,
        time_to_expiry=minutes[term] / MINUTES_365_DAYS,
        rate=rates[term],
    )
    assert strip is not None
    return strip


@cache
def chain(folder: Path, name: str) -> pl.DataFrame:
    """core.option_quote rows of a real chain."""
    path = folder / "spx_options" / "cboe_quotedata_csv" / f"{name}.csv.gz"
    delivery = open_delivery(path.name, path.read_bytes())
    frame: pl.DataFrame = recognize(delivery).read(delivery, calendar=trading_calendar()).frames["core.option_quote"]
    return frame


def replication(quotes: pl.DataFrame) -> VixReplication:
    found = replicated_vix(quotes, calendar=trading_calendar(), rates=RATES)
    assert found is not None
    return found


def test_the_contribution_of_the_lowest_put_is_the_one_printed(shared_data: Path) -> None:
    # Methodology, step 2: "1370 Put", mid 0.20, delta_K 5, contribution 0.0000005328.
    strip = paper_strip(shared_data, 0, EDITION_2021)
    growth = np.exp(EDITION_2021[1][0] * EDITION_2021[0][0] / MINUTES_365_DAYS)
    assert (strip.strikes[0], strip.prices[0]) == (1370.0, pytest.approx(0.20))
    assert growth * strip.weights[0] * strip.prices[0] == pytest.approx(0.0000005328, abs=5e-11)


@pytest.mark.parametrize(("term", "correction"), [(0, 0.00003337), (1, 0.00001753)])
def test_the_correction_for_the_strike_below_the_forward_is_the_one_printed(
    shared_data: Path, term: int, correction: float
) -> None:
    # Methodology, step 2: (1/T)*(F/K0 - 1)^2 of the near and the next term.
    strip = paper_strip(shared_data, term, EDITION_2021)
    years = EDITION_2021[0][term] / MINUTES_365_DAYS
    assert (strip.forward / strip.at_the_money_strike - 1.0) ** 2 / years == pytest.approx(correction, abs=5e-9)


@pytest.mark.parametrize("term", [0, 1])
def test_time_moves_from_one_edition_to_the_other_but_no_strike_does(shared_data: Path, term: int) -> None:
    older, newer = (paper_strip(shared_data, term, edition) for edition in (EDITION_2019, EDITION_2021))
    np.testing.assert_array_equal(older.strikes, newer.strikes)
    np.testing.assert_array_equal(older.prices, newer.prices)
    # The rates are all but zero: variance per year goes with the inverse of time.
    ratio = EDITION_2019[0][term] / EDITION_2021[0][term]
    assert newer.variance / older.variance == pytest.approx(ratio, rel=1e-5)


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize(("term", "place"), [(0, 0), (0, -1), (1, 40)])
def test_a_strike_a_point_higher_moves_the_gap_by_the_formulas_amount(
    shared_data: Path, name: str, term: int, place: int
) -> None:
    quotes = chain(shared_data, name)
    before = replication(quotes)
    strip, listed = before.strips[term], before.terms[term]
    strike = strip.strikes[place]
    side = "put" if strike < strip.at_the_money_strike else "call"
    raised = (
        (pl.col("root") == listed.root)
        & (pl.col("expiration") == listed.expiration)
        & (pl.col("strike") == strike)
        & (pl.col("option_type") == side)
    )
    assert quotes.filter(raised).height == 1
    after = replication(quotes.with_columns(pl.col("bid", "ask") + raised.cast(pl.Float64)))

    near, following = before.minutes
    share = (following - MINUTES_30_DAYS) / (following - near)
    years = before.minutes[term] / MINUTES_365_DAYS
    total = 2.0 * np.exp(before.rates[term] * years) * strip.weights[place]
    annual = total * (share if term == 0 else 1.0 - share) * MINUTES_365_DAYS / MINUTES_30_DAYS
    expected = 100.0 * np.sqrt((before.level / 100.0) ** 2 + annual) - before.level
    assert expected > 0.0

    published = pl.DataFrame({"session_date": [before.session_date], "symbol": ["VIX"], "close": [20.0]})
    gaps = [variance_daily([one], published)["vix_gap"].item() for one in (before, after)]
    assert gaps[1] - gaps[0] == pytest.approx(expected, rel=1e-7, abs=1e-12)
