"""What is listed on a session: SPX, SPXW, VIX, VIXW expirations and strikes, and VX contracts, after Cboe's rules.

Strike sets only grow while a series is listed, because they depend on the range spot has covered since the listing and
on the days left: an option once listed is quoted until it expires.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from transforms.sample_market.arrays import Integers
from transforms.sessions import (
    TradingCalendar,
    next_month,
    spx_monthly_expiration,
    third_friday,
    vix_monthly_expirations,
)

DAILY_DAYS = 35
FRIDAY_DAYS = 63
MONTH_END_DAYS = 400
PM_MONTHLY_DAYS = 130
AM_MONTHLY_DAYS = 400
QUARTERLY_DAYS = 760
DECEMBER_DAYS = 1_850
VIX_MONTHLY_DAYS = 215
VX_MONTHLY_DAYS = 275
VIX_WEEKLY_DAYS = 40
QUARTER_MONTHS = (3, 6, 9, 12)

# (days to expiry up to which the row applies; 5-point band below, above; 25-point band below, above), as shares of
# spot.
DAILY_BANDS = (
    (8, 0.035, 0.018, 0.12, 0.07),
    (21, 0.018, 0.011, 0.10, 0.05),
    (365, 0.010, 0.008, 0.08, 0.04),
)
MONTHLY_BANDS = (
    (46, 0.100, 0.045, 0.26, 0.11),
    (125, 0.025, 0.018, 0.26, 0.12),
    (400, 0.000, 0.000, 0.22, 0.12),
    (3_650, 0.000, 0.000, 0.00, 0.00),
)
OUTER_STEP, LEAP_STEP = 200, 100
OUTER_LOW, OUTER_HIGH = 0.25, 1.30
VIX_STRIKES: Integers = np.concatenate(
    [
        np.arange(5_000, 10_000, 1_000),
        np.arange(10_000, 20_000, 500),
        np.arange(20_000, 30_000, 1_000),
        np.arange(30_000, 50_000, 2_500),
        np.arange(50_000, 105_000, 10_000),
    ]
)


@dataclass(frozen=True)
class Slice:
    """One (root, expiration) and how densely it is listed; `listed` is the first day it could trade."""

    root: str
    expiration: date
    listed: date
    is_dense: bool


def spx_slices(day: date, calendar: TradingCalendar) -> tuple[Slice, ...]:
    """Return the SPX and SPXW slices listed on a session, by expiration then root; those expiring that day included."""
    found: dict[tuple[str, date], Slice] = {}

    def add(root: str, expiration: date, span: int, *, dense: bool) -> None:
        if day <= expiration <= day + timedelta(days=span):
            found.setdefault((root, expiration), Slice(root, expiration, expiration - timedelta(days=span), dense))

    year, month = day.year, day.month
    for ahead in range(DECEMBER_DAYS // 30 + 1):
        quarterly = month in QUARTER_MONTHS
        if ahead <= QUARTERLY_DAYS // 30 + 1 or month == 12:
            monthly = spx_monthly_expiration(year, month, calendar=calendar)
            span = DECEMBER_DAYS if month == 12 else QUARTERLY_DAYS if quarterly else AM_MONTHLY_DAYS
            add("SPX", monthly, span, dense=True)
            add("SPXW", monthly, PM_MONTHLY_DAYS, dense=True)
        if ahead <= MONTH_END_DAYS // 30 + 1:
            month_end = calendar.before(date(*next_month(year, month), 1))
            add("SPXW", month_end, MONTH_END_DAYS if quarterly else MONTH_END_DAYS // 2, dense=True)
        year, month = next_month(year, month)
    # A series listed early keeps that listing when the dailies reach it: longest span first.
    friday = day + timedelta(days=(4 - day.weekday()) % 7)
    while friday <= day + timedelta(days=FRIDAY_DAYS):
        add("SPXW", calendar.on_or_before(friday), FRIDAY_DAYS, dense=False)
        friday += timedelta(days=7)
    for session in calendar.between(day, day + timedelta(days=DAILY_DAYS)):
        add("SPXW", session, DAILY_DAYS, dense=False)
    return tuple(sorted(found.values(), key=lambda item: (item.expiration, item.root)))


def band_windows(item: Slice, day: date) -> list[tuple[date, date]]:
    """Return the first and last day on which each band of the slice has applied so far, far band first.

    Bands narrower than the days left have not begun and are not in the list.
    """
    bands = MONTHLY_BANDS if item.is_dense else DAILY_BANDS
    windows = []
    ends = [day, *[item.expiration - timedelta(days=band[0] + 1) for band in bands[:-1]]]
    for band, end in zip(bands, ends, strict=True):
        start = max(item.listed, item.expiration - timedelta(days=band[0]))
        if start <= day:
            windows.append((start, max(min(end, day), start)))
    return windows[::-1]


def spx_strikes(item: Slice, *, ranges: list[tuple[float, float]]) -> Integers:
    """Return the strikes of a slice in thousandths, ascending; `ranges` are spot's low and high in `band_windows`."""
    bands = MONTHLY_BANDS if item.is_dense else DAILY_BANDS
    outer = LEAP_STEP if item.is_dense else OUTER_STEP
    pieces = []
    for (_, near_below, near_above, wide_below, wide_above), (low, high) in zip(
        bands[::-1][: len(ranges)], ranges, strict=True
    ):
        pieces.append(_grid(outer, OUTER_LOW * low, OUTER_HIGH * high))
        if wide_below > 0.0:
            pieces.append(_grid(25, (1 - wide_below) * low, (1 + wide_above) * high))
        if near_below > 0.0:
            pieces.append(_grid(5, (1 - near_below) * low, (1 + near_above) * high))
    return np.unique(np.concatenate(pieces)) * 1_000


