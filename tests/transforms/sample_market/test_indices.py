"""Cboe's formulas against Cboe's own worked example."""

from pathlib import Path

import numpy as np
import openpyxl
import pytest

from transforms.sample_market.indices import Strip, strip_of_quotes
from transforms.sample_market.market import SampleMarket
from transforms.sample_market.path import CLOSE, OPEN


def white_paper_strip(sheet: str, *, rate: float, years: float, shared_data: Path) -> Strip:
    book = openpyxl.load_workbook(shared_data / "vix_white_paper" / "VIX_sample_data_2019paper.xlsx", data_only=True)
    rows = [row for row in book[sheet].iter_rows(values_only=True) if isinstance(row[0], int | float)]
    strikes, call_bid, call_ask, put_bid, put_ask = np.array([row[:5] for row in rows], dtype=np.float64).T
    return strip_of_quotes(
        strikes, call_bid, call_ask=call_ask, put_bid=put_bid, put_ask=put_ask, rate=rate, years=years
    )


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("sheet", "rate", "minutes", "variance"),
    [
        # Cboe VIX white paper, 2019 edition: near and next term of the worked example.
        ("Near-Term Options", 0.000305, 35_924, 0.018462924),
        ("Next-Term Options", 0.000286, 46_394, 0.018821008),
    ],
)
def test_strip_gives_the_variances_of_the_vix_white_paper(
    sheet: str, rate: float, minutes: int, variance: float, shared_data: Path
) -> None:
    strip = white_paper_strip(sheet, rate=rate, years=minutes / 525_600, shared_data=shared_data)
    assert strip.variance == pytest.approx(variance, abs=5e-10)


def test_lognormal_prices_give_a_skew_measure_near_that_of_the_normal_law() -> None:
    from transforms.sample_market.surface import black_price

    strikes = np.arange(20.0, 400.0, 0.25)
    forward, deviation = np.full_like(strikes, 100.0), 0.10
    variance = np.full_like(strikes, deviation**2)
    call, put = (
        black_price(forward, strikes, total_variance=variance, is_call=np.full(len(strikes), side))
        for side in (True, False)
    )
    call, put = np.where(call > 1e-9, call, 0.0), np.where(put > 1e-9, put, 0.0)
    strip = strip_of_quotes(strikes, call, call_ask=call, put_bid=put, put_ask=put, rate=0.0, years=1.0)
    assert strip.variance == pytest.approx(deviation**2, rel=2e-4)
    assert strip.skewness == pytest.approx(0.0, abs=0.02)


def test_indices_of_a_simulated_market_are_in_the_range_of_real_ones(market: SampleMarket) -> None:
    for closes in market.closes:
        assert set(closes) == {"VIX9D", "VIX", "VIX3M", "VIX6M", "VVIX", "SKEW"}
        assert 5.0 < closes["VIX"] < 90.0
        assert 50.0 < closes["VVIX"] < 220.0
        assert 105.0 < closes["SKEW"] < 160.0


def test_intraday_vix_ends_at_the_published_close(market: SampleMarket) -> None:
    assert market.vix_intraday[:, CLOSE].tolist() == [closes["VIX"] for closes in market.closes]
    assert not np.array_equal(market.vix_intraday[:, OPEN], market.vix_intraday[:, CLOSE])
