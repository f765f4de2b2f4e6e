"""Listing rules against the exchange's calendar."""

from datetime import date, timedelta

import numpy as np
import pytest

from transforms.sample_market.chain import true_chain
from transforms.sample_market.listing import spx_slices, vix_slices, vx_expirations
from transforms.sample_market.market import SampleMarket
from transforms.sessions import TradingCalendar


def test_spxw_expires_on_every_session_of_the_next_five_weeks(calendar: TradingCalendar) -> None:
    day = date(2025, 12, 1)
    listed = {item.expiration for item in spx_slices(day, calendar) if item.root == "SPXW"}
    assert set(calendar.between(day, day + timedelta(days=35))) <= listed


def test_third_friday_has_both_an_am_and_a_pm_series(calendar: TradingCalendar) -> None:
    roots = [item.root for item in spx_slices(date(2025, 12, 1), calendar) if item.expiration == date(2025, 12, 19)]
    assert roots == ["SPX", "SPXW"]


def test_quarter_ends_are_listed_a_year_ahead(calendar: TradingCalendar) -> None:
    listed = {item.expiration for item in spx_slices(date(2025, 12, 1), calendar) if item.root == "SPXW"}
    assert {date(2025, 12, 31), date(2026, 3, 31), date(2026, 6, 30), date(2026, 9, 30), date(2026, 12, 31)} <= listed


def test_spx_monthly_moves_to_thursday_before_a_holiday(calendar: TradingCalendar) -> None:
    # 2026-06-19 is Juneteenth, a Friday.
    listed = {item.expiration for item in spx_slices(date(2026, 6, 1), calendar) if item.root == "SPX"}
    assert date(2026, 6, 18) in listed
    assert date(2026, 6, 19) not in listed


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        # Cboe's expiration calendar: the monthly moves to Tuesday before Juneteenth 2024 and takes that week's place.
        (date(2024, 6, 10), [(date(2024, 6, 12), False), (date(2024, 6, 18), True), (date(2024, 6, 26), False)]),
        (date(2025, 12, 1), [(date(2025, 12, 3), False), (date(2025, 12, 10), False), (date(2025, 12, 17), True)]),
    ],
)
def test_vx_weeklies_fill_the_weeks_without_a_monthly(
    day: date, expected: list[tuple[date, bool]], calendar: TradingCalendar
) -> None:
    assert vx_expirations(day, calendar)[:3] == expected


def test_vix_slices_are_vix_on_monthlies_and_vixw_else(calendar: TradingCalendar) -> None:
    roots = {item.expiration: item.root for item in vix_slices(date(2025, 12, 1), calendar)}
    assert roots[date(2025, 12, 17)] == "VIX"
    assert roots[date(2025, 12, 10)] == "VIXW"


def test_a_listed_strike_stays_listed_until_it_expires(market: SampleMarket) -> None:
    previous: dict[tuple[str, date], set[int]] = {}
    for row in market.chain_rows:
        chain = true_chain(market.path, row, calendar=market.calendar)
        listed = {
            (item.root, item.expiration): set(chain.strike[chain.rows_of(number)].tolist())
            for number, item in enumerate(chain.slices)
        }
        for key, strikes in previous.items():
            if key[1] >= chain.session_date:
                assert strikes <= listed[key], (key, chain.session_date, sorted(strikes - listed[key]))
        previous = listed


def test_chains_have_about_twenty_thousand_spx_and_a_thousand_vix_quotes(market: SampleMarket) -> None:
    counts = []
    for row in list(market.chain_rows)[::8]:
        chain = true_chain(market.path, row, calendar=market.calendar)
        counts.append((int((~chain.is_vix()).sum()), int(chain.is_vix().sum())))
    spx, vix = np.array(counts).mean(axis=0)
    assert 15_000 < spx < 26_000
    assert 900 < vix < 1_300