def vix_slices(day: date, calendar: TradingCalendar) -> tuple[Slice, ...]:
    """Return the VIX (monthly) and VIXW (weekly) slices listed on a session, by expiration."""
    return tuple(
        Slice("VIX" if monthly else "VIXW", expiration, day, monthly)
        for expiration, monthly in vx_expirations(
            day, calendar, monthly_days=VIX_MONTHLY_DAYS, weekly_days=VIX_WEEKLY_DAYS
        )
    )


def vx_expirations(
    day: date, calendar: TradingCalendar, *, monthly_days: int = VX_MONTHLY_DAYS, weekly_days: int = VIX_WEEKLY_DAYS
) -> list[tuple[date, bool]]:
    """Return (expiration, is monthly) of the VX contracts listed on a session, ascending, expiring ones included.

    Weeklies settle on the Wednesdays without a monthly, moved to the session before when that Wednesday or the Friday
    30 days later is a holiday.
    """
    monthlies = vix_monthly_expirations(day, day + timedelta(days=monthly_days), calendar=calendar)
    # A monthly moved to a Tuesday takes its week's Wednesday too.
    taken = {_week(expiration) for expiration in _monthlies_around(day, weekly_days, calendar=calendar)}
    weeklies = []
    wednesday = day + timedelta(days=(2 - day.weekday()) % 7)
    while wednesday <= day + timedelta(days=weekly_days):
        both_open = calendar.is_session(wednesday) and calendar.is_session(wednesday + timedelta(days=30))
        expiration = wednesday if both_open else calendar.before(wednesday)
        if _week(wednesday) not in taken and expiration >= day:
            weeklies.append(expiration)
        wednesday += timedelta(days=7)
    return sorted([(item, True) for item in monthlies] + [(item, False) for item in weeklies])


def is_third_friday_series(expiration: date, calendar: TradingCalendar) -> bool:
    """Return whether a day is the expiration of an SPX monthly."""
    return expiration == calendar.on_or_before(third_friday(expiration.year, expiration.month))


def _monthlies_around(day: date, span: int, *, calendar: TradingCalendar) -> list[date]:
    return vix_monthly_expirations(day - timedelta(days=7), day + timedelta(days=span + 7), calendar=calendar)


def _week(day: date) -> tuple[int, int]:
    iso = day.isocalendar()
    return iso.year, iso.week


def _grid(step: int, low: float, high: float) -> Integers:
    return np.arange(-(-int(low) // step) * step, int(high) + 1, step, dtype=np.int64)
